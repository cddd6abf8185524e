"""Interpreter and sandbox as an operator sets them: by one line of settings, for every command."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.engine.pythons import bare_python
from tests.engine.test_sandbox import needs_bubblewrap

from .conftest import Shell, workspace_with

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTEXT = """
import os, sys
import only_there
from extra_data import DataCollection
import numpy as np
from knockoff import Run, Variable

class Runs(Run):
    @Variable()
    def python(self) -> str:
        return sys.executable

    @Variable()
    def pid(self) -> int:
        return os.getppid()

    @Variable()
    def energy(self, data: DataCollection) -> np.ndarray:
        return data["SA2_XTD1_XGM/XGM/DOOCS:output", "data.intensityTD"].ndarray()
"""


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, runs_on_disk: Path) -> Iterator[Shell]:
    """A workspace with a venv in it, whose context file imports what only that one has."""
    home = tmp_path_factory.mktemp("other")
    with workspace_with(CONTEXT, home, runs_on_disk) as shell:
        bare_python(shell.folder / "venv")
        (site,) = (shell.folder / "venv" / "lib").glob("*/site-packages")
        (site / "only_there.py").write_text("")
        yield shell


def python_of_run(shell: Shell, run: int) -> str:
    listed = json.loads(shell("runs", "--json").out)
    (row,) = (each for each in listed if each["run"] == run)
    assert row["states"].get("energy") is None
    return str(row["python"])


def findings(shell: Shell, **environment: str) -> dict[str, dict[str, str]]:
    """What `doctor` says, by what it is about; it need not wait for a broker."""
    done = shell("doctor", "--json", KNOCKOFF_KAFKA__BROKERS="127.0.0.1:9", **environment)
    return {each["about"]: each for each in json.loads(done.out)}


@pytest.mark.timeout(300)
def test_every_command_loads_the_file_with_the_interpreter_that_is_set(shell: Shell) -> None:
    """A file that imports what only its own environment has can be checked there only."""
    assert shell("context", "check").status == 1
    assert shell("config", "context_python", "venv").status == 0

    python = str(shell.folder / "venv" / "bin" / "python")
    checked = shell("context", "check")
    assert checked.status == 0, checked.said
    assert shell("process", "1").status == 0
    assert python_of_run(shell, 1) == python
    assert shell("reprocess", "all", "--dry-run").status == 0
    (past,) = json.loads(shell("history", "1", "energy", "--json").out)
    assert past["versions"].keys() >= {"knockoff", "python", "numpy", "h5py", "extra-data"}
    assert past["versions"]["python"] == sys.version.split()[0]


def test_doctor_tells_which_interpreter_it_is(shell: Shell) -> None:
    """With the versions of what matters, and whether the context file loads there."""
    assert shell("config", "context_python", "venv").status == 0

    told = findings(shell)

    assert told["interpreter"]["verdict"] == "ok"
    assert str(shell.folder / "venv" / "bin" / "python") in told["interpreter"]["said"]
    assert "extra_data" in told["interpreter"]["said"]
    assert told["context file"]["verdict"] == "ok"
    assert told["sandbox"]["said"].startswith("off")


def test_one_that_is_wrong_is_told_by_every_command(shell: Shell) -> None:
    """With the file that says so, and without a traceback."""
    wrong = {"KNOCKOFF_CONTEXT_PYTHON": "nowhere"}
    for words in (("context", "check"), ("process", "1"), ("reprocess", "all")):
        done = shell(*words, **wrong)
        assert done.status == 1
        assert f"{shell.folder / 'nowhere'}, which is to load the context file, is not there" in (
            done.said
        )
    told = findings(shell, **wrong)["interpreter"]
    assert told["verdict"] == "problem"
    assert "context_python is set by KNOCKOFF_CONTEXT_PYTHON" in told["said"]
    assert "knockoff config context_python" in told["remedy"]


def test_setting_one_that_cannot_be_used_says_so_at_once(shell: Shell) -> None:
    """Not only tonight, when the first run comes; it may still be installed until then."""
    before = shell("config", "context_python").out.strip()
    done = shell("config", "context_python", "/bin/sh")

    assert done.status == 0
    assert "Not usable yet: /bin/sh is no Python" in done.said
    assert shell("config", "context_python", before or "venv").status == 0


@needs_bubblewrap
@pytest.mark.timeout(300)
def test_every_command_runs_user_code_in_the_sandbox_once_it_is_on(shell: Shell) -> None:
    """One setting, and no job that goes past it."""
    packages = str(Path(pytest.__file__).parents[1])
    for key, value in (
        ("context_python", "venv"),
        ("sandbox.enabled", "true"),
        ("sandbox.extra_read", packages),
    ):
        assert shell("config", key, value).status == 0
    try:
        assert findings(shell)["sandbox"]["said"].startswith("on and works, without network")
        assert shell("context", "check").status == 0
        assert shell("process", "2").status == 0
        assert shell("reprocess", "1", "--force").status == 0
        parents = {each["run"]: each["pid"] for each in json.loads(shell("runs", "--json").out)}
        assert parents == {1: 1, 2: 1}  # the first process of a namespace of its own

        without = shell("process", "3", PATH=str(shell.folder))
        assert without.status == 1
        assert "apt-get install bubblewrap" in without.said
    finally:
        assert shell("config", "sandbox.enabled", "--unset").status == 0
        assert shell("config", "sandbox.extra_read", "--unset").status == 0


def test_who_is_shut_in_has_no_say_in_it(shell: Shell, runs_on_disk: Path) -> None:
    """All of the proposal write knockoff.toml; the service's environment is its operator's."""
    assert shell("config", "context_python", "venv").status == 0
    forced = {"KNOCKOFF_SANDBOX__ENABLED": "true", "KNOCKOFF_DATA_ROOT": str(runs_on_disk)}

    done = shell("process", "1", **forced)

    assert done.status == 1
    assert "context_python is set by" in done.said
    assert "Set KNOCKOFF_CONTEXT_PYTHON instead" in done.said
    told = findings(shell, **forced)
    assert [name for name, each in told.items() if each["verdict"] == "problem"] == ["interpreter"]
