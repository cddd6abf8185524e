"""The table in a real terminal: tmux, with and without a language."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from knockoff.database.client import Database

PROGRAM = """
import asyncio, sys
from knockoff.database.client import open_client
from knockoff.database.tables import TableReader
from knockoff.tui.app import RunTableApp

async def main():
    async with open_client(sys.argv[1]) as client:
        source = TableReader(client[sys.argv[2]], "runs", "ada")
        await RunTableApp(source, title="p1234").run_async()

asyncio.run(main())
"""


class Terminal:
    """A tmux server of this test's own."""

    def __init__(self, language: str) -> None:
        self._name = f"knockoff-{uuid4().hex}"
        self._language = language

    def run(self, *arguments: str) -> str:
        """Talk to tmux."""
        environment = {"LC_ALL": self._language, "PATH": "/usr/bin:/bin", "TERM": "xterm-256color"}
        utf8 = ("-u",) if "UTF-8" in self._language else ()
        done = subprocess.run(
            ["tmux", *utf8, "-L", self._name, "-f", "/dev/null", *arguments],
            capture_output=True, check=False, env=environment, timeout=30,
        )  # fmt: skip
        return done.stdout.decode("utf-8", "replace")

    async def shows(self, words: str) -> str:
        """The screen, once `words` are on it."""
        screen = ""
        for _ in range(400):
            screen = self.run("capture-pane", "-p")
            if words in screen:
                return screen
            await asyncio.sleep(0.05)
        pytest.fail(screen)


@pytest.fixture(params=["C.UTF-8", "C"])
def terminal(request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """With all signs, and with plain ones."""
    terminal = Terminal(request.param)
    yield terminal
    terminal.run("kill-server")


async def test_the_table_lives_in_a_terminal(
    terminal: Terminal,
    mongod: str,
    database: Database,
    row: Callable[..., Any],
    variable: Callable[..., Any],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Keys go in, changes come out, a resize is survived, and `q` gives the terminal back."""
    await database["knockoff.variables"].insert_one(variable("hits", "Hits", type="int"))
    failure = {"state": "failed", "kind": "KeyError", "message": "no camera"}
    rows = [row(run, {"hits": run}) for run in range(1, 60)]
    await database["runs"].insert_many([*rows, row(60, problems={"hits": failure})])
    program = tmp_path / "table.py"
    program.write_text(PROGRAM)
    command = f"{sys.executable} {program} '{mongod}' {database.name}; echo ended; sleep 60"
    terminal.run("new-session", "-d", "-x", "80", "-y", "24", command)

    screen = await terminal.shows("KeyErr")
    assert "60 runs" in screen
    if "C.UTF-8" in request.node.name:
        assert "● live" in await terminal.shows("live")
    else:
        assert "* live" in await terminal.shows("live")
        assert screen.isascii(), screen
    await database["runs"].update_one({"run": 59}, {"$set": {"hits": 4711}})
    await terminal.shows("4711")
    terminal.run("send-keys", "x")
    await terminal.shows("KeyError: no camera")
    terminal.run("send-keys", "Enter")
    await terminal.shows("Esc back")
    terminal.run("send-keys", "q")
    terminal.run("resize-window", "-x", "120", "-y", "10")
    terminal.run("send-keys", "g")
    await terminal.shows("its number")
    terminal.run("send-keys", "3", "Enter")
    await terminal.shows("run 3")
    terminal.run("send-keys", "q")
    await terminal.shows("ended")
