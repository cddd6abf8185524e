"""What one run costs here, in a plain loop, and with DAMNIT 0.4.0: same runs, same context file.

Bars: a warm run, from the event to the end of its job, ≤ 25 ms in the median and ≤ 100 ms
at p99; 60 results of one run stored in ≤ 100 ms of the recorder's time. DAMNIT gets an
environment of its own in `.cache/` of the checkout, from PyPI; where that cannot be had,
its line says why. The loop is the least that anybody could do: the run opened, and the
variables called, in this process, with nothing stored.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import extra_data

from knockoff.recording.opening import open_recorder
from knockoff.recording.rowfill import RowFill
from knockoff.rundata.synthetic import write_run
from knockoff.runkey import RunKey
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

PROPOSAL: Final = 1234
VERSION: Final = "0.4.0"
LOADED: Final = 3
"""Runs that are filled first, so that everything has been loaded and connected."""

CONTEXT: Final = '''"""Two small variables, written as for DAMNIT."""

from damnit_ctx import Variable


@Variable(title="Trains")
def trains(run):
    return len(run.train_ids)


@Variable(title="Pulse energy")
def energy(run):
    return float(run["SA2_XTD1_XGM/XGM/DOOCS", "pulseEnergy.photonFlux"].ndarray().mean())
'''

MANY: Final = "from knockoff import Run, Variable\n\n\nclass Runs(Run):\n" + "".join(
    f"    @Variable\n    def v{number}(self) -> int:\n        return {number}\n\n"
    for number in range(60)
)


def looped(runs: Sequence[int]) -> list[float]:
    """Seconds for each run in this process: opened, computed, forgotten."""
    seconds = []
    for number in runs:
        began = time.perf_counter()
        # its pool of processes, which it starts for every run, would be most of the time
        run = extra_data.open_run(PROPOSAL, number, data="raw", parallelize=False)
        source = run["SA2_XTD1_XGM/XGM/DOOCS", "pulseEnergy.photonFlux"]
        assert len(run.train_ids) > 0
        assert float(source.ndarray().mean()) > 0
        seconds.append(time.perf_counter() - began)
    return seconds


async def recorded(workspace: Workspace, runs: Sequence[int]) -> tuple[list[float], list[float]]:
    """Seconds for each run when it is new, and when it is computed again by force."""
    new, again = [], []
    async with open_recorder(workspace, workspace.settings()) as recorder:
        for number in runs:
            key = RunKey(PROPOSAL, number)
            began = time.perf_counter()
            await recorder.record(key, "raw")
            await recorder.work_off([f"runs/{number}/raw"])
            new.append(time.perf_counter() - began)
        for number in runs:
            began = time.perf_counter()
            jobs = await recorder.ask_again(RunKey(PROPOSAL, number), force=True)
            await recorder.work_off(jobs)
            again.append(time.perf_counter() - began)
        rows = await recorder.database.runs.count_documents({"energy": {"$gt": 0}})
        assert rows == len(runs), f"{rows} rows of {len(runs)} have their values"
    return new[LOADED:], again[LOADED:]


async def stored(workspace: Workspace, runs: Sequence[int]) -> tuple[list[float], list[float]]:
    """Seconds, of the clock and of this process, from sixty results to all of them stored."""
    clock, own = [], []
    hidden: Any = RowFill._results  # noqa: SLF001  # here results come all at once

    async def all_at_once(self: RowFill, names: Sequence[str]) -> Any:
        results = [each async for each in hidden(self, names)]
        began.append((time.perf_counter(), time.process_time()))
        for each in results:
            yield each

    RowFill._results = all_at_once  # type: ignore[method-assign]  # noqa: SLF001
    try:
        async with open_recorder(workspace, workspace.settings()) as recorder:
            for number in runs:
                began: list[tuple[float, float]] = []
                await recorder.record(RunKey(PROPOSAL, number), "raw")
                await recorder.work_off([f"runs/{number}/raw"])
                clock.append(time.perf_counter() - began[0][0])
                own.append(time.process_time() - began[0][1])
            kept = await recorder.database["knockoff.history"].count_documents({"table": "runs"})
            assert kept == 60 * len(runs), f"{kept} results of {60 * len(runs)} are kept"
    finally:
        RowFill._results = hidden  # type: ignore[method-assign]  # noqa: SLF001
    return clock[LOADED:], own[LOADED:]


def damnit_python() -> Path | str:
    """An interpreter that has DAMNIT, made at the first call; or why there is none."""
    folder = Path(__file__).parent.parent / ".cache" / f"damnit-{VERSION}"
    python = folder / "bin" / "python"
    try:
        if not python.exists():
            venv.create(folder, with_pip=True)
        if _said([str(python), "-c", "import damnit.cli"], timeout=60).returncode:
            wanted = f"damnit[backend]=={VERSION}"
            done = _said([str(python), "-m", "pip", "install", "-q", wanted], timeout=600)
            if done.returncode:
                return (done.stderr.strip().splitlines() or ["pip has failed"])[-1]
    except (OSError, subprocess.SubprocessError) as error:
        return f"{type(error).__name__}: {error}"
    return python


def _said(
    command: Sequence[str],
    *,
    timeout: float,
    folder: Path | None = None,
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def reprocessed_by_damnit(
    python: Path, folder: Path, root: Path, runs: Sequence[int]
) -> float | str:
    """Seconds per run of one `damnit reprocess --direct` for all of them; or why not."""
    environment = {
        "XFEL_DATA_ROOT": str(root),
        "EXTRA_DATA_DATA_ROOT": str(root),
        "AMORE_BROKER": "none",
    }
    context = folder / "damnit_context.py"
    context.write_text(CONTEXT)
    where = folder / "damnit"
    damnit = [str(python.with_name("damnit"))]
    numbers = [str(each) for each in runs]
    commands = [
        [*damnit, "init", str(where), "--proposal", str(PROPOSAL), "--context", str(context)],
        [*damnit, "db-config", "context_python", str(python)],
        [*damnit, "reprocess", "--direct", *numbers[:1]],
        [*damnit, "reprocess", "--direct", *numbers],
    ]
    where.mkdir()
    seconds = 0.0
    for command in commands:
        began = time.perf_counter()
        try:
            done = _said(command, timeout=100, folder=where, environment=environment)
        except subprocess.TimeoutExpired:
            return f"{' '.join(command[1:3])} took more than 100 s"
        seconds = time.perf_counter() - began
        if done.returncode:
            return (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    written = list((where / "extracted_data").glob("*.h5"))
    if len(written) < len(runs):
        return f"only {len(written)} of {len(runs)} runs have a file; {done.stderr[-200:]}"
    return seconds / len(runs)


def told(what: str, seconds: Sequence[float], note: str = "") -> None:
    """Print median and 99th percentile in ms."""
    ordered = sorted(seconds)
    last = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    print(f"{what:<52} {statistics.median(ordered) * 1e3:8.1f} {last * 1e3:8.1f}  {note}")


def made(folder: Path, root: Path, name: str, context: str) -> Workspace:
    """A workspace with a server of its own."""
    settings = {"data_root": str(root)}
    return Workspace.create(folder / name, PROPOSAL, context=context, settings=settings)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--damnit-runs", type=int, default=5, help="0: without DAMNIT")
    wish = parser.parse_args()
    runs = range(1, wish.runs + LOADED + 1)
    with tempfile.TemporaryDirectory() as name:
        folder, root = Path(name), Path(name) / "data"
        for number in runs:
            write_run(root, RunKey(PROPOSAL, number), trains=20)
        os.environ["EXTRA_DATA_DATA_ROOT"] = str(root)
        print(f"{'ms per run, ' + str(wish.runs) + ' runs':<52} {'median':>8} {'p99':>8}")
        told("plain loop in one process, nothing stored", looped(runs)[LOADED:])
        new, again = asyncio.run(recorded(made(folder, root, "few", CONTEXT), runs))
        told("knockoff, a new run: event to end of job", new, "bars 25, 100")
        told("knockoff, reprocess --force, warm", again, "bars 25, 100")
        clock, own = asyncio.run(stored(made(folder, root, "many", MANY), runs))
        told("60 results of one run stored", clock, "bar 100")
        told("  of it CPU of the recorder", own)
        if wish.damnit_runs:
            python = damnit_python()
            cost = (
                python
                if isinstance(python, str)
                else reprocessed_by_damnit(python, folder, root, runs[: wish.damnit_runs])
            )
            if isinstance(cost, str):
                print(f"DAMNIT {VERSION}: not measured: {cost}")
            else:
                what = f"DAMNIT {VERSION}, reprocess --direct of {wish.damnit_runs}"
                print(f"{what:<52} {cost * 1e3:8.1f}")
    load = os.getloadavg()[0]
    print(f"load {load:.1f} on {os.cpu_count()} cores, Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
