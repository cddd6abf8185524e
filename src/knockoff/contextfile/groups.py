"""Where the columns of a table's groups lie, and what the groups were given of each other.

A group has one place, however many others it was handed to: that of its ``name=``, or
else the shortest way of attributes that leads to it.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from knockoff.contextfile.names import stored_names
from knockoff.contextfile.scope import Fault, Scope, in_words
from knockoff.language.group import (
    Reference,
    inner_groups,
    is_part,
    links_of_group,
    members_of_group,
    name_of_group,
    parameters_of_group,
)
from knockoff.language.members import name_in_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from knockoff.language.members import Members


def scope_of_table(members: Members, owner: object | None) -> Scope:
    """The scope of a whole table, with all its groups and what is wrong with them.

    In a file of functions, which has no `owner`, columns whose names are taken are
    stored under others.
    """
    groups = _Groups(members, owner)
    groups.place(members.groups)
    groups.link()
    return groups.finished()


class _Groups:
    def __init__(self, members: Members, owner: object | None) -> None:
        self._renames = owner is None
        self._top = stored_names(_at_top(members)) if self._renames else {}
        self._root = Scope(_renamed(members, self._top), owner)
        self._known: dict[int, tuple[Scope, int]] = {}
        self._attributes: dict[tuple[str, ...], str] = {}
        self._faults: list[Fault] = []

    def place(self, groups: Mapping[str, object]) -> None:
        """Find the place of each group, those near the top first."""
        level = [(self._root, name, group, name) for name, group in groups.items()]
        depth = 0
        while level:
            deeper: list[tuple[Scope, str, object, str]] = []
            for parent, attribute, group, top in level:
                known = self._known.get(id(group))
                if known is None:
                    scope = self._placed(parent, attribute, group, top)
                    self._known[id(group)] = (scope, depth)
                    inner = inner_groups(group).items()
                    deeper.extend((scope, name, each, top) for name, each in inner)
                else:
                    scope = known[0]
                    self._check_alias(parent, attribute, scope, top, is_near=known[1] == depth)
                parent.groups[attribute] = scope
            level, depth = deeper, depth + 1

    def link(self) -> None:
        """Find the variables that each group was given, once all have their places."""
        for scope in self._root.everything()[1:]:
            top = self._attributes[scope.path]
            for name, value in scope.parameters.items():
                if inspect.isfunction(value) and self._named(value) is not None:
                    scope.links[name] = self._named(value) or ""
            for name, given in links_of_group(scope.owner).items():
                linked = self._linked(given)
                if linked is None:
                    self._faults.append(
                        Fault(
                            top,
                            f"{scope.dotted(name)} is given a variable that is not in this table.",
                            "Assign the variable's group to a name of its own here, or hand over "
                            "a variable of this table.",
                        )
                    )
                    continue
                scope.links[name] = linked
            for name in scope.links:
                scope.parameters.pop(name, None)

    def finished(self) -> Scope:
        """The scope of the table."""
        self._root.faults = tuple(self._faults)
        for scope in self._root.everything():
            for name in (*scope.members.variables, *scope.members.hooks):
                spelt = ".".join((*scope.spelt_path, scope.members.spelt.get(name, name)))
                if spelt != scope.dotted(name):
                    self._root.spelt_names[scope.dotted(name)] = spelt
        return self._root

    def _placed(self, parent: Scope, attribute: str, group: Any, top: str) -> Scope:
        name = name_of_group(group)
        named = tuple(name.split(".")) if name else (attribute,)
        is_below = bool(parent.path) and (not name or is_part(parent.owner, attribute))
        above = parent if is_below else self._root
        path = (*above.path, *self._stored(named, at_top=not is_below))
        title = group.title or group.sep.join(map(in_words, named))
        members = members_of_group(group)
        stored = stored_names(members.variables, at_top=False) if self._renames else {}
        scope = Scope(
            members=_renamed(members, stored),
            owner=group,
            path=path,
            spelt_path=(*above.spelt_path, *named),
            parameters=parameters_of_group(group),
            titles=(*above.titles, f"{title}{group.sep}"),
            separator=group.sep,
            tags=tuple(sorted({*above.tags, *group.tags})),
        )
        if path in self._attributes:
            self._faults.append(
                Fault(
                    top,
                    f"there are two groups called {'.'.join(named)!r}.",
                    "Give one of them another name=.",
                )
            )
        else:
            self._attributes[path] = top
            parent.below = (*parent.below, scope)
        return scope

    def _stored(self, named: tuple[str, ...], *, at_top: bool) -> tuple[str, ...]:
        if not self._renames:
            return named
        first, *rest = named
        known = {**stored_names((first,), at_top=at_top), **(self._top if at_top else {})}
        inner = stored_names(rest, at_top=False)
        return (known.get(first, first), *(inner.get(each, each) for each in rest))

    def _check_alias(
        self, parent: Scope, attribute: str, scope: Scope, top: str, *, is_near: bool
    ) -> None:
        """A group that has two ways of the same length, and no name of its own."""
        way = (*parent.spelt_path, attribute)
        if is_near and not name_of_group(scope.owner) and way != scope.spelt_path:
            one, other = ".".join(scope.spelt_path), ".".join(way)
            self._faults.append(
                Fault(
                    top,
                    f"one group is called both {one!r} and {other!r}, so its columns have no "
                    f"single name.",
                    f"Give it a name, as in name={scope.spelt_path[-1]!r}.",
                )
            )

    def _linked(self, given: Any) -> str | None:
        if not isinstance(given, Reference):
            return self._named(given)
        known = self._known.get(id(given.group))
        scope = known[0] if known else self._root.groups.get(self._called(given.group))
        if scope is None:
            return None
        read = scope.resolve((given.name,))
        return read.name if read.kind == "variable" else None

    def _named(self, given: Any) -> str | None:
        """What a variable of the table is called that was handed over as such, or as a function."""
        for name, variable in self._root.members.variables.items():
            if given is variable or given is variable.function:
                return name
            if getattr(given, "function", None) is variable.function:
                return name
        name = self._called(given)
        return name if name in self._root.members.variables else None

    def _called(self, piece: object) -> str:
        """The name of what a base of the class has, and the class itself has replaced."""
        owner = self._root.owner
        return name_in_class(owner, piece) if isinstance(owner, type) else ""


def _at_top(members: Members) -> tuple[str, ...]:
    """All names that stand at the top of a table."""
    groups = members.groups.items()
    named = ((name_of_group(group) or name).partition(".")[0] for name, group in groups)
    return (*members.variables, *named)


def _renamed(members: Members, stored: Mapping[str, str]) -> Members:
    """The same variables under the names by which they are stored."""
    if not stored:
        return members
    variables = {stored.get(name, name): each for name, each in members.variables.items()}
    spelt = {here: name for name, here in stored.items() if name in members.variables}
    return replace(
        members,
        variables=variables,
        names=tuple(
            stored.get(name, name) if name in members.variables else name for name in members.names
        ),
        spelt={**members.spelt, **spelt},
    )
