"""Hostile variables, again and again: each is told as it is, and nobody else is harmed.

Every kind is a context file of its own, filled for many runs at once by a real recorder on a
real MongoDB. Of every row it is asked: has the hostile cell the right state and kind, have
its neighbours in the run their values, is the array of one of them readable? After each kind
no process may be left, no file descriptor open, and the memory of the service where it was.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import h5py

from hostile_kinds import CONTEXT, KINDS, NONE, Kind
from knockoff.recording.opening import open_recorder
from knockoff.runkey import RunKey
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from knockoff.database.client import Database

PROPOSAL: Final = 1234


def fault_in(row: dict[str, Any] | None, kind: Kind, run: int, folder: Path) -> str | None:
    """What is wrong with a row; None if nothing is."""
    if row is None:
        return "no row"
    ours = row["knockoff"]
    problems = ours.get("problems", {})
    told = problems.get("hostile", {"state": "done", "kind": ""})
    state, name = told["state"], told["kind"]
    if state != kind.state or (kind.kinds not in (NONE, ("any",)) and name not in kind.kinds):
        return f"hostile is {state} {name}: {told.get('message', '')[:60]}"
    if kind.says not in told.get("message", ""):
        return f"hostile does not say {kind.says!r}: {told['message'][:60]}"
    if (row.get("before"), row.get("after")) != (run, run + 1):
        said = problems.get("before") or problems.get("after") or {}
        return f"a neighbour has no value: {said.get('message', 'nothing is said')[:60]}"
    if kind.state != "done" and "reads_it" not in problems:
        return "what reads it has a value"
    part = ours.get("arrays", {}).get("array")
    if part is None:
        return f"no array: {problems.get('array', {}).get('message', 'nothing is said')[:60]}"
    with h5py.File(folder / part["file"]) as file:
        if file[part["dataset"]][-1] != run:
            return "the array is another one"
    return None


def left(marker: str, but: str = "\n\n") -> set[int]:
    """Processes that user code runs in, or has left; not those with `but` in their command."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) != os.getpid() and (
                f"EXTRA_DATA_DATA_ROOT={marker}".encode() in (process / "environ").read_bytes()
                and but not in (process / "cmdline").read_bytes().decode(errors="replace") + "\n"
            ):
                found.add(int(process.name))
        except OSError:
            continue
    return found


def proportional(process: int) -> float:
    """MB of memory of a process, shared pages by their part (PSS)."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(each.split()[1]) / 1e3 for each in lines if each.startswith("Pss:"))


def open_files(process: int) -> int:
    """How many file descriptors a process has."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


@dataclass(frozen=True)
class Sizes:
    """What the service and its zygotes hold, once no run is worked on."""

    service: float
    """MB, collected."""

    zygotes: dict[int, tuple[float, int]]
    """MB and open files of each, by process id."""

    files: int

    @classmethod
    def now(cls, marker: str) -> Sizes:
        """Measure all of them."""
        gc.collect()
        zygotes = {}
        for process in left(marker):
            with suppress(OSError, StopIteration):  # it has just ended
                if parent_of(process) == os.getpid():
                    zygotes[process] = proportional(process), open_files(process)
        return cls(proportional(os.getpid()), zygotes, open_files(os.getpid()))

    def grown(self, before: Sizes) -> list[str]:
        """What a zygote that lived all the time has more than before."""
        faults = []
        for process in self.zygotes.keys() & before.zygotes.keys():
            (now, files), (then, few) = self.zygotes[process], before.zygotes[process]
            if now > 1.1 * then + 2:
                faults.append(f"a zygote grew from {then:.0f} to {now:.0f} MB")
            if files > few:
                faults.append(f"a zygote has {files - few} more open files")
        return faults


