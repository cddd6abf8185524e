"""What can be wrong around the processes that run user code: their Python, and their sandbox."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from knockoff.cli.checks import Finding
from knockoff.engine.environment import package_for
from knockoff.engine.interpreters import InterpreterError, interpreter_for
from knockoff.engine.local import open_engine
from knockoff.engine.sandbox import SandboxError
from knockoff.errors import KnockoffError
from knockoff.recording.opening import engine_settings

if TYPE_CHECKING:
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace

_NOTHING: Final = """\
from knockoff import Run, Variable


class Runs(Run):
    @Variable()
    def one(self) -> int:
        return 1
"""


async def interpreter_found(workspace: Workspace, settings: Settings) -> Finding:
    """Whether the Python that loads the context file is one, and has what it needs."""
    try:
        how = engine_settings(workspace, settings)
        with package_for(how.python) as package:
            found = await interpreter_for(how, package)
    except InterpreterError as error:
        origin = settings.origin("context_python")
        said = f"{error.python} {error.what} (context_python is set by {origin})"
        return Finding("interpreter", "problem", said, error.remedy)
    except KnockoffError as error:
        return Finding("interpreter", "problem", str(error))
    if found.is_own:
        return Finding("interpreter", "ok", f"knockoff's own, Python {found.version}")
    has = ", ".join(f"{name} {version}" for name, version in found.packages.items())
    return Finding("interpreter", "ok", f"{found.python}: Python {found.version}, {has}")


async def sandbox_found(workspace: Workspace, settings: Settings) -> Finding:
    """Whether user code is shut in; if so, a process is started there to see that it works."""
    if not settings.sandbox.enabled:
        return Finding("sandbox", "ok", "off: code of the context file may do whatever you may")
    with TemporaryDirectory(prefix="knockoff-") as folder:
        nothing = Path(folder) / "context.py"
        nothing.write_text(_NOTHING)
        asked = engine_settings(workspace, settings)
        how = replace(asked, logs=Path(folder), spool=Path(folder), preload=())
        try:
            async with open_engine(how) as engine:
                await engine.describe(nothing)
        except SandboxError as error:
            return Finding("sandbox", "problem", error.what, error.remedy)
        except KnockoffError as error:
            return Finding("sandbox", "problem", str(error))
    network = "with" if settings.sandbox.network else "without"
    origin = settings.origin("sandbox.enabled")
    return Finding("sandbox", "ok", f"on and works, {network} network (set by {origin})")
