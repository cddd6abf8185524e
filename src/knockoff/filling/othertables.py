"""What the variables of one table read in the run's rows of other tables of the same file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from knockoff.arrays.wire import from_json
from knockoff.filling.blocking import NOT_COMPUTED, Missing
from knockoff.filling.selves import field_of
from knockoff.language.members import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from knockoff.contextfile.tables import Formula, Table
    from knockoff.filling.messages import CellProblem, RunTask
    from knockoff.filling.sources import Sources


class OtherTables:
    """Columns named as in ``spectrum_runs/energy``; the task has what is stored of them."""

    def __init__(self, tables: Mapping[str, Table], task: RunTask, sources: Sources) -> None:
        self._tables = tables
        self._task = task
        self._sources = sources

    def spoken(self, column: str) -> str:
        """As people write it behind ``var#``: ``SpectrumRuns.energy``; of one's own, itself."""
        collection, is_elsewhere, name = column.rpartition("/")
        return f"{self._class(collection)}.{name}" if is_elsewhere else name

    def value(self, column: str) -> Any:
        """Full value of a column; MISSING if there is none."""
        if column in self._task.problems or column not in self._task.done:
            return MISSING
        collection, _, name = column.rpartition("/")
        table = self._tables.get(collection)
        if table is not None and name in table.scope.members.fields:
            return field_of(table.scope.members, name, {name: from_json(self._task.row[column])})
        return self._sources.stored(column)

    def missing(self, formula: Formula) -> Iterator[Missing]:
        """What a variable needs of them and does not find, and why."""
        for column in formula.needs_elsewhere:
            if column in self._task.problems:
                outcome, problem = self._task.problems[column]
                yield Missing(self.spoken(column), outcome, self._seen_from_here(column, problem))
            elif column not in self._task.done and not self._is_field(column):
                yield Missing(self.spoken(column), "blocked", NOT_COMPUTED)

    def _is_field(self, column: str) -> bool:
        """Whether nothing computes it; without a value it is simply empty."""
        collection, _, name = column.rpartition("/")
        table = self._tables.get(collection)
        return table is not None and table.filler_of(name) not in table.formulas

    def _seen_from_here(self, column: str, problem: CellProblem) -> CellProblem:
        """With the class before every name on the way to the cause."""
        collection = column.rpartition("/")[0]

        def told(path: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(self._with_class(collection, name) for name in path)

        causes = tuple(replace(each, path=told(each.path)) for each in problem.causes)
        return replace(problem, cause=told(problem.cause), causes=causes)

    def _with_class(self, collection: str, name: str) -> str:
        table = self._tables.get(collection)
        is_its_own = table is not None and table.filler_of(name) in table.formulas
        return f"{self._class(collection)}.{name}" if is_its_own else name

    def _class(self, collection: str) -> str:
        table = self._tables.get(collection)
        return collection if table is None else table.description.name
