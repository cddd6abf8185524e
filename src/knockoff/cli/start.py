"""`knockoff init`: make a workspace."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  # typer reads it
from typing import TYPE_CHECKING, Annotated, Any

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import examples, say
from knockoff.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "knockoff init 1234",
            "knockoff init 1234 --context sa2",
            "knockoff init 1234 --folder . --data-root ~/data",
        )
    )(init)


def init(
    context: typer.Context,
    proposal: Annotated[
        int | None, typer.Argument(min=1, max=999_999, help="Proposal number.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where to make it; else at <proposal>/usr/Shared/knockoff."),
    ] = None,
    context_file: Annotated[
        str | None,
        typer.Option(
            "--context",
            help="Context file to start from: a template, an instrument or a file; "
            "else what fits the proposal's instrument.",
        ),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(help="Folder with all proposals, if it is not the facility's."),
    ] = None,
) -> None:
    """Make a workspace for a proposal.

    It has a context file to start from, settings, and folders for results.
    """
    from knockoff.cli.templates import template_at, template_or_file
    from knockoff.settings import read_settings
    from knockoff.workspace import SETTINGS_FILE, Workspace

    place = place_of(context)
    number = proposal or place.proposal
    if number is None:
        raise WorkspaceError("Whose workspace? Name the proposal, as in: knockoff init 1234")
    text = template_or_file(context_file) if context_file is not None else None
    settings: Mapping[str, Any] = {}
    if data_root is not None:
        settings = {"data_root": str(data_root.expanduser().absolute())}
    chosen = folder or place.folder
    root = data_root.expanduser() if data_root else read_settings().data_root
    if chosen is None:
        chosen = _usual_place(number, root)
    if text is None:
        context_file = template_at(_proposal_folder(number, chosen, root))
        text = template_or_file(context_file)
        say(f"The context file is the template {context_file}; --context takes another one.")
    workspace = Workspace.create(chosen, number, context=text, settings=settings)
    say(f"Made a workspace for proposal {number}. Next:")
    say(f"  cd {workspace.folder}")
    say(f"  edit {workspace.context_file.name}, then: knockoff context check")
    say("  knockoff process all   or   knockoff listen")
    say(f"Settings are in {SETTINGS_FILE}.")
    typer.echo(workspace.folder)


def _proposal_folder(proposal: int, workspace: Path, root: Path) -> Path:
    """Where the proposal's data is, whose path names the instrument; else the workspace's."""
    from knockoff.errors import RunDataError
    from knockoff.workspace import Workspace

    try:
        return Workspace.place_of(proposal, root)
    except RunDataError:  # it has no data yet, or lies elsewhere
        return workspace.absolute()


def _usual_place(proposal: int, data_root: Path) -> Path:
    from knockoff.errors import RunDataError
    from knockoff.workspace import Workspace

    try:
        return Workspace.place_of(proposal, data_root)
    except RunDataError as error:
        raise WorkspaceError(
            f"{error}\nElsewhere, a workspace is made with: "
            f"knockoff init {proposal} --folder FOLDER --data-root DATA"
        ) from error
