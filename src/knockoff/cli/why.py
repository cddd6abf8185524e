"""`knockoff why`: one paragraph on why a cell is as it is."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import examples

if TYPE_CHECKING:
    from knockoff.recording.reasons import Explanation
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=examples("knockoff why 42 hits", "knockoff why 42 hits --json"))(why)


def why(
    context: typer.Context,
    run: Annotated[int, typer.Argument(min=1, max=99_999, help="Run number.")],
    variable: Annotated[str, typer.Argument(help="Its field, its title, or the end of either.")],
    table: Annotated[str | None, typer.Option(help="Which table, if there are several.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Explain one cell in a paragraph.

    Where its value comes from; or why it has none, what it waits for, and what to do.
    """
    workspace, settings = place_of(context).open()
    told = asyncio.run(_explained(workspace, settings, run, variable, table))
    if as_json:
        from knockoff.cli.written import plain_value

        whole = {"proposal": workspace.proposal, **told.to_json()}
        typer.echo(json.dumps(plain_value(whole), indent=2, ensure_ascii=False))
    else:
        typer.echo(_drawn(told))


async def _explained(
    workspace: Workspace, settings: Settings, run: int, variable: str, table: str | None
) -> Explanation:
    from knockoff.cli.pointing import cell_at
    from knockoff.cli.reading import open_tables
    from knockoff.recording.reasons import Reasons

    try:
        source = await asyncio.to_thread(workspace.context_file.read_text, encoding="utf-8")
    except (OSError, UnicodeDecodeError):  # the cell can be explained without
        source = None
    async with open_tables(workspace, settings, table) as tables:
        cell = await cell_at(tables, run, variable)
        reasons = await Reasons.of(
            cell.table.database, cell.table.name, cell.row, settings.time_zone, source
        )
        return await reasons.explain(cell.column)


def _drawn(told: Explanation) -> str:
    """The paragraph, wrapped where somebody reads it, and below it the tree of causes."""
    from knockoff.tui.text import one_line

    text = one_line(told.text, longest=len(told.text))
    if sys.stdout.isatty():
        text = "\n".join(textwrap.wrap(text, min(100, shutil.get_terminal_size().columns)))
    return "\n".join([text, *(f"  {one_line(line)}" for line in told.tree)])
