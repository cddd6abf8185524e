"""A variable or hook on the way from its source to its description."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.contextfile.inputs import Input
    from knockoff.contextfile.scope import Scope
    from knockoff.language.members import Hook
    from knockoff.language.occasions import Direction
    from knockoff.language.variable import Variable
    from knockoff.runkey import DataKind


@dataclass
class Draft:
    """A variable or hook while the names in it are looked up."""

    name: str
    function: Callable[..., Any]
    scope: Scope
    method: bool
    variable: Variable[Any] | None = None
    hook: Hook | None = None
    inputs: tuple[Input, ...] = ()
    reads: dict[str, None] = field(default_factory=dict)
    may_read: dict[str, None] = field(default_factory=dict)
    fields_read: dict[str, None] = field(default_factory=dict)
    assigns: dict[str, None] = field(default_factory=dict)
    methods: dict[Callable[..., Any], None] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    chosen: dict[str, tuple[str, ...]] = field(default_factory=dict)
    data: DataKind = "raw"
    cluster: bool = False

    @property
    def outputs(self) -> tuple[str, ...]:
        """The fields it fills; a hook that assigns none in plain sight has its own name."""
        return tuple(self.assigns) if self.hook and self.assigns else (self.name,)

    @property
    def direction(self) -> Direction:
        """On which side of the event it runs."""
        if self.hook:
            return self.hook.direction
        return (self.variable and self.variable.direction) or "after"

    @property
    def all_reads(self) -> tuple[str, ...]:
        """Variables it reads, whether or not it can do without."""
        return (*self.reads, *(name for name in self.may_read if name not in self.reads))
