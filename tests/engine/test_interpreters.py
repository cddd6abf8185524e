"""Context files run in a Python of their own; one that cannot do it is refused with the reason."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from knockoff.arrays.reading import read_array
from knockoff.arrays.references import ArrayReference
from knockoff.engine.interpreters import InterpreterError, python_of
from knockoff.engine.local import open_engine
from knockoff.rundata.synthetic import write_runs

from .conftest import results
from .pythons import FORBIDDEN, bare_python, other_pythons, with_packages

if TYPE_CHECKING:
    from .conftest import Place

CONTEXT = """
import sys
import numpy as np
import xarray as xr
from extra_data import DataCollection
from knockoff import Group, Run, Skip, Variable

XGM = "SA2_XTD1_XGM/XGM/DOOCS:output"


@Group
class Gas:
    source: str
    factor: float = 1.0

    @Variable(title="Mean")
    def mean(self, data: DataCollection) -> float:
        return self.factor * float(data[self.source, "data.intensityTD"].ndarray().mean())


class Runs(Run):
    gas = Gas(source=XGM, factor=2.0)

    @Variable()
    def python(self) -> list[str]:
        return [sys.executable, f"{sys.version_info[0]}.{sys.version_info[1]}"]

    @Variable()
    def energy(self, data: DataCollection) -> np.ndarray:
        return data[XGM, "data.intensityTD"].ndarray()

    @Variable(summary="mean")
    def along(self) -> xr.DataArray:
        return xr.DataArray(self.energy.mean(axis=1), dims=["train"])

    @Variable()
    def image(self) -> np.ndarray:
        return np.arange(90_000.0).reshape(300, 300)

    @Variable()
    def dark(self) -> int:
        raise Skip("shutter")

    @Variable()
    def broken(self) -> int:
        return {}["nothing"]

    @Variable()
    def crashes(self) -> int:
        import ctypes
        return ctypes.string_at(0)
"""
NAMES = ("python", "energy", "along", "image", "dark", "broken", "crashes", "gas.mean")


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bare_python(tmp_path_factory.mktemp("bare") / "venv")


def said_on_import(python: Path, name: str) -> str:
    """What an interpreter says on stderr."""
    command = [str(python), "-c", f"import {name}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return str(done.stderr)


async def fills_a_run(place: Place, python: str) -> dict[str, str]:
    """Fill run 42 with this interpreter; the versions that its results carry."""
    write_runs(place.folder / "data", 1234, [42], trains=8, pulses=4)
    context = place.context(CONTEXT, alone=True)
    task = place.task(data_root=str(place.folder / "data"))
    async with open_engine(replace(place.settings, python=python)) as engine:
        description = await engine.describe(context)
        found = await results(engine, context, task, NAMES)

    assert {name: each.outcome for name, each in found.items()} == {
        **dict.fromkeys(NAMES, "done"),
        "dark": "skipped",
        "broken": "failed",
        "crashes": "killed",
    }
    assert found["broken"].problem is not None
    assert found["broken"].problem.context_line == 'return {}["nothing"]'
    assert found["crashes"].problem is not None
    assert found["crashes"].problem.context_line == "return ctypes.string_at(0)"
    energy = found["energy"].cell.array
    assert energy is not None
    folder = Path(task.extracted_data)
    assert read_array(folder, ArrayReference.from_json(energy)).shape == (8, 4)
    assert found["image"].cell.preview is not None
    along = found["along"].fields["along"]
    assert found["gas.mean"].fields["gas.mean"] == pytest.approx(2 * along, rel=1e-5)

    async with open_engine(place.settings) as ours:
        here = await ours.describe(context)
    assert here.tables == description.tables  # codes too: nothing is stale by this
    return dict(description.versions)


async def test_a_bare_environment_fills_a_run(place: Place, bare: Path) -> None:
    """A proposal's own Python has h5py and extra-data, and none of what our half needs."""
    for name in FORBIDDEN:
        assert f"No module named '{name}'" in said_on_import(bare, name)

    versions = await fills_a_run(place, str(bare))

    assert versions["python"] == sys.version.split()[0]
    assert versions.keys() >= {"numpy", "h5py", "extra-data"}


@pytest.mark.parametrize("version", ["3.10", "3.12", "3.13", "3.14"])
@pytest.mark.timeout(300)
async def test_another_version_of_python_fills_a_run(place: Place, version: str) -> None:
    """Analysis environments at the facility are older, or newer, than the service's."""
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        pytest.skip(f"Python {version} is ours")
    python = other_pythons().get(version)
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine")
    equipped = with_packages(python, version)
    if isinstance(equipped, str):
        pytest.skip(equipped)

    versions = await fills_a_run(place, str(equipped))

    assert versions["python"].startswith(f"{version}.")


