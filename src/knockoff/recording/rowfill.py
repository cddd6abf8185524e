"""One row being filled: ask a worker for what is due, and store each result as it comes."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from knockoff.arrays.values import stored_size
from knockoff.arrays.wire import from_json
from knockoff.database.client import reworded
from knockoff.database.errors import UnreachableError, UnstorableError
from knockoff.database.results import add_history, put_previews
from knockoff.database.rows import RowChange, RowMissingError, change_row, find_row
from knockoff.filling.filling import START_TIME
from knockoff.filling.messages import CellProblem, Result, Started
from knockoff.recording.neighbours import NO_NEIGHBOURS, Neighbours, waits_of
from knockoff.recording.outside import (
    Launches,
    end_superseded,
    outside_change,
    superseded,
    to_be_launched,
)
from knockoff.recording.storing import (
    LARGEST_ROW,
    Provenance,
    history_entry,
    previews_by_result,
    previews_of,
    row_change,
)
from knockoff.recording.tasks import put_at, remove_at, task_of
from knockoff.runs.elsewhere import Demand
from knockoff.runs.keeping import ROLLED_BACK
from knockoff.runs.stamps import due_variables, input_stamps, slashed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from knockoff.contextfile.description import TableDescription
    from knockoff.database.client import Database
    from knockoff.engine.launching import Launcher
    from knockoff.filling.messages import RunTask
    from knockoff.filling.session import Session
    from knockoff.language.occasions import Direction, Event
    from knockoff.runkey import RunKey

log = logging.getLogger(__name__)

LONGEST_PAUSE = 10.0
"""Seconds between two tries to store results while MongoDB is away."""

GOODBYE = 2.0
"""Seconds for storing what is finished when a run is stopped."""

PATIENCE_BEFORE_TELLING = 0.05
"""Seconds that a variable runs before the row says so; most are done by then."""


class SupersededError(Exception):
    """Somebody else has taken this row over, so that our results are not wanted."""


@dataclass(frozen=True)
class Place:
    """Where the results of one attempt go, and how it is done."""

    database: Database
    table: TableDescription
    key: RunKey
    label: str
    context: str
    versions: Mapping[str, str]
    """Of what the methods run with, by package."""

    extracted_data: str
    data_root: str | None
    open_session: Callable[[RunTask], AbstractAsyncContextManager[Session]]
    cause: str = ""
    """Under which the row says that it is being worked on; empty where it does not."""

    guard: dict[str, Any] = field(default_factory=dict)
    retry: bool = False
    force: bool = False
    variables: tuple[str, ...] = ()
    neighbours: Neighbours = NO_NEIGHBOURS
    launcher: Launcher | None = None
    """Who starts programs that variables want to launch; None where nobody can."""


class RowFill:
    """Fills one row, first what runs before the event, then the rest.

    Parameters
    ----------
    row:
        The document as it is stored, or as it is about to be.
    stored:
        Whether it is in the database already; where not, results wait for it.
    on_change:
        Told of every change, to show it on the instance in a notebook.
    """

    def __init__(
        self,
        place: Place,
        row: dict[str, Any],
        *,
        stored: bool = True,
        on_change: Callable[[RowChange], None] | None = None,
    ) -> None:
        self._place = place
        self._row = row
        self.stored = stored
        self._on_change = on_change
        self._session: Session | None = None
        self._resources = AsyncExitStack()
        self._launches = Launches()
        self._waiting: list[Result] = []
        """Until the row itself is stored."""
        self._left: list[Result] = []
        """For the last write."""
        self._seen: set[str] = set()
        self._rolled_back = frozenset(row.get("knockoff", {}).get(ROLLED_BACK, ()))
        """Variables with slashes that held an older result on purpose."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._resources.aclose()
        finally:
            await self._launches.done()

    async def fill(self, event: Event, direction: Direction) -> None:
        """Run the due variables of one side of the event.

        Raises
        ------
        SupersededError
            Another attempt has begun meanwhile.
        """
        if self.stored and self._waiting:
            await self._store(self._waiting)
            self._waiting = []
        names = self._due(event, direction)
        if direction == "before" and names:
            results = [each async for each in self._results(names) if isinstance(each, Result)]
            await self._store(results)
        elif names:
            await self._store_as_they_come(names)

    async def close(self, last: RowChange) -> None:
        """Store what is left, together with a last change of the row.

        Raises
        ------
        SupersededError
            Another attempt has begun meanwhile.
        """
        left, self._left = self._left, []
        if left or last:
            await self._store(left, last=last)
            self._apply(last)

    def waits(self, event: Event) -> RowChange:
        """How the row says which variables are due, but wait for another table."""
        place = self._place
        demand = Demand(event, place.retry, place.force, place.variables)
        return waits_of(place.neighbours, place.table, self._row, demand)

    async def adopt(self, results: Sequence[Result]) -> None:
        """Store results that a worker of this attempt left, whose recorder is gone.

        Raises
        ------
        SupersededError
            Another attempt has begun meanwhile.
        """
        await self._store(results)

    def _due(self, event: Event, direction: Direction) -> list[str]:
        place = self._place
        due = due_variables(
            place.table,
            self._row,
            event,
            retry=place.retry,
            force=place.force,
            only=place.variables,
            elsewhere=place.neighbours.elsewhere,
        )
        names = [
            each.name for each in due if each.direction == direction and each.name not in self._seen
        ]
        if direction == "after" and self._row.get(START_TIME) is None:
            names.append(START_TIME)
        self._seen.update(names)
        return names

    async def _results(self, names: Sequence[str]) -> Any:
        if self._session is None:
            session = self._place.open_session(task_of(self._place, self._row))
            self._session = await self._resources.enter_async_context(session)
        async for message in self._session.fill(names):
            yield message

    async def _store_as_they_come(self, names: Sequence[str]) -> None:
        """Write results while the next ones are computed; those that wait go together.

        The last ones are left to `close`, which has something to write anyway.
        """
        waiting: list[Result] = []
        in_hand: list[Result] = []
        started: dict[str, None] = {}
        news = asyncio.Event()
        missing = len(names) - sum(self._is_silent(name) for name in names)

        async def write() -> None:
            while missing:
                await news.wait()
                news.clear()
                if not waiting:
                    await _quiet(news, PATIENCE_BEFORE_TELLING)
                if missing and (waiting or started):
                    in_hand[:], waiting[:] = waiting, []
                    await self._store(in_hand, running=", ".join(started) or None)
                    in_hand.clear()

        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(write())
                try:
                    async for message in self._results(names):
                        if isinstance(message, Result):
                            waiting.append(message)
                            started.pop(message.variable, None)
                            missing -= 1
                        elif isinstance(message, Started) and not self._is_silent(message.variable):
                            started[message.variable] = None
                        news.set()
                finally:
                    missing = 0
                    news.set()
        except BaseExceptionGroup as group:  # whichever failed first is the reason
            raise group.exceptions[0] from group
        except asyncio.CancelledError:
            await self._stored_in_time([*in_hand, *waiting])
            raise
        self._left.extend(waiting)

    async def _stored_in_time(self, results: Sequence[Result]) -> None:
        """Store what was finished before somebody stopped the rest, unless that takes long.

        Also what was being written when that happened: to write it twice does no harm.
        """
        if not results:
            return
        try:
            async with asyncio.timeout(GOODBYE):
                await self._store(results)
        except (TimeoutError, SupersededError, RowMissingError) as error:
            log.warning("%s: %d results were not stored: %r", self._place.key, len(results), error)

    def _is_silent(self, name: str) -> bool:
        return name != START_TIME and self._place.table.variable(name).transient

    async def _store(
        self,
        results: Sequence[Result],
        *,
        running: str | None = None,
        last: RowChange | None = None,
        carried: RowChange | None = None,
    ) -> None:
        """Write results and what follows from them; `carried` is from a try that was refused."""
        place = self._place
        results = [to_be_launched(each, place) for each in results]
        old = superseded(self._row, results, place)
        outside = carried or RowChange()
        for result in results:
            outside.add(outside_change(self._row, result))
            for name, value in result.fields.items():
                put_at(self._row, name, from_json(value))
        self._apply(outside)
        released = [
            f"knockoff.{ROLLED_BACK}.{slashed(result.variable)}"
            for result in results
            if slashed(result.variable) in self._rolled_back
        ]
        for path in released:
            remove_at(self._row, path)
        # of what later results were made from
        stamps = input_stamps(place.table, self._row, place.neighbours.elsewhere)
        shared = place.neighbours.shared(place.table.collection)
        provenance = Provenance(
            place.key, place.label, place.context, stamps, shared, place.versions
        )
        previews, stale = self._previews(results, provenance)
        change = RowChange(removed=released)
        for result in results:
            change.add(row_change(place.table, result, provenance))
        self._apply(change)
        change.add(outside)
        if results and (size := stored_size(self._row)) > LARGEST_ROW:
            error = UnstorableError(f"the row would have {size} bytes, and 1 MB is the limit.")
            await self._store_without(results, error, outside, running=running, last=last)
            end_superseded(old)
            return
        if not self.stored:
            self._waiting.extend(results)
            return
        if running is not None and place.cause:
            change.values[f"knockoff.active.{place.cause}.variable"] = running
        if last is not None:
            change.add(last)
        entries = [history_entry(place.table, each, provenance) for each in results]
        kept = [each for each in entries if each is not None]
        try:
            past = previews_by_result(kept, previews)
            await self._written(change, kept, previews, stale, past)
        except UnstorableError as error:
            await self._store_without(results, error, outside, running=running, last=last)
            end_superseded(old)
            return
        end_superseded(old)
        self._launches.begin(results, place)
        if results and self._session is not None:
            await self._session.acknowledge(len(results))

    async def _written(
        self,
        change: RowChange,
        entries: Sequence[dict[str, Any]],
        previews: Sequence[dict[str, Any]],
        stale: Sequence[str],
        past: Sequence[dict[str, Any]],
    ) -> None:
        """Write one batch of results; where MongoDB is away, wait for it with them in hand.

        The row first, as it alone knows whether they are still wanted. Where we are killed
        before the rest, the worker's spool has them, since they are acknowledged at the end.
        """
        place = self._place
        tries = 0
        while True:
            try:
                with reworded("MongoDB"):
                    is_ours = await change_row(
                        place.database, place.table.collection, place.key, change, place.guard
                    )
                    if is_ours:
                        await asyncio.gather(
                            add_history(place.database, entries),
                            put_previews(place.database, previews, stale, past),
                        )
                        return
            except UnreachableError as error:
                tries += 1
                log.warning("%s: results wait, nothing is lost: %s", place.key, error)
                await asyncio.sleep(min(LONGEST_PAUSE, 0.25 * 2**tries))
                continue
            if await find_row(place.database, place.table.collection, place.key) is None:
                raise RowMissingError(f"The row of {place.key} was deleted while it was filled.")
            raise SupersededError

    async def _store_without(
        self,
        results: Sequence[Result],
        error: UnstorableError,
        carried: RowChange,
        *,
        running: str | None,
        last: RowChange | None,
    ) -> None:
        """Find the result that MongoDB refuses, and store in its place that it does."""
        for result in results:
            for name in result.fields:
                remove_at(self._row, name)
        if len(results) > 1:
            for each in results:
                await self._store([each], running=running, carried=carried)
            if last is not None:
                await self._store([], last=last, carried=carried)
            return
        if not results or results[0].problem is not None:
            raise error
        problem = CellProblem(type(error).__name__, str(error))
        refused = replace(results[0], outcome="failed", problem=problem, cells={})
        await self._store([refused], running=running, last=last, carried=carried)

    def _previews(
        self, results: Sequence[Result], provenance: Provenance
    ) -> tuple[list[dict[str, Any]], list[str]]:
        previews: list[dict[str, Any]] = []
        stale: list[str] = []
        computed = self._row.get("knockoff", {}).get("code", {})
        for result in results:
            new, old = previews_of(self._place.table, result, provenance)
            previews.extend(new)
            if slashed(result.variable) in computed:  # else there can be none yet
                stale.extend(old)
        return previews, stale

    def _apply(self, change: RowChange) -> None:
        for path in change.removed:
            remove_at(self._row, path)
        for path, value in change.values.items():
            put_at(self._row, path, value)
        if self._on_change is not None:
            self._on_change(change)


async def _quiet(news: asyncio.Event, seconds: float) -> None:
    """Wait for news, but no longer than that."""
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return
