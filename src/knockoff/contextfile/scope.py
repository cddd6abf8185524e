"""Names that a method can reach through `self`, in a run class or in one of its groups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

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
class Fault:
    """What is wrong with how the groups of a table are named and linked."""

    attribute: str
    """Of the table, where the group stands or hangs."""

    message: str
    remedy: str


@dataclass(frozen=True)
class Read:
    """What one chain of attributes leads to."""

    kind: ReadKind
    name: str
    """Dotted, from the top of the table; for kind "other" the first attribute."""

    rest: tuple[str, ...] = ()
    """What follows in the chain behind a variable."""


@dataclass
class Scope:
    """A run class, or one group in it, with the groups that it reaches."""

    members: Members
    owner: object | None
    """The class of the table, the group instance, or None for a file of functions."""

    path: tuple[str, ...] = ()
    spelt_path: tuple[str, ...] = ()
    """The same in the author's words."""

    groups: dict[str, Scope] = field(default_factory=dict)
    """By attribute; one that is handed to several others is the same in all of them."""

    below: tuple[Scope, ...] = ()
    """Those of the groups whose columns lie here, and nowhere nearer to the top."""

    parameters: dict[str, Any] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    """Variables that were handed to a group, dotted, by attribute."""

    titles: tuple[str, ...] = ()
    """Of the groups on the way here, each with what stands between it and the next."""

    separator: str = "/"
    tags: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    spelt_names: dict[str, str] = field(default_factory=dict)
    """In a whole table what the author calls variables that are stored otherwise, both dotted."""

    def dotted(self, name: str) -> str:
        """`name` in this scope, from the top of the table."""
        return ".".join((*self.path, name))

    def resolve(self, chain: tuple[str, ...]) -> Read:
        """Follow a chain of attributes as far as knockoff knows the names."""
        first, *rest = chain
        name = self._stored(first)
        if name in self.members.variables:
            return Read("variable", self.dotted(name), tuple(rest))
        if first in self.links:
            return Read("variable", self.links[first], tuple(rest))
        if first in self.groups:
            return self.groups[first].resolve(tuple(rest)) if rest else Read("other", first)
        if first in self.parameters:
            return Read("parameter", self.dotted(first), tuple(rest))
        if first in self.members.fields or (not self.path and first in ROW_FIELDS):
            return Read("field", self.dotted(first))
        return Read("other", first)

    def parameter(self, chain: tuple[str, ...]) -> Any:
        """The value of a group's parameter; None, too, for what is not there."""
        first, *rest = chain
        if rest and first in self.groups:
            return self.groups[first].parameter(tuple(rest))
        return self.parameters.get(first)

    def pattern(self, chain: tuple[str, ...]) -> str:
        """What a pattern of attributes means, from the top of the table."""
        first, *rest = chain
        if rest and first in self.groups:
            return self.groups[first].pattern(tuple(rest))
        return self.dotted(".".join(chain))

    def spoken(self, through: tuple[Scope, ...] = ()) -> Iterator[str]:
        """All that can be written behind ``self#`` here."""
        spelt = self.members.spelt
        yield from (spelt.get(name, name) for name in self.members.variables)
        yield from (*self.links, *self.parameters, *self.members.fields)
        for name, group in self.groups.items():
            if not any(group is each for each in (self, *through)):
                yield from (f"{name}.{each}" for each in group.spoken((*through, self)))

    @property
    def linked(self) -> dict[str, str]:
        """What was handed to a group, variables and groups that lie elsewhere, by attribute."""
        below = {id(group) for group in self.below}
        groups = {name: each for name, each in self.groups.items() if id(each) not in below}
        return {**self.links, **{name: each.dotted("") for name, each in groups.items()}}

    def everything(self) -> tuple[Scope, ...]:
        """The scope itself and all below it."""
        return (self, *(scope for group in self.below for scope in group.everything()))

    def names(self) -> Iterator[str]:
        """All dotted names of variables, hooks and fields as the source has them in order.

        Those of a group stand where the group does.
        """
        places = {id(group): name for name, group in self.groups.items()}
        below = {places.get(id(group), ""): group for group in self.below}
        for name in dict.fromkeys((*self.members.names, *below)):
            if name in below:
                yield from below[name].names()
            elif name not in self.groups:
                yield self.dotted(name)

    def spelt(self, name: str) -> str:
        """What the author of the table calls the variable of this dotted name."""
        return self.spelt_names.get(name, name)

    def stored(self, name: str) -> str:
        """The dotted name of what the author of the table calls `name`; the same for most."""
        return _key_of(self.spelt_names, name)

    def _stored(self, name: str) -> str:
        return _key_of(self.members.spelt, name)


def _key_of(spelt: dict[str, str], name: str) -> str:
    return next((stored for stored, each in spelt.items() if each == name), name)


def in_words(name: str) -> str:
    """A title made from a name: "hit_rate" gives "Hit rate"."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]
