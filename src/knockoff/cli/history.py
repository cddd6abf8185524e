"""`knockoff history`: every result that a cell ever had, and how two of them differ."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import examples, say
from knockoff.errors import EditError

if TYPE_CHECKING:
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
    table: Annotated[str | None, typer.Option(help="Which table, if there are several.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every result that a cell ever had.

    When it was computed, by which code, where and in how many seconds; the newest last.
    """
    if source and any(diff):
        raise typer.BadParameter("Leave out --diff or --source.", param_hint="--diff")
    workspace, settings = place_of(context).open()
    asyncio.run(_history(workspace, settings, run, variable, table, diff, source, as_json=as_json))


async def _history(
    workspace: Workspace,
    settings: Settings,
    run: int,
    variable: str,
    table: str | None,
    diff: tuple[str, str],
    source: str,
    *,
    as_json: bool,
) -> None:
    from knockoff.cli.pasts import listed, told
    from knockoff.cli.pointing import cell_at
    from knockoff.cli.reading import open_tables
    from knockoff.recording.history import difference, result_named, source_of

    async with open_tables(workspace, settings, table) as tables:
        cell = await cell_at(tables, run, variable)
        database = cell.table.database
        results = await _results(cell, run)
        if source:
            text = await source_of(database, result_named(results, source))
            typer.echo(json.dumps({"source": text}) if as_json else text, nl=as_json)
        elif any(diff):
            first, second = (result_named(results, name) for name in diff)
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
