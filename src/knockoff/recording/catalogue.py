"""Rows and the facility's catalogue: ask what is not known yet, keep it, compute what reads it.

Everything here happens beside filling. A row is made and filled whether or not the
catalogue answers; only the cells that read what it does not say wait for it.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from knockoff.database.catalogued import (
    CHANGED,
    NEXT,
    keep_for_ever,
    make_catalogue_index,
    rows_of,
    rows_to_ask,
)
from knockoff.database.client import PyMongoError, reworded
from knockoff.database.jobs import ask, job_id
from knockoff.database.rows import RowChange, change_row
from knockoff.errors import CatalogueError, DatabaseError
from knockoff.mymdc.answers import Known, Unavailable, UnknownYet
from knockoff.recording.readers import fields_read, readers_of, tell_the_waiting
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from knockoff.contextfile.description import TableDescription
    from knockoff.database.client import Database
    from knockoff.mymdc.answers import Answer
    from knockoff.recording.contextwatch import ContextWatch
    from knockoff.recording.facility import Facility, Source

log = logging.getLogger(__name__)

AT_ONCE: Final = 4
"""Runs that are asked about at the same time; the catalogue serves the whole facility."""

ONE_ROUND: Final = 50
"""Runs that the listener asks about before it looks again which ones are due."""

FIRST_PAUSE: Final = timedelta(seconds=30)
"""Until a run is asked about again that is not known yet; doubled each time."""

LONGEST_PAUSE: Final = timedelta(hours=4)

BETWEEN_LOOKS: Final = 2.0
"""Seconds between two looks at which runs are due."""


Places = dict[RunKey, list[tuple["TableDescription", dict[str, Any]]]]
"""The rows of each run, with the tables that they are in."""


@dataclass(frozen=True)
class Change:
    """What a row knew of one field of the catalogue before, and what it knows now."""

    key: RunKey
    collection: str
    field: str
    old: Any
    new: Any


@dataclass
class Refreshed:
    """What came of one round of questions."""

    asked: int = 0
    """Runs."""

    changes: list[Change] = field(default_factory=list)
    unknown: list[tuple[RunKey, str]] = field(default_factory=list)
    """Runs and fields that nobody has entered there yet."""

    unavailable: list[tuple[RunKey, str, str]] = field(default_factory=list)
    """Runs and fields without a usable answer, and why."""

    jobs: list[str] = field(default_factory=list)
    """What is to be computed now, because it reads what has changed."""


class _Questions:
    """Runs that are still to be asked about in one round."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.reason = ""
        """Why there is no use in asking on."""

        self._left = [*places][::-1]

    def next(self) -> RunKey | None:
        """The next run; None if none is left."""
        return self._left.pop() if self._left else None

    def put_back(self, key: RunKey) -> None:
        """Take a run back that could not be asked about."""
        self._left.append(key)

    def rest(self) -> list[RunKey]:
        """Runs that nobody has been asked about."""
        return list(reversed(self._left))

    def fields(self, key: RunKey) -> list[str]:
        """What is to be asked of a run."""
        return list(
            dict.fromkeys(each for table, _ in self.places[key] for each in fields_read(table))
        )


