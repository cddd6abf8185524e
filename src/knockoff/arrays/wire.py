"""Python values as JSON and back, each coming back equal and of its own type.

What JSON lacks is written as an object with one key that starts with ``$``: ``{"$datetime":
"2026-05-04T10:00:00+00:00"}``. NaN and infinities are written as Python's json does. Nothing is
ever imported or called because of what a text says, so that a text from a stranger is harmless.
"""

from __future__ import annotations

import base64
import sys
from collections import namedtuple
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from knockoff.errors import ArrayError, VariableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

JSON = Any
"""What `json.dumps` takes: None, bool, int, float, str, list and dict of these."""

DEEPEST: Final = 64
"""Levels of lists in lists; MongoDB refuses more than 100."""

INT64: Final = range(-(2**63), 2**63)


class UnsupportedValueError(VariableError):
    """A variable returned something of a type that cannot be stored."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what} cannot be stored. {self.remedy}"


def to_json(value: object) -> JSON:
    """Write `value` as JSON, types included.

    Takes None, bool, int of any size, float, complex, str, bytes, datetime, date, time,
    timedelta, Decimal, UUID, Path, list, tuple, namedtuple, set, frozenset, dict with keys of any
    of these, NumPy scalars and arrays. Numbers that are NumPy's come back as Python's, members
    of an enum as their value, an instance of a subclass as its base.

    Raises
    ------
    UnsupportedValueError
        The type is none of these, or lists are nested deeper than 64 levels.
    """
    return _written(value, 0)


def from_json(document: JSON) -> Any:
    """Read back what `to_json` wrote.

    Raises
    ------
    ArrayError
        A ``$`` key is unknown, or what stands under it does not fit.
    """
    if isinstance(document, list):
        return [from_json(item) for item in document]
    if not isinstance(document, dict):
        return document
    if len(document) == 1:
        ((tag, content),) = document.items()
        if tag.startswith("$"):
            return _read(tag, content)
    return {key: from_json(item) for key, item in document.items()}


def _read(tag: str, content: JSON) -> Any:
    reader = _READERS.get(tag)
    if reader is None:
        raise ArrayError(f"A value was written as {tag!r} by a newer knockoff. Update this one.")
    try:
        return reader(content)
    except (TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise ArrayError(f"A stored {tag!r} cannot be read back: {error}.") from error


def _written(value: object, depth: int) -> JSON:
    value = simplified(value)
    if value is None or isinstance(value, (bool, str, float)):
        return value
    if isinstance(value, int):
        return value if value in INT64 else {"$int": hex(value)}
    if depth >= DEEPEST:
        raise too_deep(value)
    if isinstance(value, list):
        return _items(value, depth)
    if isinstance(value, dict):
        return _mapping(value, depth)
    if isinstance(value, tuple):
        if hasattr(value, "_fields"):
            fields = {name: _written(getattr(value, name), depth + 1) for name in value._fields}
            return {"$namedtuple": [type(value).__name__, fields]}
        return {"$tuple": _items(value, depth)}
    if isinstance(value, (set, frozenset)):
        tag = "$set" if isinstance(value, set) else "$frozenset"
        return {tag: _items(in_order(value), depth)}
    for type_, tag, write in _WRITERS:
        if isinstance(value, type_):
            return {tag: write(value)}
    return _numpy_written(value)


def _numpy_written(value: Any) -> JSON:
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        if isinstance(value, (numpy.datetime64, numpy.timedelta64)):
            count = [int(value.view("i8")), *numpy.datetime_data(value.dtype)]
            return {f"${type(value).__name__}": count}
        if type(value) is numpy.ndarray and not value.dtype.hasobject:
            return {"$ndarray": _array_written(value)}
    raise unsupported(value)


def _items(values: Any, depth: int) -> list[JSON]:
    return [_written(item, depth + 1) for item in values]


def _mapping(value: dict[Any, Any], depth: int) -> JSON:
    if all(type(key) is str and not key.startswith("$") for key in value):
        return {key: _written(item, depth + 1) for key, item in value.items()}
    pairs = [[_written(key, depth + 1), _written(item, depth + 1)] for key, item in value.items()]
    return {"$dict": pairs}


def simplified(value: object) -> object:
    """The same value as Python's own type where it is an enum's, NumPy's or pandas' variant."""
    if isinstance(value, Enum):
        return simplified(value.value)
    if isinstance(value, datetime):
        if value != value:  # noqa: PLR0124  # pandas.NaT is a datetime, and this is how to tell
            return None
        # pandas.Timestamp is a datetime, and prints nanoseconds that Python cannot read
        return datetime.combine(value.date(), value.timetz())
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        if isinstance(value, (numpy.datetime64, numpy.timedelta64)):
            return None if numpy.isnat(value) else value
        if isinstance(value, numpy.longdouble):
            return float(value)
        if isinstance(value, numpy.clongdouble):
            return complex(value)
        if not isinstance(value, numpy.void):
            value = value.item()
    if isinstance(value, bytearray):
        return bytes(value)
    plain: Any
    for plain in (bool, int, float, complex, str, bytes):
        if isinstance(value, plain):
            return plain(value)
    return value


def in_order(values: set[Any] | frozenset[Any]) -> list[Any]:
    """The members of a set in an order that is the same in every process."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=lambda item: (type(item).__name__, repr(item)))


