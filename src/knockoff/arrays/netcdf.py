"""What makes a group readable for NetCDF: names, attributes, dimension scales, coordinates.

References
----------
NetCDF-4 format, https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
CF conventions §5, ``coordinates``, https://cfconventions.org/cf-conventions/cf-conventions.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from knockoff.arrays.wire import INT64

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    import h5py

    from knockoff.arrays.bundles import Bundle

_RESERVED: Final = frozenset(
    {
        "knockoff", "CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST",  # ours, HDF5
        "_Netcdf4Dimid", "_Netcdf4Coordinates", "_nc3_strict", "_NCProperties",  # NetCDF
        "coordinates", "dtype", "_FillValue", "missing_value",  # xarray decodes by these
        "scale_factor", "add_offset", "_Unsigned",
    }
)  # fmt: skip
_LARGEST_ATTRIBUTE: Final = 32 * 1024
"""Bytes; HDF5 takes 64 kB, header included."""


class Names:
    """Names of datasets in one group: none twice, and none that HDF5 would read as a path."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def free(self, name: Hashable) -> str:
        """A name like `name`, from now on taken."""
        text = str(name).encode("utf-8", "replace").decode()[:200]
        text = text.replace("/", "∕").replace("\0", "␀") or "_"
        if text.strip(".") == "":
            text = text.replace(".", "．")
        while text in self._taken:
            text += "_"
        self._taken.add(text)
        return text


def show_attributes(target: h5py.Group | h5py.Dataset, attrs: Mapping[Hashable, Any]) -> None:
    """Write what HDF5 can show of attributes; the others stand in the header alone."""
    for name, value in attrs.items():
        if not isinstance(name, str) or not name.isprintable() or "/" in name or not name:
            continue
        if name in _RESERVED:
            continue
        native = _native(value)
        if native is not None:
            target.attrs[name] = native


def _native(value: Any) -> Any:
    """The value as HDF5 attributes can be, or None."""
    if isinstance(value, (bool, np.bool_)):
        return np.int8(value)
    if isinstance(value, str):
        return value if _is_text(value) else None
    if isinstance(value, int):
        number = int.__int__(value)  # of a subclass a range would be searched number by number
        return number if number in INT64 else None
    if isinstance(value, (float, np.integer, np.floating)):
        return value
    if type(value) in (list, tuple) and len({type(item) for item in value}) == 1:
        if isinstance(value[0], str):
            return list(value) if all(map(_is_text, value)) else None
        if type(value[0]) is float or (type(value[0]) is int and all(v in INT64 for v in value)):
            value = np.array(value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
        return value if 0 < value.nbytes <= _LARGEST_ATTRIBUTE else None
    return None


def _is_text(value: str) -> bool:
    return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)


def attach_scales(
    group: h5py.Group, bundle: Bundle, datasets: list[h5py.Dataset], names: Names
) -> None:
    """Give every axis its name by a dimension scale: its coordinate, or an empty one."""
    pairs = list(zip(bundle.members, datasets, strict=True))
    own_axis = {
        member.dims[0]: dataset
        for member, dataset in pairs[bundle.main :]
        if member.dims == (member.name,)
    }
    scales: dict[Hashable, h5py.Dataset] = {}
    for member, dataset in pairs:
        for dim, length in zip(member.dims, dataset.shape, strict=True):
            if dim in scales:
                continue
            scale = own_axis.get(dim)
            if scale is None:
                scale = group.create_dataset(names.free(dim), (length,), dtype=">f4")
                scale.make_scale(
                    f"This is a netCDF dimension but not a netCDF variable. {length:10d}"
                )
            else:
                scale.make_scale(scale.name.rpartition("/")[2])
            scale.attrs["_Netcdf4Dimid"] = np.int32(len(scales))
            scales[dim] = scale
    own = set(own_axis.values())
    for member, dataset in pairs:
        if dataset not in own:
            for axis, dim in enumerate(member.dims):
                dataset.dims[axis].attach_scale(scales[dim])
    _name_coordinates(bundle, datasets)


def _name_coordinates(bundle: Bundle, datasets: list[h5py.Dataset]) -> None:
    """List on every variable the coordinates that are not along one axis of the same name."""
    count = 1 if bundle.kind == "dataarray" else bundle.extra.get("variables", 0)
    pairs = list(zip(bundle.members, datasets, strict=True))
    for member, dataset in pairs[:count]:
        listed = [
            coordinate.name.rpartition("/")[2]
            for other, coordinate in pairs[count:]
            if other.dims != (other.name,) and set(other.dims) <= set(member.dims)
        ]
        listed = [name for name in listed if " " not in name]  # the list is split at spaces
        if listed:
            dataset.attrs["coordinates"] = " ".join(listed)
