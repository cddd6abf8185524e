"""Fill one run: call its due variables one after another and tell of each as it ends."""

from __future__ import annotations

import inspect
import resource
import sys
import time
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from knockoff.arrays.wire import from_json, to_json
from knockoff.contextfile.damnit import damnit_words
from knockoff.contextfile.outputs import values_at
from knockoff.errors import RunDataError
from knockoff.filling.blocking import NOT_COMPUTED, Missing, blocked_by
from knockoff.filling.coroutines import awaited
from knockoff.filling.failures import problem_of
from knockoff.filling.knowledge import task_after
from knockoff.filling.messages import (
    WAITING_FOR_MYMDC,
    WAITING_FOR_OUTSIDE,
    CellProblem,
    CellResult,
    Filled,
    Result,
    Started,
)
from knockoff.filling.othertables import OtherTables
from knockoff.filling.outcomes import Output, taken_apart
from knockoff.filling.processes import ending_children
from knockoff.filling.selves import field_of, self_of
from knockoff.filling.sources import RunSources, within_root
from knockoff.language.cell import Skip
from knockoff.language.launching import Launch
from knockoff.language.members import MISSING
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from knockoff.contextfile.inputs import Input
    from knockoff.contextfile.loading import Context
    from knockoff.contextfile.tables import Formula, Table
    from knockoff.filling.messages import Message, Outcome, RunTask
    from knockoff.filling.outcomes import Returned
from knockoff.filling.sources import Sources

T = TypeVar("T")

_LONGEST_PAUSE_S: Final = 10.0
"""Between two tries of a variable; what failed is often a disk or a server that needs a moment."""

START_TIME: Final = "start_time"
"""Asked for like a variable: when the run began, which no method computes."""


class Witness(Protocol):
    """Somebody in this process who sees what does not fit into messages."""

    def returned(self, variable: str, value: Any, parts: tuple[Returned, ...]) -> None:
        """A variable has given this value, which goes into these columns."""

    def failed(self, error: BaseException) -> None:
        """User code has raised this; what is raised here goes on to the caller of `fill`."""


