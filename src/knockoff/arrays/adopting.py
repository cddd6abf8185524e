"""The value of a part as a group of another file: small arrays copied, large ones shown from afar.

A large array is a *virtual dataset*, which reads from its part. Of the ways to show it without
copying it, this is the only one by which xarray and NetCDF find the axes (docs/decisions/0007).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np

from knockoff.arrays.groups import HEADER, own_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from knockoff.arrays.netcdf import Names

LARGEST_COPY: Final = 2**20
"""Bytes on disk up to which an array is copied; as many as its chunks have."""

_OF_SCALES: Final = frozenset({"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST"})
"""Attributes that point at other datasets, and have to be made anew."""


def adopt(
    source: h5py.Group, target: h5py.Group, file: str, names: Names, axes: Iterator[int]
) -> None:
    """Bring all that a part's group holds into a group of another file.

    Parameters
    ----------
    file:
        Where the part lies, as seen from the folder of the target's file.
    names:
        Names that are free in `target`.
    axes:
        Numbers for the axes: NetCDF's library counts them through the whole file.

    Raises
    ------
    ArrayError
        The part points elsewhere itself.
    """
    adopted: dict[str, h5py.Dataset] = {}
    sources = {name: own_dataset(source, name) for name in source}
    for name in sorted(sources, key=lambda each: each != "data"):  # it keeps its name
        dataset, free = sources[name], names.free(name)
        if dataset.id.get_storage_size() <= LARGEST_COPY or dataset.dtype.hasobject:
            source.copy(dataset, target, free, without_attrs=True)
        else:
            _show(dataset, target, free, file)
        adopted[dataset.name] = target[free]
    for dataset in sources.values():
        _copy_attributes(dataset, adopted[dataset.name])
        if dataset.is_scale:
            adopted[dataset.name].make_scale(dataset.attrs["NAME"])
            adopted[dataset.name].attrs["_Netcdf4Dimid"] = np.int32(next(axes))
    for dataset in sources.values():
        if not dataset.is_scale:
            for axis, scales in enumerate(dataset.dims):
                for scale in scales.values():
                    adopted[dataset.name].dims[axis].attach_scale(adopted[scale.name])
    _copy_attributes(source, target)


def _show(dataset: h5py.Dataset, target: h5py.Group, name: str, file: str) -> None:
    space = dataset.id.get_space()
    wish = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    where = file.replace("%", "%%").encode()  # HDF5 counts files by %b
    wish.set_virtual(space, where, dataset.name.encode(), space)
    missing = _missing(dataset.dtype)
    if missing is not None:
        wish.set_fill_value(missing)
    h5py.h5d.create(target.id, name.encode(), dataset.id.get_type(), space, wish)


def _missing(dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """What HDF5 gives where the part is gone: nothing that could be taken for a measurement."""
    if dtype.kind in "fc":
        return np.array(np.nan, dtype)
    if dtype.kind == "i":
        return np.array(np.iinfo(dtype).min, dtype)
    if dtype.kind == "u":
        return np.array(np.iinfo(dtype).max, dtype)
    return None


def _copy_attributes(source: Any, target: Any) -> None:
    for name, content in source.attrs.items():
        if name not in _OF_SCALES and name != HEADER:
            target.attrs[name] = content
