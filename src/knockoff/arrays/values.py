"""Which returned values are a field's value, and which are bulk and go to HDF5.

A field holds what MongoDB can sort, query and index: None, bool, int of 64 bits, float (NaN and
infinities too), str, bytes, aware UTC datetime of whole milliseconds, and lists and dicts of
these up to 16 kB. Other small values have a plain *view* there (a tuple is a list, a Path its
text, a timedelta its seconds), and `exact_text` says beside it what they really were.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Union
from uuid import UUID

from knockoff.arrays.kinds import is_numpy, kind_of
from knockoff.arrays.wire import (
    DEEPEST,
    INT64,
    UnsupportedValueError,
    from_json,
    in_order,
    simplified,
    to_json,
    too_deep,
    unsupported,
)

if TYPE_CHECKING:
    from knockoff.arrays.references import Kind

__all__ = [
    "LARGEST_FIELD",
    "Bulk",
    "Scalar",
    "UnsupportedValueError",
    "exact_text",
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

    Arrays are bulk, except those without axes: they are their one number. (A DataArray without
    axes but with coordinates or attributes is bulk, and its number is its summary.) NaT and a
    masked number are None. A datetime without a time zone is taken as UTC, as NumPy's
    datetime64 and MongoDB do. In dict keys ``.``, a leading ``$`` and NUL become ``．``, ``＄``
    and ``␀``, since MongoDB's queries give them a meaning; numbers as keys become text.

    Raises
    ------
    UnsupportedValueError
        The type cannot be stored; the message says what to return instead.
    """
    kind = kind_of(value)
    if kind is not None:
        without_axes = _without_axes(value, kind)
        return Bulk(value, kind) if without_axes is value else normalised(without_axes)
    plain = _plain(value, 0)
    return plain if stored_size(plain) <= LARGEST_FIELD else Bulk(value, "json")


def exact_text(value: object) -> str | None:
    """What a value was, where its plain field cannot say so; None where it can.

    ``json.loads`` and `from_json` give the value back.

    Raises
    ------
    UnsupportedValueError
        The type cannot be stored.
    """
    plain = normalised(value)
    if isinstance(plain, Bulk) or kind_of(value) is not None:
        return None
    exact = json.dumps(to_json(value))
    return None if exact == json.dumps(to_json(plain)) else exact


def _without_axes(value: Any, kind: Kind) -> object:
    """The one element of an array without axes; any other array is given back as it is."""
    if kind not in ("ndarray", "masked", "dataarray") or value.ndim or value.dtype.names:
        return value
    if kind == "dataarray":
        return value if value.coords or value.attrs else value.values[()]
    if kind == "masked":
        return None if value.mask else value.data[()]
    return value[()]


def _plain(value: object, depth: int) -> Any:
    value = simplified(value)
    if value is None or isinstance(value, (bool, float, bytes)):
        return value
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int):
        return value if value in INT64 else _as_float(value)
    if isinstance(value, datetime):
        return _plain_time(value)
    if depth >= DEEPEST:
        raise too_deep(value)
    if isinstance(value, dict):
        return _plain_dict(value, depth)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: _plain(getattr(value, name), depth + 1) for name in value._fields}
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, (set, frozenset)):
        return [_plain(item, depth + 1) for item in in_order(value)]
    return _plain_view(value, depth)


def _plain_view(value: Any, depth: int) -> Any:
    if isinstance(value, Decimal):
        return _as_float(value)
    if isinstance(value, complex):
        return {"real": value.real, "imag": value.imag}
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (PurePath, UUID)):
        return _plain(str(value), depth)
    if is_numpy(value, "timedelta64"):
        return float(value / type(value)(1, "s"))
    if is_numpy(value, "datetime64"):
        moment = value.astype("datetime64[ms]").item()
        # beyond the years 1 to 9999 NumPy gives the number
        return _plain(moment, depth) if isinstance(moment, datetime) else str(value)
    if is_numpy(value, "ndarray") and not is_numpy(value, "ma", "MaskedArray"):
        return _plain(value.tolist(), depth)
    if kind_of(value) is not None:
        raise UnsupportedValueError(
            f"A {type(value).__name__} inside a list or dict",
            "Return it from a variable of its own, or join them in one xarray.Dataset.",
        )
    raise unsupported(value)


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


def _as_float(number: int | Decimal) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")
    except ValueError:  # a signalling NaN
        return float("nan")


def _plain_dict(value: dict[Any, Any], depth: int) -> dict[str, Any]:
    plain = {_plain_key(key): _plain(item, depth + 1) for key, item in value.items()}
    if len(plain) < len(value):
        keys = ", ".join(map(repr, value))
        raise UnsupportedValueError(
            f"A dict with keys that read the same ({keys[:200]})",
            "Give the keys different texts.",
        )
    return plain


def _plain_key(key: object) -> str:
    text = _plain(key, DEEPEST) if isinstance(key, str) else str(simplified(key))
    text = str(text).translate(_KEY_ESCAPES)
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
