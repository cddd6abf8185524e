"""Synthetic runs on disk, for the demo, the tests and whoever tries a context file at home.

They lie where the facility's would, hold what its would, and pass
``extra-data-validate``; every number follows from seed, proposal and run.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import h5py
import numpy as np

from knockoff.rundata import simulation
from knockoff.rundata.beamline import Beamline
from knockoff.rundata.errors import SyntheticRunError
from knockoff.rundata.finding import find_proposal, run_files
from knockoff.rundata.sequencefile import Origin, Trains, write_sequence_file
from knockoff.rundata.simulation import Conditions
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

INSTRUMENT: Final = "MID"
CYCLE: Final = "202601"

_FIRST_SHIFT: Final = datetime(2026, 3, 2, 7, tzinfo=timezone.utc)
_BETWEEN_RUNS: Final = timedelta(minutes=4)
_TRAIN_ZERO: Final = datetime(2018, 1, 1, tzinfo=timezone.utc)  # near enough the facility's
_TRAIN_NANOSECONDS: Final = 100_000_000  # trains come at 10 Hz


def write_run(
    root: Path,
    key: RunKey,
    *,
    instrument: str = INSTRUMENT,
    cycle: str = CYCLE,
    trains: int = 100,
    pulses: int = 64,
    slots: int | None = None,
    sequences: int = 2,
    gaps: bool = True,
    seed: int = 0,
    start: datetime | None = None,
) -> Path:
    """Write the raw data of one run and return its folder.

    The folder appears at once and complete. `knockoff.rundata.beamline` says
    what is in it; for MID:

    - ``SA2_XTD1_XGM/XGM/DOOCS`` and its ``:output``, ``data.intensityTD`` in µJ;
    - ``MID_EXP_SAM/MOTOR/X`` and ``/Y``, ``actualPosition`` in mm; ``MID_EXP_SYS/MDL/KARABACON``,
      the scan tool that moves Y;
    - ``MID_RR_SYS/TSYS/TIMESERVER:outputBunchPattern``, ``data.bunchPatternTable``;
    - ``MID_EXP_FASTADC/ADC/DIODE:channel_1.output``, ``data.rawData``;
    - ``MID_EXP_EPIX-1/DET/RECEIVER:daqOutput``, ``data.image.pixels``.

    Parameters
    ----------
    root, key, instrument, cycle:
        Where the run is to lie, `root` being the data root; folders above the run are
        made where missing.
    trains:
        How many train ids the run has, gaps not counted.
    pulses:
        How many X-ray pulses every train has; 2700 places there are.
    slots:
        Width of the gas monitor's pulse arrays, by default `pulses`. The
        facility's is always 1000, with 1 where no pulse was.
    sequences:
        How many files each aggregator writes, at most one per train.
    gaps:
        Leave out train ids as a stumbling data acquisition does, and a few
        trains more of digitizer and detector.
    seed:
        Another number gives other runs.
    start:
        When the first train came, aware; by default four minutes after the run
        before.

    Raises
    ------
    SyntheticRunError
        The run exists already, or a number or the instrument makes no sense.
    """
    slots = pulses if slots is None else slots
    if trains < 1 or sequences < 1 or slots < pulses or not 1 <= pulses <= simulation.BUCKETS:
        raise SyntheticRunError(
            "A run needs at least one train, pulse and sequence, a slot for every pulse, and no "
            f"more pulses than the {simulation.BUCKETS} places of a train, not "
            f"trains={trains}, pulses={pulses}, sequences={sequences}, slots={slots}."
        )
    beamline = Beamline(instrument)
    rng = np.random.default_rng([seed, key.proposal, key.run])
    start = start or _FIRST_SHIFT + key.run * _BETWEEN_RUNS
    conditions = Conditions.of(key, rng)
    taken = _trains(start, trains, gaps, rng)
    recorded = {
        source: _recorded(trains, lost if gaps else 0, rng)
        for source, lost in ((beamline.digitizer, 0.01), (beamline.detector, 0.03))
    }
    sources = beamline.record(
        key, conditions, taken, pulses=pulses, slots=slots, recorded=recorded, rng=rng
    )
    proposal = root / instrument / cycle / f"p{key.proposal:06d}"
    edges = np.linspace(0, trains, min(sequences, trains) + 1).astype(int).tolist()
    with _appearing(proposal / "raw" / f"r{key.run:04d}") as folder:
        for sequence, (first, end) in enumerate(pairwise(edges)):
            part = slice(first, end)
            origin = Origin(
                key,
                sequence,
                start,
                run_type="Raw data" if conditions.lasing else "Dark",
                sample="LaB6 powder" if conditions.lasing else "none",
            )
            for aggregator, written in sources.items():
                write_sequence_file(
                    folder / f"RAW-R{key.run:04d}-{aggregator}-S{sequence:05d}.h5",
                    origin,
                    taken[part],
                    [source[part] for source in written],
                )
    return proposal / "raw" / f"r{key.run:04d}"


def write_proc(root: Path, key: RunKey) -> Path:
    """Write the corrected detector data of a raw run under `root` and return its folder.

    ``MID_EXP_EPIX-1/CORR/RECEIVER:daqOutput`` has ``data.image.pixels`` in
    photons, and ``data.image.mask``, not 0 where a pixel is bad. The folder
    appears at once and complete.

    Raises
    ------
    RunDataError
        There is no raw run to correct; as `knockoff.rundata.finding.run_files`.
    SyntheticRunError
        The run has been corrected already.
    """
    proposal = find_proposal(key.proposal, root)
    beamline = Beamline(proposal.parent.parent.name)
    images = [path for path in run_files(key, "raw", root) if "-EPIX01-" in path.name]
    with _appearing(proposal / "proc" / f"r{key.run:04d}") as folder:
        for sequence, path in enumerate(images):
            with h5py.File(path) as file:
                trains = Trains(file["INDEX/trainId"][:], file["INDEX/timestamp"][:])
                group = file[f"INSTRUMENT/{beamline.detector}/data"]
                recorded = np.isin(trains.ids, group["trainId"][:])
                pixels = group["image/pixels"]
                raw = np.zeros((len(trains), *pixels.shape[1:]), pixels.dtype)
                raw[recorded] = pixels[:]
                run_type, sample = (
                    file[f"METADATA/{name}"].asstr()[0] for name in ("runType", "sample")
                )
            origin = Origin(key, sequence, _moment(trains), run_type, sample)
            write_sequence_file(
                folder / path.name.replace("RAW-", "CORR-", 1),
                origin,
                trains,
                [beamline.correct(key, raw, recorded)],
            )
    return proposal / "proc" / f"r{key.run:04d}"


def write_runs(
    root: Path,
    proposal: int,
    runs: Iterable[int],
    trains: int = 100,
    on_progress: Callable[[RunKey], None] | None = None,
    *,
    pulses: int = 64,
    seed: int = 0,
) -> list[Path]:
    """Write raw and corrected data of several runs; `on_progress` is called after each.

    Returns the raw folders.

    Raises
    ------
    SyntheticRunError
        As `write_run`; the runs before the failing one are there.
    """
    folders: list[Path] = []
    for run in runs:
        key = RunKey(proposal, run)
        folders.append(write_run(root, key, trains=trains, pulses=pulses, seed=seed))
        write_proc(root, key)
        if on_progress:
            on_progress(key)
    return folders


def _trains(start: datetime, trains: int, gaps: bool, rng: np.random.Generator) -> Trains:
    """`trains` of them at 10 Hz from `start`; with gaps, about 3 % and one block are missing."""
    first = int((start - _TRAIN_ZERO) / timedelta(seconds=1) * 10)
    ticks: NDArray[np.int64] = np.arange(trains)
    if gaps and trains > 1:
        ticks[1:] += np.cumsum(rng.random(trains - 1) < 0.03)
        ticks[int(rng.integers(1, trains)) :] += int(rng.integers(3, 12))
    began = int(start.timestamp() * 1_000_000) * 1000
    return Trains(
        (first + ticks).astype(np.uint64), (began + ticks * _TRAIN_NANOSECONDS).astype(np.uint64)
    )


def _recorded(trains: int, lost: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """False for the share `lost` of the trains, at least one if there are enough."""
    recorded = np.ones(trains, np.bool_)
    if lost and trains > 3:
        recorded[rng.choice(trains, max(1, round(lost * trains)), replace=False)] = False
    return recorded


def _moment(trains: Trains) -> datetime:
    return datetime.fromtimestamp(int(trains.nanoseconds[0]) / 1e9, timezone.utc)


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A hidden folder that takes the name `folder` when all in it is written."""
    if folder.exists():
        raise SyntheticRunError(
            f"{folder} exists already. Remove it, or choose another run or folder."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".{folder.name}.{uuid4().hex}")  # no reader takes a hidden one
    aside.mkdir()
    try:
        yield aside
        aside.rename(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
