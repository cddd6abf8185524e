"""Synthetic runs are valid EuXFEL data, and look like an experiment."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from knockoff.rundata.errors import RunMissingError, SyntheticRunError
from knockoff.rundata.finding import kinds_on_disk, run_files, runs_on_disk
from knockoff.rundata.opening import open_run, read_source
from knockoff.rundata.synthetic import write_proc, write_run, write_runs
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from pathlib import Path

KEY = RunKey(1234, 1)
XGM = "SA2_XTD1_XGM/XGM/DOOCS"
MOTOR = "MID_EXP_SAM/MOTOR/X"
RAW_DETECTOR = "MID_EXP_EPIX-1/DET/RECEIVER:daqOutput"
CORR_DETECTOR = "MID_EXP_EPIX-1/CORR/RECEIVER:daqOutput"
DIGITIZER = "MID_EXP_FASTADC/ADC/DIODE:channel_1.output"


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"trains": 1},
        {"trains": 7, "sequences": 3, "pulses": 1, "gaps": False},
        {"trains": 12, "pulses": 400, "slots": 1000, "instrument": "SPB", "cycle": "202522"},
    ],
    ids=str,
)
def test_what_is_written_passes_extra_data_validate(tmp_path: Path, shape: dict[str, Any]) -> None:
    """The facility's own check: train ids, indexes and timestamps fit together."""
    raw = write_run(tmp_path, KEY, **shape)
    for folder in (raw, write_proc(tmp_path, KEY)):
        checked = subprocess.run(
            [sys.executable, "-m", "extra_data.validation", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "No problems found" in checked.stdout, checked.stdout
        assert checked.returncode == 0


def test_every_source_is_read_back_for_its_trains(tmp_path: Path) -> None:
    """What the context files in the documentation use is there, with the documented shape."""
    write_run(tmp_path, KEY, trains=30, pulses=8, sequences=4, gaps=False)
    write_proc(tmp_path, KEY)
    data = open_run(KEY, "proc", tmp_path)
    shapes = {
        (XGM, "pulseEnergy.photonFlux"): (30,),
        (XGM, "pulseEnergy.wavelengthUsed"): (30,),
        (XGM, "pulseEnergy.numberOfBunchesActual"): (30,),
        (f"{XGM}:output", "data.intensityTD"): (30, 8),
        (f"{XGM}:output", "data.intensitySigmaTD"): (30, 8),
        (f"{XGM}:output", "data.xTD"): (30, 8),
        (MOTOR, "actualPosition"): (30,),
        ("MID_EXP_SAM/MOTOR/Y", "targetPosition"): (30,),
        (DIGITIZER, "data.rawData"): (30, 10_000),
        (DIGITIZER, "data.peaks"): (30, 8),
        (RAW_DETECTOR, "data.image.pixels"): (30, 96, 128),
        (CORR_DETECTOR, "data.image.pixels"): (30, 96, 128),
        (CORR_DETECTOR, "data.image.mask"): (30, 96, 128),
    }
    assert len(run_files(KEY, "raw", tmp_path)) == 3 * 4
    for (source, key), shape in shapes.items():
        array = read_source(data, source, key)
        assert array.shape == shape, (source, key)
        assert array["trainId"].values.tolist() == list(data.train_ids)
    assert data.run_metadata()["proposalNumber"] == 1234
    assert data.run_metadata()["dataFormatVersion"] == "1.2"


def test_the_number_of_sequence_files_does_not_change_the_data(tmp_path: Path) -> None:
    """Where the data acquisition cuts its files is of no interest to anybody."""
    values = []
    for sequences in (1, 5):
        root = tmp_path / str(sequences)
        write_run(root, KEY, trains=20, sequences=sequences)
        data = open_run(KEY, "raw", root)
        values.append(read_source(data, RAW_DETECTOR, "data.image.pixels"))
    assert values[0].identical(values[1])


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    """A failing test or a picture in the documentation can be made again."""

    def written(folder: str, key: RunKey, seed: int) -> list[bytes]:
        paths = sorted(write_run(tmp_path / folder, key, trains=10, seed=seed).iterdir())
        return [path.read_bytes() for path in paths]

    first = written("a", KEY, 0)
    assert written("b", KEY, 0) == first
    assert written("c", KEY, 1) != first
    assert written("d", RunKey(1234, 2), 0) != first


def test_trains_are_missing_where_gaps_are_asked_for(tmp_path: Path) -> None:
    """Real runs have them, and code that counts on the opposite should fail at home."""
    write_run(tmp_path, KEY, trains=60)
    write_run(tmp_path, RunKey(1234, 2), trains=60, gaps=False)
    with_gaps = open_run(KEY, "raw", tmp_path)
    without = open_run(RunKey(1234, 2), "raw", tmp_path)

    assert len(with_gaps.train_ids) == len(without.train_ids) == 60
    assert np.diff(with_gaps.train_ids).min() == 1
    assert np.diff(with_gaps.train_ids).max() > 3
    assert set(np.diff(without.train_ids)) == {1}
    assert read_source(with_gaps, RAW_DETECTOR, "data.image.pixels").sizes["trainId"] == 58
    assert read_source(without, RAW_DETECTOR, "data.image.pixels").sizes["trainId"] == 60
    elapsed = with_gaps.train_timestamps()[-1] - with_gaps.train_timestamps()[0]
    assert elapsed == np.timedelta64(100, "ms") * int(np.ptp(with_gaps.train_ids))


def test_runs_follow_each_other_in_time(tmp_path: Path) -> None:
    """Train ids are unique at the facility; a plot over time is in the order of runs."""
    ends = []
    for run in (1, 2, 3):
        write_run(tmp_path, RunKey(1234, run), trains=20)
        ids = open_run(RunKey(1234, run), "raw", tmp_path).train_ids
        ends += [ids[0], ids[-1]]
    assert ends == sorted(ends)


def test_a_run_is_seen_complete_or_not_at_all(tmp_path: Path) -> None:
    """The listener may look at any moment."""
    (tmp_path / "MID" / "202601" / "p001234").mkdir(parents=True)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write_run, tmp_path, KEY, trains=100, sequences=4)
        while not kinds_on_disk(KEY, tmp_path):
            assert not writing.done() or writing.exception() is None
        assert len(run_files(KEY, "raw", tmp_path)) == 12
        assert len(open_run(KEY, "raw", tmp_path).train_ids) == 100
        folder = writing.result()
    assert [path.name for path in folder.parent.iterdir()] == ["r0001"]


def test_what_fails_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    """A next attempt starts on clean ground."""
    write_run(tmp_path, KEY, trains=4)
    image = next(path for path in run_files(KEY, "raw", tmp_path) if "EPIX01-S00001" in path.name)
    image.write_bytes(b"no longer HDF5")
    with pytest.raises(OSError, match="file signature not found"):
        write_proc(tmp_path, KEY)
    assert runs_on_disk(1234, tmp_path)["proc"] == []
    assert list((tmp_path / "MID" / "202601" / "p001234" / "proc").iterdir()) == []


def test_a_run_that_exists_is_left_alone(tmp_path: Path) -> None:
    """It might be somebody's real data."""
    folder = write_run(tmp_path, KEY, trains=3)
    write_proc(tmp_path, KEY)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(SyntheticRunError, match=f"{folder} exists already"):
        write_run(tmp_path, KEY, trains=9)
    with pytest.raises(SyntheticRunError, match="proc/r0001 exists already"):
        write_proc(tmp_path, KEY)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_nothing_can_be_corrected_before_it_is_recorded(tmp_path: Path) -> None:
    """The corrected images are made from the raw ones, as at the facility."""
    write_run(tmp_path, KEY, trains=3)
    with pytest.raises(RunMissingError, match="r0002 has no raw data"):
        write_proc(tmp_path, RunKey(1234, 2))


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"trains": 0}, "at least one train"),
        ({"pulses": 0}, "at least one train"),
        ({"sequences": 0}, "at least one train"),
        ({"pulses": 10, "slots": 9}, "slot for every pulse"),
        ({"instrument": "LCLS"}, "choose one of FXE, SPB, HED"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(
    tmp_path: Path, wish: dict[str, Any], words: str
) -> None:
    """With a sentence, not with an error from deep inside numpy."""
    with pytest.raises(SyntheticRunError, match=words):
        write_run(tmp_path, KEY, **wish)
    assert list(tmp_path.iterdir()) == []


def test_pulses_scatter_around_a_millijoule_and_a_dark_run_is_dark(tmp_path: Path) -> None:
    """Numbers as people know them from SASE 2, so that thresholds mean something."""
    for run in (9, 10):
        write_run(tmp_path, RunKey(1234, run), trains=30)
    lasing, dark = (
        read_source(open_run(RunKey(1234, run), "raw", tmp_path), f"{XGM}:output", key)
        for run, key in ((9, "data.intensityTD"), (10, "data.intensityTD"))
    )
    assert 500 < lasing.mean() < 2000
    assert 0.08 < lasing.std() / lasing.mean() < 0.2
    assert dark.max() < 20
    metadata = open_run(RunKey(1234, 10), "raw", tmp_path).run_metadata()
    assert metadata["runType"] == "Dark"


def test_digitizer_peaks_and_gas_monitor_agree(tmp_path: Path) -> None:
    """Both see the same pulses, so a correlation plot shows a line."""
    write_run(tmp_path, KEY, trains=20, pulses=32, gaps=False)
    data = open_run(KEY, "raw", tmp_path)
    energies = read_source(data, f"{XGM}:output", "data.intensityTD").values
    trace = read_source(data, DIGITIZER, "data.rawData").values.astype(float)
    heights = trace[:, 500 : 500 + 32 * 96 : 96] - 600
    assert np.corrcoef(heights.ravel(), energies.ravel())[0, 1] > 0.99


def test_a_scan_of_the_sample_has_its_maximum_in_the_middle(tmp_path: Path) -> None:
    """The first plot that anybody makes from the table, X against intensity, shows a peak."""
    write_runs(tmp_path, 1234, range(1, 12), trains=6, pulses=4)
    scan = {}
    for run in range(1, 12):
        data = open_run(RunKey(1234, run), "proc", tmp_path)
        position = round(float(read_source(data, MOTOR, "actualPosition").mean()), 1)
        scan[position] = float(read_source(data, CORR_DETECTOR, "data.image.pixels").mean())
    assert len(scan) == 11
    assert max(scan, key=scan.__getitem__) == 0.0
    assert scan[0.0] > 4 * scan[-1.0]


def test_corrected_images_are_photons_on_a_flat_ground(tmp_path: Path) -> None:
    """Between the photons there is nothing, and bad pixels are told, not shown."""
    write_run(tmp_path, RunKey(1234, 6), trains=20)
    write_proc(tmp_path, RunKey(1234, 6))
    data = open_run(RunKey(1234, 6), "proc", tmp_path)
    pixels = read_source(data, CORR_DETECTOR, "data.image.pixels")
    mask = read_source(data, CORR_DETECTOR, "data.image.mask")
    raw = read_source(data, RAW_DETECTOR, "data.image.pixels")

    assert raw["trainId"].equals(pixels["trainId"])
    assert 0 < (mask[0] > 0).sum() < 100
    assert (pixels.values[mask.values > 0] == 0).all()
    corner, ring = pixels[:, :10, :10].mean(), pixels[:, 45, 60 + 17].mean()
    assert abs(corner) < 0.1
    assert 1.5 < ring < 5


def test_unused_slots_of_the_gas_monitor_hold_one(tmp_path: Path) -> None:
    """As at the facility: a mean over all slots is wrong there, and must be wrong here."""
    write_run(tmp_path, KEY, trains=5, pulses=30, slots=1000)
    data = open_run(KEY, "raw", tmp_path)
    energies = read_source(data, f"{XGM}:output", "data.intensityTD")
    assert energies.shape == (5, 1000)
    assert (energies[:, 30:] == 1).all()
    assert energies[:, np.where(energies[0] > 1)[0]].mean() > 500


@pytest.mark.parametrize(
    ("instrument", "xgm", "key"),
    [
        ("FXE", "SA1_XTD2_XGM/XGM/DOOCS", "data.intensitySa1TD"),
        ("HED", "SA2_XTD1_XGM/XGM/DOOCS", "data.intensityTD"),
        ("SQS", "SA3_XTD10_XGM/XGM/DOOCS", "data.intensitySa3TD"),
    ],
)
def test_an_instrument_has_the_gas_monitor_of_its_undulator(
    tmp_path: Path, instrument: str, xgm: str, key: str
) -> None:
    """A context file for an instrument finds its sources by their real names."""
    folder = write_run(tmp_path, KEY, trains=3, pulses=5, instrument=instrument)
    assert folder == tmp_path / instrument / "202601" / "p001234" / "raw" / "r0001"
    data = open_run(KEY, "raw", tmp_path)
    assert read_source(data, f"{xgm}:output", key).attrs["units"] == "μJ"
    assert f"{instrument}_EXP_SAM/MOTOR/X" in data.all_sources


def test_several_runs_are_written_with_a_word_after_each(tmp_path: Path) -> None:
    """Somebody waits in front of a progress bar."""
    told: list[RunKey] = []
    folders = write_runs(tmp_path, 1234, [3, 5], 4, told.append, pulses=2)
    assert told == [RunKey(1234, 3), RunKey(1234, 5)]
    assert [folder.name for folder in folders] == ["r0003", "r0005"]
    assert runs_on_disk(1234, tmp_path) == {"raw": [3, 5], "proc": [3, 5]}
