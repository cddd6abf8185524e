"""Fill one run: call its due variables one after another and tell of each as it ends."""

from __future__ import annotations

import asyncio
import inspect
import resource
import time
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from knockoff.arrays.wire import from_json, to_json
from knockoff.errors import RunDataError
from knockoff.filling.failures import problem_of
from knockoff.filling.messages import CellProblem, Filled, Result, Started
from knockoff.filling.outcomes import Output, stored
from knockoff.filling.selves import field_of, self_of
from knockoff.filling.sources import RunSources
from knockoff.language.cell import Skip
from knockoff.language.members import MISSING
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from knockoff.contextfile.inputs import Input
    from knockoff.contextfile.loading import Context
    from knockoff.contextfile.tables import Formula, Table
    from knockoff.filling.messages import Message, Outcome, RunTask


START_TIME: Final = "start_time"
"""Asked for like a variable: when the run began, which no method computes."""


class Filling:
    """One run while it is filled; keeps values in memory for the variables that read them."""

    def __init__(self, context: Context, task: RunTask) -> None:
        self._table: Table = context.tables[task.collection]
        self._file = context.description.path
        self._task = task
        self._row: dict[str, Any] = {name: from_json(each) for name, each in task.row.items()}
        self._sources = RunSources(RunKey(task.proposal, task.run), task)
        self._values: dict[str, Any] = {}
        self._problems: dict[str, tuple[Outcome, CellProblem]] = dict(task.problems)

    def fill(self, names: Iterable[str], emit: Callable[[Message], None]) -> None:
        """Run these variables in dependency order; `emit` is told when each starts and ends."""
        wanted = set(names)
        due = [formula for name, formula in self._table.formulas.items() if name in wanted]
        for formula in due:
            emit(Started(formula.name))
            result = self._fill(formula)
            if not formula.description.transient:
                emit(result)
        if START_TIME in wanted:
            self._tell_start_time(emit)
        emit(Filled(len(due)))

    def _tell_start_time(self, emit: Callable[[Message], None]) -> None:
        """When the run began, as far as its files say; no field where they cannot be read."""
        try:
            fields = {START_TIME: to_json(self._sources.start_time())}
        except RunDataError:
            fields = {}
        emit(Result(START_TIME, "done", "", fields=fields))

    def _fill(self, formula: Formula) -> Result:
        started, clock = time.time(), time.perf_counter()
        output = Output()
        outcome: Outcome = "done"
        problem: CellProblem | None = None
        self._problems.pop(formula.name, None)
        self._values.pop(formula.name, None)
        try:
            blocked = self._blocked(formula)
            if blocked is not None:
                outcome, problem = blocked
            else:
                output = self._computed(formula)
        except Skip as skip:
            outcome, problem = "skipped", problem_of(skip, self._file, self._table)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # the one place: user code
            outcome, problem = "failed", problem_of(error, self._file, self._table)
        if problem is not None:
            for name in (formula.name, *formula.description.outputs):
                self._problems[name] = (outcome, problem)
        return Result(
            variable=formula.name,
            outcome=outcome,
            code=formula.description.code,
            fields=output.fields,
            array=output.array,
            preview=output.preview,
            style=output.style,
            units=output.units,
            problem=problem,
            started_at=started,
            seconds=time.perf_counter() - clock,
            peak_memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )

    # What a variable reads

    def _blocked(self, formula: Formula) -> tuple[Outcome, CellProblem] | None:
        """Why this variable cannot run, if one that it needs has no value."""
        worst: tuple[str, Outcome, CellProblem] | None = None
        for name in formula.description.reads:
            self._compute_transient(name)
            if not self._is_known(name):
                return "blocked", CellProblem(
                    "NotComputed", f"{name} has not been computed yet.", cause=(name,)
                )
            if name in self._problems:
                outcome, problem = self._problems[name]
                if worst is None or (worst[1] == "skipped" and outcome != "skipped"):
                    worst = (name, outcome, problem)
        if worst is None:
            return None
        name, outcome, problem = worst
        cause = (name, *problem.cause)
        if outcome == "skipped":
            return "skipped", CellProblem("Skip", problem.message, cause=cause)
        root = problem.message.removeprefix(f"{' ← '.join(problem.cause)}: ")
        return "blocked", CellProblem(problem.kind, f"{' ← '.join(cause)}: {root}", cause=cause)

    def _is_known(self, name: str) -> bool:
        return name in self._values or name in self._problems or name in self._task.done

    def _compute_transient(self, name: str) -> None:
        """A transient variable has no stored value, so whoever reads it has it computed."""
        formula = self._table.formulas[name]
        if formula.description.transient and not self._is_known(name):
            self._fill(formula)

    def _value(self, name: str) -> Any:
        """Full value of a variable, computed just now or read back; MISSING if there is none."""
        self._compute_transient(name)
        if name in self._problems or not self._is_known(name):
            return MISSING
        if name not in self._values:
            self._values[name] = self._sources.stored(name)
        return self._values[name]

    def _argument(self, given: Input, formula: Formula) -> Any:
        try:
            value = self._given(given, formula)
        except Skip:  # a source that was not recorded
            if not given.optional:
                raise
            value = MISSING
        if value is MISSING and given.optional:
            return given.default
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
        known = self._task.mymdc if given.kind == "mymdc" else self._task.parameters
        return from_json(known[given.name]) if given.name in known else MISSING

    def _variables(self, given: Input, formula: Formula) -> Any:
        names = formula.chosen.get(given.parameter, ())
        if given.pattern:
            found = {name: self._value(name) for name in names}
            return {name: value for name, value in found.items() if value is not MISSING}
        if not names:
            return self._field(given, formula)
        value = self._value(names[0])
        return MISSING if value is None else value

    def _field(self, given: Input, formula: Formula) -> Any:
        parameters = formula.scope.parameters
        if given.kind == "self" and given.name in parameters:
            return parameters[given.name]
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
        value = formula.function(*positional, **named)
        if inspect.iscoroutine(value):
            value = asyncio.run(value)
        if formula.variable is None:
            return self._assigned(formula, positional[0], before)
        output = stored(value, formula, self._task)
        self._values[formula.name] = output.value
        return output

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
        self._row.update({name: from_json(each) for name, each in output.fields.items()})
        self._values[formula.name] = None
        return output

    def _validate(self, instance: Any) -> None:
        """As Beanie does before it saves, for a class that asks for ``validate_on_save``."""
        settings = getattr(type(instance), "Settings", None)
        if getattr(settings, "validate_on_save", False):
            checked = type(instance).model_validate(vars(instance))
            vars(instance).update(self._fields_of(checked))


def _differ(left: Any, right: Any) -> bool:
    if left is right:
        return False
    try:
        return not bool(left == right)
    except (ValueError, TypeError):  # arrays do not compare to one bool
        return True
