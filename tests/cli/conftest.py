"""A workspace with three runs, filled by `knockoff process`, and the command as people call it."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from knockoff.cli.app import app
from knockoff.rundata.synthetic import write_runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTEXT = '''
from typing import Annotated
import numpy as np
from extra_data import DataCollection
from knockoff import Editable, Run, Skip, Variable

XGM = "SA2_XTD1_XGM/XGM/DOOCS:output"

class Runs(Run):
    threshold: Annotated[float, Editable(title="Hits/Threshold", units="uJ")] = 1e6

    @Variable(title="Trains")
    def trains(self, data: DataCollection) -> int:
        """Number of trains."""
        return len(data.train_ids)

    @Variable(title="Pulse energy", units="uJ", summary="mean")
    def energy(self, data: DataCollection) -> np.ndarray:
        return data[XGM, "data.intensityTD"].ndarray()

    @Variable(title="Strongest")
    def strongest(self) -> list[float]:
        return sorted(self.energy.max(axis=0).tolist())[-3:]

    @Variable(title="Hits/Number")
    def hits(self) -> int:
        return int((self.energy > self.threshold).sum())

    @Variable(title="Dark")
    def dark(self, data: DataCollection) -> int:
        raise Skip("shutter was open")

    @Variable(title="Broken")
    def broken(self, data: DataCollection) -> float:
        return {}["nothing"]

    @Variable(title="Late", data="proc")
    def late(self, data: DataCollection) -> int:
        return len(data.train_ids)
'''


@dataclass(frozen=True)
class Done:
    """What a command printed, and how it ended."""

    status: int
    out: str
    said: str


@dataclass(frozen=True)
class Shell:
    """Calls `knockoff` in a folder."""

    folder: Path

    def __call__(self, *words: str, **environment: str) -> Done:
        """Run a command in this process, which saves its imports; else as it is."""
        cleared: dict[str, str | None] = dict.fromkeys(_ours())
        loggers = logging.getLogger().handlers[:]
        try:
            with contextlib.chdir(self.folder):
                done = CliRunner().invoke(
                    app, words, env={**cleared, "LANG": "C.UTF-8", "COLUMNS": "80", **environment}
                )
        finally:
            logging.captureWarnings(capture=False)
            logging.getLogger().handlers[:] = loggers
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(done.exit_code, done.stdout, done.stderr)

    def apart(self, *words: str, typed: str = "", **environment: str) -> Done:
        """Run a command in a process of its own."""
        surroundings = {name: each for name, each in os.environ.items() if name not in _ours()}
        done = subprocess.run(
            [sys.executable, "-m", "knockoff", *words],
            cwd=self.folder,
            env={**surroundings, "LANG": "C.UTF-8", **environment},
            capture_output=True,
            text=True,
            timeout=60,
            input=typed,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)


def _ours() -> list[str]:
    return [name for name in os.environ if name.startswith("KNOCKOFF_")]


@pytest.fixture(scope="session")
def runs_on_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data root with runs 1 to 3 of proposal 1234; run 3 was not corrected yet."""
    root = tmp_path_factory.mktemp("data")
    write_runs(root, 1234, range(1, 4), trains=8, pulses=4)
    for file in (root / "MID/202601/p001234/proc/r0003").iterdir():
        file.unlink()
    (root / "MID/202601/p001234/proc/r0003").rmdir()
    return root


@pytest.fixture(scope="session")
def knockoff(tmp_path_factory: pytest.TempPathFactory, runs_on_disk: Path) -> Iterator[Shell]:
    """The command in a workspace whose three runs were processed; its server is kept."""
    home = tmp_path_factory.mktemp("beamtime")
    (home / "mine.py").write_text(CONTEXT)
    made = Shell(home)(
        "init", "1234", "--folder", "ws", "--data-root", str(runs_on_disk), "--context", "mine.py"
    )
    assert made.status == 0, made.said
    shell = Shell(home / "ws")
    assert shell("db", "start").status == 0
    processed = shell("process", "all")
    assert processed.status == 0, processed.said
    yield shell
    assert shell("db", "stop", "--force").status == 0


EDITED = CONTEXT.replace(
    "return int((self.energy > self.threshold).sum())",
    "return int((self.energy >= self.threshold).sum()) + 1",
).replace(
    "return len(data.train_ids)",
    'print("counted")\n        return len(data.train_ids)',
    1,
)
EDITED += """
    @Variable(title="Rate")
    def rate(self) -> float:
        return self.hits / self.trains

    @Variable(title="After broken")
    def after_broken(self) -> float:
        return self.broken + 1
"""


@contextlib.contextmanager
def workspace_with(context: str, home: Path, data: Path) -> Iterator[Shell]:
    """The command in a workspace of its own, with this context file; nothing is processed yet."""
    (home / "mine.py").write_text(context)
    made = Shell(home)(
        "init", "1234", "--folder", "ws", "--data-root", str(data), "--context", "mine.py"
    )
    assert made.status == 0, made.said
    shell = Shell(home / "ws")
    assert shell("db", "start").status == 0
    yield shell
    assert shell("db", "stop", "--force").status == 0


@pytest.fixture(scope="session")
def edited(tmp_path_factory: pytest.TempPathFactory, runs_on_disk: Path) -> Iterator[Shell]:
    """All runs were processed, then `hits` was edited and two columns added, then run 1 again."""
    with workspace_with(CONTEXT, tmp_path_factory.mktemp("edited"), runs_on_disk) as shell:
        assert shell("process", "all").status == 0
        (shell.folder / "context.py").write_text(EDITED)
        assert shell("process", "1").status == 0
        yield shell
