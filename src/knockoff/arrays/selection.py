"""Which part of an array is wanted, and reading no more than that from HDF5."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from knockoff.errors import ArrayError

if TYPE_CHECKING:
    import h5py
    from numpy.typing import NDArray

Along = Union[int, slice]  # noqa: UP007  # evaluated, and Python 3.10 cannot do it otherwise
"""What is wanted along one axis: an int takes the axis away, as in NumPy."""

Selection = Union[Along, "tuple[Along, ...]", Mapping[Hashable, Along]]
"""By position (``3``, ``(slice(0, 10), 5)``) or by name (``{"trainId": slice(0, 10)}``)."""


def by_name(selection: Selection | None, dims: tuple[Hashable, ...]) -> dict[Hashable, Along]:
    """What is wanted along each named axis of an array whose axes are `dims`.

    Raises
    ------
    ArrayError
        There is no such axis, or something else than an int or a slice is wanted.
    """
    if selection is None:
        return {}
    if isinstance(selection, Mapping):
        wanted = dict(selection)
    else:
        places = selection if isinstance(selection, tuple) else (selection,)
        if len(places) > len(dims):
            raise ArrayError(
                f"{len(places)} axes were asked for, and the array has {len(dims)}. Ask for fewer."
            )
        wanted = dict(zip(dims, places, strict=False))
    for dim, along in wanted.items():
        if dim not in dims:
            known = ", ".join(map(str, dims)) or "none"
            raise ArrayError(f"The array has no axis {dim!r}. Its axes: {known}.")
        if isinstance(along, bool) or not isinstance(along, (int, np.integer, slice)):
            raise ArrayError(
                f"Along {dim!r} an int or a slice can be read, not {along!r}. "
                "Read the whole array and select from that."
            )
    return wanted


def read_selected(
    dataset: h5py.Dataset, dims: tuple[Hashable, ...], wanted: Mapping[Hashable, Along]
) -> tuple[NDArray[Any], tuple[Hashable, ...]]:
    """Read what is wanted of a dataset; text comes as an object array of str.

    Returns
    -------
    :
        The array and the names of the axes it has left.

    Raises
    ------
    ArrayError
        An index lies outside.
    """
    dtype = dataset.dtype
    source = dataset.asstr() if dtype.hasobject else dataset
    if not any(dim in wanted for dim in dims):
        return _as_array(source[()], dtype), dims
    where: list[int | slice] = []
    turn: list[Any] = []
    left: list[Hashable] = []
    for dim, length in zip(dims, dataset.shape, strict=True):
        along = wanted.get(dim, slice(None))
        if isinstance(along, slice):
            forward, step = _forward(along, length)
            where.append(forward)
            turn.append(step)
            left.append(dim)
        else:
            where.append(_inside(int(along), length, dim))
    array = _as_array(source[tuple(where)], dtype)
    turned: NDArray[Any] = array[(*turn, ...)]  # with ... one number stays an array
    return turned, tuple(left)


def _as_array(read: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.asarray(read, dtype=dtype)  # a single number has lost its byte order


def _forward(along: slice, length: int) -> tuple[slice, slice]:
    """The slice as HDF5 can do it, upwards, and how to turn what it gives."""
    steps = range(length)[along]
    if not steps:
        return slice(0, 0), slice(None)
    if steps.step > 0:
        return slice(steps[0], steps[-1] + 1, steps.step), slice(None)
    return slice(steps[-1], steps[0] + 1, -steps.step), slice(None, None, -1)


def _inside(index: int, length: int, dim: Hashable) -> int:
    if not -length <= index < length:
        raise ArrayError(f"There is no element {index} along {dim!r}, which has {length}.")
    return index % length
