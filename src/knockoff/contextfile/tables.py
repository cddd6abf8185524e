"""A run class as the worker has it: every variable with its function and all it needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.contextfile.description import TableDescription, VariableDescription
    from knockoff.contextfile.inputs import Input
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
    """For each ``var#`` or ``self#`` parameter the variables that it means."""

    @property
    def name(self) -> str:
        """Dotted, as in the description."""
        return self.description.name


@dataclass(frozen=True)
class Table:
    """One run class, ready to be computed."""

    description: TableDescription
    formulas: dict[str, Formula]
    """In the order in which they run."""

    scope: Scope
    body: type | None
    """What `self` is an instance of; None for a file of functions."""


@dataclass(frozen=True)
class TableSource:
    """Where a table comes from: a class, or the functions of a file."""

    name: str
    members: Members
    file: str
    module: dict[str, Any]
    owner: type | None = None
    body: type | None = None
    line: int = 0

    @property
    def settings(self) -> Any:
        """The inner class ``Settings`` in Beanie's way, or None."""
        return getattr(self.owner, "Settings", None)

    @property
    def collection(self) -> str:
        """Where its rows are: ``Settings.name``, else the class's name as in ``spectrum_runs``."""
        name: str | None = getattr(self.settings, "name", None)
        return name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.name).lower()
