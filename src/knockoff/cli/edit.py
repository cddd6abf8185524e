"""`knockoff comment` and `knockoff set`: what people type into the table."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import examples, say

if TYPE_CHECKING:
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace

Run = Annotated[int, typer.Argument(min=1, max=99_999, help="Run number.")]

AS_TYPED = {"ignore_unknown_options": True}
"""So that -3.5 is a value."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog=examples(
            "knockoff comment 42 'knife edge scan'", "knockoff comment 42 ''      takes it away"
        ),
        context_settings=AS_TYPED,
    )(comment)
    app.command(
        "set",
        epilog=examples("knockoff set 42 threshold 0.8", "knockoff set 42 tags good,calibration"),
        context_settings=AS_TYPED,
    )(set_field)


def comment(
    context: typer.Context,
    run: Run,
    text: Annotated[list[str], typer.Argument(help="What to say; replaces the comment before.")],
) -> None:
    """Comment on a run.

    The comment shows in every table, in place of the one before.
    """
    workspace, settings = place_of(context).open()
    shown = asyncio.run(_commented(workspace, settings, run, " ".join(text)))
    if not shown:
        say(f"Kept. Run {run} has no row yet; the comment shows as soon as it has.")


def set_field(
    context: typer.Context,
    run: Run,
    field: Annotated[str, typer.Argument(help="Field as in the context file; tags or status.")],
    value: Annotated[str, typer.Argument(help="As the field's type is written; '' takes it away.")],
    table: Annotated[str | None, typer.Option(help="Which table, if several have it.")] = None,
) -> None:
    """Set a field that people type.

    What depends on it is computed again. That is done by a listener if one
    runs, else by the next `knockoff reprocess`; until then it is shown as stale.
    """
    workspace, settings = place_of(context).open()
    stored = asyncio.run(_set(workspace, settings, run, field, value, table))
    say(f"{field} of run {run} is now {json.dumps(stored, default=str, ensure_ascii=False)}.")


async def _commented(workspace: Workspace, settings: Settings, run: int, text: str) -> int:
    from knockoff.recording.opening import open_editing
    from knockoff.runkey import RunKey

    async with open_editing(workspace, settings) as editing:
        return await editing.comment(RunKey(workspace.proposal, run), text)


async def _set(
    workspace: Workspace, settings: Settings, run: int, field: str, value: str, table: str | None
) -> Any:
    from knockoff.recording.opening import open_editing
    from knockoff.runkey import RunKey

    async with open_editing(workspace, settings) as editing:
        return await editing.set_field(RunKey(workspace.proposal, run), field, value, table)
