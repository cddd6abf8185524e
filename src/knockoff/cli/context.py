"""`knockoff context`: check, show and begin context files."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import examples, say
from knockoff.errors import WorkspaceError

if TYPE_CHECKING:
    from knockoff.cli.place import Place
    from knockoff.contextfile.description import ContextDescription, TableDescription
    from knockoff.engine.environment import EngineSettings

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
    """Report every problem of a context file.

    Each with its place, so that an editor can jump there, and with what to do about it.
    Notes are worth reading and forbid nothing. The exit status is 1 if there is a problem.
    """
    from knockoff.cli.findings import counted, found_as_json, told
    from knockoff.contextfile.problems import ContextProblems

    chosen = _file(place_of(context), file)
    found: ContextDescription | None = None
    try:
        found = asyncio.run(described(chosen, place_of(context)))
        problems = found.notes
    except ContextProblems as error:
        problems = error.problems
    if as_json:
        typer.echo(found_as_json(chosen, problems, found))
    else:
        typer.echo("\n\n".join(told(each) for each in problems), nl=bool(problems))
        for table in found.tables if found is not None else ():
            typer.echo(f"{table.name} (collection {table.collection})")
            typer.echo(_outline(table))
    if found is None:
        say(f"{counted(problems)} in {chosen}.")
        raise typer.Exit(1)
    said = counted(problems)
    say(f"{chosen} is good{f', with {said}' if said else ''}.")


@app.command(
    epilog=examples(
        "knockoff context show",
        "knockoff context show 3f2a91     the one with this hash, or its beginning",
        "knockoff context show 1f3a9c02   the one with this code of a variable",
    )
)
def show(
    context: typer.Context,
    hash_: Annotated[
        str, typer.Argument(metavar="[HASH]", help="Of a former one, or of a variable's code.")
    ] = "",
) -> None:
    """Print the workspace's context file, or one that was used once.

    `knockoff context list` has their hashes, and `knockoff history` those of the code.
    """
    if hash_:
        from knockoff.cli.editions import source_with

        workspace, settings = place_of(context).open()
        typer.echo(asyncio.run(source_with(workspace, settings, hash_)), nl=False)
        return
    file = _file(place_of(context), None)
    typer.echo(file.read_text(encoding="utf-8"), nl=False)


@app.command("list", epilog=examples("knockoff context list", "knockoff context list --json"))
def list_editions(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """List every context file that was ever used, the one in use last.

    Since when, by its hash, and which variables have other code than in the one before.
    """
    from knockoff.cli.editions import listed, listed_as_json, uses_in

    workspace, settings = place_of(context).open()
    uses = asyncio.run(uses_in(workspace, settings))
    typer.echo(listed_as_json(uses) if as_json else listed(uses, settings.time_zone))


@app.command(
    epilog=examples(
        "knockoff context new > context.py",
        "knockoff context new MID -o mine.py",
        "knockoff context new --from-damnit context.py -o mine.py",
    )
)
def new(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Template (demo, generic, sa1, sa2 or sa3) or instrument.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; it must not exist yet.")
    ] = None,
    from_damnit: Annotated[
        Path | None,
        typer.Option(help="Context file of functions, as DAMNIT has it, to write as a class."),
    ] = None,
) -> None:
    """Write a context file to start from.

    With --from-damnit it is one that you have, in class style; both files are then loaded
    and compared, and what is not the same is told.
    """
    from knockoff.cli.templates import template

    if from_damnit is not None and name is not None:
        raise WorkspaceError(
            f"A new context file comes from {name} or from {from_damnit}, not from both."
        )
    if from_damnit is not None:
        try:
            old = from_damnit.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise WorkspaceError(f"{from_damnit} cannot be read: {error}.") from error
        text, status = asyncio.run(_from_damnit(from_damnit.absolute(), old, place_of(context)))
    else:
        text, status = template(name or "generic"), 0
    if output is None:
        typer.echo(text, nl=False)
        raise typer.Exit(status)
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise WorkspaceError(
            f"{output} cannot be written ({error.strerror}). Choose another name."
        ) from error
    say(f"Wrote {output}; `knockoff context check {output}` looks whether it is good.")
    raise typer.Exit(status)


async def _from_damnit(file: Path, text: str, place: Place) -> tuple[str, int]:
    """The file in class style, and 1 if it does not say the same."""
    from knockoff.contextfile.problems import ContextProblems
    from knockoff.rewriting.classes import rewritten
    from knockoff.rewriting.comparing import differences

    try:
        original = await described(file, place)
    except ContextProblems as error:
        original = None
        say(f"{file.name} cannot be loaded, so the two cannot be compared:")
        for each in error.problems:
            say(f"  {each}")
    new_file = rewritten(text, original)
    for remark in new_file.remarks:
        say(f"{file.name}:{remark.line}: {remark.message}")
    if original is None:
        return new_file.text, 1
    try:
        found = await described_text(new_file.text, file.parent, place)
    except ContextProblems as error:
        say("The new file has problems that the old one has not:")
        for each in error.problems:
            say(f"  line {each.line}: {each.message} {each.remedy}".rstrip())
        return new_file.text, 1
    told = list(differences(original, found, new_file.renamed))
    for difference in told:
        say(f"Not the same: {difference}.")
    if not told:
        count = len(found.tables[0].variables)
        say(f"Both files give the same {count} columns.")
    return new_file.text, int(bool(told))


async def described_text(text: str, folder: Path, place: Place) -> ContextDescription:
    """Have a file described that is not written yet, as if it lay in `folder`."""
    from tempfile import NamedTemporaryFile

    beside = folder if os.access(folder, os.W_OK) else None
    with NamedTemporaryFile("w", dir=beside, prefix=".knockoff-", suffix=".py") as file:
        file.write(text)
        file.flush()
        return await described(Path(file.name), place)


def _file(place: Place, file: Path | None) -> Path:
    if file is not None:
        return file.absolute()
    found = place.find().context_file
    if not found.is_file():
        raise WorkspaceError(
            f"There is no {found}. Begin one with: knockoff context new -o {found}"
        )
    return found


async def described(file: Path, place: Place) -> ContextDescription:
    """Have a child process load the file: nothing it does can reach this process.

    By the interpreter, and in the sandbox, of the workspace that it is for.
    """
    from tempfile import TemporaryDirectory

    from knockoff.engine.local import open_engine

    with TemporaryDirectory(prefix="knockoff-") as folder:
        settings = replace(engine_settings_for(file, place), logs=Path(folder), spool=Path(folder))
        async with open_engine(settings) as engine:
            return await engine.describe(file)


def engine_settings_for(file: Path, place: Place) -> EngineSettings:
    """How user code is run in the workspace that is named, else the file's, else where we are."""
    from knockoff.recording.opening import engine_settings, engine_settings_anywhere
    from knockoff.settings import read_settings
    from knockoff.workspace import Workspace

    if place.folder is not None or place.proposal is not None:
        return engine_settings(*place.open())
    for start in (file.parent, Path()):
        try:
            workspace = Workspace.find(start)
        except WorkspaceError:
            continue
        return engine_settings(workspace, workspace.settings())
    return engine_settings_anywhere(read_settings())


def _outline(table: TableDescription) -> str:
    names = [variable.name for variable in table.variables]
    width = max(map(len, names), default=0)
    lines = []
    for variable in sorted(table.variables, key=lambda each: each.place):
        own = (*variable.reads, *variable.may_read, *variable.fields_read)
        there = (*variable.reads_elsewhere, *variable.may_read_elsewhere)
        reads = (*own, *there, *variable.fields_elsewhere)
        about = [variable.data, variable.type, variable.units or ""]
        if reads:
            about.append(f"reads {', '.join(reads)}")
        lines.append(f"  {variable.name:<{width}}  {'  '.join(each for each in about if each)}")
    return "\n".join(lines)
