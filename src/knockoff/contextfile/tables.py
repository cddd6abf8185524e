"""A run class as the worker has it: every variable with its function and all it needs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from knockoff.contextfile.description import TableDescription, VariableDescription
    from knockoff.contextfile.inputs import Input
    from knockoff.contextfile.outputs import ReturnClass
    from knockoff.contextfile.scope import Scope
    from knockoff.language.members import Members
    from knockoff.language.variable import Variable


@dataclass(frozen=True)
class Formula:
    """A function that fills fields, with all that is needed to call it."""

    description: VariableDescription
    function: Callable[..., Any]
    scope: Scope
    inputs: tuple[Input, ...]
    method: bool
    variable: Variable[Any] | None
    """None for a plain hook."""

    chosen: dict[str, tuple[str, ...]]
    """For each ``var#`` or ``self#`` parameter the variables or outputs that it means."""

    needs: tuple[str, ...] = ()
    """Columns, and hooks, that it cannot do without."""

    returns: ReturnClass | None = None
    """What its several outputs are fields of; None if it has one."""

    @property
    def name(self) -> str:
        """Dotted, as in the description."""
        return self.description.name

    @property
    def needs_elsewhere(self) -> tuple[str, ...]:
        """Columns of other tables that it cannot do without, as in ``spectrum_runs/energy``."""
        needed = (self.chosen.get(each.parameter, ()) for each in self.inputs if not each.optional)
        return tuple(dict.fromkeys(name for names in needed for name in names if "/" in name))


@dataclass(frozen=True)
class Table:
    """One run class, ready to be computed."""

    description: TableDescription
    formulas: dict[str, Formula]
    """In the order in which they run."""

    scope: Scope
    body: type | None
    """What `self` is an instance of; None for a file of functions."""

    def filler_of(self, name: str) -> str:
        """The variable or hook of this name, or that has an output of this name."""
        return name if name in self.formulas else name.rpartition(".")[0]

    def needed_by(self, names: Iterable[str]) -> frozenset[str]:
        """These variables, and all that they cannot be computed without, directly or not."""
        needed: set[str] = set()
        waiting = list(names)
        while waiting:
            name = self.filler_of(waiting.pop())
            if name in self.formulas and name not in needed:
                needed.add(name)
                described = self.formulas[name].description
                waiting.extend((*described.reads, *described.may_read, *described.computed_with))
        return frozenset(needed)

    def without(self, names: Iterable[str]) -> Table:
        """The same table without these variables, as far as no other one reads them."""
        left_out = frozenset(names)
        if not left_out:
            return self
        kept = self.needed_by(self.formulas.keys() - left_out)
        formulas = {name: each for name, each in self.formulas.items() if name in kept}
        variables = tuple(each.description for each in formulas.values())
        description = replace(self.description, variables=variables)
        return replace(self, description=description, formulas=formulas)


@dataclass(frozen=True)
class TableSource:
    """Where a table comes from: a class, the functions of a file, or both."""

    name: str
    members: Members
    file: str
    module: dict[str, Any]
    owner: type | None = None
    body: type | None = None
    line: int = 0
    functions: frozenset[str] = frozenset()
    """Variables that are functions, and have no `self`, in a table of a class."""

    left_out: frozenset[str] = frozenset()
    """Variables, dotted, that are not in the table unless another one reads them."""

    @property
    def settings(self) -> Any:
        """The inner class ``Settings`` in Beanie's way, or None."""
        return getattr(self.owner, "Settings", None)

    @property
    def collection(self) -> str:
        """Where its rows are: ``Settings.name``, else the class's name as in ``spectrum_runs``.

        The name counts in the class itself only, since two tables cannot be one collection.
        """
        own = vars(self.owner).get("Settings") if self.owner else None
        name: str | None = vars(own).get("name") if own else None
        return name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.name).lower()