class Filling:
    """One run while it is filled; keeps values in memory for the variables that read them."""

    def __init__(
        self,
        context: Context,
        task: RunTask,
        *,
        sources: Sources | None = None,
        witness: Witness | None = None,
    ) -> None:
        self._table: Table = context.tables[task.collection]
        self._file = context.description.path
        self._task = task
        self._row: dict[str, Any] = {
            name: from_json(each) for name, each in task.row.items() if "/" not in name
        }
        self._sources = sources or RunSources(RunKey(task.proposal, task.run), task)
        self._others = OtherTables(context.tables, task, self._sources)
        self._witness = witness
        self._values: dict[str, Any] = {}
        self._problems = {**_of_whole(self._table, task.problems), **task.problems}

    def fill(
        self,
        names: Iterable[str],
        emit: Callable[[Message], None],
        *,
        may_begin: Callable[[], bool] = lambda: True,
        retries: Callable[[str], int] = lambda _: 0,
    ) -> None:
        """Run these variables in dependency order; `emit` is told when each starts and ends.

        Parameters
        ----------
        may_begin:
            Asked before each of them; at the first no, the rest is left alone.
        retries:
            How often a variable is tried again when it fails.
        """
        wanted = set(names)
        due = [formula for name, formula in self._table.formulas.items() if name in wanted]
        begun = 0
        for formula in due:
            if not may_begin():
                break
            begun += 1
            result = self._tried(formula, emit, retries(formula.name))
            if self._witness is not None or not formula.description.transient:
                emit(result)
        if START_TIME in wanted and begun == len(due) and may_begin():
            self._tell_start_time(emit)
        emit(Filled(begun))

    def learn(self, result: Result) -> None:
        """Take what another process of the run has found out as stored."""
        formula = self._table.formulas.get(result.variable)
        outputs = formula.description.outputs if formula else ()
        names = {result.variable, *outputs}
        self._task = task_after(self._task, result, names)
        self._sources.know(self._task)
        self._values.pop(result.variable, None)
        self._row.update({name: from_json(value) for name, value in result.fields.items()})
        for name in names:
            self._problems.pop(name, None)
            if name in self._task.problems:
                self._problems[name] = self._task.problems[name]

    def _tried(self, formula: Formula, emit: Callable[[Message], None], retries: int) -> Result:
        """Run a variable, again where it fails and may; what was raised goes into the log."""
        for pause in range(retries + 1):
            emit(Started(formula.name))
            with damnit_words(), within_root(self._task.data_root):
                result = self._fill(formula)
            if result.problem is None or result.outcome != "failed" or pause == retries:
                break
            print(result.problem.traceback, file=sys.stderr)  # noqa: T201
            time.sleep(min(_LONGEST_PAUSE_S, 0.5 * 2**pause))
        return result

    def _tell_start_time(self, emit: Callable[[Message], None]) -> None:
        """When the run began, as far as its files say; no field where they cannot be read."""
        try:
            cells = {START_TIME: CellResult(to_json(self._sources.start_time()))}
        except RunDataError:
            cells = {}
        emit(Result(START_TIME, "done", "", cells))

    def _fill(self, formula: Formula) -> Result:
        started, clock = time.time(), time.perf_counter()
        for name in (formula.name, *formula.description.outputs):
            self._problems.pop(name, None)
        self._values.pop(formula.name, None)
        output: Output | None = None
        problem: CellProblem | None
        blocked = self._blocked(formula)
        if blocked is not None:
            outcome, problem = blocked
        else:
            output, outcome, problem = self._attempted(lambda: self._computed(formula))
            if outcome == WAITING_FOR_OUTSIDE and (
                formula.variable is None or formula.description.transient
            ):
                outcome, problem = "failed", _NOT_TO_BE_LAUNCHED
        if problem is not None:
            for name in (formula.name, *formula.description.outputs):
                self._problems[name] = (outcome, problem)
        return Result(
            variable=formula.name,
            outcome=outcome,
            code=formula.description.code,
            cells=output.cells if output else {},
            problem=problem,
            started_at=started,
            seconds=time.perf_counter() - clock,
            peak_memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )

    def _attempted(self, work: Callable[[], T]) -> tuple[T | None, Outcome, CellProblem | None]:
        """What user code gives, or how it ended instead."""
        try:
            return work(), "done", None
        except _NotKnownYetError as unknown:
            return None, WAITING_FOR_MYMDC, CellProblem("", str(unknown))
        except Skip as skip:
            return None, "skipped", problem_of(skip, self._file, self._table)
        except Launch as wanted:
            outside = {"command": list(wanted.command), "folder": wanted.folder}
            return None, WAITING_FOR_OUTSIDE, CellProblem("", str(wanted), outside=outside)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # the one place: user code
            if self._witness is not None:
                self._witness.failed(error)
            return None, "failed", problem_of(error, self._file, self._table)

    # What a variable reads

    def _blocked(self, formula: Formula) -> tuple[Outcome, CellProblem] | None:
        """Why this variable cannot run, if one that it needs has no value."""
        missing = list(self._others.missing(formula))
        for given in formula.inputs:
            if given.pattern and not given.optional:
                missing.extend(self._none_of(formula.chosen.get(given.parameter, ())))
        for name in formula.needs:
            variable = self._table.filler_of(name)
            self._compute_transient(variable)
            culprit = variable if variable in self._problems else name
            if culprit in self._problems:
                missing.append(Missing(culprit, *self._problems[culprit]))
            elif not self._is_known(variable):
                missing.append(Missing(variable, "blocked", NOT_COMPUTED))
        missing = list({each.name: each for each in missing}.values())
        return blocked_by(missing, Path(self._file).name) if missing else None

    def _none_of(self, names: tuple[str, ...]) -> list[Missing]:
        """What is wrong with all variables of a pattern; nothing if one of them has a value."""
        if any(value is not MISSING and value is not None for value in map(self._value, names)):
            return []
        fillers = {name: self._table.filler_of(name) for name in names if "/" not in name}
        culprits = (each if each in self._problems else name for name, each in fillers.items())
        return [Missing(each, *self._problems[each]) for each in culprits if each in self._problems]

    def _is_known(self, variable: str) -> bool:
        return variable in self._values or variable in self._problems or variable in self._task.done

    def _compute_transient(self, variable: str) -> None:
        """A transient variable has no stored value, so whoever reads it has it computed."""
        formula = self._table.formulas[variable]
        if formula.description.transient and not self._is_known(variable):
            self._fill(formula)

    def _value(self, name: str) -> Any:
        """Full value of a variable or one of its outputs; MISSING if there is none."""
        if "/" in name:
            return self._others.value(name)
        variable = self._table.filler_of(name)
        self._compute_transient(variable)
        if {name, variable} & self._problems.keys() or not self._is_known(variable):
            return MISSING
        if variable not in self._values:
            self._values[variable] = self._read_back(self._table.formulas[variable])
        if name == variable:
            return self._values[variable]
        output = name.removeprefix(f"{variable}.")
        return values_at(self._values[variable], (output,)).get(output)

    def _read_back(self, formula: Formula) -> Any:
        """What an earlier attempt has stored: of several outputs those that have a value."""
        if formula.returns is None:
            return self._sources.stored(formula.name)
        there = {
            output: self._sources.stored(f"{formula.name}.{output}")
            for output in formula.returns.names
            if f"{formula.name}.{output}" not in self._problems
        }
        return formula.returns.made(there)

    def _argument(self, given: Input, formula: Formula) -> Any:
        try:
            value = self._given(given, formula)
        except Skip:  # a source that was not recorded
            if not given.optional:
                raise
            value = MISSING
        if value is MISSING and given.optional:
            return given.default
        if value is MISSING and given.kind == "mymdc":
            raise _NotKnownYetError(self._task.waits.get(given.name, given.name))
        if value is MISSING:
            raise Skip(f"{given.name or given.parameter} has no value")
        return value

    def _given(self, given: Input, formula: Formula) -> Any:
        if given.kind == "data":
            return self._sources.data(formula.description.data)
        if given.kind == "source":
            assert given.source is not None  # that is what the kind means
            return self._sources.array(given.source, formula.description.data)
        if given.kind == "meta":
            return self._sources.metadata(given.name)
        if given.kind in ("var", "self"):
            return self._variables(given, formula)
        return self._sources.known("mymdc" if given.kind == "mymdc" else "param", given.name)

    def _variables(self, given: Input, formula: Formula) -> Any:
        names = formula.chosen.get(given.parameter, ())
        if given.pattern:
            spelt = self._table.scope.spelt
            found = {spelt(self._others.spoken(name)): self._value(name) for name in names}
            there = {
                name: value
                for name, value in found.items()
                if value is not MISSING and value is not None
            }
            return there or MISSING
        if not names:
            return self._field(given, formula)
        value = self._value(names[0])
        return MISSING if value is None else value

    def _field(self, given: Input, formula: Formula) -> Any:
        chain = tuple(given.name.split("."))
        if given.kind == "self" and formula.scope.resolve(chain).kind == "parameter":
            value = formula.scope.parameter(chain)
            if value is None:
                raise Skip(f"self.{chain[0]} is None, so there is no {given.name}")
            return value
        members = self._table.scope.members
        known = given.name in members.fields
        value = field_of(members, given.name, self._row) if known else self._row.get(given.name)
        return MISSING if value is None else value

    # The call itself

    def _computed(self, formula: Formula) -> Output:
        positional = [self._argument(each, formula) for each in formula.inputs if not each.keyword]
        named = {
            each.parameter: self._argument(each, formula) for each in formula.inputs if each.keyword
        }
        if formula.method:
            reads = (*formula.description.reads, *formula.description.may_read)
            values = {name: self._value(name) for name in reads}
            instance = self._self(formula, values)
            positional.insert(0, instance)
        before = deepcopy(self._fields_of(positional[0])) if formula.variable is None else {}
        with ending_children():
            value = formula.function(*positional, **named)
            if inspect.iscoroutine(value):
                value = awaited(value)
        if formula.variable is None:
            return self._assigned(formula, positional[0], before)
        full, parts = taken_apart(value, formula)
        if self._witness is not None:
            self._witness.returned(formula.name, full, parts)
        cells: dict[str, CellResult] = {}
        if not formula.description.transient:
            cells = {part.column.name: self._stored(part, formula) for part in parts}
        self._values[formula.name] = full
        return Output(cells)

    def _stored(self, part: Returned, formula: Formula) -> CellResult:
        """What goes into one cell; one of several that cannot be stored costs the others nothing.

        Raises
        ------
        VariableError, ArrayError
            It is the only one, and cannot be stored.
        """
        if formula.returns is None:
            return part.stored(self._task)
        cell, outcome, problem = self._attempted(lambda: part.stored(self._task))
        if cell is not None:
            return cell
        assert problem is not None  # that is why there is no cell
        self._problems[part.column.name] = (outcome, problem)
        return CellResult(outcome=outcome, problem=problem)

    def _self(self, formula: Formula, values: dict[str, Any]) -> Any:
        present = {name: value for name, value in values.items() if value is not MISSING}
        top = self._table.scope
        return self_of(formula, top, self._table.body, self._row, present)

    def _fields_of(self, instance: Any) -> dict[str, Any]:
        names = self._table.scope.members.fields
        return {name: vars(instance).get(name) for name in names}

    def _assigned(self, formula: Formula, instance: Any, before: dict[str, Any]) -> Output:
        """The result of a hook: what it changed on the document."""
        self._validate(instance)
        after = self._fields_of(instance)
        changed = {name: value for name, value in after.items() if _differ(value, before.get(name))}
        output = Output.of_fields(changed)
        self._row.update({name: from_json(each.value) for name, each in output.cells.items()})
        self._values[formula.name] = None
        return output

    def _validate(self, instance: Any) -> None:
        """As Beanie does before it saves, for a class that asks for ``validate_on_save``."""
        settings = getattr(type(instance), "Settings", None)
        if getattr(settings, "validate_on_save", False):
            checked = type(instance).model_validate(vars(instance))
            vars(instance).update(self._fields_of(checked))


def _of_whole(
    table: Table, problems: Mapping[str, tuple[Outcome, CellProblem]]
) -> dict[str, tuple[Outcome, CellProblem]]:
    """Problems of methods with several outputs, of which each cell tells."""
    found = {}
    for name, formula in table.formulas.items():
        first, *others = [problems.get(each) for each in formula.description.outputs]
        if others and first is not None and all(each == first for each in others):
            found[name] = first
    return found


_NOT_TO_BE_LAUNCHED: Final = CellProblem(
    "LaunchError",
    "launch() was called where no value can be submitted: in a hook, or in a transient variable. "
    "Call it in a method of its own with @Variable.",
)


class _NotKnownYetError(Exception):
    """The catalogue does not say yet what a variable cannot do without."""


def _differ(left: Any, right: Any) -> bool:
    if left is right:
        return False
    try:
        return not bool(left == right)
    except (ValueError, TypeError):  # arrays do not compare to one bool
        return True
