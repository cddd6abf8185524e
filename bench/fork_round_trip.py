"""What it costs to give a run a process of its own: a bare fork, and a whole session."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from knockoff.engine.environment import HEAVY, EngineSettings, environment
from knockoff.engine.local import LocalEngine, open_engine
from knockoff.filling.messages import Result, RunTask

CONTEXT: Final = """
from damnit_ctx import Variable

@Variable
def number(run: "meta#run_number") -> int:
    return run
"""

BARE_FORKS: Final = """
import gc, importlib, json, os, sys, time
from contextlib import suppress
from pathlib import Path
for name in json.loads(sys.argv[1]):
    with suppress(ImportError):
        importlib.import_module(name)
from knockoff.contextfile.loading import load
import knockoff.filling.zygote
load(Path(sys.argv[2]))
gc.collect()
gc.freeze()
seconds = []
for _ in range(int(sys.argv[3])):
    start = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    seconds.append(time.perf_counter() - start)
print(json.dumps(seconds))
"""


def bare_forks(settings: EngineSettings, context_file: Path, count: int) -> list[float]:
    """Seconds from fork to the end of an empty child of a process as large as a zygote."""
    done = subprocess.run(
        [settings.python, "-c", BARE_FORKS, json.dumps(HEAVY), str(context_file), str(count)],
        env=environment(settings, None),
        stdout=subprocess.PIPE,
        check=True,
    )
    seconds: list[float] = json.loads(done.stdout)
    return seconds


async def sessions(engine: LocalEngine, context_file: Path, count: int) -> list[float]:
    """Seconds from opening a session to having closed it, one variable filled in between."""
    seconds = []
    folder = str(context_file.parent / "extracted_data")
    for run in range(1, count + 1):
        start = time.perf_counter()
        async with engine.session(context_file, RunTask(1234, run, "runs", "1", folder)) as session:
            async for message in session.fill(["number"]):
                if isinstance(message, Result):
                    assert message.outcome == "done", message.problem
                    await session.acknowledge(1)
        seconds.append(time.perf_counter() - start)
    return seconds


async def measure(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        context_file = folder / "context.py"
        context_file.write_text(CONTEXT)
        settings = EngineSettings(folder / "process_logs", folder / "spool")
        async with open_engine(settings) as engine:
            start = time.perf_counter()
            await engine.describe(context_file)
            print(f"zygote loaded in {time.perf_counter() - start:.2f} s")
            await sessions(engine, context_file, 10)
            forks: list[float] = []
            whole: list[float] = []
            for _ in range(4):  # in turns, so that both see the same machine
                forks += bare_forks(settings, context_file, count // 4)
                whole += await sessions(engine, context_file, count // 4)
    tell("bare fork of the loaded zygote", forks)
    tell("session with one trivial variable", whole)


def tell(what: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    median, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    print(f"{what:36s} median {median * 1e3:6.2f} ms   p99 {p99 * 1e3:6.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="how many of each")
    asyncio.run(measure(parser.parse_args().count))
    load, python = os.getloadavg()[0], sys.version.split()[0]
    print(f"load {load:.1f} on {os.cpu_count()} cores, Python {python}")


if __name__ == "__main__":
    main()
