"""`knockoff process`: compute runs now, without waiting for Kafka to announce them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from knockoff.cli.computed import outcome_of, refuse_unknown, say_what_failed
from knockoff.cli.place import place_of
from knockoff.cli.words import examples, progress, say
from knockoff.errors import RunDataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from knockoff.recording.recorder import Recorder
    from knockoff.runkey import DataKind, RunKey
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "knockoff process 42",
            "knockoff process 3,5,7-9 --variables hits,hit_rate",
            "knockoff process all --force",
        )
    )(process)


def process(
    context: typer.Context,
    runs: Annotated[list[str], typer.Argument(help="Runs: 42, 1-20, 3,5,7-9 or all.")],
    force: Annotated[
        bool, typer.Option("--force", help="Also compute what is up to date.")
    ] = False,
    variables: Annotated[
        str, typer.Option(help="Only these and what they need, separated by commas.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """Compute runs that are on disk.

    As far as they are due: what failed before is tried again. A run without a row gets
    one, with all variables. Errors in cells are reported and do not count as failure of
    the command.
    """
    from knockoff.cli.runspec import runs_in
    from knockoff.errors import RunKeyError

    try:
        runs_in(runs)
    except RunKeyError as error:
        raise typer.BadParameter(str(error), param_hint="RUNS") from error
    workspace, settings = place_of(context).open()
    names = tuple(name.strip() for name in variables.split(",") if name.strip())
    done, missing = asyncio.run(_processed(workspace, settings, runs, force=force, only=names))
    for each in missing:
        say(f"knockoff: {each}")
    if as_json:
        typer.echo(json.dumps(done, indent=2))
    say(
        f"{len(done)} of {len(done) + len(missing)} runs of proposal {workspace.proposal} computed."
    )
    say_what_failed(done)
    if missing:
        raise typer.Exit(1)


async def _processed(
    workspace: Workspace,
    settings: Settings,
    words: Sequence[str],
    *,
    force: bool,
    only: Sequence[str],
) -> tuple[list[dict[str, Any]], list[RunDataError]]:
    """What became of each run, and the errors of those that are not there."""
    from knockoff.cli.runspec import runs_in
    from knockoff.recording.opening import open_recorder
    from knockoff.rundata.finding import kinds_on_disk, run_folder, runs_on_disk
    from knockoff.runkey import RunKey

    root = settings.data_root
    on_disk = await asyncio.to_thread(runs_on_disk, workspace.proposal, root)
    there: dict[RunKey, list[DataKind]] = {}
    missing: list[RunDataError] = []
    for run in runs_in(words, {*on_disk["raw"], *on_disk["proc"]}):
        key = RunKey(workspace.proposal, run)
        try:
            kinds = kinds_on_disk(key, root)
            if not kinds:
                run_folder(key, "raw", root)  # says which runs are near
                raise RunDataError(f"{key} holds no data file yet. Process it again later.")
        except RunDataError as error:
            missing.append(error)
        else:
            there[key] = sorted(kinds, reverse=True)  # raw, then proc
    if not there:
        return [], missing
    async with open_recorder(workspace, settings) as recorder:
        refuse_unknown(recorder.tables.context, only)
        await recorder.work_off([])
        with progress("Computing", len(there)) as tell:
            done = await _worked_off(
                recorder, there, settings.workers.parallel, tell, force=force, only=only
            )
        told = await recorder.catalogue.refresh({key.run for key in there}, even_if_known=False)
        for reason in sorted({reason for _, _, reason in told.unavailable}):
            say(f"Some cells wait: {reason}")
        if told.jobs:
            await recorder.work_off(told.jobs)
            done = [await outcome_of(recorder, key) for key in sorted(there)]
    return done, missing


async def _worked_off(
    recorder: Recorder,
    there: dict[RunKey, list[DataKind]],
    workers: int,
    tell: Callable[[str], None],
    *,
    force: bool,
    only: Sequence[str],
) -> list[dict[str, Any]]:
    waiting = list(reversed(there.items()))
    done: list[dict[str, Any]] = []

    async def work() -> None:
        while waiting:
            key, kinds = waiting.pop()
            jobs = await _asked(recorder, key, kinds, force=force, only=only)
            await recorder.work_off(jobs)
            done.append(await outcome_of(recorder, key))
            tell(f"run {key.run}")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(min(workers, len(there))):
            tasks.create_task(work())
    return sorted(done, key=lambda each: int(each["run"]))


async def _asked(
    recorder: Recorder,
    key: RunKey,
    kinds: Sequence[DataKind],
    *,
    force: bool,
    only: Sequence[str],
) -> list[str]:
    """Put the run on record, as a message would, and have an older row looked at again."""
    from knockoff.database.jobs import job_id
    from knockoff.database.rows import find_row

    tables = list(recorder.tables.classes)
    old = [await find_row(recorder.database, table, key) is not None for table in tables]
    for kind in kinds:
        await recorder.record(key, kind)
    jobs = [job_id(table, key, kind) for table in tables for kind in kinds]
    if any(old):
        jobs += await recorder.ask_again(key, retry=True, force=force, variables=only)
    return jobs
