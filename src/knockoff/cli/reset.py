"""`knockoff reset`: take away what was computed, and keep what people have typed."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import agreed, counted, examples, say, size

if TYPE_CHECKING:
    from knockoff.recording.resetting import Amounts, Choice
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "knockoff reset --dry-run",
            "knockoff reset                       all that cells show",
            "knockoff reset --arrays --yes        only free the disk; summaries stay",
            "knockoff reset --events",
        )
    )(reset)


def reset(
    context: typer.Context,
    values: Annotated[
        bool, typer.Option("--values", help="What cells show: values, previews, errors.")
    ] = False,
    arrays: Annotated[
        bool, typer.Option("--arrays", help="The files of arrays; their summaries stay.")
    ] = False,
    history: Annotated[bool, typer.Option("--history", help="What cells showed before.")] = False,
    events: Annotated[
        bool,
        typer.Option("--events", help="That data was announced: each event counts as new."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what goes as one JSON object.")
    ] = False,
) -> None:
    """Start over.

    What was computed goes, for good: all that cells show, or what is named. Rows, comments,
    tags, fields that people type, and views stay; what cells showed before stays as well,
    unless `--history` is named. `knockoff process all` fills the table again. A table that is
    being computed is not touched.
    """
    from knockoff.recording.resetting import Choice

    all_of_it = not (values or arrays or history or events)  # but what was is kept
    choice = Choice(
        values=values or all_of_it,
        arrays=arrays or all_of_it,
        history=history,
        events=events or all_of_it,
    )
    workspace, settings = place_of(context).open()
    asyncio.run(_reset(workspace, settings, choice, yes=yes, dry_run=dry_run, as_json=as_json))


async def _reset(
    workspace: Workspace,
    settings: Settings,
    choice: Choice,
    *,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    from knockoff.database.opening import open_database
    from knockoff.recording.resetting import foretell, refuse_in_use, reset
    from knockoff.recording.runfiles import RunFiles

    folder, proposal = workspace.arrays_folder, workspace.proposal
    async with open_database(workspace, settings) as database:
        amounts = await foretell(database, folder, proposal, choice)
        if as_json:
            typer.echo(json.dumps(_plain(amounts), indent=2))
        else:
            for line in _lines(amounts, choice):
                typer.echo(line)
        if dry_run or amounts.is_nothing:
            return
        await refuse_in_use(database, choice)
        question = f"Take this away from proposal {proposal}, for good?"
        if not await asyncio.to_thread(agreed, question, yes):
            raise typer.Exit(1)
        failed = await reset(database, folder, proposal, choice)
        files = RunFiles(database, folder, proposal)
        for run in await files.stale():
            await files.write([run])
    for each in failed:
        say(f"knockoff: {each} could not be deleted.")
    say("Done. `knockoff process all` fills the table again.")
    if failed:
        raise typer.Exit(1)


def _plain(amounts: Amounts) -> dict[str, Any]:
    return {
        "rows": amounts.rows,
        "results": amounts.results,
        "previews": {"number": amounts.previews[0], "bytes": amounts.previews[1]},
        "history": {"number": amounts.history[0], "bytes": amounts.history[1]},
        "arrays": {"number": len(amounts.files), "bytes": amounts.file_bytes},
        "events": amounts.events,
    }


def _lines(amounts: Amounts, choice: Choice) -> list[str]:
    if amounts.is_nothing:
        return ["There is nothing of that to take away."]
    told = []
    if choice.values:
        previews, of_previews = amounts.previews
        told.append(
            f"values   {counted(amounts.results, 'result')} in {counted(amounts.rows, 'row')}, "
            f"{counted(previews, 'preview')} ({size(of_previews)})"
        )
    if choice.arrays:
        told.append(f"arrays   {counted(len(amounts.files), 'file')} ({size(amounts.file_bytes)})")
    if choice.history:
        entries, of_history = amounts.history
        told.append(f"history  {counted(entries, 'past or present result')} ({size(of_history)})")
    if choice.events:
        told.append(f"events   {counted(amounts.events, 'announcement')} of data")
    return told