def type_name(value: object) -> str:
    """The type as people write it: ``list``, ``torch.Tensor``."""
    type_ = type(value)
    if type_.__module__ in ("builtins", "__main__"):
        return type_.__qualname__
    return f"{type_.__module__.partition('.')[0]}.{type_.__qualname__}"


def too_deep(value: object) -> UnsupportedValueError:
    """The error for a list that is in itself, or nearly so."""
    return UnsupportedValueError(
        f"A {type_name(value)} nested deeper than {DEEPEST} levels (or one that contains itself)",
        "Return the inner values, or one flat list.",
    )


def unsupported(value: object) -> UnsupportedValueError:
    """The error for a type that is not known, with the way to one that is."""
    if callable(getattr(value, "__array__", None)):
        remedy = "Return numpy.asarray(...) of it."
    elif callable(getattr(value, "__next__", None)) or callable(getattr(value, "__iter__", None)):
        remedy = "Return list(...) of it."
    elif callable(value):
        remedy = "Call it, and return what it gives."
    elif hasattr(type(value), "__dataclass_fields__"):
        remedy = "Return dataclasses.asdict(...) of it."
    else:
        remedy = (
            "Return a number, text, a datetime, a list or dict of these, "
            "or an array (NumPy, xarray, pandas)."
        )
    return UnsupportedValueError(f"A value of type {type_name(value)}", remedy)


def dtype_to_json(dtype: np.dtype[Any]) -> JSON:
    """NumPy's own description of a dtype, as in the header of an npy file."""
    from numpy.lib import format as npy

    return npy.dtype_to_descr(dtype)


def dtype_from_json(description: JSON) -> np.dtype[Any]:
    """Read back what `dtype_to_json` wrote, after JSON made lists of its tuples."""
    from numpy.lib import format as npy

    dtype: np.dtype[Any] = npy.descr_to_dtype(_tuples(description))
    if dtype.hasobject:
        raise ArrayError(f"An array cannot have the dtype {dtype}: it would point into memory.")
    return dtype


def _tuples(description: JSON) -> Any:
    if not isinstance(description, list):
        return description
    fields = []
    for name, dtype, *shape in description:
        title_and_name = tuple(name) if isinstance(name, list) else name
        fields.append((title_and_name, _tuples(dtype), *(tuple(lengths) for lengths in shape)))
    return fields


def _array_written(array: NDArray[Any]) -> list[JSON]:
    data = base64.b64encode(array.tobytes()).decode("ascii")
    return [dtype_to_json(array.dtype), list(array.shape), data]


def _array_read(content: JSON) -> NDArray[Any]:
    import numpy as np

    description, shape, data = content
    flat = np.frombuffer(bytearray(base64.b64decode(data)), dtype_from_json(description))
    return flat.reshape(shape)


def _namedtuple_read(content: JSON) -> Any:
    name, fields = content
    values = [from_json(item) for item in fields.values()]
    make_type: Any = namedtuple  # noqa: PYI024  # its fields are known only now
    return make_type(name, fields, rename=True)(*values)


def _numpy_time(name: str) -> Callable[[JSON], Any]:
    def read(content: JSON) -> Any:
        import numpy as np

        return getattr(np, name)(content[0], (content[1], content[2]))

    return read


_WRITERS: Final[tuple[tuple[type, str, Callable[[Any], JSON]], ...]] = (
    (complex, "$complex", lambda value: [value.real, value.imag]),
    (bytes, "$bytes", lambda value: base64.b64encode(value).decode("ascii")),
    (datetime, "$datetime", datetime.isoformat),
    (date, "$date", date.isoformat),
    (time, "$time", time.isoformat),
    (timedelta, "$timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    (Decimal, "$decimal", str),
    (UUID, "$uuid", str),
    (PurePath, "$path", str),
)

_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "$int": lambda content: int(content, 16),
    "$complex": lambda content: complex(*content),
    "$bytes": base64.b64decode,
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$time": time.fromisoformat,
    "$timedelta": lambda content: timedelta(*content),
    "$decimal": Decimal,
    "$uuid": UUID,
    "$path": Path,
    "$tuple": lambda content: tuple(from_json(content)),
    "$set": lambda content: set(from_json(content)),
    "$frozenset": lambda content: frozenset(from_json(content)),
    "$namedtuple": _namedtuple_read,
    "$dict": lambda content: dict(from_json(content)),
    "$datetime64": _numpy_time("datetime64"),
    "$timedelta64": _numpy_time("timedelta64"),
    "$ndarray": _array_read,
}
