"""`Group`: a class of variables that is used several times, with other parameters each time.

A group is a dataclass: its fields are parameters, its variables are columns.
``xgm_sa2 = Xgm(device="SA2_XTD1_XGM/XGM/DOOCS")`` in a run class, or at the top of a
file of functions, gives the columns ``xgm_sa2.pulse_energy``, ``xgm_sa2.corrected`` and so on.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from knockoff.language.members import GROUP_MARK, Members, is_group, split_class
from knockoff.language.variable import MisplacedError, Variable, undeclared, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_):  # noqa: D103
        return lambda function: function  # only checkers care, and Python 3.10 has no such word


C = TypeVar("C", bound=type)

BEING_FILLED: Final = "__knockoff_being_filled__"
"""The attribute of a group that stands for `self` while one of its variables is computed."""

_OWN: Final = ("title", "name", "tags", "sep")
_WORDS_MARK: Final = "__knockoff_group_words__"
_NAMED_MARK: Final = "__knockoff_group_has_a_field_name__"


class GroupError(MisplacedError):
    """A group that cannot be one, or of which nobody can tell what it is called."""


@dataclass(frozen=True)
class Reference:
    """A variable of one group, as it is handed to another: ``Beam(energy=xgm.pulse_energy)``."""

    group: object
    name: str


@dataclass(frozen=True)
class _Words:
    """What the decorator was told."""

    title: str | None = None
    tags: tuple[str, ...] = ()
    sep: str = "/"


@overload
def Group(cls: C, /) -> C: ...
@overload
def Group(
    *, title: str | None = None, tags: str | Iterable[str] | None = None, sep: str = "/"
) -> Callable[[C], C]: ...
@dataclass_transform(kw_only_default=True)
def Group(  # noqa: N802  # it stands where a class name is expected: @Group
    cls: Any = None,
    /,
    *,
    title: str | None = None,
    tags: str | Iterable[str] | None = None,
    sep: str = "/",
) -> Any:
    """Make a class a group of variables.

    Every instance also takes `title` (header of its columns; first positional),
    `name` (its place in the document, by default the name it is assigned to),
    `tags` (added to those of its variables) and `sep` (between its title and theirs).
    A class may have a field `name` of its own, which is then a parameter like any other.

    A derived class that is not decorated has title, tags and separator of its parent.
    Decorated anew it has those it is given; without any it keeps the parent's tags,
    unless the parent was decorated with a title, which speaks for itself alone.

    Raises
    ------
    GroupError
        The class defines a field that every group has already.
    MisplacedError
        The class has a field for people to type.
    """

    def decorate(undecorated: type) -> type:
        parent = _words_of_parent(undecorated)
        given = words(tags) if tags is not None or parent.title is not None else parent.tags
        return _made_group(undecorated, _Words(title, given, sep))

    return decorate if cls is None else decorate(cls)


def _refused_as_base(bases: tuple[object, ...]) -> tuple[type, ...]:  # noqa: ARG001  # Python's
    raise MisplacedError(
        "Group is no class to derive from.",
        "Write @Group in the line above the class, and nothing in its parentheses; "
        "or derive it from knockoff.Grouped.",
    )


# else Python calls the type of a function as if it made classes, and says nothing of use
setattr(Group, "__mro_entries__", _refused_as_base)  # noqa: B010  # mypy knows no such attribute


if TYPE_CHECKING:

    @dataclass_transform(kw_only_default=True)
    class _Checked(type):
        """What makes type checkers read the fields below, and those of a derived class."""

    class Grouped(metaclass=_Checked):
        """A group for type checkers: derive from it, and they know what every group takes."""

        title: str | None = None
        name: str | None = None
        tags: str | Iterable[str] | None = None
        sep: str = "/"

else:

    class Grouped:
        """A group for type checkers: derive from it, and they know what every group takes.

        With or without `Group` above the class: ``class Xgm(Grouped)`` and then
        ``Xgm(title="XGM", device="SA2_XTD1_XGM/XGM/DOOCS")``.
        """

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            _prepare(type(self))
            type(self).__init__(self, *args, **kwargs)


def members_of_group(group: object) -> Members:
    """What the class of `group` consists of, inherited members included."""
    members: Members = getattr(type(group), GROUP_MARK)
    return members


def name_of_group(group: Any) -> str | None:
    """The name that one group instance was given; None if it is called as it is assigned."""
    name: str | None = group.name if "name" in _own_words(type(group)) else None
    return name


def has_title_of_class(group: Any) -> bool:
    """Whether it is titled as every instance of its class is that was given no title of its own."""
    told: _Words = getattr(type(group), _WORDS_MARK)
    return told.title is not None and group.title == told.title


def parameters_of_group(group: object) -> dict[str, Any]:
    """The parameters of one group instance, without its inner groups and linked variables."""
    own = _own_words(type(group))
    return {
        name: value
        for name, value in vars(group).items()
        if name not in own and not is_group(value) and not isinstance(value, Variable | Reference)
    }


def inner_groups(group: object) -> dict[str, object]:
    """The groups that one group instance holds, by attribute."""
    return {name: value for name, value in vars(group).items() if is_group(value)}


def links_of_group(group: object) -> dict[str, Variable[Any] | Reference]:
    """The variables that were handed to one group instance, by attribute."""
    held = vars(group).items()
    return {name: value for name, value in held if isinstance(value, Variable | Reference)}


def is_part(group: object, attribute: str) -> bool:
    """Whether an inner group stands in the body of the class, and was not handed over."""
    return attribute in members_of_group(group).groups


class _Slot:
    """Stands where a variable stood in the body of a group's class.

    A value that was computed hides it. While the file is read, a group's variable
    can be handed to another group; later it would be a value that was not asked for.
    """

    def __init__(self, name: str, variable: Variable[Any]) -> None:
        self._name = name
        self._variable = variable

    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            return self._variable
        if BEING_FILLED in vars(instance):
            raise AttributeError(undeclared(self._name))
        return Reference(instance, self._name)


def _made_group(cls: type, told: _Words) -> type:
    """Make a class a dataclass with the fields of every group, in place."""
    for base in reversed(cls.__mro__[1:]):
        if hasattr(base, GROUP_MARK) or Grouped in base.__mro__[1:]:
            _prepare(base)
    _refuse_fields_of_every_group(cls)
    members = _members_of_class(cls)
    for name, variable in _own_members(cls).variables.items():
        setattr(cls, name, _Slot(name, variable))
    has_init = "__init__" in vars(cls)
    defaults = {"title": told.title, "name": None, "tags": told.tags, "sep": told.sep}
    own = _own_words(cls)
    cls.__annotations__ = {**inspect.get_annotations(cls), **dict.fromkeys(own, "Any")}
    for name in own:
        setattr(cls, name, dataclasses.field(default=defaults[name], kw_only=True))
    setattr(cls, "__post_init__", _after_init(members, getattr(cls, "__post_init__", None)))  # noqa: B010
    setattr(cls, GROUP_MARK, members)
    setattr(cls, _WORDS_MARK, told)
    dataclass(kw_only=True, eq=False, repr=False)(cls)
    if not has_init:
        setattr(cls, "__init__", _loose_init(cls, vars(cls)["__init__"]))  # noqa: B010
    return cls


def _prepare(cls: type) -> None:
    """Make a group of a class that derives from one without being decorated."""
    if GROUP_MARK not in vars(cls):
        _made_group(cls, _words_of_parent(cls))


def _words_of_parent(cls: type) -> _Words:
    found: _Words = getattr(cls, _WORDS_MARK, _Words())
    return found


def _members_of_class(cls: type) -> Members:
    """What it consists of, with what it takes from groups and from classes that are none."""
    members = Members()
    for base in reversed(cls.__mro__[1:-1]):
        known = vars(base).get(GROUP_MARK)
        if known is None and base.__module__ != __name__:
            found = split_class(base)
            known = Members(found.variables, found.hooks, found.groups, {}, found.names)
        members = members.joined(known or Members())
    members = members.joined(_own_members(cls))
    for name in _own_words(cls):
        members.fields.pop(name, None)
    for name, field in members.fields.items():
        if field.editable:
            raise MisplacedError(
                f"{cls.__name__}.{name} is Editable, and a group has no fields that people type.",
                f"Move it into the run class; read it here with a parameter "
                f'{name}: Annotated[…, "var#{name}"].',
            )
    return members


def _own_members(cls: type) -> Members:
    """Its own body; ``value: Variable = other`` there is a field with a default, and no column."""
    members = split_class(cls)
    for name in members.fields.keys() & members.variables.keys():
        del members.variables[name]
    return members


def _refuse_fields_of_every_group(cls: type) -> None:
    annotated = inspect.get_annotations(cls)
    if "name" in annotated:
        setattr(cls, _NAMED_MARK, True)
    taken = [name for name in _own_words(cls) if name in {**annotated, **vars(cls)}]
    if taken:
        raise GroupError(
            f"@Group class {cls.__name__} defines {', '.join(taken)}, which every group has "
            f"already.",
            "Give it another name.",
        )


def _own_words(cls: type) -> tuple[str, ...]:
    """What every instance takes, whatever its class."""
    return tuple(name for name in _OWN if name != "name" or not hasattr(cls, _NAMED_MARK))


def _after_init(members: Members, own: Callable[..., None] | None) -> Callable[..., None]:
    def __post_init__(self: Any, *others: Any) -> None:  # noqa: N807  # it becomes that method
        self.tags = words(self.tags)
        for name, part in members.groups.items():
            if vars(self).get(name, part) is part:
                vars(self)[name] = _copied(part)
        if own is not None:
            own(self, *others)

    return __post_init__


def _copied(group: Any) -> Any:
    """A part of a class, so that each instance has one of its own."""
    made = copy.copy(group)
    for name, inner in inner_groups(made).items():
        if is_part(made, name):
            vars(made)[name] = _copied(inner)
    return made


def _loose_init(cls: type, made: Callable[..., None]) -> Callable[..., None]:
    """The ``__init__`` of a dataclass, which takes parameters by position, too."""

    @functools.wraps(made)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807  # as above
        if GROUP_MARK not in vars(type(self)):
            _prepare(type(self))
            type(self).__init__(self, *args, **kwargs)
            return
        made(self, **_by_name(cls, args, kwargs))

    return __init__


def _by_name(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by the names of their fields.

    Text in front is the title, unless a parameter would be left without a value.

    Raises
    ------
    TypeError
        There are more than fields.
    """
    if not args:
        return kwargs
    fields = [
        each for each in dataclasses.fields(cls) if each.init and each.name not in _own_words(cls)
    ]
    bare = [each for each in fields if each.name not in kwargs]
    needed = [each for each in bare if _is_needed(each)]
    names = [each.name for each in bare]
    if "title" not in kwargs and isinstance(args[0], str) and len(needed) < len(args):
        names.insert(0, "title")
    if len(args) > len(names):
        raise TypeError(
            f"{cls.__name__} takes {len(names)} parameters by position, and was given {len(args)}."
        )
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _is_needed(field: Any) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