async def refused(place: Place, python: Path | str, within: float = 100) -> str:
    async with open_engine(replace(place.settings, python=str(python), loading=within)) as engine:
        with pytest.raises(InterpreterError) as raised:
            await engine.describe(place.context(""))
    await place.until_nothing_runs()
    return str(raised.value)


def program(place: Place, text: str) -> Path:
    file = place.folder / "python"
    file.write_text(text)
    file.chmod(0o755)
    return file


async def test_what_is_no_interpreter_is_refused_with_the_reason(place: Place) -> None:
    """Each way to get one line of settings wrong says which it is."""
    folder = place.folder / "empty"
    folder.mkdir()
    file = place.folder / "notes.txt"
    file.write_text("hello")

    assert "/nowhere/python, which is to load the context file, is not there" in (
        await refused(place, "/nowhere/python")
    )
    assert "is a folder without bin/python in it" in await refused(place, folder)
    assert "may not be executed by you" in await refused(place, file)
    file.chmod(0o755)
    assert "cannot be started (Exec format error)" in await refused(place, file)
    told = await refused(place, program(place, "#!/bin/sh\necho I am a shell >&2\nexit 9\n"))
    assert "is no Python (exit status 9). It said: I am a shell" in told
    assert "knockoff config context_python" in told


async def test_one_that_is_too_old_says_both_versions(place: Place) -> None:
    """3.9 and 3.10 are easily taken for each other."""
    old = f"""#!/bin/sh
exec "{sys.executable}" -c 'import sys; sys.version_info = (3, 9, 18); exec(sys.argv[1])' "$2"
"""
    assert "is Python 3.9.18, and 3.10 or later is needed" in await refused(
        place, program(place, old)
    )


async def test_what_is_missing_is_named_with_the_command_that_installs_it(
    place: Place, tmp_path: Path
) -> None:
    """Into that very environment, not into the one that happens to be active."""
    python = bare_python(tmp_path / "venv")
    (site,) = (tmp_path / "venv" / "lib").glob("*/site-packages")
    (site / "xarray").unlink()
    (site / "extra_data").unlink()

    told = await refused(place, python)

    assert "without xarray, extra_data. Install what is missing" in told
    assert f"{python} -m pip install xarray extra-data" in told


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import ctypes; ctypes.string_at(0)", r"crashes as it imports h5py \(killed by signal 11"),
        ("import os; os._exit(3)", r"crashes as it imports h5py \(exit status 3\)"),
        ("raise ImportError('libhdf5.so')", "cannot import h5py: ImportError: libhdf5.so"),
        ("import time; time.sleep(1000)", "has not said what it is after 5 s"),
    ],
)
@pytest.mark.timeout(180)
async def test_one_that_breaks_says_at_which_library(
    place: Place, tmp_path: Path, code: str, message: str
) -> None:
    """An environment with two HDF5 libraries crashes without a word of its own."""
    python = bare_python(tmp_path / "venv")
    (site,) = (tmp_path / "venv" / "lib").glob("*/site-packages")
    (site / "h5py").unlink()
    (site / "h5py.py").write_text(code)

    within = 5 if "sleep" in code else 100
    assert re.search(message, await refused(place, python, within))


async def test_a_repaired_interpreter_is_asked_again(place: Place, tmp_path: Path) -> None:
    """The listener goes on by itself once somebody has run pip."""
    python = bare_python(tmp_path / "venv")
    (site,) = (tmp_path / "venv" / "lib").glob("*/site-packages")
    away = (site / "xarray").rename(site / "away")
    context = place.context("")
    async with open_engine(replace(place.settings, python=str(python))) as engine:
        with pytest.raises(InterpreterError):
            await engine.describe(context)
        away.rename(site / "xarray")
        assert (await engine.describe(context)).tables


def test_an_environment_is_meant_by_its_folder_or_its_python_or_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative to the workspace, so that both can be moved together."""
    inner = tmp_path / "venv" / "bin" / "python"
    inner.parent.mkdir(parents=True)
    inner.symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(inner.parent))

    assert python_of(None, tmp_path) == sys.executable
    for said in ("venv", "venv/", "./venv", "venv/bin/python", str(tmp_path / "venv")):
        assert python_of(said, tmp_path) == str(inner)
    assert python_of("python", tmp_path) == str(inner)
    assert python_of("python9.9", tmp_path) == str(tmp_path / "python9.9")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert python_of("~/venv", Path("/")) == str(inner)
