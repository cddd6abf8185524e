"""`knockoff delete` and `knockoff undelete`: take a run or a column away, and have it back."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Any

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import counted, examples, say, size

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from knockoff.database.client import Database
    from knockoff.database.trash import Deletion
    from knockoff.recording.undeleting import Undone
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog=examples(
            "knockoff delete 42",
            "knockoff delete 40-60,71",
            "knockoff delete --column hits",
        )
    )(delete)
    app.command(
        epilog=examples(
            "knockoff undelete          print what can be had back",
            "knockoff undelete 3        by its number there",
        )
    )(undelete)


def delete(
    context: typer.Context,
    runs: Annotated[list[str] | None, typer.Argument(help="Runs: 42, 1-20 or 3,5,7-9.")] = None,
    column: Annotated[
        str | None, typer.Option("--column", help="A column instead, by field or title.")
    ] = None,
    table: Annotated[
        str | None, typer.Option("--table", help="Which table, if several have that column.")
    ] = None,
) -> None:
    """Delete runs, or a column.

    Until `knockoff gc` everything can be had back by `knockoff undelete`, and files stay where
    they are. A run goes with its rows, comment, jobs and history; if it is announced again, or
    by `knockoff process`, it is made anew. A column is emptied in all rows, and is gone if the
    context file has it not; else it is due again. Its history stays.
    """
    from knockoff.cli.runspec import runs_in
    from knockoff.errors import RunKeyError

    if bool(runs) is (column is not None):
        raise typer.BadParameter("Name runs, or one --column.", param_hint="RUNS")
    try:
        numbers = runs_in(runs or [], ()) if runs else []
        if runs and not numbers:
            raise RunKeyError("All runs? Name them, as in 1-20; `knockoff reset` starts over.")
    except RunKeyError as error:
        raise typer.BadParameter(str(error), param_hint="RUNS") from error
    workspace, settings = place_of(context).open()
    if column is not None:
        asyncio.run(_without_column(workspace, settings, column, table))
    else:
        asyncio.run(_without_runs(workspace, settings, numbers))


def undelete(
    context: typer.Context,
    numbers: Annotated[
        list[int] | None, typer.Argument(help="Numbers of deletions; none to print them.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as a JSON list.")] = False,
) -> None:
    """Bring back what was deleted, or print what can be.

    Exactly as it was. Where a cell has another value since, that one stays, and is named.
    """
    workspace, settings = place_of(context).open()
    if not numbers:
        found = asyncio.run(_listed(workspace, settings))
        if as_json:
            typer.echo(json.dumps([_plain(each) for each in found], indent=2))
        elif found:
            for line in _lines(found, settings):
                typer.echo(line)
        else:
            say("Nothing was deleted that could be had back.")
        return
    asyncio.run(_undone(workspace, settings, numbers))


async def _without_runs(workspace: Workspace, settings: Settings, runs: Sequence[int]) -> None:
    from knockoff.database.opening import open_database
    from knockoff.database.owners import this_person
    from knockoff.errors import KnockoffError
    from knockoff.recording.deleting import delete_run

    done: list[Deletion] = []
    async with open_database(workspace, settings) as database:
        try:
            for run in runs:
                try:
                    done.append(await delete_run(database, run, by=this_person()))
                except KnockoffError as error:
                    if len(runs) == 1:
                        raise
                    say(f"knockoff: {error}")
        finally:
            _say_deleted(done)
    if len(done) < len(runs):
        raise typer.Exit(1)


def _say_deleted(done: Sequence[Deletion]) -> None:
    from knockoff.cli.runspec import spoken_runs

    if done:
        numbers = " ".join(str(each.number) for each in done)
        whole = sum(each.nbytes for each in done)
        say(
            f"Deleted {spoken_runs(each.run for each in done if each.run)} ({size(whole)}). "
            f"`knockoff undelete {numbers}` brings it back, until `knockoff gc`."
        )


async def _without_column(
    workspace: Workspace, settings: Settings, name: str, table: str | None
) -> None:
    from knockoff.cli.reading import tables_of
    from knockoff.database.opening import open_database
    from knockoff.database.owners import this_person
    from knockoff.errors import EditError
    from knockoff.recording.deleting import delete_column

    async with open_database(workspace, settings) as database:
        found: list[Any] = []
        unknown: list[EditError] = []
        for each in await tables_of(database, table):
            try:
                found.append(each.column(name))
            except EditError as error:
                unknown.append(error)
        if not found:
            raise unknown[0]
        if len(found) > 1:
            names = [str(each.get("table", "run")) for each in found]
            raise EditError(f"{name} is in {', '.join(names)}. Say which: --table {names[0]}.")
        column = found[0]
        deletion, runs = await delete_column(database, column, by=this_person())
        await _files_written(database, workspace, runs)
    is_former = bool(column.get("former"))
    say(
        f"Deleted {deletion.what} in {counted(len(runs), 'row')} ({size(deletion.nbytes)} kept). "
        f"`knockoff undelete {deletion.number}` brings it back, until `knockoff gc`."
    )
    if not is_former:
        say(
            "It is in the context file that was used last, so it stays as an empty column, and "
            "`knockoff process` or `knockoff reprocess` fills it again. To be rid of it, take it "
            "out of the context file first."
        )


async def _listed(workspace: Workspace, settings: Settings) -> list[Deletion]:
    from knockoff.database.opening import open_database
    from knockoff.database.trash import deletions

    async with open_database(workspace, settings) as database:
        return await deletions(database)


async def _undone(workspace: Workspace, settings: Settings, numbers: Sequence[int]) -> None:
    from knockoff.database.opening import open_database
    from knockoff.database.trash import deletions
    from knockoff.errors import EditError
    from knockoff.recording.undeleting import undelete

    async with open_database(workspace, settings) as database:
        known = {each.number: each for each in await deletions(database)}
        for number in numbers:
            if number not in known:
                raise EditError(
                    f"There is no deletion {number} to be undone. `knockoff undelete` prints those "
                    "that there are; what `knockoff gc` has swept cannot be had back."
                )
        for number in dict.fromkeys(numbers):
            undone = await undelete(database, known[number])
            _say_undone(known[number], undone)
            await _files_written(database, workspace, undone.rows)


def _say_undone(deletion: Deletion, undone: Undone) -> None:
    from knockoff.cli.runspec import spoken_runs

    where = f" in {counted(len(undone.rows), 'row')}" if deletion.column else ""
    say(f"Brought back {deletion.what}{where}.")
    if undone.newer:
        newer = sorted(undone.newer)
        more = f" and {len(newer) - 20} more" if len(newer) > 20 else ""
        say(f"Newer results stay: {', '.join(newer[:20])}{more}.")
    if undone.missing:
        say(
            f"knockoff: {spoken_runs(undone.missing)} has no row now; what belongs there is kept. "
            f"Bring the run back first, then once more: `knockoff undelete {deletion.number}`."
        )


async def _files_written(database: Database, workspace: Workspace, runs: Collection[int]) -> None:
    """Have the files of these runs show what the rows do; if not now, a listener or gc will."""
    from knockoff.errors import ArrayError
    from knockoff.recording.runfiles import RunFiles

    files = RunFiles(database, workspace.arrays_folder, workspace.proposal)
    try:
        for run in await files.stale(runs):
            await files.write([run])
    except ArrayError as error:
        say(f"knockoff: {error} `knockoff gc --index` writes it anew.")


def _plain(deletion: Deletion) -> dict[str, Any]:
    about = {**asdict(deletion), "what": deletion.what}
    about["at"] = f"{deletion.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    about["bytes"] = about.pop("nbytes")
    return {name: each for name, each in about.items() if each not in ("", None)}


def _lines(found: Sequence[Deletion], settings: Settings) -> list[str]:
    cells = [("#", "what", "rows", "size", "by", "at")]
    for each in found:
        at = f"{each.at.astimezone(settings.time_zone):%Y-%m-%d %H:%M}"
        cells.append((str(each.number), each.what, str(each.rows), size(each.nbytes), each.by, at))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
