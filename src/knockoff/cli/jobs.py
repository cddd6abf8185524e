"""`knockoff jobs` and `knockoff cancel`: what is being computed, and how to stop it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import examples, say
from knockoff.recording.wording import lasting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from knockoff.database.jobentries import JobEntry
    from knockoff.recording.cancelling import Cancelled
    from knockoff.recording.outside import Waiting
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace

PATIENCE: Final = 10.0
"""Seconds to wait for jobs to stop; a process looks once per second whether it should."""

SHOWN: Final = ("queued", "running", "failed")

_NAMES: Final = {"collection": "table"}
"""What people call it, where that is not what it is on record as."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog=examples("knockoff jobs", "knockoff jobs --json"))(jobs)
    app.command(
        epilog=examples("knockoff cancel 42", "knockoff cancel 40-60", "knockoff cancel all")
    )(cancel)


def jobs(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """Print what is being computed.

    Jobs that wait, that a process is working on, and that were given up. One whose
    process is gone is abandoned; whoever computes for this proposal takes it over.
    Programs that variables have launched are told of below.
    """
    workspace, settings = place_of(context).open()
    found, launched = asyncio.run(_listed(workspace, settings))
    if as_json:
        typer.echo(json.dumps([_plain(each) for each in found], indent=2))
        return
    if found:
        typer.echo(_table(found, datetime.now(UTC)))
    for each in found:
        if each.reason:
            say(f"{each.id}: {each.reason}")
    for program in launched:
        say(_launched(program, datetime.now(UTC)))
    if not (found or launched):
        say("Nothing is being computed, and nothing waits.")


def cancel(
    context: typer.Context,
    runs: Annotated[list[str], typer.Argument(help="Runs: 42, 1-20, 3,5,7-9 or all.")],
) -> None:
    """Stop computing runs.

    What waits is not begun, and what runs is ended, also in another process or on
    another host, and so are programs that variables have launched on this one. Finished
    results stay; cells that are left without a value say that they were cancelled, until
    `knockoff reprocess` or new data of the run brings them.
    """
    from knockoff.cli.runspec import runs_in, spoken_runs
    from knockoff.errors import RunKeyError

    try:
        numbers = runs_in(runs)
    except RunKeyError as error:
        raise typer.BadParameter(str(error), param_hint="RUNS") from error
    chosen = None if "all" in ",".join(runs).replace(" ", ",").split(",") else numbers
    workspace, settings = place_of(context).open()
    done = asyncio.run(_cancelled(workspace, settings, chosen))
    if done.jobs:
        count = len(done.jobs)
        say(
            f"Cancelled {count} job{'s' * (count != 1)} of "
            f"{spoken_runs(each.run for each in done.jobs)}."
        )
    for program in done.programs:
        say(f"Ended {program}.")
    for program in done.out_of_reach:
        say(f"knockoff: {program}")
    for each in done.left:
        say(
            f"knockoff: {each.id} is still worked on by process {each.pid} on {each.host}, which "
            f"was told to stop. `knockoff jobs` shows when it has."
        )
    if done.left:
        raise typer.Exit(1)
    if not (done.jobs or done.programs or done.out_of_reach):
        say("There was nothing to cancel.")


async def _listed(workspace: Workspace, settings: Settings) -> tuple[list[JobEntry], list[Waiting]]:
    from knockoff.database.jobentries import job_entries
    from knockoff.database.opening import open_database
    from knockoff.database.registry import table_names
    from knockoff.recording.outside import waiting_in

    async with open_database(workspace, settings) as database:
        return await job_entries(database, SHOWN), await waiting_in(
            database, await table_names(database)
        )


def _launched(program: Waiting, now: datetime) -> str:
    """What a cell waits for, since when, and what can be done about it."""
    key, job = program.key, program.job
    ask = f"`squeue -j {job}` and `sacct -j {job}` say what became of it; " if job else ""
    gone = " Its process is gone." if program.is_gone else ""
    return (
        f"{program.variable} of run {key.run} waits for {program.shown}, for "
        f"{lasting(now, program.since)}.{gone} {ask}`knockoff cancel {key.run}` ends that."
    )


async def _cancelled(
    workspace: Workspace, settings: Settings, runs: Sequence[int] | None
) -> Cancelled:
    from knockoff.database.jobentries import job_entries
    from knockoff.database.opening import open_database
    from knockoff.database.owners import this_person
    from knockoff.database.registry import current_context
    from knockoff.recording.cancelling import Cancelled, cancel
    from knockoff.recording.outside import waiting_in
    from knockoff.runs.described import read_description

    async with open_database(workspace, settings) as database:
        described = await current_context(database)
        if described is None:  # nothing was ever recorded here
            return Cancelled((), ())
        context = read_description(described)
        if runs is None:
            entries = await job_entries(database, ("queued", "running"))
            waiting = await waiting_in(database, [each.collection for each in context.tables])
            runs = sorted({each.run for each in entries} | {each.key.run for each in waiting})
        return await cancel(database, context, runs, by=this_person(), patience=PATIENCE)


def _plain(entry: JobEntry) -> dict[str, Any]:
    """A job as JSON has it: what is not known of it is left out."""
    about = {**asdict(entry), "state": _state(entry)}
    return {
        _NAMES.get(name, name): f"{each.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        if isinstance(each, datetime)
        else each
        for name, each in about.items()
        if each not in ("", None) and not name.startswith("is_")
    }


def _state(entry: JobEntry) -> str:
    if entry.is_abandoned:
        return "abandoned"
    return "stopping" if entry.is_to_stop and entry.state == "running" else entry.state


def _table(entries: Sequence[JobEntry], now: datetime) -> str:
    lines = [("Run", "Table", "Cause", "State", "Process", "For", "Lease", "Attempt")]
    for each in entries:
        at_work = each.state == "running"
        lines.append(
            (
                str(each.run),
                each.collection,
                each.cause,
                _state(each),
                f"{each.pid} on {each.host}" if at_work else "",
                lasting(now, each.since or each.created_at),
                lasting(each.lease_until, now) if at_work and each.lease_until else "",
                str(each.attempt),
            )
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = (0, 5, 6, 7)
    return "\n".join(
        "  ".join(
            text.rjust(width) if place in right else text.ljust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
