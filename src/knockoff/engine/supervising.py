"""Fill one run whatever happens to its process: name what died, and go on with the rest."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from knockoff.contextfile.problems import ContextProblems
from knockoff.engine.deaths import last_words_in, problem_of_death
from knockoff.errors import WorkerError
from knockoff.filling.messages import CellProblem, Filled, Result, RunTask, Started

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

    from knockoff.contextfile.description import ContextDescription, VariableDescription
    from knockoff.engine.forks import Fork
    from knockoff.engine.zygotes import Zygote
    from knockoff.filling.messages import Message, Outcome

_LOST_AT_MOST: Final = 3


class SupervisedSession:
    """A run that is filled by one fork after the other, until every variable has ended."""

    def __init__(self, task: RunTask, zygote: Callable[[], Awaitable[Zygote]]) -> None:
        self._task = task
        self._zygote = zygote
        self._fork: Fork | None = None
        self._context: ContextDescription | None = None
        self._variables: dict[str, VariableDescription] = {}
        self._told_by: deque[Fork | None] = deque()
        self._is_filling = False
        self._lost = 0
        self._spool: Path | None = None
        """Left by a dead process; it goes when all that was told is stored."""

    async def open(self) -> Fork:
        """The process of this run, a new one if there is none.

        Raises
        ------
        ContextProblems, WorkerError
            The context file cannot be loaded any more or has lost this table, or the
            interpreter cannot be started.
        """
        if self._fork is None:
            zygote = await self._zygote()
            self._context = zygote.description
            self._variables = _variables(zygote.description, self._task.collection)
            self._fork = await zygote.fork(self._task)
        return self._fork

    async def fill(self, names: Sequence[str]) -> AsyncIterator[Message]:
        """Run these variables, as `knockoff.filling.session.Session` says."""
        left = list(dict.fromkeys(names))
        count = len(left)
        self._is_filling = True
        while left:
            try:
                fork = await self.open()
            except (ContextProblems, WorkerError) as error:
                problem = CellProblem(type(error).__name__, str(error))
                for name in left:
                    if not self._is_transient(name):
                        yield self._without_value(name, "failed", problem)
                break
            fork.ask(left)
            async with aclosing(self._heard(fork, left)) as messages:
                async for message in messages:
                    yield message
        self._is_filling = False
        yield Filled(count)

    async def acknowledge(self, results: int) -> None:
        """Tell the process that so many more results are stored."""
        origins = [self._told_by.popleft() for _ in range(min(results, len(self._told_by)))]
        own = sum(origin is self._fork for origin in origins)
        if self._fork is not None and own:
            self._fork.acknowledge(own)

    async def close(self) -> None:
        """Let the process go; kill it if it was left in the middle of its work."""
        fork, self._fork = self._fork, None
        if fork is not None and self._is_filling:
            await fork.killed()
            self._spool = Path(fork.order.spool)
        elif fork is not None:
            fork.close()  # it removes its spool itself
            self._spool = None
        if self._spool is not None and not self._told_by:
            await asyncio.to_thread(self._spool.unlink, missing_ok=True)

    async def _heard(self, fork: Fork, left: list[str]) -> AsyncGenerator[Message, None]:
        """What one process says; takes out of `left` what has ended, one way or the other."""
        running: Started | None = None
        began = time.time()
        heard = False
        while True:
            try:
                message = _expected(await fork.receive(), left)
            except WorkerError as error:
                await fork.killed()
                self._forget(fork)
                name = running.variable if running else left[0]
                problem = CellProblem("WorkerError", f"killed: {error}")
                for result in self._charged(left, name, "failed", problem, began):
                    yield result
                return
            if message is None:
                break
            heard = True
            if running is not None and self._is_transient(running.variable):
                left.remove(running.variable)
                running = None
            if isinstance(message, Started):
                running, began = message, time.time()
                yield message
            elif isinstance(message, Result):
                running = None
                left.remove(message.variable)
                self._learn(message)
                self._told_by.append(fork)
                yield message
            else:
                for name in tuple(left):
                    if not self._is_transient(name):
                        yield self._without_value(name, "failed", _UNANSWERED)
                left.clear()
                return
        async for result in self._after_death(fork, left, running, began, heard):
            yield result

    async def _after_death(
        self, fork: Fork, left: list[str], running: Started | None, began: float, heard: bool
    ) -> AsyncIterator[Result]:
        ended = await fork.end()
        self._forget(fork)
        if running is None and heard:  # between two variables: nobody is to blame
            return
        if running is None and ended.cause == "lost" and self._lost < _LOST_AT_MOST:
            self._lost += 1
            return
        assert self._context is not None  # it has had a fork
        name = running.variable if running else left[0]
        timeout = self._limit(name, fork.order.timeout)
        words = await asyncio.to_thread(last_words_in, Path(fork.order.log))
        outcome, problem = problem_of_death(ended, timeout, self._context, words)
        for result in self._charged(left, name, outcome, problem, began, ended.peak_memory):
            yield result

    def _forget(self, fork: Fork) -> None:
        self._fork = None
        self._spool = Path(fork.order.spool)

    def _charged(
        self,
        left: list[str],
        name: str,
        outcome: Outcome,
        problem: CellProblem,
        began: float,
        peak_memory: int = 0,
    ) -> list[Result]:
        """The result of a variable whose process is gone; none if nobody waits for it."""
        left.remove(name)
        result = self._without_value(name, outcome, problem)
        result = replace(
            result, started_at=began, seconds=time.time() - began, peak_memory=peak_memory
        )
        if self._is_transient(name):
            self._told_by.pop()
            return []
        return [result]

    def _without_value(self, name: str, outcome: Outcome, problem: CellProblem) -> Result:
        code = self._variables[name].code if name in self._variables else ""
        result = Result(name, outcome, code, problem=problem)
        self._learn(result)
        self._told_by.append(None)
        return result

    def _learn(self, result: Result) -> None:
        """Hand on to the next process what this one has found out."""
        outputs = {result.variable}
        if result.variable in self._variables:
            outputs.update(self._variables[result.variable].outputs)
        self._task = task_after(self._task, result, outputs)

    def _is_transient(self, name: str) -> bool:
        return name in self._variables and self._variables[name].transient

    def _limit(self, name: str, otherwise: float) -> float:
        limit = self._variables[name].timeout if name in self._variables else None
        return limit or otherwise


_UNANSWERED: Final = CellProblem(
    "WorkerError",
    "it is not in the context file any more. Check the file, then `knockoff reprocess RUN`.",
)


def task_after(task: RunTask, result: Result, outputs: set[str]) -> RunTask:
    """A task with one result known: its values if it has any, else why it has none."""
    row = {name: value for name, value in task.row.items() if name not in outputs}
    arrays = {name: value for name, value in task.arrays.items() if name not in outputs}
    exact = {name: value for name, value in task.exact.items() if name not in outputs}
    problems = {name: value for name, value in task.problems.items() if name not in outputs}
    done = tuple(name for name in task.done if name != result.variable)
    if result.problem is None:
        done = (*done, result.variable)
        row.update(result.fields)
        for name, cell in result.cells.items():
            if cell.array is not None:
                arrays[name] = cell.array
            if cell.exact is not None:
                exact[name] = cell.exact
            if cell.problem is not None and not cell.is_kept:
                problems[name] = (cell.outcome, cell.problem)
    else:
        problems.update(dict.fromkeys(outputs, (result.outcome, result.problem)))
    return replace(task, row=row, arrays=arrays, exact=exact, problems=problems, done=done)


def _expected(message: Message | None, left: list[str]) -> Message | None:
    """The message, if it is about a variable that was asked for and has not ended."""
    if isinstance(message, Started | Result) and message.variable not in left:
        raise WorkerError(f"its process spoke of {message.variable!r}, which it was not asked for.")
    return message


def _variables(context: ContextDescription, collection: str) -> dict[str, VariableDescription]:
    for table in context.tables:
        if table.collection == collection:
            return {variable.name: variable for variable in table.variables}
    raise WorkerError(f"{context.path} has no table {collection!r} (any more).")
