"""Fill one run whatever happens to its processes: name what died, and go on with the rest."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from knockoff.contextfile.problems import ContextProblems
from knockoff.engine.deaths import last_words_in, problem_of_death
from knockoff.engine.forecast import LONG
from knockoff.engine.lanes import Lane
from knockoff.engine.schedule import Schedule
from knockoff.errors import WorkerError
from knockoff.filling.filling import START_TIME
from knockoff.filling.knowledge import task_after
from knockoff.filling.messages import CellProblem, Filled, Result, RunTask, Started
from knockoff.filling.sections import note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from knockoff.contextfile.description import ContextDescription, VariableDescription
    from knockoff.engine.environment import EngineSettings
    from knockoff.engine.forecast import Forecast
    from knockoff.engine.forks import Fork
    from knockoff.engine.processors import Processors
    from knockoff.engine.zygotes import Zygote
    from knockoff.filling.messages import Message, Outcome

log = logging.getLogger(__name__)

_BETWEEN_LOOKS_S: Final = 0.1
"""Until it is looked again whether a processor has become free."""

_LOST_AT_MOST: Final = 10
"""Times that a run goes on after the process that all runs are forked from has ended."""

_SUSPECT: Final = 3
"""A variable that ran as often when that happened is taken for the cause of it."""


class SupervisedSession:
    """A run that is filled by one fork after the other, or by several, until all has ended.

    Parameters
    ----------
    zygote:
        Gives a living process to fork from.
    processors:
        Those of the machine, which all sessions share.
    one_by_one:
        Held while a variable runs that wants a cluster, and has only this machine.
    forecast:
        Of this context file; it learns from this run.
    """

    def __init__(
        self,
        task: RunTask,
        settings: EngineSettings,
        zygote: Callable[[], Awaitable[Zygote]],
        processors: Processors,
        one_by_one: asyncio.Lock,
        forecast: Forecast,
    ) -> None:
        self._task = task
        self._settings = settings
        self._zygote = zygote
        self._processors = processors
        self._one_by_one = one_by_one
        self._forecast = forecast
        self._holds_it: str | None = None
        """The variable for which this session holds `one_by_one`."""
        self._home: Zygote | None = None
        """Of all processes of this run, so that all run the same code."""
        self._context: ContextDescription | None = None
        self._variables: dict[str, VariableDescription] = {}
        self._schedule = Schedule({}, ())
        self._lanes: list[Lane] = []
        self._pending: list[str] = []
        """What no process has leave to begin."""
        self._news: asyncio.Queue[tuple[Lane, Message | WorkerError | None]] = asyncio.Queue()
        self._results: list[Result] = []
        self._told_by: deque[Fork | None] = deque()
        self._tries = Counter[str]()
        self._is_filling = False
        self._opens_no_more = False
        """Whether no process more could be opened for this run, which has been said."""
        self._lost = Counter[str | None]()
        """How often all processes were lost at once, by what ran here then."""
        self._spools: set[Path] = set()
        """Left by dead processes; they go when all that was told is stored."""

    async def open(self) -> Lane:
        """A process of this run, one more than there are.

        Raises
        ------
        ContextProblems, WorkerError
            The context file cannot be loaded any more or has lost this table, or the
            interpreter cannot be started.
        """
        zygote = self._home
        if zygote is None or not zygote.takes_more:
            zygote = self._home = await self._zygote()
        self._context = zygote.description
        self._variables = _variables(zygote.description, self._task.collection)
        used = {lane.number for lane in self._lanes}
        number = next(each for each in range(1, len(used) + 2) if each not in used)
        fork = await zygote.fork(self._task, number)
        self._spools.discard(Path(fork.order.spool))  # its own again, which it removes itself
        try:
            written = await asyncio.to_thread(_size, Path(fork.order.log))
        except BaseException:  # no lane would ever close it
            fork.close()
            raise
        lane = Lane(number, fork, self._news, self._processors, written, known=len(self._results))
        self._lanes.append(lane)
        lane.listen()
        return lane

    async def fill(self, names: Sequence[str]) -> AsyncIterator[Message]:
        """Run these variables, as `knockoff.filling.session.Session` says."""
        wanted = dict.fromkeys(names)
        self._is_filling = True
        if not self._variables:
            await self._first_of_all()
        places = {name: place for place, name in enumerate((*self._variables, START_TIME))}
        self._pending = sorted(wanted.keys() & places.keys(), key=places.__getitem__)
        self._schedule = Schedule(self._variables, self._pending)
        for name in wanted.keys() - places.keys():
            yield self._without_value(name, "failed", _UNANSWERED)
        while self._schedule.left or any(lane.is_busy for lane in self._lanes):
            try:
                await self._hand_out()
            except (ContextProblems, WorkerError) as error:
                problem = CellProblem(type(error).__name__, str(error))
                for name in self._pending:
                    for result in self._charged(name, "failed", problem, time.time()):
                        yield result
                self._pending.clear()
                continue
            lane, message = await self._next()
            if lane is None:
                await asyncio.sleep(0)  # whatever comes, the loop must hear of it
                continue
            async for each in self._heard(lane, message):
                yield each
        self._is_filling = False
        yield Filled(len(wanted))

    async def acknowledge(self, results: int) -> None:
        """Tell the processes that so many more results are stored."""
        origins = [self._told_by.popleft() for _ in range(min(results, len(self._told_by)))]
        for lane in self._lanes:
            own = sum(origin is lane.fork for origin in origins)
            if own:
                lane.fork.acknowledge(own)

    async def close(self) -> None:
        """Let the processes go; kill those that are left in the middle of their work."""
        lanes, self._lanes = self._lanes, []
        try:
            for lane in lanes:
                await lane.leave()
            if self._is_filling:
                self._spools |= {Path(lane.fork.order.spool) for lane in lanes}
                await asyncio.gather(*(lane.fork.killed() for lane in lanes))
        finally:
            for lane in lanes:
                lane.fork.close()  # one that lives removes its spool itself
            self._let_others()
        if not self._told_by:
            for spool in self._spools:
                await asyncio.to_thread(spool.unlink, missing_ok=True)

    async def _first_of_all(self) -> None:
        """Learn of the variables, from a process that is needed anyway."""
        try:
            await self.open()
        except (ContextProblems, WorkerError) as error:
            log.debug("%s cannot be filled yet: %s", self._task.run, error)

    # Who runs what

    async def _hand_out(self) -> None:
        """Give what is pending to processes that are idle, or to new ones as far as it pays."""
        for lane in [each for each in self._lanes if each.is_gone and not each.is_busy]:
            await self._forget(lane)
        if not self._pending:
            return
        if not any(lane.is_busy for lane in self._lanes):
            await self._hand_all_to_one()
        for name in self._schedule.ready(self._pending):
            cpus = self._cpus_of(name)
            if self._cpus_taken() + cpus > self._settings.cpus or self._is_for_a_cluster(name):
                continue
            if self._processors.free < cpus:
                return
            found = self._idle_for(name)
            if found is None:
                found = await self._opened_for(name)
            if found is not None:
                self._ask(found, [name], cpus)

    async def _hand_all_to_one(self) -> None:
        """Let one process run all that can be run by it, without a word between two of them."""
        first = self._pending[0]
        given: list[str] = []
        if self._is_for_a_cluster(first) and self._holds_it != first:
            await self._one_by_one.acquire()
            self._holds_it = first
        for gone in [each for each in self._lanes if each.is_gone]:
            await self._forget(gone)
        lane = self._idle_for(first) or await self.open()
        if self._is_for_a_cluster(first) or self._others_can_begin(first):
            given.append(first)
        else:
            for name in self._pending:
                if (
                    self._fits(name, lane)
                    and self._schedule.reads(name).issubset(given)
                    and not self._is_for_a_cluster(name)
                ):
                    given.append(name)
        self._ask(lane, given, self._cpus_of(given[0]))

    def _others_can_begin(self, first: str) -> bool:
        """Whether this one is long and others can be run beside it from the beginning."""
        cpus = self._cpus_of(first)
        return (
            self._is_long(first)
            and self._processors.free > cpus
            and self._settings.cpus > cpus
            and len(self._schedule.ready(self._pending)) > 1
        )

    def _is_long(self, name: str) -> bool:
        return self._forecast.is_long(self._task.collection, name)

    def _ask(self, lane: Lane, names: Sequence[str], cpus: int) -> None:
        self._pending = [each for each in self._pending if each not in names]
        known = [each for each in self._results[lane.known :] if each.variable not in lane.has_run]
        lane.known = len(self._results)
        lane.ask(names, [_without_pictures(each) for each in known], self._tries, cpus)

    def _idle_for(self, name: str) -> Lane | None:
        """An idle process that may run this, best of all the one with what it reads in memory."""
        variable = self._variables.get(name)
        reads = {*variable.reads, *variable.may_read} if variable else set()
        fitting = [lane for lane in self._lanes if not lane.is_busy and self._fits(name, lane)]
        return max(fitting, key=lambda lane: len(lane.has_run & reads), default=None)

    async def _opened_for(self, name: str) -> Lane | None:
        others = [each.has_run for each in self._lanes]
        if self._opens_no_more or not self._schedule.fits(name, (), others):
            return None
        try:
            return await self.open()
        except (ContextProblems, WorkerError) as error:  # what runs goes on all the same
            self._opens_no_more = True
            log.warning("Run %d is filled by fewer processes: %s", self._task.run, error)
            return None

    def _fits(self, name: str, lane: Lane) -> bool:
        others = [each.has_run for each in self._lanes if each is not lane]
        return self._schedule.fits(name, lane.has_run, others)

    def _cpus_of(self, name: str) -> int:
        variable = self._variables.get(name)
        return min((variable.cpus if variable else None) or 1, self._settings.cpus)

    def _cpus_taken(self) -> int:
        return sum(lane.cpus for lane in self._lanes)

    def _is_for_a_cluster(self, name: str) -> bool:
        return name in self._variables and self._variables[name].cluster

    def _let_others(self) -> None:
        if self._holds_it is not None:
            self._holds_it = None
            self._one_by_one.release()

    # What they say

    async def _next(self) -> tuple[Lane | None, Message | WorkerError | None]:
        """The next thing that a process says; None when it is time to hand out again."""
        now = asyncio.get_running_loop().time()
        long = [lane for lane in self._lanes if lane.asked and lane.running]
        moment = min((max(now, self._patient_until(lane)) for lane in long), default=None)
        if moment is not None and moment <= now:
            if self._taken_back(long, now):
                return None, None
            moment = now + _BETWEEN_LOOKS_S
        elif self._pending and moment is None:
            moment = now + _BETWEEN_LOOKS_S
        try:
            async with asyncio.timeout_at(moment):
                return await self._news.get()
        except TimeoutError:
            return None, None

    def _patient_until(self, lane: Lane) -> float:
        """When what it runs proves to be long, on the loop's clock."""
        is_known = lane.running is not None and self._is_long(lane.running)
        return lane.since if is_known else lane.since + LONG

    def _taken_back(self, lanes: Sequence[Lane], now: float) -> bool:
        """Take back what others could run while these are busy with something long."""
        if self._processors.free < 1 or self._cpus_taken() >= self._settings.cpus:
            return False
        found = False
        for lane in lanes:
            others = [each.has_run for each in self._lanes]
            can = [
                name
                for name in self._schedule.ready(lane.asked)
                if self._schedule.fits(name, (), others) and not self._is_for_a_cluster(name)
            ]
            if now >= self._patient_until(lane) and can:
                back = lane.take_back()  # none, if it has begun the last of them just now
                self._pending += back
                found = found or bool(back)
        if found:
            order = {name: place for place, name in enumerate(self._schedule.left)}
            self._pending.sort(key=order.__getitem__)
        return found

    async def _heard(
        self, lane: Lane, message: Message | WorkerError | None
    ) -> AsyncIterator[Message]:
        """What follows from what one process says, or from its end."""
        if lane not in self._lanes:
            return
        if message is None:
            if lane.is_busy:
                for result in await self._after_death(lane):
                    yield result
            else:
                await self._forget(lane)
            return
        try:
            if isinstance(message, WorkerError):
                raise message
            lane.checked(message)
        except WorkerError as error:
            await lane.fork.killed()
            problem = CellProblem("WorkerError", f"killed: {error}")
            name = lane.running or next(iter(lane.asked), None)
            await self._forget(lane)
            if name is not None:
                for result in self._charged(name, "failed", problem, lane.began):
                    yield result
            return
        for each in self._learnt(lane, message):
            yield each

    def _learnt(self, lane: Lane, message: Message) -> Iterator[Message]:
        lane.has_spoken = True
        again = isinstance(message, Started) and message.variable == lane.running
        if lane.running is not None and self._is_transient(lane.running) and not again:
            self._end(lane, lane.running)
        if lane.running is not None and not again and not isinstance(message, Result):
            yield self._unanswered(lane, lane.running)
        if isinstance(message, Started):
            name = message.variable
            self._tries[name] += 1
            lane.begin(name, self._cpus_of(name), asyncio.get_running_loop().time())
            yield message
        elif isinstance(message, Result):
            self._end(lane, message.variable)
            self._forecast.learn(self._task.collection, message.variable, message.seconds)
            self._learn(message)
            self._told_by.append(lane.fork)
            yield message
        else:
            lane.rest()
            for name in tuple(lane.asked):
                if self._is_transient(name):
                    self._end(lane, name)
                else:
                    yield self._unanswered(lane, name)

    def _unanswered(self, lane: Lane, name: str) -> Result:
        """What is said of a variable of which its process says nothing."""
        self._end(lane, name)
        return self._without_value(name, "failed", _UNANSWERED)

    def _end(self, lane: Lane, name: str) -> None:
        lane.end(name)
        self._schedule.end(name)
        if self._holds_it == name:
            self._let_others()

    async def _after_death(self, lane: Lane) -> list[Result]:
        ended = await lane.fork.end()
        running, spoken, began = lane.running, lane.has_spoken, lane.began
        asked = list(lane.asked)
        await self._forget(lane)
        if running is None and (spoken or not asked):  # between two: nobody is to blame
            return []
        if ended.cause == "lost" and self._may_be_innocent(running):
            return []
        assert self._context is not None  # it has had a fork
        name = running or asked[0]
        path = Path(lane.fork.order.log)
        words = await asyncio.to_thread(last_words_in, path, lane.log_start)
        timeout = self._limit(name, lane.fork.order.timeout)
        memory = self._variables[name].memory if name in self._variables else None
        memory = min(memory or lane.fork.order.memory or 0, lane.fork.order.most_memory or 0)
        outcome, problem = problem_of_death(ended, timeout, memory, self._context, words)
        if 0 < self._tries[name] <= self._retries(name):
            note(path, f"{name}: {problem.message} Tried again.")
            return []
        return self._charged(name, outcome, problem, began, ended.peak_memory)

    def _may_be_innocent(self, running: str | None) -> bool:
        """Whether what ran here when all processes were lost is rather a neighbour's victim."""
        self._lost[running] += 1
        if running is not None:
            self._tries[running] -= 1
        most = _LOST_AT_MOST if running is None else _SUSPECT - 1
        return self._lost[running] <= most and self._lost.total() <= _LOST_AT_MOST

    async def _forget(self, lane: Lane) -> None:
        """A process is gone; what it has not finished is pending again."""
        self._lanes.remove(lane)
        lane.fork.close()
        await lane.leave()
        self._spools.add(Path(lane.fork.order.spool))
        back = {*lane.asked, *([lane.running] if lane.running else [])}
        pending = back | {*self._pending}
        self._pending = [name for name in self._schedule.left if name in pending]

    def _charged(
        self, name: str, outcome: Outcome, problem: CellProblem, began: float, peak_memory: int = 0
    ) -> list[Result]:
        """The result of a variable whose process is gone; none if nobody waits for it."""
        self._schedule.end(name)
        if self._holds_it == name:
            self._let_others()
        self._pending = [each for each in self._pending if each != name]
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
        self._results.append(result)

    def _is_transient(self, name: str) -> bool:
        return name in self._variables and self._variables[name].transient

    def _limit(self, name: str, otherwise: float) -> float:
        limit = self._variables[name].timeout if name in self._variables else None
        return limit or otherwise

    def _retries(self, name: str) -> int:
        own = self._variables[name].retries if name in self._variables else None
        return self._settings.retries if own is None else own


_UNANSWERED: Final = CellProblem(
    "WorkerError",
    "it is not in the context file any more. Check the file, then `knockoff reprocess RUN`.",
)


def _without_pictures(result: Result) -> Result:
    """What another process needs of a result: not how it looks in the table."""
    cells = {name: replace(cell, preview=None, style=None) for name, cell in result.cells.items()}
    return replace(result, cells=cells)


def _variables(context: ContextDescription, collection: str) -> dict[str, VariableDescription]:
    for table in context.tables:
        if table.collection == collection:
            return {variable.name: variable for variable in table.variables}
    raise WorkerError(f"{context.path} has no table {collection!r} (any more).")


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
