"""`Group`: a class of variables that is used several times, with other parameters each time.

A group is a dataclass: its fields are parameters, its variables are columns.
``xgm_sa2 = Xgm(device="SA2_XTD1_XGM/XGM/DOOCS")`` in a run class gives the columns
``xgm_sa2.pulse_energy``, ``xgm_sa2.corrected`` and so on.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, overload

from knockoff.language.members import GROUP_MARK, Members, is_group, split_class
from knockoff.language.variable import MisplacedError, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_):  # noqa: D103
        return lambda function: function  # only checkers care, and Python 3.10 has no such word


C = TypeVar("C", bound=type)

_OWN = ("title", "name", "tags", "sep")


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

    Raises
    ------
    TypeError
        The class defines a field that every group has already, or one for people to type.
    """

    def decorate(undecorated: type) -> type:
        return _made_group(undecorated, title, words(tags), sep)

    return decorate if cls is None else decorate(cls)


def members_of_group(group: object) -> Members:
    """What the class of `group` consists of, inherited members included."""
    members: Members = getattr(type(group), GROUP_MARK)
    return members


def parameters_of_group(group: object) -> dict[str, Any]:
    """The parameters of one group instance, without its inner groups."""
    return {
        field.name: getattr(group, field.name)
        for field in dataclasses.fields(group)  # type: ignore[arg-type]
        if field.name not in _OWN and not is_group(getattr(group, field.name))
    }


def inner_groups(group: object) -> dict[str, object]:
    """The groups that one group instance holds, by attribute."""
    held = {**members_of_group(group).groups}
    for field in dataclasses.fields(group):  # type: ignore[arg-type]
        value = getattr(group, field.name)
        if is_group(value):
            held[field.name] = value
    return held


def _made_group(cls: type, title: str | None, tags: tuple[str, ...], sep: str) -> type:
    annotated = inspect.get_annotations(cls)
    taken = [name for name in _OWN if name in annotated]
    if taken:
        raise TypeError(
            f"@Group class {cls.__name__} defines {', '.join(taken)}, which every group has "
            f"already. Give it another name."
        )
    inherited = getattr(cls, GROUP_MARK, Members())
    members = inherited.joined(split_class(cls))
    for name, field in members.fields.items():
        if field.editable:
            raise MisplacedError(
                f"{cls.__name__}.{name} is Editable, and a group has no fields that people type.",
                f"Move it into the run class; read it here with a parameter "
                f'{name}: Annotated[…, "var#{name}"].',
            )
    for name in members.variables:
        if name in cls.__dict__:
            delattr(cls, name)  # so that a value is found only where one was handed over
    made = dataclasses.make_dataclass(
        cls.__name__,
        [
            ("title", "str | None", dataclasses.field(default=title)),
            ("name", "str | None", dataclasses.field(default=None, kw_only=True)),
            ("tags", "tuple[str, ...]", dataclasses.field(default=tags, kw_only=True)),
            ("sep", "str", dataclasses.field(default=sep, kw_only=True)),
        ],
        bases=(dataclasses.dataclass(kw_only=True, eq=False)(cls),),
        eq=False,
        repr=False,
        namespace={
            GROUP_MARK: members,
            "__doc__": cls.__doc__,
            "__module__": cls.__module__,
            "__qualname__": cls.__qualname__,
            "__post_init__": _after_init(getattr(cls, "__post_init__", None)),
        },
    )
    made.__module__ = cls.__module__
    return made


def _after_init(own: Callable[[Any], None] | None) -> Callable[[Any], None]:
    def __post_init__(self: Any) -> None:  # noqa: N807  # it becomes that method
        self.tags = words(self.tags)
        if own is not None:
            own(self)

    return __post_init__
