"""`knockoff plot`: figures of columns and arrays."""

from __future__ import annotations

import asyncio
from pathlib import Path  # noqa: TC003  # typer reads it
from typing import TYPE_CHECKING, Annotated

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import examples, say

if TYPE_CHECKING:
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "knockoff plot sample_x hit_rate        a column against another",
            "knockoff plot run hits                 a column over the runs",
            "knockoff plot 42 mean_image            the array or figure of one run",
            "knockoff plot 42 mean_image --output image.html",
        )
    )(plot)


def plot(
    context: typer.Context,
    first: Annotated[str, typer.Argument(metavar="X|RUN", help="A column, or a run number.")],
    second: Annotated[str, typer.Argument(metavar="Y|VARIABLE", help="A column.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="HTML file to write, and open nothing.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="Which table, if there are several.")] = None,
) -> None:
    """Draw columns, or the array or figure of a run.

    A browser shows it. Prints the name of the HTML file, which shows itself without a network.
    """
    if output is not None and output.suffix.lower() not in (".html", ".htm"):
        raise typer.BadParameter(
            f"{output} should end in .html: figures are web pages, and are saved as pictures "
            f"from the browser.",
            param_hint="--output",
        )
    workspace, settings = place_of(context).open()
    file = asyncio.run(_written(workspace, settings, table, first, second, output))
    typer.echo(file)
    if output is None:
        from knockoff.plotting.pages import open_in_browser

        if not open_in_browser(file):
            say("There is no browser here; open the file where there is one.")


async def _written(
    workspace: Workspace,
    settings: Settings,
    table: str | None,
    first: str,
    second: str,
    output: Path | None,
) -> Path:
    from knockoff.cli.figures import write_columns, write_variable
    from knockoff.cli.reading import open_tables

    async with open_tables(workspace, settings, table) as tables:
        if first.isdecimal():
            return await write_variable(
                workspace.arrays_folder, tables[0], int(first), second, output
            )
        return await write_columns(tables[0], first, second, settings.time_zone, output)
