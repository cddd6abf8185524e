"""`knockoff reprocess`: compute again what is due in runs that have a row."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from knockoff.cli.computed import outcome_of, refuse_unknown, say_what_failed
from knockoff.cli.place import place_of
from knockoff.cli.words import examples, progress, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from knockoff.contextfile.description import ContextDescription
    from knockoff.database.client import Database
    from knockoff.recording.dueness import DueRow, Plan, Wish
    from knockoff.recording.recorder import Recorder
    from knockoff.runkey import RunKey
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace

Seconds = dict[tuple[str, str], float]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "knockoff reprocess all                     what is stale or was never computed",
            "knockoff reprocess all --dry-run           say what that is, and how long it takes",
            "knockoff reprocess 40-60 --failed",
            "knockoff reprocess 3,5,7-9 --variables hits,hit_rate --force",
            "knockoff reprocess all --tag XGM",
        )
    )(reprocess)


def reprocess(
    context: typer.Context,
    runs: Annotated[list[str], typer.Argument(help="Runs: 42, 1-20, 3,5,7-9 or all.")],
    variables: Annotated[
        str, typer.Option(help="Only these and what they need, separated by commas.")
    ] = "",
    tag: Annotated[
        str, typer.Option(help="Only variables with one of these tags, separated by commas.")
    ] = "",
    failed: Annotated[
        bool, typer.Option("--failed", help="Only what failed, and what needs it.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also compute what is up to date.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be computed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """Compute again what is due.

    Due is what has no result yet, and what is stale: its code, an input or the run's
    data has changed since. What failed is tried again only with --failed, unless one of
    these has changed. What was rolled back stays as it is until then, unless --variables
    names it. Runs without a row are made by `knockoff process`.
    """
    from knockoff.cli.runspec import runs_in
    from knockoff.errors import RunKeyError
    from knockoff.recording.dueness import Wish

    try:
        numbers = runs_in(runs)
    except RunKeyError as error:
        raise typer.BadParameter(str(error), param_hint="RUNS") from error
    chosen = None if "all" in ",".join(runs).replace(" ", ",").split(",") else numbers
    workspace, settings = place_of(context).open()
    wish = Wish(_words(variables), _words(tag), failed, force)
    work = _foretold if dry_run else _reprocessed
    plan, printed = asyncio.run(work(workspace, settings, chosen, wish, as_json))
    if as_json:
        typer.echo(json.dumps(printed, indent=2))
    missing = [run for run in numbers if run not in plan.looked_at]
    for run in missing:
        say(f"knockoff: Run {run} has no row. `knockoff process {run}` makes it.")
    if missing:
        raise typer.Exit(1)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


async def _planned(
    workspace: Workspace,
    settings: Settings,
    database: Database,
    context: ContextDescription,
    runs: Sequence[int] | None,
    wish: Wish,
) -> Plan:
    from knockoff.contextfile.problems import nearest
    from knockoff.errors import VariableError
    from knockoff.recording.dueness import plan

    refuse_unknown(context, wish.variables)
    tags = {
        tag
        for table in context.tables
        for each in table.variables
        for column in each.columns
        for tag in column.tags
    }
    for tag in wish.tags:
        if tag not in tags:
            hint = nearest(tag, sorted(tags))
            raise VariableError(f"No variable has the tag {tag!r}. {hint}".strip())
    return await plan(database, context, workspace.proposal, runs, wish, settings.data_root)


async def _foretold(
    workspace: Workspace,
    settings: Settings,
    runs: Sequence[int] | None,
    wish: Wish,
    as_json: bool,
) -> tuple[Plan, list[dict[str, Any]]]:
    """Print what would be computed; the recorder is not opened, so nothing is written."""
    from knockoff.database.durations import usual_seconds
    from knockoff.database.opening import open_database
    from knockoff.engine.local import open_engine
    from knockoff.recording.opening import engine_settings

    async with open_engine(engine_settings(workspace, settings)) as engine:
        context = await engine.describe(workspace.context_file)
        async with open_database(workspace, settings) as database:
            found = await _planned(workspace, settings, database, context, runs, wish)
            seconds = await usual_seconds(database)
    if not as_json and found.rows:
        typer.echo(_table(found.rows, seconds))
    _say_total(found, seconds, settings.workers.parallel)
    return found, [
        {
            "run": row.key.run,
            "table": row.collection,
            "variables": list(row.variables),
            "seconds": round(_known(row, seconds), 3),
            "untimed": _untimed(row, seconds),
        }
        for row in found.rows
    ]


def _table(rows: Sequence[DueRow], seconds: Mapping[tuple[str, str], float]) -> str:
    """A line per row: which run, which variables, how long."""
    names = {row.collection for row in rows}
    lines = [("Run", "Table", "About", "Variables")]
    lines += [
        (str(row.key.run), row.collection, _about(row, seconds), ", ".join(row.variables))
        for row in rows
    ]
    shown = (0, 1, 2, 3) if len(names) > 1 else (0, 2, 3)
    widths = [max(len(line[place]) for line in lines) for place in range(4)]
    return "\n".join(
        "  ".join(
            line[place].rjust(widths[place])
            if place in (0, 2)
            else line[place].ljust(widths[place])
            for place in shown
        ).rstrip()
        for line in lines
    )


def _known(row: DueRow, seconds: Mapping[tuple[str, str], float]) -> float:
    return sum(seconds.get((row.collection, name), 0.0) for name in row.variables)


def _untimed(row: DueRow, seconds: Mapping[tuple[str, str], float]) -> list[str]:
    return [name for name in row.variables if (row.collection, name) not in seconds]


def _about(row: DueRow, seconds: Mapping[tuple[str, str], float]) -> str:
    known = _spoken(_known(row, seconds))
    if not _untimed(row, seconds):
        return known
    return "?" if len(_untimed(row, seconds)) == len(row.variables) else f"{known} + ?"


def _spoken(seconds: float) -> str:
    """A duration as people say it; what takes some time never takes none.

    >>> _spoken(0.003), _spoken(0.25), _spoken(90), _spoken(7000)
    ('0.1 s', '0.2 s', '1.5 min', '1.9 h')
    """
    if seconds < 60:
        return f"{max(seconds, 0.1 if seconds else 0.0):.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _say_total(plan: Plan, seconds: Mapping[tuple[str, str], float], parallel: int) -> None:
    from knockoff.cli.runspec import spoken_runs

    if not plan.rows:
        say(_nothing(plan))
        return
    runs = {row.key.run for row in plan.rows}
    alone = max(
        sum(_known(row, seconds) for row in plan.rows if row.key.run == run) for run in runs
    )
    total = sum(_known(row, seconds) for row in plan.rows)
    wall = max(alone, total / min(parallel, len(runs)))
    untimed = sorted({name for row in plan.rows for name in _untimed(row, seconds)})
    results = sum(len(row.variables) for row in plan.rows)
    say(
        f"{results} results are due in {spoken_runs(runs)}: about {_spoken(wall)} "
        f"with {min(parallel, len(runs))} at a time. Nothing was computed."
    )
    if untimed:
        say(f"Not counted, for it was never timed: {', '.join(untimed)}.")


def _nothing(plan: Plan) -> str:
    count = len(plan.looked_at)
    return f"Nothing is due in {count} run{'s' * (count != 1)}."


async def _reprocessed(
    workspace: Workspace,
    settings: Settings,
    runs: Sequence[int] | None,
    wish: Wish,
    as_json: bool,  # noqa: ARG001  # what is printed otherwise goes to stderr
) -> tuple[Plan, list[dict[str, Any]]]:
    from knockoff.recording.opening import open_recorder

    async with open_recorder(workspace, settings) as recorder:
        await recorder.work_off([])
        found = await _planned(
            workspace, settings, recorder.database, recorder.tables.context, runs, wish
        )
        if not found.rows:
            say(_nothing(found))
            return found, []
        by_run: dict[RunKey, list[DueRow]] = {}
        for row in found.rows:
            by_run.setdefault(row.key, []).append(row)
        with progress("Computing", len(by_run)) as tell:
            waiting = list(reversed(by_run.items()))
            done: list[dict[str, Any]] = []

            async def work() -> None:
                while waiting:
                    key, rows = waiting.pop()
                    await recorder.work_off(await _asked(recorder, key, rows, force=wish.force))
                    computed = sorted({name for row in rows for name in row.variables})
                    done.append({**await outcome_of(recorder, key), "computed": computed})
                    tell(f"run {key.run}")

            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(settings.workers.parallel, len(by_run))):
                    tasks.create_task(work())
    done.sort(key=lambda each: int(each["run"]))
    results = sum(len(row.variables) for row in found.rows)
    say(
        f"{results} result{'s' * (results != 1)} in {len(by_run)} of {len(found.looked_at)} "
        f"runs of proposal {workspace.proposal} computed."
    )
    say_what_failed(done)
    return found, done


async def _asked(
    recorder: Recorder, key: RunKey, rows: Sequence[DueRow], *, force: bool
) -> list[str]:
    """Have a run computed as planned; the ids of its jobs."""
    from knockoff.database.jobs import job_id
    from knockoff.database.putback import release

    jobs: list[str] = []
    for kind in sorted({kind for row in rows for kind in row.arrived}, reverse=True):
        await recorder.record(key, kind)
        jobs += [job_id(table, key, kind) for table in recorder.tables.classes]
    for row in rows:
        if row.released:
            await release(recorder.database, row.collection, key, row.released)
        if row.variables:
            jobs += await recorder.ask_again(
                key,
                retry=row.retry,
                force=force,
                variables=row.variables,
                collections=[row.collection],
            )
    return jobs
