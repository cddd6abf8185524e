"""`jobs` and `cancel`, while another process computes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from tests.cli.conftest import Shell

if TYPE_CHECKING:
    from pathlib import Path

CONTEXT = """
from pathlib import Path
from knockoff import Run, Variable

class Runs(Run):
    @Variable
    def first(self) -> int:
        return 1

    @Variable
    def endless(self) -> int:
        Path(__file__).with_name(f"begun{self.run}").write_text("")
        while self.first:
            pass
"""


def test_another_process_is_told_to_stop(tmp_path: Path, runs_on_disk: Path) -> None:
    """The one who sees that a run hangs is rarely at the terminal where it is computed."""
    (tmp_path / "mine.py").write_text(CONTEXT)
    words = ("--folder", "ws", "--data-root", str(runs_on_disk), "--context", "mine.py")
    assert Shell(tmp_path)("init", "1234", *words).status == 0
    shell = Shell(tmp_path / "ws")
    assert shell("db", "start").status == 0
    none = shell("jobs")
    assert (none.out, none.said.strip()) == ("", "Nothing is being computed, and nothing waits.")
    assert shell("cancel", "1").said.strip() == "There was nothing to cancel."
    environment = {name: each for name, each in os.environ.items() if "KNOCKOFF" not in name}
    process = subprocess.Popen(
        [sys.executable, "-m", "knockoff", "process", "1"],
        cwd=shell.folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 30
        while not (shell.folder / "begun1").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        (job,) = [each for each in listed(shell) if each["state"] == "running"]
        assert (job["run"], job["table"], job["pid"], job["attempt"]) == (1, "runs", process.pid, 1)
        assert f"{process.pid} on {job['host']}" in shell("jobs").out

        done = shell("cancel", "1-3")
        assert (done.status, done.said.strip()) == (0, "Cancelled 2 jobs of run 1.")
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0, said
        assert listed(shell) == []
        row = json.loads(shell("show", "1", "--json").out)["tables"]["runs"]
        assert row["first"] == 1
        assert row["states"]["endless"]["state"] == "cancelled"
        assert row["states"]["endless"]["reason"].startswith("by ")
        picked = json.loads(shell("runs", "--where", "endless is cancelled", "--json").out)
        assert [each["run"] for each in picked] == [1]
    finally:
        process.kill()
        process.communicate()
        shell("db", "stop", "--force")


def listed(shell: Shell) -> list[dict[str, Any]]:
    """Jobs as a program reads them."""
    found: list[dict[str, Any]] = json.loads(shell("jobs", "--json").out)
    return found
