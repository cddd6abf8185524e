"""Interpreters other than ours: a bare one, and one of another version where it can be had."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "interpreters"

NEEDED = ("h5py", "hdf5plugin", "xarray", "extra-data")
FORBIDDEN = ("pydantic", "pydantic_settings", "beanie", "motor", "pymongo", "plotly", "knockoff")
"""What a context file's own Python need not have."""


def bare_python(folder: Path) -> Path:
    """A new virtual environment with links to what the worker's half needs, and nothing else.

    No network is needed: the packages are those that the tests run with.
    """
    venv.create(folder, symlinks=True, with_pip=False)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / "lib" / version / "site-packages"
    for name in sorted(_with_dependencies(NEEDED)):
        for file in importlib.metadata.files(name) or ():
            top = Path(str(file)).parts[0]
            source = Path(str(importlib.metadata.distribution(name).locate_file(top)))
            link = site / top
            if top not in ("..", "__pycache__") and not link.exists():
                link.symlink_to(source)
    return folder / "bin" / "python"


def _with_dependencies(names: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for each in importlib.metadata.requires(name) or ():
            if "extra ==" not in each and not _is_for_others(each):
                match = re.match(r"[\w.-]+", each)
                assert match is not None
                waiting.append(match[0])
    return found


def _is_for_others(requirement: str) -> bool:
    try:
        importlib.metadata.distribution(re.match(r"[\w.-]+", requirement)[0])  # type: ignore[index]
    except importlib.metadata.PackageNotFoundError:
        return True
    return False


def other_pythons() -> dict[str, Path]:
    """Interpreters of other versions that are on this machine, by version."""
    found: dict[str, Path] = {}
    for minor in (10, 12, 13, 14):
        version = f"3.{minor}"
        if sys.version_info[:2] == (3, minor):
            continue
        pyenv = Path("~/.pyenv/versions").expanduser()
        places = [*sorted(pyenv.glob(f"{version}.*/bin/python")), shutil.which(f"python{version}")]
        for place in places:
            if place is not None and _answers(Path(place), "import venv"):
                found[version] = Path(place)
                break
    return found


def with_packages(python: Path, version: str) -> Path | str:
    """This interpreter if it has what is needed, else an environment of it, made once; or why not.

    It is kept in the checkout's ``.cache``, so that only the first time needs PyPI.
    """
    test = "import h5py, xarray, extra_data"
    if _answers(python, test):
        return python
    inner = CACHE / version / "bin" / "python"
    if _answers(inner, test):
        return inner
    if os.environ.get("KNOCKOFF_TEST_OFFLINE"):
        return f"Python {version} has no h5py and extra-data, and KNOCKOFF_TEST_OFFLINE is set"
    shutil.rmtree(CACHE / version, ignore_errors=True)
    commands: tuple[list[str], ...] = (
        [str(python), "-m", "venv", str(CACHE / version)],
        [str(inner), *["-m", "pip", "install", "-q", "h5py", "hdf5plugin", "xarray", "extra-data"]],
    )
    for command in commands:
        try:
            subprocess.run(command, capture_output=True, text=True, timeout=140, check=True)
        except subprocess.TimeoutExpired:
            return f"Python {version} has no h5py and extra-data, and pip takes too long"
        except subprocess.CalledProcessError as error:
            last = (str(error.stderr).strip() or "?").splitlines()[-1]
            return f"Python {version} has no h5py and extra-data, and pip cannot get them: {last}"
    return inner


def _answers(python: Path, code: str) -> bool:
    try:
        command = [str(python), "-c", code]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    except OSError:
        return False
    return done.returncode == 0
