"""What somebody typed, read as the field's type says."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any, Final, Literal, Union

from pydantic import TypeAdapter, ValidationError

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


def typed(field: str, schema: dict[str, Any], text: str) -> Any:
    """Read `text` as a value of the field; nothing typed is None.

    ``yes``, ``no``, ``1``, ``0``, ``true`` and ``false`` are bools; lists and objects are
    written as JSON.

    Raises
    ------
    EditError
        It is no such value; the message says what would be.
    """
    if text == "":
        return None
    kind = type_of(schema)
    given: Any = text
    if schema.get("type") in ("array", "object"):
        given = _from_json(field, text)
    try:
        return TypeAdapter(kind).validate_python(given)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise EditError(
            f"{field} cannot be {text!r}: {reason[0].lower()}{reason[1:]}. "
            f"It takes {in_words(schema)}."
        ) from None


def type_of(schema: dict[str, Any]) -> Any:
    """The Python type that a JSON schema stands for; Any for what it cannot say."""
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


def _from_json(field: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise EditError(f"{field} cannot be {text!r}: it is not valid JSON ({error}).") from None
