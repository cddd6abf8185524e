"""Names that a method can reach through `self`, in a run class or in one of its groups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from knockoff.language.group import inner_groups, members_of_group, parameters_of_group

if TYPE_CHECKING:
    from knockoff.language.members import Members

ROW_FIELDS: Final = (
    "proposal",
    "run",
    "start_time",
    "added_at",
    "comment",
    "tags",
    "status",
)
"""Fields that every row has, whatever its class."""

ReadKind = Literal["variable", "field", "parameter", "other"]


@dataclass(frozen=True)
class Read:
    """What one chain of attributes leads to."""

    kind: ReadKind
    name: str
    """Dotted, from the top of the table; for kind "other" the first attribute."""


@dataclass
class Scope:
    """A run class, or one group in it, with the groups below."""

    members: Members
    owner: object | None
    """The class of the table, the group instance, or None for a file of functions."""

    path: tuple[str, ...] = ()
    groups: dict[str, Scope] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    titles: tuple[str, ...] = ()
    separator: str = "/"
    tags: tuple[str, ...] = ()

    @classmethod
    def of_table(cls, members: Members, owner: object | None) -> Scope:
        """The scope of a whole table."""
        scope = cls(members, owner)
        for name, group in members.groups.items():
            scope.groups[name] = _of_group(group, name, scope)
        return scope

    def dotted(self, name: str) -> str:
        """`name` in this scope, from the top of the table."""
        return ".".join((*self.path, name))

    def resolve(self, chain: tuple[str, ...]) -> Read:
        """Follow a chain of attributes as far as knockoff knows the names."""
        name, *rest = chain
        if name in self.members.variables:
            return Read("variable", self.dotted(name))
        if name in self.groups:
            return self.groups[name].resolve(tuple(rest)) if rest else Read("other", name)
        if name in self.parameters:
            return Read("parameter", self.dotted(name))
        if name in self.members.fields or (not self.path and name in ROW_FIELDS):
            return Read("field", self.dotted(name))
        return Read("other", name)

    def everything(self) -> tuple[Scope, ...]:
        """The scope itself and all below it."""
        below = [scope for group in self.groups.values() for scope in group.everything()]
        return (self, *below)


def in_words(name: str) -> str:
    """A title made from a name: "hit_rate" gives "Hit rate"."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def _of_group(group: Any, name: str, parent: Scope) -> Scope:
    path = (*parent.path, *(group.name or name).split("."))
    title = group.title or in_words(name)
    scope = Scope(
        members=members_of_group(group),
        owner=group,
        path=path,
        parameters=parameters_of_group(group),
        titles=(*parent.titles, title),
        separator=group.sep,
        tags=tuple(sorted({*parent.tags, *group.tags})),
    )
    for inner_name, inner in inner_groups(group).items():
        scope.groups[inner_name] = _of_group(inner, inner_name, scope)
    return scope
