"""`knockoff context`: check, show and begin context files."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import examples, say
from knockoff.errors import WorkspaceError

if TYPE_CHECKING:
    from knockoff.cli.place import Place
    from knockoff.contextfile.description import ContextDescription, TableDescription

app = typer.Typer(
    help="Check, show and begin context files.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=examples("knockoff context check", "knockoff context new sa2"),
)


def register(parent: typer.Typer) -> None:
    """Add the group."""
    parent.add_typer(app, name="context")


@app.command(
    epilog=examples("knockoff context check", "knockoff context check mine.py --json"),
)
def check(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="Context file; the workspace's if not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Report every problem of a context file."""
    from knockoff.contextfile.problems import ContextProblems

    chosen = _file(place_of(context), file)
    try:
        found = asyncio.run(described(chosen))
    except ContextProblems as error:
        if as_json:
            problems = [each.to_json() for each in error.problems]
            typer.echo(json.dumps({"file": str(chosen), "problems": problems}, indent=2))
        else:
            for each in error.problems:
                typer.echo(f"{each}")
        count = len(error.problems)
        say(f"{count} problem{'s' * (count != 1)} in {chosen}.")
        raise typer.Exit(1) from None
    if as_json:
        summary = found.to_json() | {"source": "", "problems": []}
        typer.echo(json.dumps(summary, indent=2, default=str))
        return
    for table in found.tables:
        typer.echo(f"{table.name} (collection {table.collection})")
        typer.echo(_outline(table))
    say(f"{chosen} is good.")


@app.command(epilog=examples("knockoff context show", "knockoff context show > mine.py"))
def show(context: typer.Context) -> None:
    """Print the workspace's context file."""
    file = _file(place_of(context), None)
    typer.echo(file.read_text(encoding="utf-8"), nl=False)


@app.command(
    epilog=examples("knockoff context new > context.py", "knockoff context new sa2 -o mine.py")
)
def new(
    name: Annotated[str, typer.Argument(help="Template: demo, generic, sa1, sa2 or sa3.")] = (
        "generic"
    ),
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; it must not exist yet.")
    ] = None,
) -> None:
    """Write a context file to start from."""
    from knockoff.cli.templates import template

    text = template(name)
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise WorkspaceError(
            f"{output} cannot be written ({error.strerror}). Choose another name."
        ) from error
    say(f"Wrote {output}; `knockoff context check {output}` looks whether it is good.")


def _file(place: Place, file: Path | None) -> Path:
    if file is not None:
        return file.absolute()
    found = place.find().context_file
    if not found.is_file():
        raise WorkspaceError(
            f"There is no {found}. Begin one with: knockoff context new -o {found}"
        )
    return found


async def described(file: Path) -> ContextDescription:
    """Have a child process load the file: nothing it does can reach this process."""
    from tempfile import TemporaryDirectory

    from knockoff.engine.environment import EngineSettings
    from knockoff.engine.local import open_engine

    with TemporaryDirectory(prefix="knockoff-") as folder:
        settings = EngineSettings(logs=Path(folder), spool=Path(folder))
        async with open_engine(settings) as engine:
            return await engine.describe(file)


def _outline(table: TableDescription) -> str:
    names = [variable.name for variable in table.variables]
    width = max(map(len, names), default=0)
    lines = []
    for variable in sorted(table.variables, key=lambda each: each.place):
        reads = (*variable.reads, *variable.may_read, *variable.fields_read)
        about = [variable.data, variable.type, variable.units or ""]
        if reads:
            about.append(f"reads {', '.join(reads)}")
        lines.append(f"  {variable.name:<{width}}  {'  '.join(each for each in about if each)}")
    return "\n".join(lines)
