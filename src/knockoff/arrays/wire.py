"""Python values as JSON and back, each coming back equal and of its own type.

What JSON lacks is written as an object with one key that starts with ``$``: ``{"$datetime":
"2026-05-04T10:00:00+00:00"}``. NaN and infinities are written as Python's json does. Nothing is
ever imported because of what a text says, so that a text from a stranger is harmless: the class
of an enum, dataclass, Pydantic model or named tuple is taken where it is loaded already, as it is
in the worker that has the context file; elsewhere its plain contents are read.
"""

from __future__ import annotations

import base64
import json
from collections import OrderedDict, deque, namedtuple
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from fractions import Fraction
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from knockoff.arrays.dtypes import (
    JSON,
    array_from_json,
    array_to_json,
    dtype_from_json,
    dtype_to_json,
)
from knockoff.arrays.loaded import is_of, place_of, type_at
from knockoff.arrays.plainness import ADDRESSES, base_of, simplified
from knockoff.arrays.records import (
    fields_of,
    fields_of_tuple,
    is_named_tuple,
    is_record,
    record_at,
)
from knockoff.arrays.refusals import (
    DEEPEST,
    UnsupportedValueError,
    told,
    too_deep,
    type_name,
    unsupported,
)
from knockoff.errors import ArrayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "INT64",
    "JSON",
    "UnsupportedValueError",
    "dtype_from_json",
    "dtype_to_json",
    "from_json",
    "in_order",
    "to_json",
    "type_name",
]

INT64: Final = range(-(2**63), 2**63)


def to_json(value: object) -> JSON:
    """Write `value` as JSON, types included.

    Takes None, bool, int of any size, float, complex, str, bytes, bytearray, datetime (with its
    zone), date, time, timedelta, Decimal, Fraction, UUID, Path, IP addresses and networks, range,
    list, tuple, named tuple, set, frozenset, deque, dict with keys of any of these, members of an
    enum, dataclasses, attrs classes, Pydantic models, NumPy's scalars and arrays. Numbers that
    are NumPy's come back as Python's where those have all digits (``longdouble`` stays), an
    instance of another subclass as its base.

    Raises
    ------
    UnsupportedValueError
        The type is none of these, lists are nested deeper than 64 levels, or an object raised
        when it was looked at.
    """
    with told(value):
        return _written(value, 0)


def from_json(document: JSON) -> Any:
    """Read back what `to_json` wrote.

    Raises
    ------
    ArrayError
        A ``$`` key is unknown, what stands under it does not fit, or it is nested too deep.
    """
    try:
        return _read(document)
    except RecursionError as error:
        raise ArrayError("A stored value is nested too deep to be read back.") from error


def _read(document: JSON) -> Any:
    if isinstance(document, list):
        return [_read(item) for item in document]
    if not isinstance(document, dict):
        return document
    if len(document) == 1:
        ((tag, content),) = document.items()
        if tag.startswith("$"):
            return _read_tagged(tag, content)
    return {key: _read(item) for key, item in document.items()}


def _read_tagged(tag: str, content: JSON) -> Any:
    reader = _READERS.get(tag)
    if reader is None:
        raise ArrayError(f"A value was written as {tag!r} by a newer knockoff. Update this one.")
    try:
        return reader(content)
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise ArrayError(f"A stored {tag!r} cannot be read back: {error}.") from error


def _written(value: object, depth: int) -> JSON:
    if depth > DEEPEST:
        raise too_deep(value)
    if issubclass(type(value), Enum):
        return {"$enum": _enum_written(value, depth)}
    simple: Any = simplified(value)
    return _simple_written(simple, depth)


def _simple_written(value: Any, depth: int) -> JSON:
    base = base_of(value)
    if base is int:
        return value if value in INT64 else {"$int": hex(value)}
    if base in _JSON_HAS:
        return value
    if is_named_tuple(value):
        return {"$namedtuple": _named_tuple_written(value, depth)}
    if base in _CONTAINERS:
        return _CONTAINERS[base](value, depth)
    if base is not None:
        tag, write = _WRITERS[base]
        return {tag: write(value)}
    if is_record(value):
        return {"$record": [place_of(type(value)), _mapping(fields_of(value), depth)]}
    return _numpy_written(value)


