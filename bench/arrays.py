"""How fast arrays go out to HDF5 and back, beside raw h5py with the same filter and chunks.

Bars: 256 MB written and read at ≥ 0.8 × raw h5py, also through the run's file; a DataArray at
≤ 1.15 × an ndarray; one frame read in ≤ 5 ms; 100 arrays of 1000 points read in ≤ 2 × raw h5py;
32 MB of zeros in ≤ 0.2 MB; ten replacements leave no dead bytes; a run's file of numbers in
≤ 2 ms; a thumbnail of 2000 × 2000 pixels in ≤ 30 ms. Run it with ``python bench/arrays.py``;
medians, page cache warm.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Any

import h5py
import hdf5plugin
import numpy as np
import xarray as xr

from knockoff.arrays.parts import write_part
from knockoff.arrays.previews import preview_of
from knockoff.arrays.reading import read_array
from knockoff.arrays.runfile import RunCell, write_run_file
from knockoff.recording.opening import open_recorder
from knockoff.recording.sweep import carry_out, plan_sweep
from knockoff.runkey import RunKey
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.arrays.references import ArrayReference

RUN = RunKey(1, 1)
NOW = datetime.now(UTC)
FRAMES = (512, 256, 512)
MEGABYTE = 1e6


def milliseconds(action: Callable[[], object], times: int) -> float:
    spent = []
    for _ in range(times):
        start = perf_counter()
        action()
        spent.append(perf_counter() - start)
    return 1000 * median(spent)


def side_by_side(
    ours: Callable[[], object], theirs: Callable[[], object], times: int
) -> tuple[float, float]:
    """Milliseconds of both, taken in turns, so that a busy moment of the machine meets both."""
    spent = [(milliseconds(ours, 1), milliseconds(theirs, 1)) for _ in range(times)]
    return median(own for own, _ in spent), median(other for _, other in spent)


def bar(name: str, value: float, unit: str, holds: bool | None = None) -> None:
    verdict = "" if holds is None else "  ok" if holds else "  MISSED"
    print(f"{name:<58}{value:>10.2f} {unit}{verdict}")


def raw_write(path: Path, array: Any, keywords: dict[str, Any]) -> None:
    """The same promise as a part's: on the disk before it has its name."""
    aside = path.with_suffix(".tmp")
    with h5py.File(aside, "w") as file:
        file.create_dataset("data", data=array, **keywords)
    with aside.open("rb") as written:
        os.fsync(written.fileno())
    aside.replace(path)


def raw_read(path: Path, where: Any = ()) -> Any:
    with h5py.File(path, "r", locking=False) as file:
        return file["data"][where]


def small_parts(folder: Path) -> None:
    points = np.arange(1000.0)
    labelled = xr.DataArray(points, {"trainId": np.arange(1000)}, ("trainId",))
    for name, value in (("ndarray", points), ("DataArray", labelled)):
        spent = milliseconds(lambda v=value: write_part(folder, "p1_r1/small", v), 50)  # type: ignore[misc]
        bar(f"write 1000 points, {name}, fsynced", spent, "ms")
    references = [write_part(folder, f"p1_r1/small.{n}", points) for n in range(100)]
    ours, raw = side_by_side(
        lambda: [read_array(folder, reference) for reference in references],
        lambda: [raw_read(folder / reference.file) for reference in references],
        9,
    )
    bar("read 100 arrays of 1000 points", ours, "ms")
    bar("  × raw h5py on the same files", ours / raw, "×", ours <= 2 * raw)
    zeros = write_part(folder, "p1_r1/zeros", np.zeros((2000, 2000)))
    size = (folder / zeros.file).stat().st_size / MEGABYTE
    bar("32 MB of zeros on disk", size, "MB", size <= 0.2)


def large_parts(folder: Path, name: str, array: Any, keywords: dict[str, Any]) -> None:
    path = folder / "raw.h5"
    megabytes = array.nbytes / MEGABYTE
    write, raw = side_by_side(
        lambda: write_part(folder, "p1_r1/large", array),
        lambda: raw_write(path, array, keywords),
        5,
    )
    bar(f"{name}: write", 1000 * megabytes / write, "MB/s")
    bar("  × raw h5py", raw / write, "×", raw / write >= 0.8)
    reference = write_part(folder, "p1_r1/large", array)
    bar("  size on disk", (folder / reference.file).stat().st_size / MEGABYTE, "MB")
    read, raw = side_by_side(lambda: read_array(folder, reference), lambda: raw_read(path), 7)
    bar(f"{name}: read", 1000 * megabytes / read, "MB/s")
    bar("  × raw h5py", raw / read, "×", raw / read >= 0.8)
    frame = milliseconds(lambda: read_array(folder, reference, 200), 25)
    bar("  one frame of 0.5 MB", frame, "ms", frame <= 5)
    labelled = xr.DataArray(array, {"trainId": np.arange(len(array))}, ("trainId", "y", "x"))
    again, bare = side_by_side(
        lambda: write_part(folder, "p1_r1/labelled", labelled),
        lambda: write_part(folder, "p1_r1/large", array),
        5,
    )
    bar("  written as a DataArray × ndarray", again / bare, "×", again <= 1.15 * bare)
    reference = write_part(folder, "p1_r1/labelled", labelled)
    frame = milliseconds(lambda: read_array(folder, reference, 200), 25)
    bar("  one frame of the DataArray", frame, "ms", frame <= 5)


