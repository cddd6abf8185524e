"""`knockoff history`: every result that a cell ever had, and how two of them differ."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import examples, say
from knockoff.errors import EditError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from knockoff.cli.pointing import PointedCell
    from knockoff.recording.history import Difference, PastResult
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "knockoff history 42 hits",
            "knockoff history 42 hits --diff 1 last",
            "knockoff history 42 hits --source raw-1 > then.py",
            "knockoff history 42 hits --roll-back raw-1",
        )
    )(history)


def history(
    context: typer.Context,
    run: Annotated[int, typer.Argument(min=1, max=99_999, help="Run number.")],
    variable: Annotated[str, typer.Argument(help="Its field, its title, or the end of either.")],
    diff: Annotated[
        tuple[str, str],
        typer.Option(metavar="A B", help="How two results differ: 1 2, raw-1 asked-3 or 1 last."),
    ] = ("", ""),
    source: Annotated[
        str, typer.Option(metavar="N", help="Print the context file that made this result.")
    ] = "",
    roll_back: Annotated[
        str,
        typer.Option("--roll-back", metavar="N", help="Put this result back into the table."),
    ] = "",
    table: Annotated[str | None, typer.Option(help="Which table, if there are several.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every result that a cell ever had.

    When it was computed, by which code, where and in how many seconds; the newest last.

    A result that was put back with --roll-back stays until the code of its method or what
    it reads changes, or until `knockoff reprocess RUN --variables` names it. What reads it
    is stale then. To undo it, roll back to the result before.
    """
    if bool(source) + any(diff) + bool(roll_back) > 1:
        raise typer.BadParameter(
            "Choose one of --diff, --source and --roll-back.", param_hint="--diff"
        )
    workspace, settings = place_of(context).open()
    wish = _Wish(diff, source, roll_back, as_json=as_json)
    asyncio.run(_history(workspace, settings, run, variable, table, wish))


@dataclass(frozen=True)
class _Wish:
    diff: tuple[str, str]
    source: str
    roll_back: str
    as_json: bool


async def _history(
    workspace: Workspace,
    settings: Settings,
    run: int,
    variable: str,
    table: str | None,
    wish: _Wish,
) -> None:
    from knockoff.cli.pasts import listed, told
    from knockoff.cli.pointing import cell_at
    from knockoff.cli.reading import open_tables
    from knockoff.recording.history import difference, result_named, source_of

    async with open_tables(workspace, settings, table) as tables:
        cell = await cell_at(tables, run, variable)
        database = cell.table.database
        results = await _results(cell, run)
        as_json = wish.as_json
        if wish.source:
            text = await source_of(database, result_named(results, wish.source))
            typer.echo(json.dumps({"source": text}) if as_json else text, nl=as_json)
        elif wish.roll_back:
            wanted = result_named(results, wish.roll_back)
            done = await _rolled_back(workspace, cell, run, results, wanted)
            if as_json:
                typer.echo(_json(done.to_json()))
        elif any(wish.diff):
            first, second = (result_named(results, name) for name in wish.diff)
            found = await difference(database, cell.table.name, run, first, second)
            typer.echo(_json(_difference(found)) if as_json else told(found, settings.time_zone))
        elif as_json:
            typer.echo(_json([each.to_json() for each in results]))
        elif results:
            say(f"{cell.name} of run {run}, {len(results)} result{'s' * (len(results) != 1)}:")
            typer.echo(listed(results, settings.time_zone))
    if not results:
        why = f"`knockoff why {run} {cell.name}` says why."
        say(f"{cell.name} of run {run} has no result yet. {why}")


async def _rolled_back(
    workspace: Workspace,
    cell: PointedCell,
    run: int,
    results: Sequence[PastResult],
    wanted: PastResult,
) -> PastResult:
    """Put a result back, and say so; the run's file follows."""
    from knockoff.recording.rollback import RollBack
    from knockoff.recording.runfiles import RunFiles
    from knockoff.runkey import RunKey

    database, folder = cell.table.database, workspace.arrays_folder
    key = RunKey(workspace.proposal, run)
    done = await RollBack(database, cell.table.name, key, results, folder).to(wanted)
    await RunFiles(database, folder, workspace.proposal).write([run])
    say(
        f"{done.entry['variable']} of run {run} holds the result of {done.rolled_back_to} again. "
        f"What reads it is stale: `knockoff reprocess {run}` computes that anew."
    )
    return done


async def _results(cell: PointedCell, run: int) -> list[PastResult]:
    from knockoff.database.registry import current_table
    from knockoff.recording.history import history_of

    if cell.column.get("kind") != "variable" and not cell.column.get("filled"):
        raise EditError(
            f"{cell.name} is not computed: people type it, or knockoff knows it of every run. "
            f"`knockoff show {run}` shows it."
        )
    described = await current_table(cell.table.database, cell.table.name)
    return await history_of(cell.table.database, cell.table.name, run, cell.name, described)


def _difference(found: Difference) -> dict[str, Any]:
    return {
        "first": found.first.to_json(),
        "second": found.second.to_json(),
        "same": {
            "value": found.same_value,
            "code": found.same_code,
            "inputs": found.same_inputs,
        },
        "source": list(found.source),
        "inputs": {name: list(pair) for name, pair in found.inputs.items()},
    }


def _json(content: Any) -> str:
    from knockoff.cli.written import plain_value

    return json.dumps(plain_value(content), indent=2, ensure_ascii=False)
