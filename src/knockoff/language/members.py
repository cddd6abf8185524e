"""What stands in the body of a run class or group: variables, hooks, groups, fields, the rest."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, TypeVar, get_origin

from knockoff.language.marks import Editable, marks_in
from knockoff.language.occasions import direction_of, events_of, is_hook
from knockoff.language.variable import MisplacedError, Variable, refuse_wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from knockoff.language.occasions import Direction, Event


GROUP_MARK: Final = "__knockoff_group__"
"""The attribute of a group class that holds its `Members`."""


OWN_MARK: Final = "__knockoff_own__"
"""The attribute of a run class that holds the `Members` of its own body alone."""

_LIBRARIES: Final = ("knockoff", "beanie", "pydantic", "lazy_model", "builtins", "abc", "typing")

P = TypeVar("P")


class Missing:
    """Stands for "no default", where None would be one."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


@dataclass(frozen=True)
class Hook:
    """A plain Beanie hook: a method that fills fields by assigning them."""

    name: str
    function: Callable[..., Any]
    events: tuple[Event, ...]
    direction: Direction


@dataclass(frozen=True)
class Field:
    """A field that a class declares itself, to be typed by people or set by hooks."""

    name: str
    type: Any
    """The annotation; its source text where it cannot be evaluated."""

    default: Any = MISSING
    editable: Editable | None = None


@dataclass
class Members:
    """The parts of a class body, each in the order of the source."""

    variables: dict[str, Variable[Any]] = field(default_factory=dict)
    hooks: dict[str, Hook] = field(default_factory=dict)
    groups: dict[str, object] = field(default_factory=dict)
    fields: dict[str, Field] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    """All of them in the order of the source; fields without a value come first."""

    spelt: dict[str, str] = field(default_factory=dict)
    """What the author calls a variable whose column had to be called otherwise."""

    others: frozenset[str] = frozenset()
    """Names that the body gives to something else, such as a plain method."""

    def joined(self, later: Members) -> Members:
        """These members with those of a subclass, which win.

        Whatever has the same name there takes the place, a plain method as well: then
        there is no column of that name any more.
        """
        return Members(
            variables=_replaced(self.variables, later.variables, later),
            hooks=_replaced(self.hooks, later.hooks, later),
            groups=_replaced(self.groups, later.groups, later),
            fields=_replaced(self.fields, later.fields, later),
            names=tuple(
                name
                for name in dict.fromkeys((*self.names, *later.names))
                if name not in later.others
            ),
            spelt={**self.spelt, **later.spelt},
        )


def _replaced(mine: dict[str, P], theirs: dict[str, P], later: Members) -> dict[str, P]:
    gone = {*later.names, *later.others} - theirs.keys()
    return {**{name: each for name, each in mine.items() if name not in gone}, **theirs}


def is_group(value: object) -> bool:
    """Whether `value` is an instance of a group class."""
    return not isinstance(value, type) and hasattr(type(value), GROUP_MARK)


def members_of_class(cls: type) -> Members:
    """What a run class consists of, inherited members included, in Python's order of bases.

    Its bases are tables, or classes of the context file that are none and lend what
    they have; those of libraries have no columns.
    """
    members = Members()
    for own in _of_each_class(cls):
        members = members.joined(own)
    return members


def name_in_class(cls: type, piece: object) -> str:
    """What a run class or a base of it calls a variable, its function or a group; "" for none.

    A derived class may have replaced it by something else of that name.
    """
    function = piece.function if isinstance(piece, Variable) else piece
    for own in _of_each_class(cls):
        for name, variable in own.variables.items():
            if function is variable.function:
                return name
        for name, group in own.groups.items():
            if piece is group:
                return name
    return ""


def _of_each_class(cls: type) -> Iterator[Members]:
    """The members that each class has itself, those of the first base first."""
    for base in reversed(cls.__mro__):
        own = vars(base).get(OWN_MARK)
        if own is None and base.__module__.partition(".")[0] not in _LIBRARIES:
            own = split_class(base)
        if own is not None:
            yield own


def split_class(cls: type) -> Members:
    """Split the body of a class that exists already; inherited members are left out."""
    own = inspect.get_annotations(cls)
    known = getattr(cls, "__pydantic_fields__", {})  # where pydantic has put the defaults
    defaults = {name: known[name] for name in own if name in known}
    return split({**defaults, **vars(cls)}, sys.modules[cls.__module__].__dict__)


