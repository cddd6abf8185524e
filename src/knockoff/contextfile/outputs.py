"""Several outputs of one method: which return hints mean that, and the objects they stand for."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import sys
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Union, get_args, get_origin

from knockoff.contextfile.sources import globals_of
from knockoff.errors import VariableError
from knockoff.language.cell import Cell
from knockoff.language.marks import marks_in
from knockoff.language.members import MISSING, evaluated
from knockoff.language.variable import Variable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_WRAPPERS: Final = ("Required", "NotRequired", "ReadOnly", "Final", "ClassVar")
"""What may stand around the type of a field, `typing`'s or `typing_extensions`'."""


class ReturnedElseError(VariableError):
    """A method returned something else than its hint says, so that its columns stay empty."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(found, wanted)
        self.found = found
        self.wanted = wanted

    def __str__(self) -> str:
        return f"It returned a value of type {self.found}, and its hint says {self.wanted}."


@dataclass(frozen=True)
class Output:
    """One of several outputs: a field of the class that a method returns."""

    name: str
    type: Any
    """Its hint, without what stands beside it."""

    variable: Variable[Any] | None = None
    """What stands beside it."""

    required: bool = True
    """Whether it has to be there; keys of a typed dict may be declared otherwise."""


@dataclass(frozen=True)
class ReturnClass:
    """A dataclass, named tuple, typed dict, Pydantic or attrs class that a method returns."""

    kind: type
    outputs: tuple[Output, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of its outputs."""
        return tuple(output.name for output in self.outputs)

    def values_of(self, returned: object) -> dict[str, Any]:
        """The outputs that a returned value has, by name; of None each is None.

        Raises
        ------
        ReturnedElseError
            It is neither an object of the class nor a dict.
        """
        if returned is None:
            return dict.fromkeys(self.names)
        if isinstance(returned, dict):
            return {name: returned[name] for name in self.names if name in returned}
        if isinstance(returned, self.kind) and not _is_typed_dict(self.kind):
            return {name: getattr(returned, name) for name in self.names if hasattr(returned, name)}
        raise ReturnedElseError(type(returned).__name__, self.kind.__name__)

    def unknown_in(self, returned: object) -> tuple[str, ...]:
        """Keys of a returned dict that the class does not declare."""
        if not isinstance(returned, dict):
            return ()
        return tuple(str(key) for key in returned if key not in self.names)

    def with_values(self, returned: Any, values: Mapping[str, Any]) -> Any:
        """The returned object with other values in some of its fields; it itself stays as it is."""
        changed = {
            name: value for name, value in values.items() if value is not _at(returned, name)
        }
        if not changed:
            return returned
        if isinstance(returned, dict):
            return {**returned, **changed}
        if hasattr(returned, "_replace"):
            return returned._replace(**changed)
        return _assigned(copy.copy(returned), changed)

    def made(self, values: Mapping[str, Any]) -> Any:
        """An object of the class with these values, without running its ``__init__``.

        A field that is left out has its default; without one a named tuple has None
        there, and other objects have no such field.
        """
        if _is_typed_dict(self.kind):
            return dict(values)
        kind: Any = self.kind
        if hasattr(kind, "_make"):
            defaults = kind._field_defaults
            return kind._make(values.get(name, defaults.get(name)) for name in kind._fields)
        if hasattr(kind, "model_construct"):
            return kind.model_construct(**values)
        return _assigned(object.__new__(kind), {**_defaults(kind), **values})


def values_at(returned: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Fields of an object or keys of a dict, as far as they are there."""
    found = {name: _at(returned, name) for name in names}
    return {name: value for name, value in found.items() if value is not MISSING}


def returned_type(function: Callable[..., Any]) -> Any:
    """The return hint, without what stands beside the type, and without `Cell` around it."""
    hint = getattr(function, "__annotations__", {}).get("return", inspect.Signature.empty)
    return bare(evaluated(hint, globals_of(function), {}))


def bare(kind: Any) -> Any:
    """A hint without ``Annotated`` and `Cell` around the type of the value itself."""
    while True:
        if kind is Cell:
            return Any
        if get_origin(kind) is not Annotated and get_origin(kind) is not Cell:
            return kind
        kind = get_args(kind)[0]


def return_class(function: Callable[..., Any]) -> ReturnClass | None:
    """The several outputs that a function's return hint declares; None if it has one value.

    ``Beam | None`` declares those of ``Beam``.
    """
    kind = returned_type(function)
    if get_origin(kind) in (Union, types.UnionType):
        kinds = [bare(each) for each in get_args(kind) if each is not type(None)]
        kind = kinds[0] if len(kinds) == 1 else kind
    kind = get_origin(kind) or kind  # Beam[float] of a generic class
    hints = _hints_of(kind) if inspect.isclass(kind) and kind is not Cell else {}
    optional = getattr(kind, "__optional_keys__", ())
    outputs = tuple(
        Output(name, *_unwrapped(hint), required=name not in optional)
        for name, hint in hints.items()
        if not name.startswith("_")
    )
    return ReturnClass(kind, outputs) if outputs else None


def _hints_of(kind: Any) -> dict[str, Any]:
    """Fields of a class and their hints, in the order of the source; none if it is of no such kind.

    A hint that cannot be evaluated stays as it is written.
    """
    if dataclasses.is_dataclass(kind):
        names = [each.name for each in dataclasses.fields(kind)]
    elif issubclass(kind, tuple):
        names = list(getattr(kind, "_fields", ()))
    elif _is_typed_dict(kind):
        names = list(kind.__annotations__)
    elif hasattr(kind, "model_fields") and hasattr(kind, "model_construct"):
        names = list(kind.model_fields)
    elif isinstance(getattr(kind, "__attrs_attrs__", None), tuple):
        names = [each.name for each in kind.__attrs_attrs__]
    else:
        return {}
    return {name: _hint(kind, name) for name in names}


def _hint(kind: Any, name: str) -> Any:
    for cls in kind.__mro__:
        hint = inspect.get_annotations(cls).get(name, MISSING)
        if hint is MISSING:
            continue
        if isinstance(hint, typing.ForwardRef):  # as typed dicts keep text
            hint = hint.__forward_arg__
        module = sys.modules.get(cls.__module__)
        return evaluated(hint, vars(module) if module else {}, {})
    return Any


def _unwrapped(hint: Any) -> tuple[Any, Variable[Any] | None]:
    """The type of a field, and the `Variable` beside it."""
    found: Variable[Any] | None = None
    while True:
        for mark in marks_in(hint):
            if mark is Variable or isinstance(mark, Variable):
                found = mark if isinstance(mark, Variable) else Variable()
        origin = get_origin(hint)
        if origin in (Annotated, ClassVar) or getattr(origin, "_name", None) in _WRAPPERS:
            hint = get_args(hint)[0]
        else:
            return bare(hint), found


def _is_typed_dict(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, dict) and hasattr(kind, "__total__")


def _at(returned: Any, name: str) -> Any:
    if isinstance(returned, dict):
        return returned.get(name, MISSING)
    return getattr(returned, name, MISSING)


def _assigned(made: Any, values: Mapping[str, Any]) -> Any:
    for name, value in values.items():
        object.__setattr__(made, name, value)  # frozen classes, too
    return made


def _defaults(kind: Any) -> dict[str, Any]:
    """Of fields that are no columns, since their names begin with ``_``."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ():
        if field.name.startswith("_") and field.default is not dataclasses.MISSING:
            found[field.name] = field.default
        elif field.name.startswith("_") and field.default_factory is not dataclasses.MISSING:
            found[field.name] = field.default_factory()
    return found
