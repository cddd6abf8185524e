"""Cancel the jobs of runs: those that wait at once, those that run through their process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from knockoff.database.jobentries import cancel_idle, job_entries
from knockoff.database.jobs import ask_to_stop
from knockoff.database.rows import RowChange, change_row, find_row
from knockoff.filling.messages import WAITING_FOR_OUTSIDE
from knockoff.recording.dependants import dependants
from knockoff.recording.neighbours import NO_NEIGHBOURS, WAITING, demand_of, neighbours_of
from knockoff.recording.outside import waiting_in
from knockoff.runs.stamps import slashed
from knockoff.runs.states import has_field

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from knockoff.contextfile.description import (
        ContextDescription,
        TableDescription,
        VariableDescription,
    )
    from knockoff.database.client import Database
    from knockoff.database.jobentries import JobEntry
    from knockoff.database.jobs import Job
    from knockoff.recording.outside import Waiting

CANCELLED: Final = "cancelled"
"""The state of a job, and of the cells that it leaves without a value."""

_PAUSE: Final = 0.2


@dataclass(frozen=True)
class Cancelled:
    """What became of the jobs of some runs."""

    jobs: tuple[JobEntry, ...]
    """Those that are cancelled."""

    left: tuple[JobEntry, ...]
    """Those whose process was told to stop, and has not done so yet."""

    programs: tuple[str, ...] = ()
    """Launched programs that were told to end."""

    out_of_reach: tuple[str, ...] = ()
    """Those that cannot be reached from here, each with how it can be stopped."""


async def cancel(
    database: Database,
    context: ContextDescription,
    runs: Collection[int],
    *,
    by: str,
    patience: float,
) -> Cancelled:
    """Cancel all jobs of these runs.

    Parameters
    ----------
    by:
        Who does it; the cells say so.
    patience:
        Seconds to wait for jobs that another process is working on.
    """
    reason = f"by {by}"
    open_now = await job_entries(database, ("queued", "running"), runs)
    running: dict[str, JobEntry] = {}
    for each in open_now:
        job = await cancel_idle(database, each.id, reason)
        if job is not None:
            await mark_cancelled(database, context, job, reason)
        elif await ask_to_stop(database, each.id, reason):
            running[each.id] = each
    deadline = asyncio.get_running_loop().time() + patience
    while running and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(_PAUSE)
        still = await job_entries(database, ("queued", "running"), runs)
        told = {each.id for each in still if each.is_to_stop}
        running = {name: each for name, each in running.items() if name in told}
        for name in list(running):
            job = await cancel_idle(database, name, reason)
            if job is not None:  # its process has ended before it saw that it should stop
                await mark_cancelled(database, context, job, reason)
                del running[name]
    ended = tuple(each for each in open_now if each.id not in running)
    programs, out_of_reach = await _cancel_launched(database, context, runs, reason)
    return Cancelled(ended, tuple(running.values()), programs, out_of_reach)


async def _cancel_launched(
    database: Database, context: ContextDescription, runs: Collection[int], reason: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """End the programs that cells wait for, as far as they are here; the cells wait no more."""
    tables = {table.collection: table for table in context.tables}
    ended: list[str] = []
    out_of_reach: list[str] = []
    for each in await waiting_in(database, list(tables), runs):
        row = await find_row(database, each.table, each.key)
        if row is not None:
            await _mark_launched(database, tables[each.table], row, each, reason)
        name = f"{each.variable} of run {each.key.run}: {each.shown}"
        if each.job:
            out_of_reach.append(f"{name} goes on; `scancel {each.job}` stops it.")
        elif each.end():
            ended.append(name)
        elif each.owner:
            out_of_reach.append(f"{name} goes on; `kill {each.pid}` there stops it.")
    return tuple(ended), tuple(out_of_reach)


async def _mark_launched(
    database: Database,
    table: TableDescription,
    row: Mapping[str, Any],
    waiting: Waiting,
    reason: str,
) -> None:
    """Have the cells say so that wait for a program, or for what it was to bring."""
    names = {waiting.variable, *dependants(table, of=[waiting.variable])}
    problems = row.get("knockoff", {}).get("problems", {})
    change, guard = RowChange(), {}
    for variable in table.variables:
        for output in variable.outputs if variable.name in names else ():
            key = slashed(output)
            problem = problems.get(key, {})
            launch = (problem.get("outside") or {}).get("id")
            is_its = variable.name == waiting.variable and launch == waiting.launch
            if problem.get("state") != WAITING_FOR_OUTSIDE or not (is_its or launch is None):
                continue
            if is_its:
                guard[f"knockoff.problems.{key}.outside.id"] = launch
            told = {"state": CANCELLED, "variable": variable.name, "message": reason}
            change.values[f"knockoff.problems.{key}"] = told
            for part in {output, variable.name}:  # so that `reprocess` finds it due
                change.removed.append(f"knockoff.code.{slashed(part)}")
            change.removed.append(f"knockoff.inputs.{slashed(variable.name)}")
    change.removed = list(dict.fromkeys(change.removed))
    if guard:
        await change_row(database, waiting.table, waiting.key, change, guard)


async def mark_cancelled(
    database: Database, context: ContextDescription, job: Job, reason: str
) -> None:
    """Have the cells say so for which a job has left no value, and let go of its row.

    A cell with a value or with a problem of its own keeps it: that is what is known.
    """
    tables = {table.collection: table for table in context.tables}
    row = await find_row(database, job.collection, job.key)
    if row is None or job.collection not in tables:
        return
    table = tables[job.collection]
    around = await neighbours_of(database, tables, job.collection, job.key, but=job.id)
    demand = demand_of(job)
    if job.cause in ("raw", "proc") and not row.get("knockoff", {}).get("code"):
        demand = replace(demand, event="Insert")
    elsewhere = around.elsewhere if around is not NO_NEIGHBOURS else NO_NEIGHBOURS.elsewhere
    due = demand.due(table, row, elsewhere)
    change = RowChange(removed=[f"knockoff.active.{job.cause}"])
    if not job.is_queued:  # a worker that still brings results of this attempt is too late
        change.values[f"knockoff.attempt.{job.cause}"] = job.attempt + 1
    typed = {field.name for field in table.fields if field.editable}
    for variable in table.variables:
        if variable.name in due and not variable.transient:
            _mark(change, row, variable, typed, reason)
    await change_row(database, job.collection, job.key, change)


def _mark(
    change: RowChange,
    row: Mapping[str, Any],
    variable: VariableDescription,
    typed: Collection[str],
    reason: str,
) -> None:
    ours = row.get("knockoff", {})
    for output in variable.outputs:
        key = slashed(output)
        problem = ours.get("problems", {}).get(key)
        state = (problem or {}).get("state")
        only_waits = state == WAITING_FOR_OUTSIDE and not (problem or {}).get("outside")
        has_problem = problem is not None and state != WAITING and not only_waits
        is_there = has_field(row, output) or key in ours.get("arrays", {})
        if not (has_problem or is_there or output in typed):
            problem = {"state": CANCELLED, "variable": variable.name, "message": reason}
            change.values[f"knockoff.problems.{key}"] = problem
