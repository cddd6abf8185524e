"""A variable or hook on the way from its source to its description."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any

from knockoff.contextfile.outputs import return_class

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from knockoff.contextfile.inputs import Input
    from knockoff.contextfile.outputs import ReturnClass
    from knockoff.contextfile.scope import Read, Scope
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
    needs: dict[str, None] = field(default_factory=dict)
    may_read: dict[str, None] = field(default_factory=dict)
    fields_read: dict[str, None] = field(default_factory=dict)
    reads_elsewhere: dict[str, None] = field(default_factory=dict)
    may_read_elsewhere: dict[str, None] = field(default_factory=dict)
    fields_elsewhere: dict[str, None] = field(default_factory=dict)
    assigns: dict[str, None] = field(default_factory=dict)
    methods: dict[Callable[..., Any], None] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    chosen: dict[str, tuple[str, ...]] = field(default_factory=dict)
    computed_with: tuple[str, ...] = ()
    data: DataKind = "raw"
    cluster: bool = False

    @property
    def outputs(self) -> tuple[str, ...]:
        """The fields it fills; a hook that assigns none in plain sight has its own name."""
        if self.returns is not None:
            return tuple(f"{self.name}.{each}" for each in self.returns.names)
        return tuple(self.assigns) if self.hook and self.assigns else (self.name,)

    @cached_property
    def returns(self) -> ReturnClass | None:
        """The class that its several outputs are fields of; None if it has one."""
        return return_class(self.function) if self.variable else None

    @property
    def direction(self) -> Direction:
        """On which side of the event it runs."""
        if self.hook:
            return self.hook.direction
        return (self.variable and self.variable.direction) or "after"

    @property
    def columns(self) -> tuple[str, ...]:
        """What a mark such as ``var#*`` can mean of it: its outputs, or a hook as a whole."""
        return (self.name,) if self.hook else self.outputs

    @property
    def required(self) -> tuple[str, ...]:
        """Of several outputs those without which it is not whole."""
        outputs = self.returns.outputs if self.returns else ()
        return tuple(f"{self.name}.{each.name}" for each in outputs if each.required)

    @property
    def all_reads(self) -> tuple[str, ...]:
        """Variables it reads, whether or not it can do without."""
        return (*self.reads, *(name for name in self.may_read if name not in self.reads))


def matching(
    pattern: str, drafts: Mapping[str, Draft], spelt: Mapping[str, str]
) -> tuple[str, ...]:
    """What a mark means: a variable, one of its outputs, or all columns of a pattern.

    `spelt` says what the author calls a variable that is stored under another name.
    """
    if pattern in drafts:
        return (pattern,)
    columns = (column for draft in drafts.values() for column in draft.columns)
    return tuple(column for column in columns if fnmatchcase(spelt.get(column, column), pattern))


def column_of(read: Read, drafts: Mapping[str, Draft]) -> str:
    """What ``self.beam.mean`` reads: the output ``beam.mean``, or else the variable ``beam``."""
    column = ".".join((read.name, *read.rest[:1]))
    return column if read.name in drafts and column in drafts[read.name].outputs else read.name


def tell_needs(drafts: Mapping[str, Draft]) -> None:
    """Tell the columns that each variable needs from the variables that it reads.

    Who reads a whole object needs all outputs that belong to it; one that could not be
    stored does not matter to whoever reads another one.
    """
    filled_by = {column: draft.name for draft in drafts.values() for column in draft.columns}
    for draft in drafts.values():
        for name in draft.reads:
            needed = drafts[name].required if name in drafts else ()
            draft.needs.update(dict.fromkeys((name, *needed)))
        for reads in (draft.reads, draft.may_read):
            variables = dict.fromkeys(filled_by.get(name, name) for name in reads)
            reads.clear()
            reads.update(variables)