def parent_of(process: int) -> int:
    """The process id of its parent."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


async def until_filled(database: Database, runs: int) -> None:
    """Wait until no job is left."""
    query = {"state": {"$in": ["queued", "running"]}}
    while (  # noqa: ASYNC110
        await database["knockoff.jobs"].count_documents({}) < runs
        or await database["knockoff.jobs"].count_documents(query)
    ):
        await asyncio.sleep(0.05)


def is_partial(file: Path) -> bool:
    """Whether a file was begun, and never became a value."""
    return file.is_file() and (not file.name.endswith(".h5") or not h5py.is_hdf5(file))


async def settled(marker: str) -> Sizes:
    """What is held once the processes of the runs have had time to end."""
    for _ in range(50):
        sizes = Sizes.now(marker)
        if left(marker) == set(sizes.zygotes):
            break
        await asyncio.sleep(0.1)
    return sizes


async def faults_of(
    kind: Kind, workspace: Workspace, repeats: int
) -> tuple[Counter[str], dict[int, tuple[float, int]]]:
    """Fill so many runs; count what is wrong afterwards, and measure the zygotes."""
    faults = Counter[str]()
    marker = str(workspace.settings().data_root)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        work = asyncio.create_task(recorder.work(1 if kind.needs_small_disk else 2))
        early = max(1, repeats // 4)  # what is needed once only is there by then
        for run in range(1, early + 1):
            await recorder.record(RunKey(PROPOSAL, run), "raw")
        await until_filled(recorder.database, early)
        before = await settled(marker)
        for run in range(early + 1, repeats + 1):
            await recorder.record(RunKey(PROPOSAL, run), "raw")
        await until_filled(recorder.database, repeats)
        after = await settled(marker)
        faults.update(after.grown(before))
        if partial := [each for each in workspace.arrays_folder.rglob("*") if is_partial(each)]:
            faults[f"partial files are left, as {partial[0].name}"] += 1
        if orphans := left(marker, but="knockoff.filling"):
            faults[f"{len(orphans)} processes left beside the service"] += 1
        for run in range(1, repeats + 1):
            row = await recorder.database.runs.find_one({"run": run})
            fault = fault_in(row, kind, run, workspace.arrays_folder)
            if fault is not None:
                faults[fault] += 1
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    for _ in range(50):
        if not left(marker):
            break
        await asyncio.sleep(0.1)
    else:
        faults[f"{len(left(marker))} processes left"] += 1
    return faults, after.zygotes


def made(kind: Kind, folder: Path) -> Workspace:
    """A workspace with the context file of a kind, on a small disk if it needs one."""
    (folder / "data").mkdir(parents=True)
    body = CONTEXT.format(top=kind.top, options=kind.options, body=kind.body)
    cpus = 1 if kind.needs_small_disk else 2  # else its neighbours would find the disk full
    workspace = Workspace.create(
        folder / "workspace",
        PROPOSAL,
        context=body,
        settings={
            "data_root": str(folder / "data"),
            "workers.cpus": cpus,
        },
    )
    if kind.needs_small_disk:
        workspace.arrays_folder.mkdir(exist_ok=True)
        disk = ["tmpfs", str(workspace.arrays_folder)]
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16M", *disk], check=True)
    return workspace


def unmount(kind: Kind, workspace: Workspace) -> None:
    """Take a small disk away again."""
    if kind.needs_small_disk:
        subprocess.run(["umount", "-l", workspace.arrays_folder], check=True)


async def measure(repeats: int, only: str) -> int:
    """Print a line for each kind; the number of faults."""
    total = 0
    print(f"{'kind':<44} {'right':>6} {'files':>6} {'MB':>6} {'zygotes':>12}")
    sizes: list[float] = []
    files: list[int] = []
    for name, kind in KINDS.items():
        if re.search(only, name) is None:
            continue
        if kind.needs_small_disk and os.geteuid() != 0:
            print(f"{name:<44} skipped: only root can mount a small disk")
            continue
        with tempfile.TemporaryDirectory() as folder:
            workspace = made(kind, Path(folder))
            try:
                faults, zygotes = await faults_of(kind, workspace, repeats)
            finally:
                unmount(kind, workspace)
        gc.collect()
        sizes.append(proportional(os.getpid()))
        files.append(open_files(os.getpid()))
        wrong = faults.total()
        total += wrong
        held = ", ".join(f"{size:.0f} MB" for size, _ in zygotes.values())
        right = f"{max(0, repeats - wrong):>3}/{repeats}"
        print(f"{name:<44} {right} {files[-1]:>5} {sizes[-1]:>6.0f} {held:>12}", flush=True)
        for fault, number in faults.items():
            print(f"    {number} x {fault}")
    few = 5  # how many are open just now varies by what waits to be collected
    if len(files) > 2 * few and min(files[-few:]) > max(files[:few]):
        total += 1
        print(f"file descriptors were left open: {min(files[-few:]) - max(files[:few])} at least")
    if len(sizes) > 3:
        print(f"memory of the service: {sizes[2]:.0f} MB after 3 kinds, {sizes[-1]:.0f} at the end")
        total += sizes[-1] > 1.15 * sizes[2]
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20, help="runs of each kind")
    parser.add_argument("--only", default="", help="regular expression for the kinds")
    arguments = parser.parse_args()
    faults = asyncio.run(measure(arguments.repeats, arguments.only))
    print(f"{faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
