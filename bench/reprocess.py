"""What `knockoff reprocess all` costs over many runs, with and without an edit.

Bars: with nothing due ≤ 2 s for 500 runs, start of the command included; after an edit
of one method of 30 exactly this one and its dependants are computed, once per run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from knockoff.recording.opening import open_recorder
from knockoff.runkey import RunKey
from knockoff.workspace import Workspace

PROPOSAL = 1234
DEPENDANTS = 4

HEAD = '''"""Thirty variables that cost nothing."""

from pathlib import Path

from knockoff import Run, Variable


def count(name: str) -> None:
    with Path(__file__).with_name("count.txt").open("a") as file:
        file.write(name + " ")


class Runs(Run):
'''


def context_of(variables: int) -> str:
    """The second one is read by the four after it; the others stand alone."""
    parts = [HEAD]
    for number in range(variables):
        read = "self.v1" if 2 <= number < 2 + DEPENDANTS else "self.run"
        parts.append(
            f"    @Variable\n    def v{number}(self) -> int:\n"
            f'        count("v{number}")\n        return {read} + {number}\n\n'
        )
    return "".join(parts)


async def filled(workspace: Workspace, runs: int) -> None:
    """Make and fill all rows, two at a time."""
    async with open_recorder(workspace, workspace.settings()) as recorder:
        for run in range(1, runs + 1):
            await recorder.record(RunKey(PROPOSAL, run), "raw")
        waiting = [f"runs/{run}/raw" for run in range(1, runs + 1)]

        async def work() -> None:
            while waiting:
                await recorder.work_off([waiting.pop(0)])

        await asyncio.gather(work(), work())


def reprocessed(workspace: Workspace) -> tuple[float, str]:
    """Seconds that the command takes, and what it says."""
    environment = {name: each for name, each in os.environ.items() if "KNOCKOFF" not in name}
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "knockoff", "reprocess", "all"],
        cwd=workspace.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return time.perf_counter() - begun, done.stderr.strip()


def files_for(root: Path, runs: int) -> None:
    """A folder with one file for every run, so that there is something to be looked at."""
    for run in range(1, runs + 1):
        folder = root / f"MID/202601/p{PROPOSAL:06d}/raw/r{run:04d}"
        folder.mkdir(parents=True)
        (folder / f"RAW-R{run:04d}-DA01-S00000.h5").write_bytes(b"")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--variables", type=int, default=30)
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files_for(Path(folder) / "data", wish.runs)
        workspace = Workspace.create(
            Path(folder) / "ws",
            PROPOSAL,
            context=context_of(wish.variables),
            settings={"data_root": str(Path(folder) / "data")},
        )
        subprocess.run(
            [sys.executable, "-m", "knockoff", "db", "start"],
            cwd=workspace.folder,
            check=True,
            capture_output=True,
        )
        try:
            begun = time.perf_counter()
            asyncio.run(filled(workspace, wish.runs))
            print(f"first fill of {wish.runs} runs: {time.perf_counter() - begun:.1f} s")
            reprocessed(workspace)
            quiet = [reprocessed(workspace) for _ in range(5)]
            print("nothing due:", ", ".join(f"{seconds:.2f} s" for seconds, _ in quiet))
            print("  said:", quiet[-1][1])
            (workspace.folder / "count.txt").write_text("")
            text = workspace.context_file.read_text()
            workspace.context_file.write_text(re.sub(r"self\.run \+ 1\n", "self.run + 100\n", text))
            seconds, _ = reprocessed(workspace)
            ran = (workspace.folder / "count.txt").read_text().split()
            counts = {name: ran.count(name) for name in sorted(set(ran))}
            print(f"one method edited: {seconds:.1f} s; ran {json.dumps(counts)}")
            expected = {f"v{number}": wish.runs for number in range(1, 2 + DEPENDANTS)}
            print("  exactly these:", counts == expected)
        finally:
            subprocess.run(
                [sys.executable, "-m", "knockoff", "db", "stop", "--force"],
                cwd=workspace.folder,
                check=True,
                capture_output=True,
            )


if __name__ == "__main__":
    main()
