"""Cells that wait for a program outside: have it started, and notice when it is gone."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from knockoff.database.client import reworded
from knockoff.database.owners import is_dead, owner_of
from knockoff.database.rows import RowChange, change_row, find_row
from knockoff.engine.launching import LaunchError, launch_id
from knockoff.errors import DatabaseError
from knockoff.filling.messages import WAITING_FOR_OUTSIDE, CellProblem
from knockoff.language.launching import in_words
from knockoff.recording.programends import end_launch
from knockoff.runkey import RunKey
from knockoff.runs.stamps import slashed
from knockoff.runs.states import place_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from knockoff.contextfile.description import ContextDescription, TableDescription
    from knockoff.database.client import Database
    from knockoff.database.transactions import Session
    from knockoff.engine.launching import Launcher
    from knockoff.filling.messages import Result
    from knockoff.recording.rowfill import Place

log = logging.getLogger(__name__)

PATIENCE: Final = timedelta(seconds=60)
"""After which a program that nobody has started is started by whoever finds the cell."""

NOWHERE_TO_LAUNCH: Final = (
    "launch() needs a workspace, whose row waits for the program. Make one with `knockoff init`, "
    "or compute the value here."
)


@dataclass(frozen=True)
class Waiting:
    """One launched program whose value has not come yet."""

    key: RunKey
    table: str
    variable: str
    launch: str
    shown: str
    """The command, and where it runs as far as that is known."""

    owner: str
    """The process that watches over it; empty where that is not known."""

    since: datetime
    command: tuple[str, ...] = ()
    folder: str = ""
    job: str = ""
    """Number of a batch job, which goes on when its command has ended."""

    @property
    def attempt(self) -> str:
        """The one that has launched it, as in ``raw-1``."""
        return self.launch.rpartition("/")[2]

    @property
    def pid(self) -> int:
        """Of the process that watches over it, on its own host; 0 where that is not known."""
        pid = self.owner.split(":")[1] if self.owner else ""
        return int(pid) if pid.isdigit() else 0

    @property
    def is_here(self) -> bool:
        """Whether that process is, or was, on this host."""
        return bool(self.owner) and self.owner.partition(":")[0] == socket.gethostname()

    def end(self) -> bool:
        """Tell it to end, with all that it has started; False if it cannot be reached from here."""
        if self.job or not self.is_here:
            return False
        if not self.is_gone:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signal.SIGTERM)
        return True

    @property
    def is_gone(self) -> bool:
        """Whether it ran on this host and does no more, and is no batch job."""
        return bool(self.owner) and not self.job and is_dead(self.owner)


# When a result comes that asks for it


def to_be_launched(result: Result, place: Place) -> Result:
    """A result that asks for a program, with a name for that; failed where none can be had."""
    problem = result.problem
    if problem is None or not problem.outside or "id" in problem.outside:
        return result
    refusal = place.launcher.refusal if place.launcher is not None else NOWHERE_TO_LAUNCH
    if refusal:
        told = CellProblem("LaunchError", refusal)
        return replace(result, outcome="failed", problem=told)
    name = launch_id(place.table.collection, place.key, result.variable, place.label)
    outside = {**problem.outside, "id": name, "since": datetime.now(UTC)}
    return replace(result, problem=replace(problem, outside=outside))


def outside_change(row: Mapping[str, Any], result: Result) -> RowChange:
    """What the row remembers of launches and submissions, after a result of its own."""
    ours, key = row.get("knockoff", {}), slashed(result.variable)
    change = RowChange()
    for part in ("submitted", "launched"):
        if key in ours.get(part, {}):
            change.removed.append(f"knockoff.{part}.{key}")
    name = result.problem.outside.get("id") if result.problem is not None else None
    if name is not None:
        change.add(RowChange({f"knockoff.launched.{key}": name}))
    return change


def superseded(row: Mapping[str, Any], results: Sequence[Result], place: Place) -> list[Waiting]:
    """Programs that cells of a row wait for, and which these results take the place of."""
    ours = row.get("knockoff", {})
    found: dict[str, Waiting] = {}
    for result in results:
        new = result.problem.outside.get("id") if result.problem is not None else None
        launch = ours.get("launched", {}).get(slashed(result.variable))
        if launch is None or launch == new:
            continue
        for problem in ours.get("problems", {}).values():
            about = problem.get("outside") or {}
            if about.get("id") == launch:
                found[launch] = _waiting(place.key, place.table.collection, problem, about)
    return list(found.values())


def end_superseded(programs: Sequence[Waiting]) -> None:
    """End what would only be refused; of a batch job say that it goes on."""
    for each in programs:
        if not each.end():
            log.warning("%s: %s is not waited for any more, and goes on", each.key, each.shown)


class Launches:
    """Programs that are being started beside the work that goes on; waited for at its end.

    To start one may take long where the disk is slow, and other results must not wait for
    that. Whatever comes to nothing here is found by `look_after`: the row says what it waits for.
    """

    def __init__(self) -> None:
        self._starting: list[asyncio.Task[None]] = []

    def begin(self, results: Sequence[Result], place: Place) -> None:
        """Start the programs that results ask for, whose cells say by now that they wait."""
        for result in results:
            about = result.problem.outside if result.problem is not None else {}
            if place.launcher is not None and "id" in about:
                work = _launched(result, about, place, place.launcher)
                self._starting.append(asyncio.create_task(work))

    async def done(self) -> None:
        """Wait until all of them are started, or have said why not."""
        await asyncio.gather(*self._starting)


async def _launched(
    result: Result, about: Mapping[str, Any], place: Place, launcher: Launcher
) -> None:
    waiting = Waiting(
        key=place.key,
        table=place.table.collection,
        variable=result.variable,
        launch=about["id"],
        shown="",
        owner="",
        since=about["since"],
        command=tuple(about["command"]),
        folder=about["folder"],
    )
    tables = {**place.neighbours.tables, place.table.collection: place.table}
    try:
        with reworded("MongoDB"):
            await _start(place.database, tables, launcher, waiting)
    except DatabaseError as error:
        log.warning("%s: whether %s was started is seen later: %s", place.key, about["id"], error)


async def _start(
    database: Database,
    tables: Mapping[str, TableDescription],
    launcher: Launcher,
    waiting: Waiting,
) -> None:
    table = tables[waiting.table]
    try:
        about = await launcher.start(
            waiting.key,
            waiting.table,
            waiting.variable,
            waiting.attempt,
            waiting.command,
            waiting.folder,
        )
    except LaunchError as error:
        await end_launch(database, tables, waiting.key, waiting.launch, str(error), "LaunchError")
        return
    about["owner"] = owner_of(about["pid"])
    is_noted = False
    for output in table.variable(waiting.variable).outputs:
        path = f"knockoff.problems.{slashed(output)}.outside"
        change = RowChange({f"{path}.{name}": each for name, each in about.items()})
        is_noted |= await change_row(
            database, waiting.table, waiting.key, change, {f"{path}.id": waiting.launch}
        )
    if is_noted:
        log.info("%s: launched %s", waiting.key, waiting.command)
        return
    row = await find_row(database, waiting.table, waiting.key)
    newest = (row or {}).get("knockoff", {}).get("launched", {}).get(slashed(waiting.variable))
    if newest != waiting.launch:  # else it has submitted already, so fast is it
        end_superseded([replace(waiting, owner=about["owner"], shown=in_words(waiting.command))])


# All night long


async def waiting_in(
    database: Database,
    tables: Collection[str],
    runs: Collection[int] | None = None,
    session: Session | None = None,
) -> list[Waiting]:
    """The programs that cells wait for; of these runs, or of all."""
    condition: dict[str, Any] = {"knockoff.states": WAITING_FOR_OUTSIDE}
    if runs is not None:
        condition["run"] = {"$in": list(runs)}
    fields = {"proposal": 1, "run": 1, "knockoff.problems": 1}
    found: dict[str, Waiting] = {}
    for table in tables:
        async for row in database[table].find(condition, fields, session=session).sort("run", 1):
            key = RunKey(row["proposal"], row["run"])
            for problem in row["knockoff"]["problems"].values():
                about = problem.get("outside") or {}
                if "id" in about:
                    found[about["id"]] = _waiting(key, table, problem, about)
    return list(found.values())


def _waiting(
    key: RunKey, table: str, problem: Mapping[str, Any], about: Mapping[str, Any]
) -> Waiting:
    return Waiting(
        key=key,
        table=table,
        variable=str(problem.get("variable")),
        launch=str(about["id"]),
        shown=f"{problem.get('message')} ({place_of(problem)})",
        owner=str(about.get("owner") or ""),
        since=about["since"],
        command=tuple(about.get("command") or ()),
        folder=str(about.get("folder") or ""),
        job=str(about.get("job") or ""),
    )


async def look_after(
    database: Database,
    context: ContextDescription,
    launcher: Launcher,
    patience: timedelta = PATIENCE,
) -> None:
    """Start what a recorder that was killed had not started, and say what is gone."""
    tables = {table.collection: table for table in context.tables}
    for waiting in await waiting_in(database, tables):
        known = {each.name for each in tables[waiting.table].variables}
        if waiting.variable not in known:
            continue
        if not waiting.owner and not waiting.job and datetime.now(UTC) - waiting.since > patience:
            await _start(database, tables, launcher, waiting)
        elif waiting.is_gone:
            gone = (
                "is gone without a word and had not submitted a value: it was killed, or the "
                "machine was restarted"
            )
            await end_launch(database, tables, waiting.key, waiting.launch, gone)
