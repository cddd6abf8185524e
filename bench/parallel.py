"""How much of the processors variables get: many runs at once, and one run alone.

The floor of each figure is the same busy loop, run by plain processes in the same minute:
one for what a single core does, as many as there are processors for what all of them do.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from knockoff.engine.environment import EngineSettings
from knockoff.engine.local import LocalEngine, open_engine
from knockoff.filling.messages import Result, RunTask

VARIABLES: Final = 10
SECONDS: Final = 0.05

BUSY: Final = f"""
import time

def busy():
    # of processor time, whatever else the machine does
    end = time.process_time() + {SECONDS}
    while time.process_time() < end:
        pass
    return 1
"""

INDEPENDENT: Final = (
    BUSY
    + "from damnit_ctx import Variable\n"
    + "".join(
        f"@Variable\ndef v{number}(run: 'meta#run_number') -> int:\n    return busy()\n"
        for number in range(VARIABLES)
    )
)

CHAIN: Final = 4
"""Variables of the second context file that wait for each other; the rest do not."""

CHAINED: Final = INDEPENDENT + "".join(
    f"@Variable\ndef c{number}({'c' + str(number - 1) if number else 'run'}: "
    f"'{'var#c' + str(number - 1) if number else 'meta#run_number'}') -> int:\n    return busy()\n"
    for number in range(CHAIN)
)


def plain(processes: int, loops: int) -> float:
    """Seconds for so many busy loops, shared among plain processes."""
    share = [loops // processes + (each < loops % processes) for each in range(processes)]
    codes = [f"{BUSY}\nfor _ in range({each}): busy()" for each in share]
    start = time.perf_counter()
    started = [subprocess.Popen([sys.executable, "-c", code]) for code in codes]
    for each in started:
        each.wait()
    return time.perf_counter() - start


async def one_run(engine: LocalEngine, file: Path, run: int, names: list[str]) -> float:
    """Seconds from opening a run to its last result."""
    start = time.perf_counter()
    task = RunTask(1234, run, "runs", "1", str(file.parent / "extracted_data"))
    async with engine.session(file, task) as session:
        async for message in session.fill(names):
            if isinstance(message, Result):
                assert message.outcome == "done", message.problem
                await session.acknowledge(1)
        return time.perf_counter() - start


async def measure(runs: int, repeats: int) -> None:
    processors = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {"independent": folder / "independent.py", "chained": folder / "chained.py"}
        files["independent"].write_text(INDEPENDENT)
        files["chained"].write_text(CHAINED)
        names = [f"v{number}" for number in range(VARIABLES)]
        chained = [*names, *(f"c{number}" for number in range(CHAIN))]
        settings = EngineSettings(folder / "logs", folder / "spool", parallel=processors)
        async with open_engine(settings) as engine:
            for file in files.values():
                await engine.describe(file)
                await one_run(engine, file, 1, names)
            single = plain(1, VARIABLES * 20) / (VARIABLES * 20)
            start = time.perf_counter()
            await asyncio.gather(
                *(one_run(engine, files["independent"], run, names) for run in range(1, runs + 1))
            )
            many = time.perf_counter() - start
            both = plain(processors, VARIABLES * runs // 2) / (VARIABLES * runs // 2)
            loops = VARIABLES * runs
            print(
                f"{runs} runs x {VARIABLES} variables of {SECONDS * 1e3:.0f} ms: {many:.1f} s, "
                f"{loops * single / many:.2f} x one core's throughput; "
                f"{processors} plain processes {single / both:.2f} x"
            )
            for what, wanted, longest in (
                ("independent", names, 1),
                ("chained", chained, CHAIN),
            ):
                walls, floors = [], []
                for each in range(repeats):
                    walls.append(await one_run(engine, files[what], runs + each + 1, wanted))
                    floors.append(plain(processors, len(wanted)))
                wall = sorted(walls)[repeats // 2]
                ideal = max(longest * single, len(wanted) * single / processors)
                print(
                    f"one run, {len(wanted)} variables, the longest chain of {longest}: median "
                    f"{wall * 1e3:.0f} ms, {wall / ideal:.2f} x max(critical path, work / "
                    f"{processors} processors) = {ideal * 1e3:.0f} ms; "
                    f"plain processes {sorted(floors)[repeats // 2] * 1e3:.0f} ms"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="how many at once")
    parser.add_argument("--repeats", type=int, default=15, help="of the run alone")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.runs, arguments.repeats))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
