"""Engines on real processes, and a way to see that none of them is left."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from knockoff.engine.environment import EngineSettings
from knockoff.filling.messages import Result, RunTask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from knockoff.filling.messages import Message
    from knockoff.filling.session import Engine

BEGINNING = """
import ctypes, multiprocessing, os, re, signal, subprocess, sys, time
from pathlib import Path
from damnit_ctx import Variable

@Variable
def before(run: "meta#run_number") -> int:
    return run
"""
END = """
@Variable
def after(before: "var#before") -> int:
    return before + 1
"""


@dataclass
class Place:
    """A workspace of one test; its processes, and theirs, carry its name in their environment."""

    folder: Path
    name: str = field(default_factory=lambda: uuid4().hex)

    @property
    def settings(self) -> EngineSettings:
        """With a short grace, no heavy libraries, and the name to know its processes by."""
        return EngineSettings(
            self.folder / "process_logs",
            self.folder / "spool",
            grace=0.3,
            preload=(),
            environment={"KNOCKOFF_TEST": self.name},
        )

    def context(self, body: str, *, alone: bool = False) -> Path:
        """A context file with these functions, between `before` and `after` unless `alone`."""
        file = self.folder / "context.py"
        file.write_text(body if alone else BEGINNING + body + END)
        return file

    def task(self, **changes: Any) -> RunTask:
        """Run 42 of proposal 1234."""
        task = RunTask(1234, 42, "runs", "1", str(self.folder / "extracted_data"))
        return replace(task, **changes)

    def log(self) -> str:
        """What run 42 said."""
        return (self.folder / "process_logs" / "r0042-p1234.log").read_text()

    def processes(self) -> dict[int, str]:
        """Command lines of all processes of this test that live, by pid."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if self.name.encode() in (process / "environ").read_bytes():
                    command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found[int(process.name)] = command
            except OSError:  # it ended meanwhile
                continue
        return found

    async def until_nothing_runs(self) -> None:
        """Wait for the end of all processes."""
        await until(lambda: not self.processes())


async def until(is_true: Callable[[], bool]) -> None:
    """Wait for something that wakes nobody; the test's time limit is the judge."""
    while not is_true():  # noqa: ASYNC110
        await asyncio.sleep(0.02)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def open_files() -> Callable[[], int]:
    """Counts the open file descriptors of this process, without what only waits to be collected."""

    def count() -> int:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    return count


async def messages(
    engine: Engine, context: Path, task: RunTask, names: Sequence[str]
) -> list[Message]:
    """All that one session says, each result acknowledged."""
    heard = []
    async with engine.session(context, task) as session:
        async for message in session.fill(names):
            heard.append(message)
            if isinstance(message, Result):
                await session.acknowledge(1)
    return heard


async def results(
    engine: Engine, context: Path, task: RunTask, names: Sequence[str]
) -> dict[str, Result]:
    """The result of every variable; a second one for the same variable is an error."""
    found: dict[str, Result] = {}
    for message in await messages(engine, context, task, names):
        if isinstance(message, Result):
            assert message.variable not in found
            found[message.variable] = message
    return found
