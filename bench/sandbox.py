"""What the sandbox costs: one more start of a context file, and nothing that is seen per run."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from knockoff.engine.environment import EngineSettings
from knockoff.engine.local import LocalEngine, open_engine
from knockoff.engine.sandbox import Sandbox
from knockoff.filling.messages import Result, RunTask

CONTEXT: Final = """
import numpy as np
from damnit_ctx import Variable

@Variable
def number(run: "meta#run_number") -> int:
    return run

@Variable
def array(run: "meta#run_number"):
    return np.arange(100_000.0) * run
"""


async def sessions(engine: LocalEngine, context_file: Path, runs: range) -> list[float]:
    """Seconds for a run of two variables, one of them with an array."""
    seconds = []
    folder = str(context_file.parent / "extracted_data")
    for run in runs:
        start = time.perf_counter()
        async with engine.session(context_file, RunTask(1234, run, "runs", "1", folder)) as session:
            async for message in session.fill(["number", "array"]):
                if isinstance(message, Result):
                    assert message.outcome == "done", message.problem
                    await session.acknowledge(1)
        seconds.append(time.perf_counter() - start)
    return seconds


async def loaded(settings: EngineSettings, context_file: Path) -> float:
    """Seconds from nothing to a described context file."""
    start = time.perf_counter()
    async with open_engine(settings) as engine:
        await engine.describe(context_file)
        return time.perf_counter() - start


async def measure(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        context_file = folder / "context.py"
        context_file.write_text(CONTEXT)
        written = tuple(folder / each for each in ("extracted_data", "process_logs", "spool"))
        without = EngineSettings(written[1], written[2])
        within = replace(without, sandbox=Sandbox(workspace=folder, written=written))
        starts: dict[bool, list[float]] = {False: [], True: []}
        runs: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(5):
            for confined, settings in ((False, without), (True, within)):
                starts[confined].append(await loaded(settings, context_file))
        async with open_engine(without) as free, open_engine(within) as shut_in:
            for engine in (free, shut_in):
                await sessions(engine, context_file, range(1, 6))
            for start in range(10, 10 + count, 10):  # in turns, so that both see the same machine
                block = range(start, start + 10)
                runs[False] += await sessions(free, context_file, block)
                runs[True] += await sessions(shut_in, context_file, block)
    tell("context file loaded", starts)
    tell("run with two variables", runs)


def tell(what: str, seconds: dict[bool, list[float]]) -> None:
    without, within = (sorted(seconds[each])[len(seconds[each]) // 2] for each in (False, True))
    print(
        f"{what:24s} median without {without * 1e3:7.1f} ms, in the sandbox "
        f"{within * 1e3:7.1f} ms: {within / without:.2f} ×"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="how many runs of each")
    if shutil.which("bwrap") is None:
        print("skipped: bubblewrap is not installed (apt-get install bubblewrap)")
        return
    asyncio.run(measure(parser.parse_args().count))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
