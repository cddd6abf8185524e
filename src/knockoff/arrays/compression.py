"""How an array is laid out on disk: in one piece, or in compressed chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import h5py
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Compression = Literal["auto", "portable", "none"]
"""``auto``: bitshuffle and LZ4 where that pays; ``portable``: gzip, which every HDF5 reads."""

CHUNK: Final = 2**20
"""Bytes in a chunk: large enough to be fast, small enough for HDF5's cache."""

SMALLEST: Final = {"auto": 2**20, "portable": 2**14}
"""Bytes from which compressing is tried; below, the file's own overhead is larger."""

WORTH_IT: Final = 1.25
"""Smallest ratio for which reading through a filter is accepted."""


def layout(
    array: NDArray[Any], compression: Compression, *, is_text: bool = False
) -> dict[str, Any]:
    """Keywords for `h5py.Group.create_dataset`; none for one contiguous piece.

    What ``auto`` does follows from one chunk out of the middle (the first frames of a run are
    often dark), compressed on trial in memory.

    Parameters
    ----------
    is_text:
        Whether these are the bytes of a text, in which only gzip finds what repeats itself.
    """
    if is_text and compression != "none" and array.nbytes >= SMALLEST["portable"]:
        chunks = chunk_shape(array.shape, array.dtype.itemsize)
        return {"chunks": chunks, "compression": "gzip", "compression_opts": 1}
    if compression == "none" or array.dtype.hasobject or array.nbytes < SMALLEST[compression]:
        return {}
    chunks = chunk_shape(array.shape, array.dtype.itemsize)
    if compression == "portable":
        return {"chunks": chunks, "compression": "gzip", "compression_opts": 1, "shuffle": True}
    keywords = {"chunks": chunks, **_fast_filter(array)}
    return keywords if _ratio(_middle(array, chunks), keywords) >= WORTH_IT else {}


def chunk_shape(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Whole frames along the first axis, as many as fit into a chunk; parts of one if none fits.

    >>> chunk_shape((512, 256, 512), 4)
    (2, 256, 512)
    >>> chunk_shape((100, 2048, 2048), 4)
    (1, 128, 2048)
    """
    left = CHUNK // itemsize
    chunks = []
    for length in reversed(shape):
        chunks.append(max(1, min(length, left)))
        left //= chunks[-1]
    return tuple(reversed(chunks))


def _fast_filter(array: NDArray[Any]) -> dict[str, Any]:
    try:
        import hdf5plugin
    except ImportError:  # somebody else's Python: what HDF5 itself brings along
        if array.dtype.kind in "biu":
            return {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        return {"compression": "lzf", "shuffle": True}
    return dict(hdf5plugin.Bitshuffle(cname="lz4"))


def _middle(array: NDArray[Any], chunks: tuple[int, ...]) -> NDArray[Any]:
    starts = (
        length // chunk // 2 * chunk for length, chunk in zip(array.shape, chunks, strict=True)
    )
    where = tuple(slice(start, start + chunk) for start, chunk in zip(starts, chunks, strict=True))
    return array[where]


def _ratio(sample: NDArray[Any], keywords: dict[str, Any]) -> float:
    with h5py.File("trial", "w", driver="core", backing_store=False) as file:
        trial = {**keywords, "chunks": sample.shape}
        dataset = file.create_dataset("sample", data=np.ascontiguousarray(sample), **trial)
        file.flush()
        stored: int = dataset.id.get_storage_size()
        return sample.nbytes / max(stored, 1)
