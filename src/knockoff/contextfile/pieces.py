"""The pieces that a pipeline is made of, and the table that they are together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from knockoff.contextfile.assembling import (
    NOTHING,
    PipelineError,
    pieces_in,
    source_of_piece,
    source_of_table,
    united,
)
from knockoff.contextfile.linking import tables_of
from knockoff.contextfile.problems import ContextProblems
from knockoff.contextfile.sources import file_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from knockoff.contextfile.assembling import OnConflict
    from knockoff.contextfile.loading import Context
    from knockoff.contextfile.tables import Table, TableSource


@dataclass(frozen=True)
class Pieces:
    """Variables, groups and at most one run class, in the order in which they were added."""

    source: TableSource = NOTHING
    nameless: tuple[object, ...] = ()
    """Groups that may yet get a name, where the file assigns them."""

    others: tuple[TableSource, ...] = ()
    """Where the other tables of the file come from, which variables may read."""

    @classmethod
    def of_context(cls, context: Context, name: str | None) -> Pieces:
        """Those of one table of a context file; `name` is its class or collection.

        Raises
        ------
        PipelineError
            There is no such table, or there are several and no name was given.
        """
        tables = {each.description.name: each for each in context.tables.values()}
        known = {**context.tables, **tables}
        if name is None and len(tables) == 1:
            (name,) = tables
        if name not in known:
            what = "There are several tables" if name is None else f"There is no table {name!r}"
            raise PipelineError(
                f"{what} in {context.description.path}.",
                f"Choose one: table={' or '.join(map(repr, tables))}.",
            )
        table = known[name]
        others = (each for each in tables.values() if each is not table)
        path = context.description.path
        return cls(
            source_of_table(table, path),
            others=tuple(source_of_table(each, path) for each in others),
        )

    def with_items(self, items: Iterable[object]) -> Pieces:
        """These and others.

        Raises
        ------
        TypeError
            One of them is nothing that fills a column.
        PipelineError
            There is a column of that name already, or another run class.
        """
        source, nameless = self.source, list(self.nameless)
        for name, piece in pieces_in(items):
            found = source_of_piece(name, piece, {})
            if found is not None:
                source = united(source, found)
            elif not any(piece is each for each in nameless):
                nameless.append(piece)
        return replace(self, source=source, nameless=tuple(nameless))

    def united(self, other: Pieces, on_conflict: OnConflict) -> Pieces:
        """Those of both.

        Raises
        ------
        PipelineError
            As `knockoff.contextfile.assembling.united`.
        """
        return Pieces(
            united(self.source, other.source, on_conflict),
            (*self.nameless, *other.nameless),
            tuple({each.owner: each for each in (*other.others, *self.others)}.values()),
        )

    def only(self, names: frozenset[str]) -> Pieces:
        """The variables of these names; what another one reads has to be among them."""
        left_out = self.source.left_out | (self.table.formulas.keys() - names)
        source = replace(self.named({}), left_out=left_out)
        return replace(self, source=source, nameless=())

    def named(self, names: Mapping[str, Any]) -> TableSource:
        """With the groups that have a name by now; `names` are those of the file.

        Raises
        ------
        PipelineError
            A group has none.
        """
        source = self.source
        for group in self.nameless:
            found = source_of_piece("", group, names)
            if found is None:
                cls = type(group).__name__
                raise PipelineError(
                    f"A group {cls}(…) has no name.",
                    f"Write {cls}(name='…', …), or add it in a dict: add({{'name': …}}).",
                )
            source = united(source, found)
        return source

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """All of them as one table, and behind it the other tables of the file.

        Raises
        ------
        ContextProblems, PipelineError
            Something is wrong with them.
        """
        linked = tables_of((self.named({}), *self.others))
        tables = tuple(table for table, _ in linked if table is not None)
        if len(tables) < len(linked):
            raise ContextProblems(problem for _, problems in linked for problem in problems)
        return tables

    @property
    def table(self) -> Table:
        """All of them as one table.

        Raises
        ------
        ContextProblems, PipelineError
            As `tables`.
        """
        return self.tables[0]

    @property
    def file(self) -> str:
        """Where their source is, for the lines in error messages."""
        first = next(iter(self.table.formulas.values()), None)
        return self.source.file if first is None else file_of(first.function)

    @property
    def __knockoff_parts__(self) -> list[Any]:
        """What a hash of code that uses them has to notice."""
        members = self.source.members
        functions = [each.function for each in members.variables.values()]
        hooks = [each.function for each in members.hooks.values()]
        return [functions, hooks, members.groups, self.nameless, sorted(self.source.left_out)]
