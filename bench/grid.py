"""Bar: the grid at 10 000 runs × 200 variables: first paint ≤ 300 ms, one changed cell ≤ 5 ms CPU.

Frames are encoded to terminal bytes, which a headless application would leave out.
CPU is that of the whole process that shows the table: reading the change from
MongoDB, decoding and drawing it. The server and the writer are other processes.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual._compositor import CompositorUpdate

from knockoff.database.client import open_client
from knockoff.database.server import embedded
from knockoff.database.tables import TableReader
from knockoff.tui.app import RunTableApp
from knockoff.tui.glyphs import UNICODE
from knockoff.tui.grid import RunGrid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import RenderableType
    from textual.pilot import Pilot
    from textual.screen import Screen

    from knockoff.tui.rows import Row

SIZE = (200, 50)
PAINT_BAR_MS = 300.0
CELL_BAR_MS = 5.0
DATABASE = "p001234"


@dataclass
class Frames:
    """When frames were ready to be sent to the terminal, and how long they were."""

    at: list[float] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)


class MeasuredApp(RunTableApp):
    """Encodes every frame as a terminal driver would."""

    frames = Frames()

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        super()._display(screen, renderable)
        if isinstance(renderable, CompositorUpdate):
            text = renderable.render_segments(self.console)
            self.frames.bytes.append(len(text.encode()))
            self.frames.at.append(time.perf_counter())


def documents(runs: int, variables: int) -> Iterable[dict[str, Any]]:
    """Half floats, the rest integers, texts, arrays with a trend, and some failures."""
    draw = random.Random(1)
    for run in range(1, runs + 1):
        arrays: dict[str, Any] = {}
        problems: dict[str, Any] = {}
        row: dict[str, Any] = {"_id": f"p001234r{run:04d}", "proposal": 1234, "run": run}
        for number in range(variables):
            group, name = f"g{number // 10:02d}", f"v{number:03d}"
            key, values = f"{group}/{name}", row.setdefault(group, {})
            kind = number % 10
            if kind == 9:
                values[name] = None
                arrays[key] = {
                    "file": f"p1234_r{run:04d}/{name}.h5",
                    "dataset": f"/{key}",
                    "dtype": "float32",
                    "shape": [1086, 400],
                    "dims": ["trainId", "pulse"],
                    "nbytes": 1_737_600,
                }
            elif kind == 8 and run % 10 == 0:
                problems[key] = {
                    "state": "failed",
                    "kind": "KeyError",
                    "message": "no such source",
                    "traceback": "Traceback (most recent call last):\n" * 40,
                }
            elif kind == 8:
                values[name] = f"sample {run % 7}"
            elif kind < 3:
                values[name] = draw.randrange(100_000)
            else:
                values[name] = draw.gauss(1000, 50)
        states = ["failed"] if problems else []
        row["knockoff"] = {
            "data": ["raw", "proc"],
            "states": states,
            "arrays": arrays,
            "problems": problems,
        }
        yield row


def registry(variables: int) -> Iterable[dict[str, Any]]:
    """The columns of these documents."""
    types = ("int",) * 3 + ("float",) * 5 + ("str", "DataArray")
    for number in range(variables):
        group, name = f"g{number // 10:02d}", f"v{number:03d}"
        yield {
            "_id": f"runs/{group}/{name}",
            "table": "runs",
            "name": f"{group}.{name}",
            "title": f"Group {number // 10}/Variable {number}",
            "units": "uJ",
            "order": number,
            "kind": "variable",
            "type": types[number % 10],
            "data": "raw",
        }


async def fill(uri: str, runs: int, variables: int) -> None:
    """Write the table, in batches as MongoDB likes them."""
    async with open_client(uri) as client:
        table = client[DATABASE]["runs"]
        batch: list[dict[str, Any]] = []
        for row in documents(runs, variables):
            batch.append(row)
            if len(batch) == 500:
                await table.insert_many(batch, ordered=False)
                batch = []
        if batch:
            await table.insert_many(batch)
        await table.create_index("run", unique=True)
        await client[DATABASE]["knockoff.variables"].insert_many(list(registry(variables)))


async def write_on_demand(uri: str) -> None:
    """Change one cell per line on stdin: what somebody else's process does."""
    async with open_client(uri) as client:
        table = client[DATABASE]["runs"]
        while line := await asyncio.to_thread(sys.stdin.readline):
            run, value = line.split()
            await table.update_one({"run": int(run)}, {"$set": {"g00.v003": float(value)}})


async def paint(uri: str) -> float:
    """Milliseconds from the first page in the store to the last frame of the opening."""
    async with open_client(uri) as client:
        app = MeasuredApp(TableReader(client[DATABASE], "runs", "bench"), glyphs=UNICODE)
        app.frames.at.clear()
        in_store: list[float] = []
        put = app.store.put

        def noted(rows: Iterable[Row]) -> None:
            in_store.append(time.perf_counter())
            put(rows)

        app.store.put = noted  # type: ignore[method-assign]
        opened = time.perf_counter()
        async with app.run_test(size=SIZE) as pilot:
            await settle(pilot, app)
            first = next(at for at in app.frames.at if at > in_store[0])
            print(f"  open to drawn, reading included: {1e3 * (first - opened):6.0f} ms")
            return 1e3 * (first - in_store[0])


