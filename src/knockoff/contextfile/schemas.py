"""The type of a field as a JSON schema: what people type can be checked without its code."""

from __future__ import annotations

import datetime as dt
import enum
import inspect
import types
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

_PLAIN: Final[dict[Any, dict[str, Any]]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    type(None): {"type": "null"},
    None: {"type": "null"},
    dt.datetime: {"type": "string", "format": "date-time"},
    dt.date: {"type": "string", "format": "date"},
}


_NUMBER: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
_LIMITS: Final = {
    "integer": _NUMBER,
    "number": _NUMBER,
    "string": {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"},
    "array": {"min_length": "minItems", "max_length": "maxItems"},
}
"""For each type how a limit is called in Python and in JSON schema."""

_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "null": (type(None),),
}


def schema_of(kind: Any) -> dict[str, Any]:
    """JSON schema of an annotation; empty, so that anything goes, for a type it cannot say.

    Numbers, text, bool, dates, ``None``, unions, ``Literal``, enums, lists and
    Pydantic models are said.
    """
    if kind in _PLAIN if isinstance(kind, type) or kind is None else False:
        return dict(_PLAIN[kind])
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return limited(schema_of(arguments[0]), arguments[1:])
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(each) for each in arguments]}
    if origin in (list, tuple, set):
        return {"type": "array", "items": schema_of(arguments[0]) if arguments else {}}
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        return {"enum": [each.value for each in kind]}
    if hasattr(kind, "model_json_schema"):
        try:
            schema: dict[str, Any] = kind.model_json_schema()
        except RuntimeError:  # as Pydantic calls what has no schema, an array for instance
            return {}
        return schema
    return {}


def limited(schema: dict[str, Any], marks: tuple[Any, ...]) -> dict[str, Any]:
    """A schema with the limits that stand beside the type.

    Parameters
    ----------
    marks:
        Such as ``Field(ge=0)`` of Pydantic or ``Ge(0)`` of annotated-types; known by their
        attributes, because neither need be installed here. Others do not matter.
    """
    if "anyOf" in schema:
        return {**schema, "anyOf": [limited(each, marks) for each in schema["anyOf"]]}
    words = _LIMITS.get(str(schema.get("type")), {})
    if "format" in schema:
        return schema
    found = dict(schema)
    for mark in marks:
        for inner in (mark, *_metadata_of(mark)):
            for attribute, word in words.items():
                limit = getattr(inner, attribute, None)
                if isinstance(limit, int | float | str):
                    found[word] = limit
    return found


def _metadata_of(mark: Any) -> list[Any]:
    """Where Pydantic's ``Field(ge=0)`` keeps its limits."""
    metadata = getattr(mark, "metadata", None)
    return metadata if isinstance(metadata, list) else []


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a plain value is one of the schema, as far as simple types and limits say."""
    if "enum" in schema:
        return value in schema["enum"]
    if "anyOf" in schema:
        return any(fits(value, each) for each in schema["anyOf"])
    kinds = _KINDS.get(str(schema.get("type")))
    if kinds is None:
        return True
    if not isinstance(value, kinds):
        return False
    return not isinstance(value, int | float) or (
        value >= schema.get("minimum", value)
        and value <= schema.get("maximum", value)
        and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
    )


def name_of(kind: Any) -> str:
    """How a type is shown to people: "int", "float | None", "DataArray"."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return name_of(arguments[0])
    if origin in (Union, types.UnionType):
        return " | ".join(name_of(each) for each in arguments)
    if kind in (None, type(None)):
        return "None"
    if kind in (Any, inspect.Signature.empty):
        return ""
    if isinstance(kind, str):
        return kind
    if origin is None and inspect.isclass(kind):
        return kind.__name__
    return str(kind).replace("typing.", "")
