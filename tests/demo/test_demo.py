"""The demo is a beamtime in miniature: real server, real messages, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from knockoff.database.server import status
from knockoff.demo.beamtime import PROPOSAL, Plan, open_beamtime
from knockoff.errors import WorkspaceError
from knockoff.rundata.finding import runs_on_disk
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path


def demo(*words: str, home: Path, **environment: str) -> subprocess.Popen[str]:
    """Start `knockoff demo` as on a machine where nothing may be written to HOME."""
    home.mkdir(mode=0o500, exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "knockoff", "demo", *words],
        cwd=home.parent,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_without_a_terminal_the_demo_ends_with_the_finished_table(tmp_path: Path) -> None:
    """What `make demo` shows on a machine without a screen; LANG=C and 80 columns included."""
    folder = tmp_path / "kept"
    words = ("--runs", "2", "--trains", "8", "--folder", str(folder))
    with demo(*words, home=tmp_path / "home", LANG="C") as running:
        table, said = running.communicate(timeout=100)
    assert running.returncode == 0, said
    lines = table.splitlines()
    assert max(map(len, lines)) <= 80
    assert table.isascii()
    assert "Trains" in table
    assert "Arrival" in table
    assert sum(line.startswith(("  1 ", "  2 ")) for line in lines) >= 2
    assert "run 2: corrected" in said
    assert not status(folder / "db").running


def test_ending_the_demo_early_leaves_no_server(tmp_path: Path) -> None:
    """Nobody wants to look for processes after a closed window."""
    folder = tmp_path / "kept"
    words = ("--runs", "500", "--trains", "8", "--folder", str(folder))
    with demo(*words, home=tmp_path / "home") as running:
        deadline = time.monotonic() + 60
        while not (folder / "db").exists() or not status(folder / "db").running:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 143
    assert "Traceback" not in said
    assert not status(folder / "db").running


async def test_a_kept_beamtime_goes_on_where_it_was(tmp_path: Path) -> None:
    """Run numbers go up, as at a beamline; the table keeps what it had."""
    plan = Plan(runs=1, trains=5, pause=0, correction=0)
    for _ in range(2):
        async with open_beamtime(plan, tmp_path / "kept") as beamtime:
            await beamtime.finished()
            rows = await beamtime.database.runs.find().sort("run", 1).to_list(None)
    assert [row["run"] for row in rows] == [1, 2]
    assert all(set(row["knockoff"]["data"]) == {"raw", "proc"} for row in rows)


async def test_an_aborted_run_shows_what_is_missing(tmp_path: Path) -> None:
    """The fourth run has neither detector nor digitizer, and its cells say so."""
    plan = Plan(runs=4, trains=10, pause=0, correction=0)
    async with open_beamtime(plan) as beamtime:
        await beamtime.finished()
        row: Any = await beamtime.database.runs.find_one({"run": 4})
        folder = beamtime.workspace.folder
        on_disk = runs_on_disk(PROPOSAL, beamtime.settings.data_root)
    assert row["knockoff"]["problems"]["diode"]["state"] == "skipped"
    assert row["knockoff"]["data"] == ["raw"]
    assert row["trains"] == 2
    assert on_disk == {"raw": [1, 2, 3, 4], "proc": [1, 2, 3]}
    assert not folder.exists()


async def test_the_demo_leaves_other_workspaces_alone(tmp_path: Path) -> None:
    """Synthetic runs must never get into a real proposal."""
    Workspace.create(tmp_path / "real", 1234)
    with pytest.raises(WorkspaceError, match="has not made"):
        async with open_beamtime(Plan(1, 5, 0, 0), tmp_path / "real"):
            pass
