"""One run filled for somebody who looks on: nothing is stored, and no exception is lost."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from knockoff.arrays.summaries import SummaryError
from knockoff.arrays.wire import from_json
from knockoff.contextfile.inputs import MYMDC
from knockoff.filling.asking import refuse_unanswered
from knockoff.filling.filling import Filling
from knockoff.filling.given import GivenSources
from knockoff.filling.messages import CellResult, Result, RunTask, Started
from knockoff.filling.outcomes import Output
from knockoff.filling.results import Progress, Results
from knockoff.filling.selves import field_of
from knockoff.filling.sources import surrounding_root
from knockoff.language.cell import Cell

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from knockoff.contextfile.loading import Context
    from knockoff.filling.given import Given
    from knockoff.filling.messages import CellProblem, Message, Outcome
    from knockoff.filling.outcomes import Returned


@dataclass(frozen=True)
class Elsewhere:
    """What variables read of other tables of their file, as ``spectrum_runs/energy``."""

    row: dict[str, Any] = field(default_factory=dict)
    """Fields, tagged."""

    values: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, tuple[Outcome, CellProblem]] = field(default_factory=dict)

    @property
    def done(self) -> tuple[str, ...]:
        """The columns that have a value."""
        return (*self.row, *self.values)


class Trial:
    """One table of `context`, filled once; other tables are filled as far as it reads them.

    Raises
    ------
    PipelineError
        A variable asks for the run and there is none, or a field does not exist.
    """

    def __init__(self, context: Context, collection: str, given: Given) -> None:
        self._context = context
        self._table = context.tables[collection]
        self._given = given
        self._raises = False
        self._cells: dict[str, Cell[Any]] = {}
        self._wholes: dict[str, Any] = {}
        self._told: dict[str, Result] = {}
        refuse_unanswered(self._table, given)

    def returned(self, variable: str, value: Any, parts: tuple[Returned, ...]) -> None:
        """Keep the value in full, and the cells as they were returned."""
        self._wholes[self._table.scope.spelt(variable)] = value
        for part in parts:
            self._cells[part.column.name] = _with_units(part.cell, part.column.units)

    def failed(self, error: BaseException) -> None:
        """Let it through, if that was asked for."""
        if self._raises:
            raise error

    def run(
        self,
        pipeline: str,
        *,
        raise_errors: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Results:
        """Fill it; `pipeline` is the name that the results have.

        Raises
        ------
        Exception
            What the first variable that failed has raised, if `raise_errors`.
        """
        self._raises = raise_errors
        total = len(self._table.formulas)

        def hear(message: Message) -> None:
            outcome: Outcome | None = None
            if isinstance(message, Result):
                self._told[message.variable] = message
                outcome = message.outcome
            elif not isinstance(message, Started):
                return
            if on_progress is not None:
                name = self._table.scope.spelt(message.variable)
                on_progress(Progress(name, outcome, len(self._told), total))

        elsewhere = self._elsewhere()
        task = self._task(elsewhere)
        sources = GivenSources(self._given, task, elsewhere.values)
        filling = Filling(self._context, task, sources=sources, witness=self)
        filling.fill(self._table.formulas, hear)
        return self._results(pipeline)

    def _task(self, elsewhere: Elsewhere) -> RunTask:
        given = self._given
        numbers = {"proposal": given.proposal, "run": given.run}
        known = {name: number for name, number in numbers.items() if number is not None}
        root = given.data_root or surrounding_root()
        return RunTask(
            proposal=given.proposal or 0,
            run=given.run or 0,
            collection=self._table.description.collection,
            attempt="",
            extracted_data="",
            data_root=None if root is None else str(root),
            row={**_tagged({**known, **given.fields}), **elsewhere.row},
            done=elsewhere.done,
            problems=elsewhere.problems,
            waits=dict.fromkeys(MYMDC, "no mymdc={'…': …} was given to execute"),
        )

    def _elsewhere(self) -> Elsewhere:
        """Other tables, filled as far as this one reads them; circles were refused before."""
        found = Elsewhere()
        wanted: dict[str, set[str]] = {}
        for formula in self._table.formulas.values():
            told = formula.description
            read = (*told.reads_elsewhere, *told.may_read_elsewhere, *told.fields_elsewhere)
            for collection, _, name in (each.rpartition("/") for each in read):
                wanted.setdefault(collection, set()).add(name)
        for collection, names in wanted.items():
            table = self._context.tables[collection]
            some = table.without(table.formulas.keys() - table.needed_by(names))
            context = replace(self._context, tables={**self._context.tables, collection: some})
            trial = Trial(context, collection, replace(self._given, fields={}))
            results = trial.run("", raise_errors=self._raises)
            for name in names & table.scope.members.fields.keys():
                value = results.get(name, field_of(table.scope.members, name, {}))
                found.row.update(_tagged({f"{collection}/{name}": value}))
            for name, outcome in results.outcomes.items():
                if name in results.errors and name not in results:
                    found.problems[f"{collection}/{name}"] = outcome, results.errors[name]
                else:
                    found.values[f"{collection}/{name}"] = results[name]
        return found

    def _results(self, pipeline: str) -> Results:
        cells: dict[str, Cell[Any]] = {}
        summaries: dict[str, Any] = {}
        errors: dict[str, CellProblem] = {}
        outcomes: dict[str, Outcome] = {}
        transient: set[str] = set()
        for variable, formula in self._table.formulas.items():
            result = self._told[variable]
            spelt = self._table.scope.spelt(variable)
            changed = () if formula.variable else result.cells  # a hook may have appended to a list
            for column in dict.fromkeys((*formula.description.outputs, *changed)):
                name = spelt + column.removeprefix(variable) if formula.variable else column
                told = result.cells.get(column, CellResult())
                problem = result.problem or told.problem
                outcomes[name] = told.outcome if result.problem is None else result.outcome
                if problem is not None:
                    errors[name] = problem
                    if result.problem is not None or not _has_value(told):
                        continue
                if formula.variable is None and column not in result.cells:
                    continue  # a hook that left this field as it was
                if formula.description.transient:
                    transient.add(name)
                shown = from_json(told.value)
                cells[name] = _with_units(self._cells.get(column) or Cell(shown), told.units)
                summaries[name] = shown
        return Results(
            pipeline,
            self._context,
            cells=cells,
            summaries=summaries,
            errors=errors,
            outcomes=outcomes,
            transient=transient,
            wholes=self._wholes,
        )


def _has_value(told: CellResult) -> bool:
    """Whether only its summary could not be made, which costs nothing else."""
    return told.problem is None or told.problem.kind == SummaryError.__name__


def _tagged(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a row as a task has them."""
    cells = Output.of_fields(dict(values)).cells
    return {name: cell.value for name, cell in cells.items()}


def _with_units(cell: Cell[Any], units: str | None) -> Cell[Any]:
    return cell if cell.units or not units else replace(cell, units=units)
