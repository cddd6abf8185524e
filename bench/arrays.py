"""How fast arrays go out to HDF5 and back, beside raw h5py with the same filter and chunks.

Bars: 256 MB written and read at ≥ 0.8 × raw h5py; a DataArray at ≤ 1.15 × an ndarray; one frame
read in ≤ 5 ms; 100 arrays of 1000 points read in ≤ 2 × raw h5py; a thumbnail of 2000 × 2000
pixels in ≤ 30 ms. Run it with ``python bench/arrays.py``; medians, page cache warm.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import h5py
import hdf5plugin
import numpy as np
import xarray as xr

from knockoff.arrays.parts import write_part
from knockoff.arrays.previews import preview_of
from knockoff.arrays.reading import read_array

if TYPE_CHECKING:
    from collections.abc import Callable

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
        previews(photons)


if __name__ == "__main__":
    main()
