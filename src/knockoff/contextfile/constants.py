"""What a constant of a context file is made of, so that a change in it is noticed."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from datetime import tzinfo as timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import partial
from pathlib import PurePath
from types import MappingProxyType, SimpleNamespace
from typing import Any, Final
from uuid import UUID

PLAIN: Final = (
    str, bytes, bytearray, int, float, complex, range, PurePath,
    date, time, timedelta, timezone, Decimal, Fraction, UUID,
)  # fmt: skip
"""Types whose text says all of a value."""

PARTS: Final = "__knockoff_parts__"
"""The attribute by which an object of ours says itself what it is made of."""


def parts_of(value: Any, *, ours: bool) -> list[Any] | None:
    """The values that make up an object; None for one of a class that nobody here knows.

    Parameters
    ----------
    ours:
        Whether its class stands in the context file or beside it, so that its
        attributes are its parts. Other people's classes keep caches and locks there.
    """
    if hasattr(type(value), PARTS):
        return list(getattr(value, PARTS))
    if isinstance(value, dict | MappingProxyType):
        return [each for pair in value.items() for each in pair]
    if isinstance(value, list | tuple | set | frozenset | deque):
        return list(value)
    if isinstance(value, slice):
        return [value.start, value.stop, value.step]
    if isinstance(value, Enum):
        return [value.name, value.value]
    if isinstance(value, re.Pattern):  # its repr ends after 200 characters
        return [value.pattern, value.flags]
    if isinstance(value, partial):
        return [value.func, value.args, value.keywords]
    if is_dataclass(value):
        return [
            each
            for field in fields(value)
            for each in (field.name, getattr(value, field.name, None))
        ]
    if hasattr(value, "tobytes"):
        return _array(value)
    labelled = _labelled(value)
    if labelled is not None:
        return labelled
    return _attributes(value) if ours or isinstance(value, SimpleNamespace) else None


def _array(value: Any) -> list[Any]:
    """NumPy's arrays and scalars, and what behaves as they do."""
    dtype = getattr(value, "dtype", None)
    data = value.tolist() if getattr(dtype, "hasobject", False) else value.tobytes()
    return [str(dtype), tuple(getattr(value, "shape", ())), data]


def _labelled(value: Any) -> list[Any] | None:
    """Arrays with names on them: xarray's and pandas'."""
    home = type(value).__module__.partition(".")[0]
    if home == "xarray" and hasattr(value, "data_vars"):
        return [{str(name): each for name, each in value.variables.items()}, value.attrs]
    if home == "xarray" and hasattr(value, "coords"):
        coordinates = {str(name): each.variable for name, each in value.coords.items()}
        return [value.name, value.variable, coordinates]
    if home == "xarray" and hasattr(value, "dims"):
        return [value.dims, value.values, value.attrs]
    if home == "pandas" and hasattr(value, "to_numpy"):
        axes = [getattr(value, name, None) for name in ("index", "columns", "name")]
        return [value.to_numpy(), *(each for each in axes if each is not value)]
    return None


def _attributes(value: Any) -> list[Any]:
    slots = [
        name
        for cls in type(value).__mro__
        for name in _words(vars(cls).get("__slots__", ()))
        if name not in ("__dict__", "__weakref__") and hasattr(value, name)
    ]
    known = {**{name: getattr(value, name) for name in slots}, **getattr(value, "__dict__", {})}
    return [each for name, part in sorted(known.items()) for each in (name, part)]


def _words(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)
