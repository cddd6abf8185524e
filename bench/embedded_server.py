"""Bar: 8 start the embedded server at once, 20 times, kill -9 between: one server, all served."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from knockoff.database.client import open_client
from knockoff.database.server import embedded, ensure_running, stop


@dataclass(frozen=True)
class Served:
    """What a starter that was served reports."""

    pid: int
    seconds: float


async def start_once(folder: Path) -> None:
    """Be a starter: get served, write, say who served."""
    begun = time.perf_counter()
    address = await ensure_running(folder)
    async with open_client(address.uri) as client:
        await client.bench.writes.insert_one({"starter": os.getpid()})
        seconds = time.perf_counter() - begun
        server = await client.admin.command("serverStatus")
    print(server["pid"], seconds)


async def come_and_go(folder: Path, times: int) -> None:
    """Be an operator who types one command after the other, with nothing else running."""
    for _ in range(times):
        begun = time.perf_counter()
        async with embedded(folder) as uri, open_client(uri) as client:
            await client.bench.writes.insert_one({"starter": os.getpid()})
            seconds = time.perf_counter() - begun
            server = await client.admin.command("serverStatus")
        print(server["pid"], seconds)
        await asyncio.sleep(random.uniform(0, 0.3))


def starters(folder: Path, number: int, *role: str) -> list[subprocess.Popen[str]]:
    """Start processes; they come back when each has imported everything and waits for `go`."""
    crowd = [
        subprocess.Popen(
            [sys.executable, __file__, "--folder", str(folder), *role],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(number)
    ]
    for starter in crowd:
        assert starter.stdout
        starter.stdout.readline()
    return crowd


def go(starter: subprocess.Popen[str]) -> None:
    """Let a starter go."""
    assert starter.stdin
    starter.stdin.write("go\n")
    starter.stdin.flush()


def outcome(starter: subprocess.Popen[str]) -> tuple[list[Served], str]:
    """Wait for a starter; what it reported, and its error if it ended with one."""
    said, error = starter.communicate(timeout=120)
    lines = [line.split() for line in said.splitlines()]
    served = [Served(int(pid), float(seconds)) for pid, seconds in lines]
    return served, error.strip() if starter.returncode else ""


def servers(folder: Path) -> list[int]:
    """Process ids of every mongod that works in the folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and (process / "cwd").samefile(folder):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def one_round(folder: Path, number: int, *, with_victim: bool) -> tuple[list[Served], list[str]]:
    """Let `number` start at once, perhaps beside one that is killed; then kill the server."""
    crowd = starters(folder, number, "--role", "starter")
    victims = starters(folder, 2, "--role", "starter") if with_victim else []
    for starter in (*victims, *crowd):
        go(starter)
    for victim in victims:
        time.sleep(random.uniform(0, 0.15))
        victim.kill()
        victim.communicate()
    served: list[Served] = []
    problems = []
    for starter in crowd:
        reports, error = outcome(starter)
        served += reports
        if error:
            problems.append(error.splitlines()[-1])
    alive = servers(folder)
    if len(alive) != 1 or {report.pid for report in served} != set(alive):
        problems.append(f"servers alive {alive}, seen {sorted({one.pid for one in served})}")
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    return served, problems


async def documents(folder: Path) -> int:
    """Start the server once more and count what was acknowledged."""
    async with embedded(folder) as uri, open_client(uri) as client:
        return await client.bench.writes.count_documents({})


def told(title: str, served: list[Served], problems: list[str]) -> None:
    """Print one line of figures, and every problem."""
    seconds = sorted(one.seconds for one in served) or [float("nan")]
    print(
        f"{title:<34} served {len(served):>4}   "
        f"median {statistics.median(seconds):5.2f} s   worst {seconds[-1]:5.2f} s   "
        f"problems {len(problems)}",
        flush=True,
    )
    for problem in problems:
        print(f"    {problem}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--starters", type=int, default=8)
    parser.add_argument("--commands", type=int, default=5, help="per operator who comes and goes")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--role", choices=["starter", "operator"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        print("ready", flush=True)
        sys.stdin.readline()
        as_starter = options.role == "starter"
        folder = options.folder
        asyncio.run(start_once(folder) if as_starter else come_and_go(folder, options.commands))
        return 0

    with tempfile.TemporaryDirectory(prefix="knockoff-bench-") as temporary:
        folder = Path(temporary) / "db"
        all_served: list[Served] = []
        all_problems: list[str] = []
        try:
            for number in range(options.rounds):
                with_victim = number % 2 == 1
                served, problems = one_round(folder, options.starters, with_victim=with_victim)
                told(
                    f"round {number + 1}" + (", 2 starters killed" if with_victim else ""),
                    served,
                    problems,
                )
                all_served += served
                all_problems += problems
            told("kill -9 between rounds, all", all_served, all_problems)

            operators = starters(
                folder, options.starters, "--role", "operator", "--commands", str(options.commands)
            )
            for operator in operators:
                go(operator)
            outcomes = [outcome(operator) for operator in operators]
            come = [one for served, _ in outcomes for one in served]
            gone = [error.splitlines()[-1] for _, error in outcomes if error]
            told("coming and going, last one stops it", come, gone)
            all_served += come
            all_problems += gone

            stored = asyncio.run(documents(folder))
        finally:
            asyncio.run(stop(folder, even_if_used=True))
    expected = options.starters * (options.rounds + options.commands)
    print(f"served {len(all_served)} of {expected}; {stored} writes found, ≥ {expected} due")
    return 0 if not all_problems and len(all_served) == expected <= stored else 1


if __name__ == "__main__":
    sys.exit(main())
