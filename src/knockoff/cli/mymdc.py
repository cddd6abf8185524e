"""`knockoff mymdc`: samples, run types and techniques from the facility's catalogue."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import examples, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from knockoff.recording.catalogue import Change, Refreshed
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace

app = typer.Typer(
    help=(
        "Samples, run types and techniques from MyMdC.\n\n"
        'A variable reads them as "mymdc#sample_name", "mymdc#run_type", "mymdc#techniques". '
        "Two ways lead there. `login` has a write token put into the proposal's folder, as "
        "usr/mymdc-credentials.yml. Or an OAuth client signs in: set mymdc.client_id and "
        "mymdc.user_email in knockoff.toml and KNOCKOFF_MYMDC__CLIENT_SECRET in the environment. "
        "The listener then asks by itself, again for what is edited later."
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=examples("knockoff mymdc login", "knockoff mymdc status", "knockoff mymdc sync"),
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command(epilog=examples("knockoff mymdc sync", "knockoff mymdc sync 40-45 --json"))
def sync(
    context: typer.Context,
    runs: Annotated[
        list[str] | None, typer.Argument(help="Runs: 42, 1-20, 3,5,7-9; if none is given, all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch anew what the table knows from MyMdC.

    Prints what has changed, and computes the variables that read it. What was there
    before stays in the history. Ends with status 1 if MyMdC cannot be used.
    """
    from knockoff.cli.runspec import runs_in
    from knockoff.errors import RunKeyError

    try:
        wanted = None if not runs or "all" in runs else runs_in(runs)
    except RunKeyError as error:
        raise typer.BadParameter(str(error), param_hint="RUNS") from error
    workspace, settings = place_of(context).open()
    done = asyncio.run(_synced(workspace, settings, wanted))
    if as_json:
        typer.echo(json.dumps(_plain(done), indent=2, ensure_ascii=False))
    else:
        _print(done)
    if done.unavailable and len({key for key, _, _ in done.unavailable}) == done.asked:
        raise typer.Exit(1)


async def _synced(
    workspace: Workspace, settings: Settings, runs: Sequence[int] | None
) -> Refreshed:
    from knockoff.recording.opening import open_recorder

    async with open_recorder(workspace, settings) as recorder:
        done = await recorder.catalogue.refresh(runs)
        workers = settings.workers.parallel
        async with asyncio.TaskGroup() as tasks:
            for first in range(min(workers, len(done.jobs))):
                tasks.create_task(recorder.work_off(done.jobs[first::workers]))
    return done


def _print(done: Refreshed) -> None:
    from knockoff.cli.runspec import spoken_runs

    lines = [("run", "field", "before", "now"), *map(_line, done.changes)]
    if done.changes:
        widths = [max(len(line[place]) for line in lines) for place in range(3)]
        for run, field, old, new in lines:
            typer.echo(
                f"{run:>{widths[0]}}  {field:<{widths[1]}}  {old:<{widths[2]}}  {new}".rstrip()
            )
    changed = len({change.key for change in done.changes})
    asked = f"{done.asked} run{'s' * (done.asked != 1)}"
    say(f"Asked MyMdC about {asked}; {changed or 'none'} changed." if done.asked else _nothing())
    for name in dict.fromkeys(name for _, name in done.unknown):
        numbers = spoken_runs(key.run for key, each in done.unknown if each == name)
        say(f"Not entered there yet: {name} of {numbers}.")
    for reason in dict.fromkeys(reason for _, _, reason in done.unavailable):
        numbers = spoken_runs(key.run for key, _, each in done.unavailable if each == reason)
        say(f"Nothing fetched for {numbers}: {reason}")


def _nothing() -> str:
    return 'No such run is in a table with a variable that reads MyMdC, as in "mymdc#sample_name".'


def _line(change: Change) -> tuple[str, str, str, str]:
    return str(change.key.run), change.field, _short(change.old), _short(change.new)


def _short(value: Any) -> str:
    """A value on one line; of techniques their names."""
    from knockoff.tui.text import one_line

    if value is None:
        return "-"
    if isinstance(value, list):
        value = (
            ", ".join(str(each.get("name") or each.get("identifier")) for each in value) or "none"
        )
    text = one_line(str(value))
    return text if len(text) <= 60 else f"{text[:59]}…"


def _plain(done: Refreshed) -> dict[str, Any]:
    return {
        "asked": done.asked,
        "changed": [
            {"table": each.collection, "run": each.key.run, "field": each.field}
            | {"old": each.old, "new": each.new}
            for each in done.changes
        ],
        "unknown": [{"run": key.run, "field": name} for key, name in done.unknown],
        "unavailable": [
            {"run": key.run, "field": name, "reason": reason}
            for key, name, reason in done.unavailable
        ],
    }


@app.command(epilog=examples("knockoff mymdc status"))
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Try to sign in, and say how.

    Ends with status 1 if MyMdC cannot be used.
    """
    from knockoff.errors import CatalogueError

    workspace, settings = place_of(context).open()
    found: dict[str, Any] = {"proposal": workspace.proposal, "signs_in_with": None, "error": None}
    try:
        asyncio.run(_tried(workspace, settings, found))
    except CatalogueError as error:
        found["error"] = str(error)
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    elif found["signs_in_with"]:
        typer.echo(f"signs in with  {found['signs_in_with']}")
        if found["error"] is None:
            typer.echo(f"proposal       {workspace.proposal}: {found['title'] or '(no title)'}")
    if found["error"] is not None:
        if not as_json:
            say(f"knockoff: {found['error']}")
        raise typer.Exit(1)


async def _tried(workspace: Workspace, settings: Settings, found: dict[str, Any]) -> None:
    from knockoff.mymdc.catalogue import Access

    access = Access(settings.mymdc, workspace.proposal, settings.data_root)
    found["signs_in_with"] = str(access.sign_in())
    async with access.open() as mymdc:
        found["title"] = await mymdc.title(workspace.proposal)


@app.command(
    epilog=examples("knockoff mymdc login", "knockoff mymdc login --overwrite      a new token")
)
def login(
    context: typer.Context,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a token that is there.")
    ] = False,
) -> None:
    """Have a write token put into the proposal's folder.

    By the facility's service, from a host inside its network. The file can be read by
    the proposal's group.
    """
    from knockoff.mymdc.login import have_token_written

    workspace, settings = place_of(context).open()
    token = asyncio.run(
        have_token_written(
            settings.mymdc, workspace.proposal, settings.data_root, overwrite=overwrite
        )
    )
    say(f"There is a {token}.")
    say("`knockoff mymdc status` tries it; `knockoff mymdc sync` fetches.")