def split(body: Mapping[str, Any], module: Mapping[str, Any]) -> Members:
    """Split a class body.

    Parameters
    ----------
    body:
        The names of the class, with ``__annotations__``.
    module:
        The names of the file, in which annotations written as text are evaluated.

    Raises
    ------
    MisplacedError
        A variable is also a property, static method or class method, or the
        annotation of a field is its value.
    """
    members = Members()
    annotations = body.get("__annotations__", {})
    for name, value in body.items():
        _refuse_misplaced(name, value, body)
        variable = variable_from(value, body)
        if variable is not None:
            members.variables[name] = variable
        elif inspect.isfunction(value) and is_hook(value):
            members.hooks[name] = _hook(name, value)
        elif is_group(value):
            members.groups[name] = value
    for name, annotation in annotations.items():
        default = body.get(name, MISSING)
        if name in members.groups or name.startswith("_") or is_group(default):
            continue
        kind = evaluated(annotation, module, body)
        if _is_class_var(kind):
            continue
        members.fields[name] = Field(name, kind, default, editable_of(kind))
    bare = [name for name in members.fields if name not in body]
    known = {**members.variables, **members.hooks, **members.groups, **members.fields}
    members.names = (*bare, *(name for name in body if name in known))
    members.others = frozenset(name for name in body if name not in known and name[:2] != "__")
    return members


def _refuse_misplaced(name: str, value: object, body: Mapping[str, Any]) -> None:
    """Refuse what would be lost without a word."""
    inner = getattr(value, "fget", getattr(value, "__func__", None))
    if isinstance(value, property | staticmethod | classmethod) and (
        isinstance(inner, Variable) or variable_from(inner, body) is not None
    ):
        refuse_wrapped(value)
    if get_origin(value) is Annotated and not name.startswith("_") and editable_of(value):
        raise MisplacedError(
            f"{name} = Annotated[…, Editable] is a type, and no field.",
            f"Write {name}: Annotated[…, Editable], with a colon.",
        )


def variable_from(value: object, body: Mapping[str, Any]) -> Variable[Any] | None:
    """The variable that `value`, found in a class body or file, is; None if it is none."""
    if isinstance(value, Variable):
        if value.function is None:
            return None
        return _with_occasion(value, value.function)
    if not inspect.isfunction(value):
        return None
    marks = marks_of_return(value, body)
    for mark in marks:
        if mark is Variable:
            return _with_occasion(Variable(value), value)
        if isinstance(mark, Variable):
            return _with_occasion(mark.of(value), value)
    return None


def _with_occasion(variable: Variable[Any], function: object) -> Variable[Any]:
    """Take the event from ``@before_event(...)`` above the method, where both are written."""
    variable.name = variable.name or getattr(function, "__name__", None)
    if is_hook(function):
        if variable.event is None:
            variable.event = events_of(function.event_types)  # type: ignore[attr-defined]
        if variable.direction is None:
            variable.direction = direction_of(function.action_direction)  # type: ignore[attr-defined]
    return variable


def marks_of_return(function: Callable[..., Any], body: Mapping[str, Any]) -> tuple[Any, ...]:
    """What stands beside the type in the return hint's `Annotated`."""
    annotation = function.__annotations__.get("return")
    return marks_in(evaluated(annotation, function.__globals__, body))


def evaluated(annotation: Any, module: Mapping[str, Any], body: Mapping[str, Any]) -> Any:
    """Evaluate an annotation that is written as text, as by ``from __future__ import annotations``.

    Text that names something which is not there stays text; the check says so.
    """
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, dict(module), dict(body))  # noqa: S307  # the user's own file
    except Exception:  # noqa: BLE001  # whatever a hint raises, it is then no mark of ours
        return annotation


def _hook(name: str, function: Any) -> Hook:
    return Hook(
        name=name,
        function=function,
        events=events_of(function.event_types),
        direction=direction_of(function.action_direction),
    )


def _is_class_var(kind: Any) -> bool:
    return kind is ClassVar or get_origin(kind) is ClassVar or str(kind).startswith("ClassVar")


def editable_of(kind: Any) -> Editable | None:
    """The `Editable` in a field's annotation; None if people are not meant to type there."""
    for mark in marks_in(kind):
        if mark is Editable:
            return Editable()
        if isinstance(mark, Editable):
            return mark
    return None
