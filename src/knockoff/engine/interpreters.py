"""The Python that loads context files: found, and asked what it has before it is relied on."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from knockoff.engine.deaths import ending_of
from knockoff.engine.environment import environment
from knockoff.errors import WorkerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from knockoff.engine.environment import EngineSettings

OLDEST: Final = (3, 10)

NEEDED: Final = {
    "numpy": "numpy",
    "h5py": "h5py",
    "xarray": "xarray",
    "extra_data": "extra-data",
}
"""What the worker's half imports, with the name by which pip knows it."""

_MARK: Final = "knockoff-probe "
_PROBE: Final = f"""
import json, sys
def tell(**what):
    sys.stdout.write({_MARK!r} + json.dumps(what) + "\\n")
    sys.stdout.flush()
tell(version=list(sys.version_info[:3]), prefixes=[sys.prefix, getattr(sys, "base_prefix", "")],
    executable=sys.executable, path=sys.path)
if sys.version_info >= {OLDEST!r}:
    import importlib
    for name in {[*NEEDED, "knockoff.filling.filling"]!r}:
        tell(importing=name)
        try:
            tell(found=getattr(importlib.import_module(name), "__version__", "?"), name=name)
        except ModuleNotFoundError as error:
            tell(missing=str(error.name), name=name)
        except BaseException as error:
            tell(broken="%s: %s" % (type(error).__name__, error), name=name)
    tell(done=True)
"""
"""Runs in anything that may be a Python, 2 included."""

_TAIL: Final = 1000
_known: dict[str, Interpreter] = {}


class InterpreterError(WorkerError):
    """The interpreter that was chosen for the context file cannot run it."""

    def __init__(self, python: str, what: str, remedy: str = "") -> None:
        super().__init__(python, what, remedy)
        self.python = python
        self.what = what
        self.remedy = remedy or (
            "Choose another one with `knockoff config context_python PATH`, "
            "or take knockoff's own with `knockoff config context_python --unset`."
        )

    def __str__(self) -> str:
        return f"{self.python}, which is to load the context file, {self.what}. {self.remedy}"


@dataclass(frozen=True)
class Interpreter:
    """A Python that has what the worker's half needs."""

    python: str
    version: str
    roots: tuple[Path, ...] = ()
    """Folders that it lives in and imports from."""

    packages: Mapping[str, str] = field(default_factory=dict)
    """Versions of what is needed, by name; empty for knockoff's own, which was installed so."""

    @property
    def is_own(self) -> bool:
        """Whether it is the one that runs knockoff."""
        return self.python == sys.executable


def python_of(said: str | None, folder: Path) -> str:
    """The program that is meant by a path, the folder of a virtual environment, or a name.

    A relative path is below `folder`; a bare name that is not there is looked for as a shell does.
    """
    if said is None:
        return sys.executable
    path = folder / Path(said).expanduser()
    if path.is_dir():
        inner = path / "bin" / "python"
        return str(inner if inner.exists() else path)
    if "/" not in said and not path.exists():
        return shutil.which(said) or str(path)
    return str(path)


async def interpreter_for(settings: EngineSettings, package: Path | None) -> Interpreter:
    """Ask the interpreter of these settings what it is and has; one that is good only once.

    Parameters
    ----------
    package:
        Folder from which another interpreter imports knockoff.

    Raises
    ------
    InterpreterError
        It is not there, is no Python, is too old, lacks something or crashes.
    """
    python = settings.python
    if python == sys.executable:
        prefixes = (sys.prefix, sys.base_prefix)
        return Interpreter(
            python, _dotted(sys.version_info[:3]), _roots(python, prefixes, sys.path)
        )
    if python not in _known:
        _refuse_no_program(python)
        _known[python] = await asyncio.to_thread(_probed, settings, package)
    return _known[python]


def _refuse_no_program(python: str) -> None:
    path = Path(python)
    if path.is_dir():
        raise InterpreterError(python, "is a folder without bin/python in it")
    if not path.exists():
        gone = f" (it leads to {path.readlink()})" if path.is_symlink() else ""
        raise InterpreterError(python, f"is not there{gone}")
    if not os.access(path, os.X_OK):
        raise InterpreterError(python, "may not be executed by you")


def _probed(settings: EngineSettings, package: Path | None) -> Interpreter:
    python = settings.python
    try:
        done = subprocess.run(
            [python, "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=settings.loading,
            env=environment(settings, package),
            cwd="/",
            check=False,
        )
    except subprocess.TimeoutExpired:
        what = f"has not said what it is after {settings.loading:g} s"
        raise InterpreterError(python, what) from None
    except OSError as error:
        raise InterpreterError(python, f"cannot be started ({error.strerror})") from error
    told = _told(done.stdout)
    said = _tail(done.stderr or done.stdout)
    if not told or "version" not in told[0]:
        what = f"is no Python ({ending_of(_status(done.returncode))})"
        raise InterpreterError(python, f"{what}. It said: {said}" if said else what)
    first = told[0]
    version = _dotted(first["version"])
    if tuple(first["version"][:2]) < OLDEST:
        what = f"is Python {version}, and {_dotted(OLDEST)} or later is needed"
        raise InterpreterError(python, what)
    _refuse_lacking(python, version, told, done.returncode, said)
    packages = {each["name"]: each["found"] for each in told if each.get("name") in NEEDED}
    path = [each for each in first["path"] if each != str(package)]  # ours, and only for now
    roots = _roots(first["executable"] or python, first["prefixes"], path)
    return Interpreter(python, version, roots, packages)


def _refuse_lacking(
    python: str, version: str, told: list[dict[str, Any]], status: int, said: str
) -> None:
    missing = [each["missing"] for each in told if "missing" in each]
    if missing:
        names = list(dict.fromkeys(missing))
        packages = " ".join(NEEDED.get(name, name) for name in names)
        raise InterpreterError(
            python,
            f"is Python {version} without {', '.join(names)}",
            f"Install what is missing: {python} -m pip install {packages}",
        )
    for each in told:
        if "broken" in each:
            raise InterpreterError(python, f"cannot import {each['name']}: {each['broken']}")
    if "done" not in told[-1]:
        what = f"crashes as it imports {told[-1].get('importing', 'its libraries')}"
        how = ending_of(_status(status))
        raise InterpreterError(python, f"{what} ({how}). It said: {said}" if said else what)


def _told(output: bytes) -> list[dict[str, Any]]:
    """What the probe says, without what libraries print."""
    found = []
    for line in output.decode("utf-8", "replace").splitlines():
        if line.startswith(_MARK):
            with suppress(ValueError):
                found.append(json.loads(line.removeprefix(_MARK)))
    return found


def _roots(executable: str, prefixes: tuple[str, ...], path: list[str]) -> tuple[Path, ...]:
    named = [*prefixes, str(Path(executable).resolve().parent), *path]
    found = [Path(each) for each in named if each.startswith("/") and Path(each).exists()]
    return tuple(dict.fromkeys([*found, *(each.resolve() for each in found)]))


def _dotted(version: Any) -> str:
    return ".".join(map(str, version))


def _status(returncode: int) -> int:
    return -returncode if returncode < 0 else returncode << 8


def _tail(output: bytes) -> str:
    return output.decode("utf-8", "replace").strip()[-_TAIL:]