class Catalogue:
    """What one proposal's rows know of the catalogue."""

    def __init__(self, database: Database, context: ContextWatch, facility: Facility) -> None:
        self._database = database
        self._context = context
        self._facility = facility
        self._told: set[str] = set()
        """Why the round before had no answers."""

    async def refresh(
        self, runs: Collection[int] | None = None, *, even_if_known: bool = True
    ) -> Refreshed:
        """Ask about these runs, or all that have a row; store what is new, queue what reads it.

        Not about those of which everything is known, unless `even_if_known`.
        """
        places: Places = {}
        for table in self._reading():
            for row in await rows_of(self._database, table.collection, runs):
                if even_if_known or not _is_known(row, fields_read(table)):
                    _add(places, table, row)
        return await self._round(places)

    async def watch(self) -> None:
        """Ask about runs as they fall due, until cancelled."""
        indexed: set[str] = set()
        pause = BETWEEN_LOOKS
        while True:
            try:
                with reworded("MongoDB"):
                    for name in {table.collection for table in self._reading()} - indexed:
                        await make_catalogue_index(self._database, name)
                        indexed.add(name)
                    await self._round_of_the_due()
                pause = BETWEEN_LOOKS
            except (DatabaseError, PyMongoError) as error:  # told of by those who fill
                log.debug("The catalogue is not asked now: %s", error)
                pause = min(60.0, 2 * pause)
            await asyncio.sleep(pause)

    async def _round_of_the_due(self) -> None:
        places: Places = {}
        for table in self._reading():
            for row in await rows_to_ask(self._database, table.collection, ONE_ROUND):
                _add(places, table, row)
        if not places:
            return
        done = await self._round(places)
        for change in done.changes:
            log.info(
                "%s: %s in MyMdC is %.80r now, it was %.80r",
                change.key,
                change.field,
                change.new,
                change.old,
            )
        reasons = {reason for _, _, reason in done.unavailable}
        for reason in sorted(reasons - self._told):
            log.warning("Cells wait for MyMdC: %s", reason)
        self._told = reasons

    def _reading(self) -> list[TableDescription]:
        """Tables with variables that read the catalogue."""
        return [table for table in self._context.tables.context.tables if fields_read(table)]

    async def _round(self, places: Places) -> Refreshed:
        """Ask once about each run, and tell all its rows."""
        done = Refreshed(asked=len(places))
        questions = _Questions(places)
        try:
            async with self._facility.access.open() as source, asyncio.TaskGroup() as tasks:
                for _ in range(min(AT_ONCE, len(places))):
                    tasks.create_task(self._ask(source, questions, done))
        except CatalogueError as error:
            questions.reason = str(error)
        except BaseExceptionGroup as group:  # whichever failed first is the reason
            raise group.exceptions[0] from group
        for key in questions.rest():
            now = datetime.now(UTC)
            nothing = {name: Unavailable(questions.reason, now) for name in questions.fields(key)}
            await self._tell(key, places[key], nothing, done)
        done.changes.sort(key=lambda change: (change.key, change.collection))
        return done

    async def _ask(self, source: Source, questions: _Questions, done: Refreshed) -> None:
        """Ask until nothing is left, or there is no use in asking."""
        while not questions.reason and (key := questions.next()) is not None:
            try:
                answers = await source.answers(key, questions.fields(key))
            except CatalogueError as error:
                questions.reason = str(error)
                questions.put_back(key)
            else:
                await self._tell(key, questions.places[key], answers, done)

    async def _tell(
        self,
        key: RunKey,
        places: Iterable[tuple[TableDescription, dict[str, Any]]],
        answers: Mapping[str, Answer],
        done: Refreshed,
    ) -> None:
        for name, answer in answers.items():
            if isinstance(answer, UnknownYet):
                done.unknown.append((key, name))
            elif isinstance(answer, Unavailable):
                done.unavailable.append((key, name, answer.reason))
        for table, row in places:
            ours = {name: answers[name] for name in fields_read(table)}
            await self._keep(key, table, row, ours, done)

    async def _keep(
        self,
        key: RunKey,
        table: TableDescription,
        row: dict[str, Any],
        answers: Mapping[str, Answer],
        done: Refreshed,
    ) -> None:
        """Store what was answered in one row, and queue what that makes due.

        That something has changed, and that it is time to ask, is taken off the row last,
        so that whoever is killed on the way is followed by somebody who does it again.
        """
        before: dict[str, Any] = row.get("knockoff", {}).get("mymdc", {})
        after = {
            name: self._entry(before.get(name, {}), name, each) for name, each in answers.items()
        }
        changes = [
            Change(key, table.collection, name, before.get(name, {}).get("value"), entry["value"])
            for name, entry in after.items()
            if "value" in entry
            and ("value" not in before.get(name, {}) or before[name]["value"] != entry["value"])
        ]
        changes += [
            Change(key, table.collection, name, before[name]["value"], None)
            for name, entry in after.items()
            if "value" not in entry and "value" in before.get(name, {})
        ]
        new = [(each.field, each.new, answers[each.field]) for each in changes]
        await keep_for_ever(
            self._database,
            table.collection,
            key,
            [
                (name, value, each.fetched_at)
                for name, value, each in new
                if isinstance(each, Known)
            ],
        )
        row.setdefault("knockoff", {})["mymdc"] = {**before, **after}
        changed = sorted({*row["knockoff"].get("mymdc_changed", ()), *(c.field for c in changes)})
        stored = RowChange({f"knockoff.mymdc.{name}": entry for name, entry in after.items()})
        if changed:
            stored.values[CHANGED] = changed
        await change_row(self._database, table.collection, key, stored)
        await tell_the_waiting(self._database, table, key, row)
        if names := readers_of(table, changed):
            await ask(self._database, table.collection, key, "catalogue", variables=names)
            done.jobs.append(job_id(table.collection, key, "catalogue"))
        last = RowChange(removed=[CHANGED])
        moment = self._next(row, after)
        last.add(RowChange({NEXT: moment}) if moment else RowChange(removed=[NEXT]))
        await change_row(self._database, table.collection, key, last)
        done.changes += changes

    def _entry(self, before: Mapping[str, Any], name: str, answer: Answer) -> dict[str, Any]:
        """What a row keeps of an answer; a value stays while there is no answer to be had."""
        if isinstance(answer, Known):
            return {"value": answer.value, "fetched_at": answer.fetched_at}
        asked = {"asked_at": answer.asked_at, "times": before.get("times", 0) + 1}
        if isinstance(answer, Unavailable):
            kept = {each: before[each] for each in ("value", "fetched_at") if each in before}
            return {**kept, **asked, "state": "unavailable", "reason": answer.reason}
        moment = answer.asked_at.astimezone(self._facility.zone)
        reason = (
            f"{name} is not known in MyMdC yet, asked at {moment:%H:%M on %d %b}; "
            f"it will be asked again."
        )
        return {**asked, "state": "unknown", "reason": reason}

    def _next(self, row: Mapping[str, Any], entries: Mapping[str, Any]) -> datetime | None:
        """When to ask of a run again: soon what is not known, later what may be edited."""
        now = datetime.now(UTC)
        began = row.get("start_time") or row.get("added_at") or now
        began = began if began.tzinfo else began.replace(tzinfo=UTC)
        moments = []
        for entry in entries.values():
            if "value" not in entry:
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(entry["times"] - 1, 20))
                moments.append(now + pause * random.uniform(0.5, 1))  # noqa: S311  # only jitter
            elif now - began < self._facility.recent:
                moments.append(now + self._facility.refresh)
        return min(moments, default=None)


def _add(places: Places, table: TableDescription, row: dict[str, Any]) -> None:
    places.setdefault(RunKey(row["proposal"], row["run"]), []).append((table, row))


def _is_known(row: Mapping[str, Any], fields: Iterable[str]) -> bool:
    entries = row.get("knockoff", {}).get("mymdc", {})
    return all("value" in entries.get(name, {}) for name in fields)
