"""Values with named fields, of classes that people write: dataclasses, Pydantic models, attrs.

They are told by what they have, so that none of these libraries is needed here. An instance is
made again without its initialiser and validators: what was checked once is not checked twice.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from knockoff.arrays.loaded import type_at


def is_record(value: object) -> bool:
    """Whether `value` is an instance of a class with declared fields."""
    return _field_names(type(value)) is not None


def is_named_tuple(value: object) -> bool:
    """Whether `value` is a tuple whose items have names."""
    type_ = type(value)
    return issubclass(type_, tuple) and isinstance(getattr(type_, "_fields", None), tuple)


def fields_of_tuple(value: Any) -> dict[str, Any]:
    """The items of a named tuple by name."""
    return dict(zip(type(value)._fields, tuple.__iter__(value)))  # noqa: B905  # 3.10 checks none


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of a record in the order of its class; one that was never set is left out."""
    names = _field_names(type(value)) or ()
    held = {name: getattr(value, name) for name in names if hasattr(value, name)}
    return held | (getattr(value, "__pydantic_extra__", None) or {})


def shown(value: Any) -> Any:
    """What a record looks like as a dict; a Pydantic model may leave fields out, or be a list."""
    dump = getattr(type(value), "model_dump", None)
    return fields_of(value) if dump is None else dump(value)


def record_at(place: str, fields: dict[str, Any]) -> Any:
    """An instance of the class that stands there; a dict where it is not, or has other fields."""
    type_ = type_at(place)
    names = _field_names(type_) if type_ is not None else None
    if type_ is None or names is None:
        return fields
    construct = getattr(type_, "model_construct", None)
    if construct is not None:
        return construct(**fields) if fields.keys() >= set(names) else fields
    if fields.keys() != set(names):
        return fields
    made: object = object.__new__(type_)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def _field_names(type_: type) -> tuple[str, ...] | None:
    if dataclasses.is_dataclass(type_):
        return tuple(field.name for field in dataclasses.fields(type_))
    attrs = getattr(type_, "__attrs_attrs__", None)
    if isinstance(attrs, tuple):
        return tuple(str(each.name) for each in attrs)
    model = getattr(type_, "__pydantic_fields__", None)
    return tuple(model) if isinstance(model, dict) else None