async def settled(app: RunTableApp) -> None:
    """Wait until everything that was wanted has been read."""
    while not app.is_settled:  # noqa: ASYNC110  the application offers no event for this
        await asyncio.sleep(0.001)


async def settle(pilot: Pilot[None], app: RunTableApp) -> None:
    """Let the application come to rest."""
    for _ in range(3):
        await pilot.pause(0.15)
        await settled(app)


async def action(
    pilot: Pilot[None], app: RunTableApp, times: int, act: Callable[[], Any]
) -> tuple[float, int]:
    """Median CPU milliseconds and bytes of one action, drawn and encoded."""
    spent: list[float] = []
    sent: list[int] = []
    for _ in range(times):
        before, frames = time.process_time(), len(MeasuredApp.frames.bytes)
        act()
        for _ in range(3):
            await asyncio.sleep(0)
        await pilot.pause()
        await settled(app)
        await pilot.pause()
        spent.append(1e3 * (time.process_time() - before))
        sent.append(sum(MeasuredApp.frames.bytes[frames:]))
    return statistics.median(spent), round(statistics.median(sent))


async def changed_cells(app: RunTableApp, writer: subprocess.Popen[str], times: int) -> list[float]:
    """CPU milliseconds of this process per cell that another one changed."""
    assert writer.stdin is not None
    spent: list[float] = []
    waits: list[float] = []
    rest = await idle(3)
    runs = [row.run for key in app.store.order[-40:-1] if (row := app.store.fact(key))]
    for number in range(times):
        await asyncio.sleep(0.3)
        frames = len(MeasuredApp.frames.at)
        before, begun = time.process_time(), time.perf_counter()
        writer.stdin.write(f"{runs[number % len(runs)]} {2000.5 + number}\n")
        writer.stdin.flush()
        await asyncio.sleep(0.5)
        seconds = time.perf_counter() - begun
        spent.append(1e3 * (time.process_time() - before) - rest * seconds)
        waits.append(1e3 * (MeasuredApp.frames.at[frames] - begun))
    print(f"  written elsewhere to drawn here: {statistics.median(waits):6.0f} ms (wall)")
    print(f"  at rest                          {rest:6.1f} ms CPU per second")
    return spent


async def idle(seconds: float) -> float:
    """CPU milliseconds per second while nothing happens."""
    before = time.process_time()
    await asyncio.sleep(seconds)
    return 1e3 * (time.process_time() - before) / seconds


async def measure(uri: str, times: int) -> bool:
    """Print all figures; True if the bars hold."""
    paints = [await paint(uri) for _ in range(5)]
    writer = subprocess.Popen(  # noqa: ASYNC220  starts once, before anything is measured
        [sys.executable, __file__, "--writer", uri], stdin=subprocess.PIPE, text=True
    )
    async with open_client(uri) as client:
        app = MeasuredApp(TableReader(client[DATABASE], "runs", "bench"), glyphs=UNICODE)
        async with app.run_test(size=SIZE) as pilot:
            await settle(pilot, app)
            cells = await changed_cells(app, writer, times)
            grid = app.query_one(RunGrid)
            key = app.store.order[-5]
            row = app.store.row(key)
            assert row is not None

            def redraw() -> None:
                app.store.put([row])
                grid.rows_changed(frozenset({key}))

            async def moved(act: Callable[[], Any], name: str) -> None:
                cpu, size = await action(pilot, app, times, act)
                print(f"  {name:32} {cpu:6.1f} ms CPU {size / 1000:6.1f} kB")

            await moved(redraw, "one cell, drawing alone")
            grid.go(5000)
            await settle(pilot, app)
            await moved(lambda: grid.action_step(1, 0), "one line down")
            grid.scroll_to(y=6000, animate=False)
            grid.go(6048)
            await settle(pilot, app)
            await moved(lambda: grid.action_step(1, 0), "one line down, scrolling")
            await moved(lambda: grid.action_page(1), "one page down, reading included")
            await moved(lambda: grid.go(random.randrange(10_000)), "jump, reading included")
            await moved(lambda: grid.action_step(0, 1), "one column to the right")
            await moved(app.action_sort, "sort, reading included")
    assert writer.stdin is not None
    writer.stdin.close()
    writer.wait()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  memory of the process            {memory:6.0f} MB")
    first, cell = statistics.median(paints), statistics.median(cells)
    print(f"first page in the store to painted: {first:6.1f} ms  (bar {PAINT_BAR_MS:.0f} ms)")
    print(f"one changed cell:                   {cell:6.1f} ms CPU (bar {CELL_BAR_MS:.0f} ms)")
    return first <= PAINT_BAR_MS and cell <= CELL_BAR_MS


async def main(runs: int, variables: int, times: int) -> bool:
    """Fill a server of its own, measure, and leave nothing behind."""
    with tempfile.TemporaryDirectory() as folder:
        async with embedded(Path(folder) / "db") as uri:
            begun = time.perf_counter()
            await fill(uri, runs, variables)
            seconds = time.perf_counter() - begun
            print(f"{runs} runs × {variables} variables written in {seconds:.0f} s; grid {SIZE}")
            return await measure(uri, times)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--variables", type=int, default=200)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--writer", metavar="URI", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.writer:
        asyncio.run(write_on_demand(chosen.writer))
    elif not asyncio.run(main(chosen.runs, chosen.variables, chosen.times)):
        sys.exit("A bar is missed.")
