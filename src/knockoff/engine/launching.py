"""Programs that outlive the worker that asked for them: started from here, outside of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from knockoff.engine.environment import passed_on
from knockoff.errors import WorkerError
from knockoff.filling.sections import launched_log_name
from knockoff.language.launching import in_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from knockoff.runkey import RunKey

_STARTED_IN_S: Final = 30.0


class LaunchError(WorkerError):
    """A program that a variable wants to launch cannot be, or may not be, started."""


@dataclass(frozen=True)
class Launcher:
    """Starts programs for the cells of one workspace."""

    workspace: Path
    logs: Path
    refusal: str = ""
    """Why nothing may be launched here; empty where it may."""

    async def start(
        self,
        key: RunKey,
        table: str,
        variable: str,
        attempt: str,
        command: Sequence[str],
        folder: str,
    ) -> dict[str, Any]:
        """Start a program for one cell; for the same attempt it is started once, ever.

        It sees no secret of ours: of the environment what user code sees, and where to
        submit its value.

        Returns
        -------
        :
            ``host``, ``pid`` of the process that watches over it, and ``log``.

        Raises
        ------
        LaunchError
            It could not be started; the message says why.
        """
        if self.refusal:
            raise LaunchError(self.refusal)
        log = self.logs / launched_log_name(key.proposal, key.run, table, variable, attempt)
        ours = [sys.executable, "-m", "knockoff", "-w", str(self.workspace)]
        name = launch_id(table, key, variable, attempt)
        which = [str(key.run), variable, "--table", table, "--launch", name]
        order = {
            "command": list(command),
            "folder": folder,
            "log": str(log),
            "proposal": key.proposal,
            "run": key.run,
            "table": table,
            "variable": variable,
            "attempt": attempt,
            "shown": in_words(command),
            "report": [*ours, "submit", *which],
        }
        surroundings = {
            **passed_on(),
            "KNOCKOFF_WORKSPACE": str(self.workspace),
            "KNOCKOFF_PROPOSAL": str(key.proposal),
            "KNOCKOFF_RUN": str(key.run),
            "KNOCKOFF_TABLE": table,
            "KNOCKOFF_VARIABLE": variable,
            "KNOCKOFF_LAUNCH": name,
            "KNOCKOFF_PYTHON": sys.executable,
        }
        answer = await _answered(order, surroundings)
        if "error" in answer:
            raise LaunchError(f"could not be launched: {answer['error']}")
        return {"host": socket.gethostname(), "pid": int(answer["pid"]), "log": log.name}


def launch_id(table: str, key: RunKey, variable: str, attempt: str) -> str:
    """What one launch is known by, in the row and in the program's own environment."""
    return f"{table}/{key.run}/{variable}/{attempt}"


def launched_for(launch: str) -> tuple[str, str]:
    """Table and variable of a launch, as in ``runs/42/fit/raw-1``; empty if it is none."""
    parts = launch.split("/")
    return (parts[0], parts[2]) if len(parts) == 4 else ("", "")


async def _answered(order: dict[str, Any], surroundings: dict[str, str]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "knockoff.engine.waiter"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        env=surroundings,
        cwd="/",
    )
    try:
        async with asyncio.timeout(_STARTED_IN_S):
            said, errors = await process.communicate(json.dumps(order).encode())
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its child, too, which is not on its own yet
        await process.wait()
        raise LaunchError(f"was not started within {_STARTED_IN_S:g} s") from None
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError:
        words = errors.decode("utf-8", "replace").strip().splitlines()
        return {"error": words[-1] if words else "its process ended at once"}
    return answer