def _numpy_written(value: Any) -> JSON:
    if is_of(value, "numpy", "datetime64") or is_of(value, "numpy", "timedelta64"):
        from numpy import datetime_data

        count = [int(value.view("i8")), *datetime_data(value.dtype)]
        return {f"${type(value).__name__}": count}
    if is_of(value, "numpy", "ma", "MaskedArray"):
        raise _not_inside(value)
    if is_of(value, "numpy", "longdouble"):
        return {"$longdouble": str(value)}
    if is_of(value, "numpy", "clongdouble"):
        return {"$clongdouble": [str(value.real), str(value.imag)]}
    is_array = is_of(value, "numpy", "ndarray")
    if is_array or is_of(value, "numpy", "generic"):
        if value.dtype.hasobject:
            raise UnsupportedValueError(
                f"An array of dtype {value.dtype} inside a list or dict",
                "Give it a dtype, array.astype(float) or .astype(str), or return array.tolist().",
            )
        return {"$ndarray" if is_array else "$scalar": array_to_json(value)}
    if any(is_of(value, *names) for names in _TABLES):
        raise _not_inside(value)
    raise unsupported(value)


def _not_inside(value: object) -> UnsupportedValueError:
    return UnsupportedValueError(
        f"A {type(value).__name__} inside a list or dict",
        "Return it from a variable of its own, or join them in one xarray.Dataset.",
    )


_TABLES: Final = (
    ("xarray", "DataArray"),
    ("xarray", "Dataset"),
    ("pandas", "Series"),
    ("pandas", "DataFrame"),
)


def _items(values: Iterable[Any], depth: int) -> list[JSON]:
    return [_written(item, depth + 1) for item in values]


def _mapping(value: Mapping[Any, Any], depth: int) -> JSON:
    if all(type(key) is str and not key.startswith("$") for key in value):
        return {key: _written(item, depth + 1) for key, item in value.items()}
    pairs = [[_written(key, depth + 1), _written(item, depth + 1)] for key, item in value.items()]
    return {"$dict": pairs}


def _ordered_mapping(value: Mapping[Any, Any], depth: int) -> JSON:
    pairs = [[_written(key, depth + 1), _written(item, depth + 1)] for key, item in value.items()]
    return {"$ordered": pairs}


def _enum_written(member: Any, depth: int) -> list[JSON]:
    return [place_of(type(member)), member.name, _written(member.value, depth + 1)]


def _named_tuple_written(value: Any, depth: int) -> list[JSON]:
    type_ = type(value)
    return [type_.__name__, _mapping(fields_of_tuple(value), depth), place_of(type_)]


def _datetime_written(value: datetime) -> JSON:
    zone = value.tzinfo
    if isinstance(zone, ZoneInfo) and zone.key:
        return [value.replace(tzinfo=None).isoformat(), zone.key, value.fold]
    return value.isoformat()


def _path_written(value: PurePath) -> JSON:
    kind = next(each for each in (Path, PurePosixPath, PureWindowsPath) if isinstance(value, each))
    return str(value) if kind is Path else [kind.__name__, str(value)]


def in_order(values: set[Any] | frozenset[Any]) -> list[Any]:
    """The members of a set in an order that is the same in every process."""
    bases = {base_of(value) for value in values}
    if bases <= {bool, int, float} or (len(bases) == 1 and bases <= _ORDERED):
        # a NaN is neither smaller nor larger than another number
        return sorted(values, key=lambda value: (value != value, value))  # noqa: PLR0124
    return sorted(values, key=lambda value: (type_name(value), json.dumps(to_json(value))))


def _numpy_time(name: str) -> Callable[[JSON], Any]:
    def read(content: JSON) -> Any:
        import numpy as np

        number, unit, count = content
        kind = np.dtype(name if unit == "generic" else f"{name}[{count}{unit}]")
        return np.array(number, "i8").view(kind)[()]

    return read


def _longdouble(content: JSON) -> Any:
    import numpy as np

    return np.longdouble(content)


def _clongdouble(content: JSON) -> Any:
    import numpy as np

    parts = np.array([np.longdouble(each) for each in content])
    return parts.view(np.clongdouble)[0]


