"""`knockoff submit`: bring a value into the table that was computed elsewhere."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path  # noqa: TC003  # typer reads it
from typing import TYPE_CHECKING, Annotated, Any

import typer

from knockoff.cli.edit import AS_TYPED
from knockoff.cli.place import place_of
from knockoff.cli.words import examples, say

if TYPE_CHECKING:
    from knockoff.recording.submission import Submitted
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "knockoff submit 42 fit result.npy",
            "knockoff submit 42 fit result.h5 --dataset fits/best --units mm",
            "knockoff submit 42 fit --value 3.5",
            "knockoff submit 42 fit --error 'did not converge'",
        ),
        context_settings=AS_TYPED,
    )(submit)


def submit(
    context: typer.Context,
    run: Annotated[int, typer.Argument(min=1, max=99_999, help="Run number.")],
    variable: Annotated[str, typer.Argument(help="Variable of the context file, or its output.")],
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="Array (.npy, .npz, .h5, .nc), table (.csv), image, .json or .txt.",
            show_default=False,
        ),
    ] = None,
    value: Annotated[
        str | None, typer.Option(help="The value itself, as JSON; other words are a text.")
    ] = None,
    error: Annotated[str | None, typer.Option(help="Why there is no value.")] = None,
    dataset: Annotated[str, typer.Option(help="Which dataset or group of an HDF5 file.")] = "",
    units: Annotated[str | None, typer.Option(help="Units of this value.")] = None,
    summary: Annotated[
        str | None, typer.Option(help="What the cell shows: a NumPy function such as mean.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="Which table, if several have it.")] = None,
    launch: Annotated[
        str, typer.Option(envvar="KNOCKOFF_LAUNCH", hidden=True, help="Which launch it is of.")
    ] = "",
    ended: Annotated[
        str | None, typer.Option(hidden=True, help="How a launched program has ended.")
    ] = None,
    batch_job: Annotated[
        str | None, typer.Option(hidden=True, help="Which batch job it has submitted.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fill a cell with a value that was computed elsewhere.

    It is stored, shown and kept in the history like a computed one, and what reads it is
    computed by whoever listens. A program that was started by launch() ends its cell's wait
    by this.
    """
    workspace, settings = place_of(context).open()
    if launch and (ended is not None or batch_job is not None):
        asyncio.run(_told(workspace, settings, run, launch, ended, batch_job))
        return
    if sum(each is not None for each in (file, value, error)) != 1:
        raise typer.BadParameter(
            "Give a file, or --value, or --error.", param_hint="FILE, --value, --error"
        )
    values = {}
    if error is None:
        values[variable] = _cell(file, value, dataset, units, summary)
    errors = {variable: error} if error is not None else {}
    source = str(file) if file is not None else "the command line"
    done = asyncio.run(_submitted(workspace, settings, run, values, errors, source, table, launch))
    if as_json:
        typer.echo(json.dumps(_plain(workspace.proposal, run, done), indent=2))
    names = ", ".join(done.columns)
    said = f"{names} of run {run} says why there is no value" if errors else f"{names} of run {run}"
    say(f"{said} ({done.label})." if errors else f"{said} is stored ({done.label}).")
    if done.stale:
        say(
            f"The context file or an input was edited since the program was launched, so it is "
            f"stale; `knockoff reprocess {run}` launches it anew."
        )
    elif done.dependants:
        say(
            f"{', '.join(done.dependants)} {'are' if len(done.dependants) > 1 else 'is'} computed "
            f"now by whoever listens; else by `knockoff process {run}`."
        )


def _cell(
    file: Path | None, value: str | None, dataset: str, units: str | None, summary: str | None
) -> Any:
    from knockoff.arrays.foreign import read_foreign
    from knockoff.language.cell import Cell

    data = read_foreign(file, dataset) if file is not None else _typed(value or "")
    if units is None and summary is None:
        return data
    return Cell(data, summary=summary, units=units)


def _typed(text: str) -> Any:
    """Numbers, true, false, null, lists and objects as JSON has them; the rest is a text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


async def _submitted(
    workspace: Workspace,
    settings: Settings,
    run: int,
    values: dict[str, Any],
    errors: dict[str, str],
    source: str,
    table: str | None,
    launch: str,
) -> Submitted:
    from knockoff.recording.submission import Submission
    from knockoff.recording.submitcall import submit_to
    from knockoff.runkey import RunKey

    submission = Submission(values, errors, source, table, launch)
    return await submit_to(workspace, settings, RunKey(workspace.proposal, run), submission)


async def _told(
    workspace: Workspace,
    settings: Settings,
    run: int,
    launch: str,
    ended: str | None,
    batch_job: str | None,
) -> None:
    from knockoff.database.opening import open_database
    from knockoff.database.registry import current_context
    from knockoff.recording.programends import end_launch, note_batch_job
    from knockoff.runkey import RunKey
    from knockoff.runs.described import read_description

    key = RunKey(workspace.proposal, run)
    async with open_database(workspace, settings) as database:
        described = await current_context(database)
        if described is None:
            return
        tables = {each.collection: each for each in read_description(described).tables}
        if batch_job is not None:
            await note_batch_job(database, tables, key, launch, batch_job)
        elif ended is not None:
            await end_launch(database, tables, key, launch, ended)


def _plain(proposal: int, run: int, done: Submitted) -> dict[str, Any]:
    from knockoff.database.owners import this_person

    return {
        "proposal": proposal,
        "run": run,
        "by": this_person(),
        "attempt": done.label,
        "columns": list(done.columns),
        "dependants": list(done.dependants),
        "stale": list(done.stale),
    }
