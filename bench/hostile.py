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
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import h5py

from knockoff.recording.opening import open_recorder
from knockoff.runkey import RunKey
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from knockoff.database.client import Database

PROPOSAL: Final = 1234

CONTEXT: Final = """
import ctypes, multiprocessing, os, re, signal, subprocess, sys, threading, time
import numpy as np
from damnit_ctx import Cell, Skip, Variable
{top}

@Variable
def before(run: "meta#run_number") -> int:
    return run

@Variable
def array(run: "meta#run_number"):
    return np.full(2000, run, dtype="f8")

@Variable{options}
def hostile(before: "var#before"):
    {body}

@Variable
def reads_it(hostile: "var#hostile"):
    return 1

@Variable
def after(before: "var#before") -> int:
    return before + 1
"""


@dataclass(frozen=True)
class Kind:
    """One way to be hostile, and what its cell must say."""

    body: str
    state: str
    kinds: tuple[str, ...] = ()
    """Any of these; empty where the cell has a value."""

    options: str = ""
    top: str = ""
    needs_small_disk: bool = False


SHORT: Final = "(timeout=0.5)"
NONE: Final[tuple[str, ...]] = ()
KINDS: Final = {
    "an exception": Kind('raise KeyError("no such device")', "failed", ("KeyError",)),
    "Skip": Kind('raise Skip("no beam")', "skipped", ("Skip",)),
    "an exception that cannot be told": Kind(
        "class Odd(Exception):\n        def __str__(self): raise self\n    raise Odd()",
        "failed",
        ("Odd",),
    ),
    "a message of odd characters": Kind(
        r'raise ValueError("\udcff\x00\x1b[31m\u202e" * 10_000)', "failed", ("ValueError",)
    ),
    "endless recursion": Kind(
        "def deeper(n): return deeper(n + 1)\n    return deeper(0)", "failed", ("RecursionError",)
    ),
    "sys.exit": Kind("sys.exit(3)", "failed", ("SystemExit",)),
    "os._exit": Kind("os._exit(3)", "failed", ("SystemExit",)),
    "a segfault": Kind("ctypes.string_at(0)", "killed", ("SIGSEGV",)),
    "a C loop that holds the interpreter's lock": Kind(
        're.match(r"(a+)+$", "a" * 64 + "b")', "timed out", ("Timeout",), SHORT
    ),
    "SIGTERM ignored, children left behind": Kind(
        """signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for own in (False, True):
        subprocess.Popen(["sleep", "1000"], start_new_session=own)
        subprocess.Popen("sleep 1000 & sleep 1000", shell=True, start_new_session=own)
    while True: time.sleep(1)""",
        "timed out",
        ("Timeout",),
        SHORT,
    ),
    "it stops itself": Kind(
        "os.kill(os.getpid(), signal.SIGSTOP)", "timed out", ("Timeout",), SHORT
    ),
    "memory that is refused": Kind(
        "return np.ones(100_000_000).sum()",
        "failed",
        ("_ArrayMemoryError", "MemoryError"),
        '(memory="200 MB")',
    ),
    "memory of its programs": Kind(
        """code = "x = b'x' * 150_000_000; import time; time.sleep(60)"
    for each in [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]: each.wait()""",
        "killed",
        ("OutOfMemory",),
        '(memory="300 MB")',
    ),
    "a value that cannot be kept": Kind("return (n for n in range(3))", "failed", ("any",)),
    "a value in lack of a disk": Kind(
        "return np.random.default_rng(1).random(4_000_000)",
        "failed",
        ("any",),
        needs_small_disk=True,
    ),
    "endless output": Kind('while True: print("x" * 10_000)', "timed out", ("Timeout",), SHORT),
    "all file descriptors closed": Kind(
        "os.closerange(0, 4096); return 1", "failed", ("WorkerError",)
    ),
    "garbage on every socket": Kind(
        """for name in os.listdir("/proc/self/fd"):
        if os.path.realpath(f"/proc/self/fd/{name}").rpartition("/")[2].startswith("socket:"):
            os.write(int(name), b"{" * 100)
    time.sleep(1000)""",
        "failed",
        ("WorkerError",),
        SHORT,
    ),
    "functions of the library replaced": Kind(
        "import json, socket; os.write = json.dumps = socket.socket.sendall = None; return 1",
        "failed",
        ("WorkerError",),
    ),
    "two hundred children": Kind(
        "for _ in range(200):\n        if os.fork() == 0: time.sleep(1000)\n    return 1",
        "done",
    ),
    "threads at import": Kind(
        "return 1",
        "done",
        top="threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
    ),
    "KeyboardInterrupt": Kind("raise KeyboardInterrupt", "failed", ("WorkerError",)),
    "its whole process group killed": Kind("os.killpg(0, 9)", "killed", ("SIGKILL",)),
    "its own log deleted": Kind(
        """log = os.path.realpath("/proc/self/fd/1"); os.remove(log)
    ctypes.string_at(0)""",
        "killed",
        ("SIGSEGV",),
    ),
    "its folder, umask and signals changed": Kind(
        """os.chdir("/"); os.umask(0o777)
    for each in (signal.SIGTERM, signal.SIGCHLD): signal.signal(each, signal.SIG_IGN)
    return 1""",
        "done",
    ),
    "its parent killed": Kind(
        "os.kill(os.getppid(), signal.SIGKILL); time.sleep(1000)", "killed", ("WorkerLost",)
    ),
}


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


