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


def schema_of(kind: Any) -> dict[str, Any]:
    """JSON schema of an annotation; empty, so that anything goes, for a type it cannot say.

    Numbers, text, bool, dates, ``None``, unions, ``Literal``, enums, lists and
    Pydantic models are said.
    """
    if kind in _PLAIN if isinstance(kind, type) or kind is None else False:
        return dict(_PLAIN[kind])
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return schema_of(arguments[0])
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(each) for each in arguments]}
    if origin in (list, tuple, set):
        return {"type": "array", "items": schema_of(arguments[0]) if arguments else {}}
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        return {"enum": [each.value for each in kind]}
    if hasattr(kind, "model_json_schema"):
        schema: dict[str, Any] = kind.model_json_schema()
        return schema
    return {}


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
