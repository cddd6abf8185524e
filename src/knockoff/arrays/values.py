"""Which returned values are a field's value, and which are bulk and go to HDF5.

A field holds what MongoDB can sort, query and index: None, bool, int of 64 bits, float (NaN and
infinities too), str, bytes, aware UTC datetime of whole milliseconds, and lists and dicts of
these up to 16 kB. Other small values have a plain *view* there (a tuple is a list, a Path its
text, a timedelta its seconds), and `exact_text` says beside it what they really were; `exact_value`
reads that back.
"""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Union
from uuid import UUID

from knockoff.arrays.figures import drawn
from knockoff.arrays.kinds import is_numpy, kind_of
from knockoff.arrays.plainness import ADDRESSES, base_of, offered, simplified
from knockoff.arrays.records import fields_of_tuple, is_named_tuple, is_record, shown
from knockoff.arrays.refusals import DEEPEST, UnsupportedValueError, told, too_deep
from knockoff.arrays.wire import INT64, from_json, in_order, to_json
from knockoff.errors import ArrayError
from knockoff.language.cell import Cell

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from knockoff.arrays.references import Kind

__all__ = [
    "LARGEST_FIELD",
    "Bulk",
    "Scalar",
    "UnsupportedValueError",
    "exact_text",
    "exact_value",
    "from_json",
    "normalised",
    "to_json",
]

Scalar = Union[  # noqa: UP007  # evaluated, and Python 3.10 has no | for None first
    None, bool, int, float, str, bytes, datetime, list[Any], dict[str, Any]
]
"""A plain field value."""

LARGEST_FIELD: Final = 16 * 1024
"""Bytes of BSON; what is larger goes to HDF5."""

_KEY_ESCAPES: Final = str.maketrans({".": "．", "\0": "␀"})


@dataclass(frozen=True, eq=False)
class Bulk:
    """A value that goes to HDF5; its field holds the summary, or null."""

    value: Any
    kind: Kind


def normalised(value: object) -> Scalar | Bulk:
    """Tell a field's value from a bulk value, and make it plain.

    Arrays are bulk, except those of NumPy without axes: they are their one number. (A DataArray
    without axes is bulk, and its number is its summary.) Figures are bulk. What offers an array,
    such as a tensor, is that array. NaT and a masked number are None.
    A datetime without a time zone is taken as UTC, as NumPy's datetime64 and MongoDB do. A member
    of an enum is its value; a dataclass, Pydantic model or named tuple is a dict of its fields.
    In dict keys ``.``, a leading ``$`` and NUL become ``．``, ``＄`` and ``␀``, since MongoDB's
    queries give them a meaning; numbers as keys become text.

    Raises
    ------
    UnsupportedValueError
        The type cannot be stored, or an object raised when it was looked at; the message says
        what to return instead.
    """
    with told(value):
        return _normalised(drawn(value))


def exact_text(value: object) -> str | None:
    """What a value was, where its plain field cannot say so; None where it can.

    `exact_value` gives the value back. A value that is bulk has none: its file says all.

    Raises
    ------
    UnsupportedValueError
        The type cannot be stored.
    """
    plain = normalised(value)
    if isinstance(plain, Bulk):
        return None
    value = offered(value)
    kind = kind_of(value)
    exact = json.dumps(to_json(value if kind is None else _without_axes(value, kind)))
    return None if exact == json.dumps(to_json(plain)) else exact


