"""Which variables of one request may run at the same time, and which must share a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from knockoff.contextfile.description import VariableDescription


class Schedule:
    """What is left of one request, and what each of it waits for.

    Two variables share a process if one of them uses what the other leaves in globals of
    the context file, or if both read a transient variable, whose value is nowhere else. A
    plain hook may read and write any field, so that nothing runs beside it; and what wants
    a cluster runs last and one by one.

    Parameters
    ----------
    names:
        Those asked for, in dependency order.
    """

    def __init__(self, variables: Mapping[str, VariableDescription], names: Iterable[str]) -> None:
        self.left: dict[str, None] = dict.fromkeys(names)
        """Names that have not ended, in dependency order."""
        self._waits: dict[str, set[str]] = {}
        self._group: dict[str, str] = {}
        before: list[str] = []
        barrier: str | None = None
        for name in self.left:
            variable = variables.get(name)
            self._waits[name] = set() if barrier is None else {barrier}
            if variable is not None:
                reads = {*variable.reads, *variable.may_read, *variable.computed_with}
                self._waits[name] |= reads & self.left.keys()
                self._bind(name, variable, variables)
                if variable.hook or variable.cluster:
                    self._waits[name] |= set(before)
                    barrier = name
            before.append(name)
        self._mates: dict[str, set[str]] = {}
        for name, group in self._group.items():
            self._mates.setdefault(group, set()).add(name)

    def end(self, name: str) -> None:
        """A variable has ended, one way or the other."""
        self.left.pop(name, None)

    def ready(self, names: Collection[str]) -> list[str]:
        """Those of `names` that wait for nothing any more, in dependency order."""
        return [
            name
            for name in self.left
            if name in names and self.left.keys().isdisjoint(self._waits[name])
        ]

    def fits(self, name: str, here: Collection[str], elsewhere: Sequence[Collection[str]]) -> bool:
        """Whether a variable may run in a process that has run `here`.

        Not if a variable that must share its process was run in another one.
        """
        if not elsewhere or name not in self._group:
            return True
        mates = self._mates[self._group[name]]
        return not mates.isdisjoint(here) or all(mates.isdisjoint(each) for each in elsewhere)

    def reads(self, name: str) -> set[str]:
        """What of the request it reads and has not ended."""
        return self._waits[name] & self.left.keys()

    def _bind(
        self, name: str, variable: VariableDescription, variables: Mapping[str, VariableDescription]
    ) -> None:
        own = f"/{name}" if variable.transient else name
        groups = {own, *variable.computed_with}
        groups |= {f"/{each}" for each in transients(variable, variables)}
        known = {self._group.get(each, each) for each in groups}
        joined = min(known)
        for each, group in self._group.items():
            if group in known:
                self._group[each] = joined
        self._group.update(dict.fromkeys((name, *groups), joined))


def transients(
    variable: VariableDescription, variables: Mapping[str, VariableDescription]
) -> set[str]:
    """Transient variables that have to be computed for this one, one for the other too."""
    found: set[str] = set()
    unseen: Sequence[str] = (*variable.reads, *variable.may_read)
    while unseen:
        new = {each for each in unseen if each in variables and variables[each].transient} - found
        found |= new
        unseen = [
            name for each in new for name in (*variables[each].reads, *variables[each].may_read)
        ]
    return found