def resident() -> float:
    """MB of memory of this process, collected."""
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(each.split()[1]) / 1e3 for each in lines if each.startswith("VmRSS"))


async def until_filled(database: Database, runs: int) -> None:
    """Wait until no job is left."""
    query = {"state": {"$in": ["queued", "running"]}}
    while (  # noqa: ASYNC110
        await database["knockoff.jobs"].count_documents({}) < runs
        or await database["knockoff.jobs"].count_documents(query)
    ):
        await asyncio.sleep(0.05)


async def faults_of(kind: Kind, workspace: Workspace, repeats: int) -> Counter[str]:
    """Fill so many runs, and count what is wrong afterwards."""
    faults = Counter[str]()
    marker = str(workspace.settings().data_root)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        work = asyncio.create_task(recorder.work(2))
        for run in range(1, repeats + 1):
            await recorder.record(RunKey(PROPOSAL, run), "raw")
        await until_filled(recorder.database, repeats)
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
    return faults


def made(kind: Kind, folder: Path) -> Workspace:
    """A workspace with the context file of a kind, on a small disk if it needs one."""
    (folder / "data").mkdir(parents=True)
    body = CONTEXT.format(top=kind.top, options=kind.options, body=kind.body)
    workspace = Workspace.create(
        folder / "workspace",
        PROPOSAL,
        context=body,
        settings={"data_root": str(folder / "data"), "workers.cpus": 2},
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


def open_files() -> int:
    """How many file descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def measure(repeats: int, only: str) -> int:
    """Print a line for each kind; the number of faults."""
    total = 0
    print(f"{'kind':<44} {'right':>6} {'files':>6} {'MB':>6}")
    sizes: list[float] = []
    files: list[int] = []
    for name, kind in KINDS.items():
        if only not in name:
            continue
        if kind.needs_small_disk and os.geteuid() != 0:
            print(f"{name:<44} skipped: only root can mount a small disk")
            continue
        with tempfile.TemporaryDirectory() as folder:
            workspace = made(kind, Path(folder))
            try:
                faults = await faults_of(kind, workspace, repeats)
            finally:
                unmount(kind, workspace)
        sizes.append(resident())
        files.append(open_files())
        wrong = faults.total()
        total += wrong
        print(f"{name:<44} {repeats - wrong:>3}/{repeats} {files[-1]:>5} {sizes[-1]:>6.0f}")
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
    parser.add_argument("--only", default="", help="kinds whose name has this in it")
    arguments = parser.parse_args()
    faults = asyncio.run(measure(arguments.repeats, arguments.only))
    print(f"{faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