def _enum_read(content: JSON) -> Any:
    place, name, plain = content
    value = _read(plain)
    type_ = type_at(place)
    if type_ is None or not issubclass(type_, Enum):
        return value
    members = type_.__members__
    if name in members:
        return members[name]
    return type_(value) if issubclass(type_, Flag) and isinstance(value, int) else value


def _named_tuple_read(content: JSON) -> Any:
    name, fields, *place = content
    fields = dict(fields.items())
    values = [_read(item) for item in fields.values()]
    type_ = type_at(place[0]) if place else None
    if type_ is not None and getattr(type_, "_fields", None) == tuple(fields):
        return tuple.__new__(type_, values)
    make_type: Any = namedtuple  # noqa: PYI024  # its fields are known only now
    return make_type(name, list(fields), rename=True)(*values)


def _record_read(content: JSON) -> Any:
    place, fields = content
    return record_at(place, dict(_read(fields)))


def _datetime_read(content: JSON) -> datetime:
    if isinstance(content, str):
        return datetime.fromisoformat(content)
    text, zone, fold = content
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def _path_read(content: JSON) -> PurePath:
    if isinstance(content, str):
        return Path(content)
    name, text = content
    return {"PurePosixPath": PurePosixPath, "PureWindowsPath": PureWindowsPath}[name](text)


_JSON_HAS: Final = frozenset({type(None), bool, str, float})
_ORDERED: Final = frozenset(
    {str, bytes, int, float, date, time, timedelta, Decimal, Fraction, UUID}
)

_CONTAINERS: Final[Mapping[Any, Callable[[Any, int], JSON]]] = {
    list: _items,
    tuple: lambda value, depth: {"$tuple": _items(value, depth)},
    deque: lambda value, depth: {"$deque": [_items(value, depth), value.maxlen]},
    set: lambda value, depth: {"$set": _items(in_order(value), depth)},
    frozenset: lambda value, depth: {"$frozenset": _items(in_order(value), depth)},
    dict: _mapping,
    OrderedDict: _ordered_mapping,
}

_WRITERS: Final[Mapping[type, tuple[str, Callable[[Any], JSON]]]] = {
    complex: ("$complex", lambda value: [value.real, value.imag]),
    bytes: ("$bytes", lambda value: base64.b64encode(value).decode("ascii")),
    bytearray: ("$bytearray", lambda value: base64.b64encode(value).decode("ascii")),
    datetime: ("$datetime", _datetime_written),
    date: ("$date", date.isoformat),
    time: ("$time", time.isoformat),
    timedelta: ("$timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    Decimal: ("$decimal", str),
    Fraction: ("$fraction", lambda value: [hex(value.numerator), hex(value.denominator)]),
    UUID: ("$uuid", str),
    PurePath: ("$path", _path_written),
    range: ("$range", lambda value: [hex(value.start), hex(value.stop), hex(value.step)]),
    **{each: (f"${each.__name__}", str) for each in ADDRESSES},
}

_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "$int": lambda content: int(content, 16),
    "$complex": lambda content: complex(*content),
    "$bytes": base64.b64decode,
    "$bytearray": lambda content: bytearray(base64.b64decode(content)),
    "$datetime": _datetime_read,
    "$date": date.fromisoformat,
    "$time": time.fromisoformat,
    "$timedelta": lambda content: timedelta(*content),
    "$decimal": Decimal,
    "$fraction": lambda content: Fraction(*(int(each, 16) for each in content)),
    "$uuid": UUID,
    "$path": _path_read,
    "$range": lambda content: range(*(int(each, 16) for each in content)),
    "$tuple": lambda content: tuple(_read(content)),
    "$deque": lambda content: deque(_read(content[0]), content[1]),
    "$set": lambda content: set(_read(content)),
    "$frozenset": lambda content: frozenset(_read(content)),
    "$namedtuple": _named_tuple_read,
    "$record": _record_read,
    "$enum": _enum_read,
    "$dict": lambda content: dict(_read(content)),
    "$ordered": lambda content: OrderedDict(_read(content)),
    "$datetime64": _numpy_time("datetime64"),
    "$timedelta64": _numpy_time("timedelta64"),
    "$ndarray": array_from_json,
    "$longdouble": _longdouble,
    "$clongdouble": _clongdouble,
    "$scalar": lambda content: array_from_json(content)[()],
    **{f"${each.__name__}": each for each in ADDRESSES},
}
