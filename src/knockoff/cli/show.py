"""`knockoff show`: everything about one run."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import AS_OF, examples
from knockoff.errors import EditError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from knockoff.settings import Settings
    from knockoff.workspace import Workspace

Found = list[tuple[str, "Sequence[Mapping[str, Any]]", "Mapping[str, Any]"]]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "knockoff show 42", "knockoff show 42 --as-of yesterday", "knockoff show 42 --json"
        )
    )(show)


def show(
    context: typer.Context,
    run: Annotated[int, typer.Argument(min=1, max=99_999, help="Run number.")],
    as_of: Annotated[str, typer.Option(metavar="TIME", help=AS_OF)] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show all about one run.

    Every column of it, and why a cell is empty where it is.
    """
    workspace, settings = place_of(context).open()
    found = asyncio.run(_found(workspace, settings, run, as_of))
    if as_json:
        from knockoff.cli.written import plain_row, plain_value

        tables = {
            name: plain_row(columns, row)
            | {"data": row["knockoff"].get("data", [])}
            | {"arrays": plain_value(row["knockoff"].get("arrays", {}))}
            for name, columns, row in found
        }
        whole = {"proposal": workspace.proposal, "run": run, "tables": tables}
        typer.echo(json.dumps(whole, indent=2, ensure_ascii=False))
        return
    from knockoff.cli.card import card_of

    for name, columns, row in found:
        typer.echo(card_of(name, columns, row, settings.time_zone))


async def _found(workspace: Workspace, settings: Settings, run: int, as_of: str) -> Found:
    from knockoff.cli.pointing import unknown_run
    from knockoff.cli.reading import open_tables

    async with open_tables(workspace, settings, as_of=as_of) as tables:
        found: Found = [
            (table.name, table.columns, row)
            for table in tables
            for row in await table.rows({"run": run})
        ]
        if not found:
            if as_of:
                raise EditError(f"Run {run} had no row then. `knockoff runs --as-of` lists those.")
            raise EditError(await unknown_run(tables, run))
    return found