def run_files(folder: Path, large: ArrayReference) -> None:
    for count in (6, 20):
        about = {"title": "Energy", "units": "uJ"}
        cells = [RunCell(f"v{n}", 0.5 * n, about=about) for n in range(count)]
        spent = []
        for _ in range(50):
            start = thread_time()
            write_run_file(folder, RUN, cells, NOW)
            spent.append(1000 * (thread_time() - start))
        cost = median(spent)
        bar(f"run's file with {count} numbers, processor time", cost, "ms", cost <= 2)
    points = xr.DataArray(np.arange(1000.0), {"trainId": np.arange(1000)}, ("trainId",))
    names = [f"a{n}" for n in range(20)]
    cells = [RunCell(name, array=write_part(folder, f"p1_r1/{name}", points)) for name in names]
    cells.append(RunCell("large", array=large))
    bar(
        "  20 DataArrays and 256 MiB",
        milliseconds(lambda: write_run_file(folder, RUN, cells), 9),
        "ms",
    )
    path = write_run_file(folder, RUN, cells)
    part = folder / large.file
    through, raw = side_by_side(lambda: raw_from(path, "large/data"), lambda: raw_read(part), 5)
    bar("  256 MiB through it × raw h5py on the part", raw / through, "×", raw / through >= 0.8)
    frame = milliseconds(lambda: raw_from(path, "large/data", 200), 25)
    bar("  one frame through it", frame, "ms", frame <= 5)

    def opened() -> None:
        with xr.open_dataset(path, group="a7", engine="h5netcdf") as dataset:
            dataset.load()

    bar("  one DataArray by xarray.open_dataset", milliseconds(opened, 9), "ms")


def raw_from(path: Path, name: str, where: Any = ()) -> Any:
    with h5py.File(path) as file:
        return file[name][where]


REPLACED = """
import numpy as np
from knockoff import Run, Variable

class Runs(Run):
    @Variable
    def noise(self):
        return np.random.random(1_000_000)
"""


async def replacements(folder: Path) -> None:
    (folder / "data").mkdir()
    settings = {"data_root": str(folder / "data")}
    workspace = Workspace.create(folder / "ws", 1, context=REPLACED, settings=settings)
    arrays = workspace.arrays_folder
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.record(RUN, "raw")
        await recorder.work_off(["runs/1/raw"])
        for _ in range(10):
            await recorder.work_off(await recorder.ask_again(RUN, force=True))
        before = sum(path.stat().st_size for path in arrays.rglob("*.h5"))
        start = perf_counter()
        sweep = await plan_sweep(recorder.database, arrays, 1, grace=timedelta(hours=1))
        await carry_out(recorder.database, arrays, sweep)
        spent = 1000 * (perf_counter() - start)
    left = sum(path.stat().st_size for path in (arrays / "p1_r0001").iterdir())
    bar("an array of 8 MB replaced ten times", before / MEGABYTE, "MB")
    bar("  after the sweep", left / MEGABYTE, "MB", left < 8.1 * MEGABYTE)
    bar("  the sweep", spent, "ms")


def previews(photons: Any) -> None:
    image = np.tile(photons[0], (8, 4))[:2000, :2000]
    spent = milliseconds(lambda: preview_of(image), 9)
    bar("thumbnail of 2000 × 2000 float32", spent, "ms", spent <= 30)
    holes = np.where(image > 4, np.nan, image)
    spent = milliseconds(lambda: preview_of(holes), 9)
    bar("  with NaN", spent, "ms", spent <= 30)
    bar("thumbnail of the stack", milliseconds(lambda: preview_of(photons), 3), "ms")
    line = photons.reshape(-1)[:10_000_000]
    bar("trend of 10 million points", milliseconds(lambda: preview_of(line), 3), "ms")


def main() -> None:
    random = np.random.default_rng(1)
    photons = random.poisson(0.3, FRAMES).astype(np.float32)
    fast = {"chunks": (2, 256, 512), **hdf5plugin.Bitshuffle(cname="lz4")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small_parts(folder)
        large_parts(folder, "256 MiB photon counts", photons, fast)
        noise = random.standard_normal(FRAMES, dtype=np.float32)
        large_parts(folder, "256 MiB noise", noise, {})
        del noise
        run_files(folder, write_part(folder, "p1_r1/large", photons))
        previews(photons)
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(replacements(Path(name)))


if __name__ == "__main__":
    main()
