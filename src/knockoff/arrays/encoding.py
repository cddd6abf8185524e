"""NumPy arrays as HDF5 can hold them, and back with dtype and all.

Most go as they are. HDF5 has no times, no text of NumPy's own kind, and NetCDF no booleans;
those follow the conventions by which xarray reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import h5py
import numpy as np

from knockoff.arrays.wire import JSON, UnsupportedValueError, dtype_from_json, dtype_to_json
from knockoff.errors import ArrayError

if TYPE_CHECKING:
    from numpy.typing import NDArray

How = Literal["as is", "bool", "time", "text", "utf8", "bytes"]
"""How an array is stored: ``time`` as int64, ``text`` as UTF-8 of any length, ``utf8`` of one
length for all, ``bytes`` as the same bytes under a dtype that HDF5 knows."""

LARGEST_TEXT: Final = 2**20
"""Bytes up to which each text has its own length, which HDF5 cannot compress."""

_NETCDF_UNITS = {
    "ns": "nanoseconds",
    "us": "microseconds",
    "ms": "milliseconds",
    "s": "seconds",
    "m": "minutes",
    "h": "hours",
    "D": "days",
}


@dataclass(frozen=True, eq=False)
class Encoded:
    """An array ready for HDF5."""

    array: NDArray[Any]
    """Of a dtype that HDF5 has; object dtype holds str only."""
    how: How
    dtype: JSON
    """The dtype before."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """What an outside reader of NetCDF needs to decode it."""


def encoded(array: NDArray[Any], what: str, *, netcdf: bool) -> Encoded:
    """Make an array storable; arrays that are already are not copied.

    Raises
    ------
    UnsupportedValueError
        The dtype is object and there is something else than text in it, or it has no bytes.
    """
    dtype = array.dtype
    if dtype.kind in "OT":
        return Encoded(_all_text(array, what), "text", "T" if dtype.kind == "T" else "O")
    if dtype.hasobject:
        raise UnsupportedValueError(
            f"{what} of dtype {dtype}, with objects in it,",
            "Give each field a dtype of numbers, text or times.",
        )
    description = dtype_to_json(dtype)
    if dtype.kind in "Mm":
        return Encoded(array.view(_int64(dtype)), "time", description, _time_units(array))
    if dtype.kind == "U":
        text = array.astype(object)
        if _is_utf8_without_nul(text):
            if array.nbytes > LARGEST_TEXT and not netcdf:
                return Encoded(_of_one_length(array), "utf8", description)
            return Encoded(text, "text", description)
    if dtype.kind == "b" and netcdf:
        return Encoded(array.view("i1"), "bool", description, {"dtype": "bool"})
    if dtype.kind == "U" or dtype.names:
        return Encoded(array.view(_same_bytes(dtype, what)), "bytes", description)
    return Encoded(array, "as is", description)


def _of_one_length(array: NDArray[Any]) -> NDArray[Any]:
    coded = np.char.encode(array, "utf-8")
    return coded.astype(h5py.string_dtype("utf-8", coded.dtype.itemsize))


def decoded(stored: NDArray[Any], how: How, description: JSON) -> NDArray[Any]:
    """Give an array the dtype back that it had; the contents are not copied where possible.

    Raises
    ------
    ArrayError
        The array was encoded in a way that this version does not know.
    """
    if how == "text":
        if description == "O":
            return stored
        if description == "T":
            return stored.astype(np.dtypes.StringDType())
        return stored.astype(dtype_from_json(description))
    dtype = dtype_from_json(description)
    if how == "utf8":
        return np.char.decode(stored, "utf-8").astype(dtype)
    if how == "as is":
        return stored if stored.dtype == dtype else stored.astype(dtype)
    if how in ("bool", "time", "bytes"):
        return stored.view(dtype)
    raise ArrayError(f"An array was stored as {how!r} by a newer knockoff. Update this one.")


def _int64(like: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype("i8").newbyteorder(like.byteorder)


def _same_bytes(dtype: np.dtype[Any], what: str) -> np.dtype[Any]:
    """The dtype with what HDF5 lacks (text, times) replaced by what takes the same room."""
    if dtype.subdtype is not None:
        element, shape = dtype.subdtype
        return np.dtype((_same_bytes(element, what), shape))
    if dtype.itemsize == 0:
        raise UnsupportedValueError(
            f"{what} with a field of dtype {dtype}, which takes no bytes,", "Leave that field out."
        )
    if dtype.kind in "Mm":
        return _int64(dtype)
    if dtype.kind == "U":
        return np.dtype(f"V{dtype.itemsize}")
    if dtype.fields is None or dtype.names is None:
        return dtype
    fields = [dtype.fields[name] for name in dtype.names]
    return np.dtype(
        {
            "names": list(dtype.names),
            "formats": [_same_bytes(field[0], what) for field in fields],
            "offsets": [field[1] for field in fields],
            "itemsize": dtype.itemsize,
        }
    )


def _all_text(array: NDArray[Any], what: str) -> NDArray[Any]:
    text = array.astype(object)
    found = next(
        (type(item).__name__ for item in text.flat if not issubclass(type(item), str)), None
    )
    if found is not None:
        remedy = {
            "bytes": "Decode it: numpy.strings.decode(array.astype(bytes)).",
            "list": "Its rows differ in length: pad them with NaN, or return a dict of arrays.",
            "ndarray": "Its rows differ in length: pad them with NaN, or return a dict of arrays.",
        }.get(found, "Give it a dtype: array.astype(float), .astype(str), ...")
        raise UnsupportedValueError(
            f"{what} of dtype object, with a value of type {found} in it,", remedy
        )
    if not _is_utf8_without_nul(text):
        raise UnsupportedValueError(
            f"{what} of dtype object, with NUL or half a character in its text,",
            "Return array.astype(str).",
        )
    return text


def _is_utf8_without_nul(text: NDArray[Any]) -> bool:
    try:
        return not any(b"\0" in item.encode() for item in text.flat)
    except UnicodeEncodeError:  # half of a surrogate pair, as os.fsdecode makes them
        return False


def _time_units(array: NDArray[Any]) -> dict[str, Any]:
    unit, count = np.datetime_data(array.dtype)
    if unit not in _NETCDF_UNITS or count != 1:
        return {}
    attributes: dict[str, Any] = {"units": _NETCDF_UNITS[unit]}
    if array.dtype.kind == "M":
        attributes["units"] += " since 1970-01-01"
        attributes["calendar"] = "proleptic_gregorian"
    else:
        attributes["dtype"] = f"timedelta64[{unit}]"
    if np.isnat(array).any():
        attributes["_FillValue"] = np.int64(np.iinfo(np.int64).min)
    return attributes
