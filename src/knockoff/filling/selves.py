"""The `self` that a method is called with: the row, the groups, and the values it reads.

Each method gets a `self` of its own. Only what its source says it reads is on
it, so that a value which was not computed yet can never be mistaken for one.
"""

from __future__ import annotations

import datetime as dt
import inspect
import types
from contextlib import suppress
from copy import deepcopy
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final, Union, get_args, get_origin

from knockoff.language.group import BEING_FILLED
from knockoff.language.members import MISSING, Members

if TYPE_CHECKING:
    from collections.abc import Mapping

    from knockoff.contextfile.scope import Scope
    from knockoff.contextfile.tables import Formula


def self_of(
    formula: Formula,
    top: Scope,
    body: type | None,
    row: Mapping[str, Any],
    values: Mapping[str, Any],
) -> Any:
    """Make the `self` of one variable or hook.

    Parameters
    ----------
    top:
        Scope of the whole table.
    body:
        The class of the table, never initialised by Beanie; None for a file of functions,
        whose methods are all in groups.
    row:
        Fields of the row, dotted.
    values:
        Full values of the variables that the method reads, dotted.
    """
    if formula.scope.path:
        return _group_self(formula.scope, values)
    assert body is not None  # else there are only groups
    fields = {name: field_of(top.members, name, row) for name in top.members.fields}
    known = {name: value for name, value in row.items() if "." not in name}
    made = _instance(body, {**known, **fields})
    vars(made).update(known, **fields)
    vars(made).update({name: _group_self(scope, values) for name, scope in top.groups.items()})
    vars(made).update(_values_in(top, values))
    return made


def field_of(members: Members, name: str, row: Mapping[str, Any]) -> Any:
    """A declared field as the row has it, else its default; None where there is neither."""
    if name in row:
        return _revived(members.fields[name].type, deepcopy(row[name]))
    default = members.fields[name].default
    if default is MISSING or type(default).__name__ == "PydanticUndefinedType":
        return None
    if hasattr(default, "get_default"):  # pydantic's Field(...), which makes lists anew
        default = default.get_default(call_default_factory=True)
        return None if type(default).__name__ == "PydanticUndefinedType" else default
    return deepcopy(default)


def _revived(kind: Any, value: Any) -> Any:
    """What was stored as a dict or plain text, as the model, enum or date that it stands for.

    A value that no longer fits stays as it is: an older context file wrote it.
    """
    if value is None:
        return None
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Annotated, Union, types.UnionType):
        inner = arguments[:1] if origin is Annotated else arguments
        for each in inner:
            revived = _revived(each, value)
            if revived is not value:
                return revived
    elif origin is list and isinstance(value, list):
        return [_revived(arguments[0], each) for each in value]
    elif inspect.isclass(kind) and not isinstance(value, kind):
        revive = getattr(kind, "model_validate", kind if issubclass(kind, Enum) else None)
        if kind in (dt.date, dt.datetime) and isinstance(value, str):
            revive = kind.fromisoformat
        if revive is not None:
            with suppress(ValueError, TypeError):
                return revive(value)
    return value


_TAKEN_BY_CONSTRUCT: Final = ("cls", "_fields_set")
"""Parameters of Pydantic's method itself; fields of that name are set afterwards."""


def _instance(body: type, row: Mapping[str, Any]) -> Any:
    construct = getattr(body, "model_construct", None)
    if construct is not None:  # pydantic, where the worker's Python has it
        return construct(**{name: row[name] for name in row if name not in _TAKEN_BY_CONSTRUCT})
    return object.__new__(body)


def _group_self(
    scope: Scope, values: Mapping[str, Any], known: dict[int, Any] | None = None
) -> Any:
    """The group that a scope belongs to, and those that it holds; each of them once."""
    known = {} if known is None else known
    if id(scope) in known:
        return known[id(scope)]
    made = known[id(scope)] = object.__new__(type(scope.owner))
    kept = {name: each for name, each in vars(scope.owner).items() if name not in scope.links}
    vars(made).update(kept)
    vars(made)[BEING_FILLED] = True
    inner = {name: _group_self(each, values, known) for name, each in scope.groups.items()}
    vars(made).update(inner)
    vars(made).update(_values_in(scope, values))
    return made


def _values_in(scope: Scope, values: Mapping[str, Any]) -> dict[str, Any]:
    spelt = scope.members.spelt
    names = {spelt.get(name, name): scope.dotted(name) for name in scope.members.variables}
    names.update(scope.links)
    return {name: values[dotted] for name, dotted in names.items() if dotted in values}
