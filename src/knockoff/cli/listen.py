"""`knockoff listen`: fill the table as runs arrive."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import typer  # noqa: TC002  # it reads its own

from knockoff.cli.place import place_of
from knockoff.cli.words import examples, say

if TYPE_CHECKING:
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=examples("knockoff listen", "knockoff -p 1234 listen"))(listen)


def listen(context: typer.Context) -> None:
    """Fill the table as runs are announced.

    Until Ctrl-C or SIGTERM. Everything is put on record before it is computed: a listener
    that was killed goes on where it was when it is started again.
    """
    place = place_of(context)
    workspace, settings = place.open()
    place.configure_logs("info")
    asyncio.run(_until_signal(workspace, settings))
    say("Stopped.")


async def _until_signal(workspace: Workspace, settings: Settings) -> None:
    from knockoff.listener.listening import listen as listening

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await listening(workspace, settings, stop=stop)
