"""What a value is at heart: Python's own type below a library's, an enum's or a subclass.

Only the type is asked, never the object: what an object says of its own class does not count.
"""

from __future__ import annotations

import array
import ipaddress
import sys
from collections import OrderedDict, deque
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from knockoff.arrays.kinds import kind_of
from knockoff.arrays.loaded import has_method, is_of
from knockoff.arrays.records import is_named_tuple

ADDRESSES: Final = (
    ipaddress.IPv4Address, ipaddress.IPv6Address,
    ipaddress.IPv4Network, ipaddress.IPv6Network,
    ipaddress.IPv4Interface, ipaddress.IPv6Interface,
)  # fmt: skip

BASES: Final = frozenset(
    {
        type(None), bool, int, float, complex, str, bytes, bytearray,
        datetime, date, time, timedelta, Decimal, Fraction, UUID, PurePath, range,
        list, tuple, set, frozenset, dict, OrderedDict, deque,
        *ADDRESSES,
    }
)  # fmt: skip
"""Python's own types of values."""


def base_of(value: object) -> Any:
    """The nearest of `BASES` that the value's type is made of; None if it is of another kind."""
    type_ = type(value)
    if type_ in BASES:
        return type_
    return next((each for each in type_.__mro__ if each in BASES), None)


def simplified(value: Any) -> Any:
    """The same value as Python's own type where it is NumPy's, pandas' or another variant.

    NaT, NA and a masked number are None. What offers an array (a tensor, a Dask array, an open
    HDF5 dataset) is that array. A datetime of pandas keeps its nanoseconds as a datetime64.
    """
    base = base_of(value)
    if base is type(value):
        return value
    if is_of(value, "numpy", "generic"):
        return _of_numpy(value)
    if base in (str, int, float, bytes, complex):
        return _EXACTLY[base](value)
    if base is datetime:
        return _moment(value)
    if base is timedelta:
        return _duration(value)
    if base is dict:
        return dict(dict.items(value))
    if base in (list, tuple, set, frozenset) and not is_named_tuple(value):
        return base(base.__iter__(value))
    if base is not None:
        return value
    if _is_missing(value):
        return None
    return offered(value)


def _is_missing(value: object) -> bool:
    """Whether it is pandas' NA or the masked element of an array."""
    pandas, numpy = sys.modules.get("pandas"), sys.modules.get("numpy")
    if pandas is not None and value is getattr(pandas, "NA", None):
        return True
    return numpy is not None and value is numpy.ma.masked


_EXACTLY: Final[dict[Any, Any]] = {
    # the methods of the base, since a subclass may have changed them
    str: lambda value: str.__getitem__(value, slice(None)),
    int: int.__int__,
    float: float.__float__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    complex: lambda value: complex(complex.real.__get__(value), complex.imag.__get__(value)),
}


def _of_numpy(value: Any) -> Any:
    import numpy as np

    if isinstance(value, (np.datetime64, np.timedelta64)):
        return None if np.isnat(value) else value
    if isinstance(value, (np.longdouble, np.clongdouble, np.void)):
        return value  # Python has nothing that holds them
    return value.item()


def _moment(value: Any) -> Any:
    if value != value:  # noqa: PLR0124  # pandas.NaT is a datetime, and this is how to tell
        return None
    if getattr(value, "nanosecond", 0):
        return value.to_datetime64()
    # pandas.Timestamp is a datetime, and prints nanoseconds that Python cannot read
    return datetime.combine(value.date(), value.timetz())


def _duration(value: Any) -> Any:
    if getattr(value, "nanoseconds", 0):
        return value.to_timedelta64()
    return timedelta(value.days, value.seconds, value.microseconds)


def offered(value: Any) -> Any:
    """The array that an object of another library offers; any other value as it is."""
    type_ = type(value)
    offers = has_method(type_, "__array__") and not has_method(type_, "to_pandas")
    if kind_of(value) is None and (offers or type_ in (array.array, memoryview)):
        import numpy as np

        return np.asarray(value)
    return value