def exact_value(text: str) -> Any:
    """Read back what `exact_text` wrote: equal, and of the same type.

    A class of people's own (an enum, a dataclass, a Pydantic model, a named tuple) is found where
    it is loaded, as in the worker that runs the context file. Elsewhere a member of an enum is its
    value, a record a dict, and a named tuple one of the same fields.

    Raises
    ------
    ArrayError
        It is not what `exact_text` writes.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArrayError(f"A stored value cannot be read back: it is no JSON ({error}).") from error
    return from_json(document)


def _normalised(value: Any) -> Scalar | Bulk:
    kind = kind_of(value)
    if kind is not None:
        without_axes = _without_axes(value, kind)
        return Bulk(value, kind) if without_axes is value else _normalised(without_axes)
    simple = simplified(value)
    if simple is not value and kind_of(simple) is not None:
        return _normalised(simple)
    plain = _plain(value, 0)
    return plain if stored_size(plain) <= LARGEST_FIELD else Bulk(value, "json")


def _without_axes(value: Any, kind: Kind) -> Any:
    """The one element of an array without axes; any other array is given back as it is."""
    if kind not in ("ndarray", "masked") or value.ndim or value.dtype.names:
        return value
    if kind == "masked":
        return None if value.mask else value.data[()]
    if value.dtype.kind == "V":
        return value  # bytes that NumPy gives no meaning
    if value.dtype == object and is_numpy(value[()], "ndarray"):
        raise UnsupportedValueError(
            "An array of dtype object that holds an array", "Return the inner array."
        )
    return value[()]


def _plain(value: object, depth: int) -> Any:
    if depth > DEEPEST:
        raise too_deep(value)
    while issubclass(type(value), Enum):
        value = value.value  # type: ignore[attr-defined]
    value = simplified(value)
    if is_named_tuple(value):
        return _plain_dict(fields_of_tuple(value), depth)
    base = base_of(value)
    view = _VIEWS.get(base)
    if view is not None:
        return view(value)
    if base in (dict, OrderedDict):
        return _plain_dict(value, depth)  # type: ignore[arg-type]
    if base in (list, tuple, deque):
        return [_plain(item, depth + 1) for item in value]  # type: ignore[attr-defined]
    if base in (set, frozenset):
        return [_plain(item, depth + 1) for item in in_order(value)]  # type: ignore[arg-type]
    if type(value) is Cell:
        raise UnsupportedValueError(
            "A Cell inside of another value", "Put the Cell around the whole: Cell([...])."
        )
    if is_record(value):
        return _plain(shown(value), depth)
    return _plain_numpy(value, depth)


def _plain_numpy(value: Any, depth: int) -> Any:
    if is_numpy(value, "timedelta64"):
        seconds = _seconds(value)
        return str(value) if seconds is None else seconds
    if is_numpy(value, "datetime64"):
        return _plain_moment(value)
    if is_numpy(value, "clongdouble"):
        return _VIEWS[complex](complex(value))
    if is_numpy(value, "longdouble"):
        return float(value)
    if is_numpy(value, "void") and value.dtype.names:
        return _plain_dict({name: value[name] for name in value.dtype.names}, depth)
    to_json(value)  # refuses, with the reason, what no list or dict can hold
    if is_numpy(value, "void"):
        return bytes(value.tobytes())
    return _plain(value.tolist(), depth)


def _plain_moment(value: Any) -> datetime | str:
    """A datetime64 as a datetime; as text outside of the years that a datetime has."""
    if value.dtype.str.endswith("M8"):
        return str(int(value.view("i8")))  # a number of nobody knows what
    year = int(value.astype("datetime64[Y]").view("i8")) + 1970
    if not MINYEAR <= year <= MAXYEAR:
        return str(value)
    return _plain_time(value.astype("datetime64[ms]").item())


def _seconds(value: Any) -> float | None:
    """A timedelta64 in seconds; None for months and years, which have no fixed length."""
    if value.dtype.str.endswith(("[M]", "[Y]")):
        return None
    return float(value / type(value)(1, "s"))


def _plain_time(value: datetime) -> datetime:
    aware = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
    # BSON has milliseconds: what is in the field is what is read back
    whole = aware.microsecond // 1000 * 1000
    try:
        return aware.astimezone(timezone.utc).replace(microsecond=whole)
    except OverflowError:
        raise UnsupportedValueError(
            f"The time {value.isoformat()}", "Return one within the years 2 to 9998, or None."
        ) from None


def _plain_text(value: str) -> str:
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def _as_float(number: int | Decimal | Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")
    except ValueError:  # a signalling NaN
        return float("nan")


def _plain_range(value: range) -> dict[str, Any]:
    parts = {"start": value.start, "stop": value.stop, "step": value.step}
    return {name: _VIEWS[int](number) for name, number in parts.items()}


def _same(value: Any) -> Any:
    return value


_VIEWS: Final[Mapping[Any, Callable[[Any], Any]]] = {
    **dict.fromkeys((type(None), bool, float, bytes), _same),
    int: lambda value: value if value in INT64 else _as_float(value),
    complex: lambda value: {"real": value.real, "imag": value.imag},
    str: _plain_text,
    bytearray: bytes,
    datetime: _plain_time,
    timedelta: timedelta.total_seconds,
    Decimal: _as_float,
    Fraction: _as_float,
    range: _plain_range,
    **dict.fromkeys((date, time), lambda value: value.isoformat()),
    **dict.fromkeys((PurePath, UUID, *ADDRESSES), lambda value: _plain_text(str(value))),
}
"""What a field shows of each of Python's own types that holds no others."""


def _plain_dict(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    plain = {_plain_key(key): _plain(item, depth + 1) for key, item in value.items()}
    if len(plain) < len(value):
        keys = ", ".join(map(repr, value))
        raise UnsupportedValueError(
            f"A dict with keys that read the same ({keys[:200]})",
            "Give the keys different texts.",
        )
    return plain


def _plain_key(key: object) -> str:
    while issubclass(type(key), Enum):
        key = key.value  # type: ignore[attr-defined]
    text = str(simplified(key))
    text = _plain_text(text).translate(_KEY_ESCAPES)
    return f"＄{text[1:]}" if text.startswith("$") else text


def stored_size(plain: Scalar) -> int:
    """Bytes that a plain value takes in BSON, its field name not counted.

    References
    ----------
    BSON 1.1, https://bsonspec.org/spec.html
    """
    if isinstance(plain, str):
        return 5 + len(plain.encode())
    if isinstance(plain, bytes):
        return 5 + len(plain)
    if isinstance(plain, dict):
        return 5 + sum(2 + len(key.encode()) + stored_size(item) for key, item in plain.items())
    if isinstance(plain, list):
        return 5 + sum(2 + len(str(index)) + stored_size(item) for index, item in enumerate(plain))
    if plain is None or isinstance(plain, bool):
        return 0 if plain is None else 1
    return 4 if isinstance(plain, int) and -(2**31) <= plain < 2**31 else 8
