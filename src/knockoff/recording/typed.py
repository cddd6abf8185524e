"""What somebody typed, read as the field's type says."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, tzinfo
from typing import Annotated, Any, Final, Literal, Union

from pydantic import Field, TypeAdapter, ValidationError

from knockoff.errors import EditError

_TYPES: Final[dict[str, Any]] = {
    "integer": int,
    "number": float,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "object": dict[str, Any],
}
_FORMATS: Final[dict[str, Any]] = {"date-time": datetime, "date": date}


_LIMITS: Final = {
    "minimum": "ge",
    "exclusiveMinimum": "gt",
    "maximum": "le",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
    "pattern": "pattern",
}
"""Limits in JSON schema, and what Pydantic calls them."""


def typed(field: str, schema: dict[str, Any], text: str, zone: tzinfo = UTC) -> Any:
    """Read `text` as a value of the field; nothing typed is None.

    ``yes``, ``no``, ``1``, ``0``, ``true`` and ``false`` are bools; lists and objects are
    written as JSON; a choice is written as it is shown. Of several types the first
    that fits is taken, text last.

    Parameters
    ----------
    zone:
        That of a time which names none itself; what comes back is in UTC.

    Returns
    -------
    :
        What MongoDB stores as it is. A date, which it has no type for, is ISO text.

    Raises
    ------
    EditError
        It is no such value; the message says what would be.
    """
    if text == "":
        return None
    try:
        return _storable(_read(schema, text), zone)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
    except ValueError as error:
        reason = str(error)
    raise EditError(
        f"{field} cannot be {text!r}: {reason[0].lower()}{reason[1:]}. It takes {in_words(schema)}."
    )


def misfit(schema: dict[str, Any], value: Any) -> str:
    """What a field takes, where it holds something else, as other programs may write; else empty.

    >>> misfit({"type": "number"}, "high"), misfit({"type": "integer"}, 3.0)
    ('a number', '')
    """
    if value is None or "format" in schema:
        return ""
    if isinstance(value, float) and value.is_integer():  # as JavaScript writes whole numbers
        value = int(value)
    try:
        TypeAdapter(type_of(schema)).validate_python(value, strict=True)
    except ValidationError:
        return in_words(schema)
    return ""


def _read(schema: dict[str, Any], text: str) -> Any:
    """Read `text`; a `ValueError`, as Pydantic's is, says why it cannot be."""
    if "enum" in schema:
        for choice in schema["enum"]:
            if text == str(choice):
                return choice
        raise ValueError("it is none of the choices")
    if "anyOf" in schema:
        return _first_that_fits(schema["anyOf"], text)
    given: Any = text
    if schema.get("type") in ("array", "object"):
        try:
            given = json.loads(text)
        except ValueError as error:
            raise ValueError(f"it is not valid JSON ({error})") from None
    return TypeAdapter(type_of(schema)).validate_python(given)


def _first_that_fits(schemas: list[dict[str, Any]], text: str) -> Any:
    """A word fits text, and anything fits an unknown type, so these are tried last."""

    def loose(schema: dict[str, Any]) -> bool:
        return "enum" not in schema and "format" not in schema and type_of(schema) in (str, Any)

    problem: ValueError | None = None
    for each in sorted(schemas, key=loose):
        if each.get("type") == "null":
            continue
        try:
            return _read(each, text)
        except ValueError as error:
            problem = problem or error
    raise problem or ValueError("it takes nothing")


def _storable(value: Any, zone: tzinfo) -> Any:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return [_storable(each, zone) for each in value]
    if isinstance(value, dict):
        return {name: _storable(each, zone) for name, each in value.items()}
    return value


def type_of(schema: dict[str, Any]) -> Any:
    """The Python type that a JSON schema stands for; Any for what it cannot say."""
    limits = {word: schema[name] for name, word in _LIMITS.items() if name in schema}
    kind = _unlimited(schema)
    return Annotated[kind, Field(**limits)] if limits else kind


def _unlimited(schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    if "anyOf" in schema:
        return Union[tuple(type_of(each) for each in schema["anyOf"])]  # noqa: UP007  # made of a tuple
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    if schema.get("type") == "array":
        return list[type_of(schema.get("items", {}))]  # type: ignore[misc]
    return _TYPES.get(str(schema.get("type")), Any)


def in_words(schema: dict[str, Any]) -> str:
    """What a field takes, for people: "a whole number"."""
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "anyOf" in schema:
        return " or ".join(in_words(each) for each in schema["anyOf"])
    if schema.get("format") == "date-time":
        return "a date and time such as 2026-05-04 10:00"
    words = {
        "integer": "a whole number",
        "number": "a number",
        "string": "text",
        "boolean": "yes or no",
        "null": "nothing",
        "array": "a list such as [1, 2]",
        "object": 'an object such as {"x": 1}',
        "date": "a date such as 2026-05-04",
    }
    return words.get(str(schema.get("type")), "any value")
