"""What it costs to know many context files: idle memory of one engine and all its processes.

A facility's listener knows the context file of every proposal that it serves, DAMNIT's
about 85. Each is described here once, and then one run of each is filled, twice around, so
that zygotes which were ended in between have to come back. RSS counts shared pages once for
every process; PSS shares them out, so that its sum is what the machine has less.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from knockoff.engine.environment import EngineSettings
from knockoff.engine.local import LocalEngine, open_engine
from knockoff.filling.messages import Result, RunTask

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTEXT: Final = '''"""Proposal {number}, with what most context files import."""

import numpy as np
import xarray as xr
from extra_data import open_run

from damnit_ctx import Variable


@Variable
def number(run: "meta#run_number") -> int:
    return run + {number}
'''

MIB: Final = 2**20


def family(pid: int) -> list[int]:
    """A process and all that came from it."""
    found = [pid]
    for each in found:
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                found.extend(int(child) for child in children.read_text().split())
            except OSError:  # it has ended just now
                continue
    return found


def memory(pids: Sequence[int]) -> tuple[int, int]:
    """Bytes of RSS and of PSS, summed over processes."""
    sums = {"Rss": 0, "Pss": 0}
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        for name in sums:
            match = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
            sums[name] += int(match[1]) * 1024 if match else 0
    return sums["Rss"], sums["Pss"]


def told(what: str) -> None:
    """Print how many processes there are now, and what they hold."""
    processes = family(os.getpid())
    rss, pss = memory(processes)
    sizes = f"{rss / MIB:8.0f} {pss / MIB:8.0f}"
    print(f"{what:<36} {len(processes) - 1:>9} {sizes}", flush=True)


async def fill(engine: LocalEngine, context: Path, folder: Path) -> float:
    """Seconds for one run of a context file that the engine knows."""
    task = RunTask(1234, 1, "runs", "1", str(folder / "extracted_data"))
    started = time.perf_counter()
    async with engine.session(context, task) as session:
        results = [each async for each in session.fill(["number"]) if isinstance(each, Result)]
        await session.acknowledge(len(results))
    if [each.outcome for each in results] != ["done"]:
        raise SystemExit(f"{context}: {results}")
    return time.perf_counter() - started


async def measured(contexts: int, idle: float) -> None:
    """Describe, wait, and fill; print what is held after each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = []
        for number in range(contexts):
            file = folder / f"p{number:06d}" / "context.py"
            file.parent.mkdir()
            file.write_text(CONTEXT.format(number=number))
            files.append(file)
        settings = EngineSettings(
            python=sys.executable, logs=folder / "logs", spool=folder / "spool"
        )
        print(f"{'MiB':<36} {'processes':>9} {'RSS':>8} {'PSS':>8}")
        async with open_engine(settings) as engine:
            told("no context")
            started = time.perf_counter()
            for place, file in enumerate(files, 1):
                await engine.describe(file)
                if place == 1:
                    told("1 context described")
            seconds = time.perf_counter() - started
            told(f"{contexts} contexts described")
            await asyncio.sleep(idle)
            told(f"the same, {idle:g} s idle")
            for turn in ("first", "second"):
                costs = [await fill(engine, file, folder) for file in files]
                told(f"a run of each filled, {turn} time")
                low, high = statistics.median(costs) * 1000, max(costs) * 1000
                print(f"  ms per run: median {low:.0f}, longest {high:.0f}")
            await asyncio.sleep(idle)
            told(f"the same, {idle:g} s idle")
        print(f"described at {seconds / contexts * 1000:.0f} ms each")
        told("engine closed")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contexts", type=int, default=85)
    parser.add_argument("--idle", type=float, default=2.0, metavar="SECONDS")
    wish = parser.parse_args()
    asyncio.run(measured(wish.contexts, wish.idle))


if __name__ == "__main__":
    main()
