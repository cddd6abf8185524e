"""A run is opened with extra-data, complete or not at all, and left as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import extra_data
import h5py
import numpy as np
import pytest
from extra_data import voview

from knockoff.rundata import errors
from knockoff.rundata.finding import KINDS, find_proposal, run_files, run_folder
from knockoff.rundata.opening import open_run, read_source, start_time
from knockoff.rundata.synthetic import write_run
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

CORRECTED, UNCORRECTED = RunKey(1234, 1), RunKey(1234, 2)
XGM = "SA2_XTD1_XGM/XGM/DOOCS"
RAW_DETECTOR = "MID_EXP_EPIX-1/DET/RECEIVER:daqOutput"
CORR_DETECTOR = "MID_EXP_EPIX-1/CORR/RECEIVER:daqOutput"
DIGITIZER = "MID_EXP_FASTADC/ADC/DIODE:channel_1.output"


def test_finding_and_opening_load_nothing_heavy_before_a_run_is_opened() -> None:
    """A context check and the command line pay for what they use only."""
    heavy = "{'numpy', 'h5py', 'xarray', 'extra_data'}"
    code = (
        "import sys, knockoff.rundata.finding, knockoff.rundata.opening;"
        f"print({heavy} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_raw_stays_raw_when_corrected_data_is_there(recorded: Path) -> None:
    """Else a raw variable would change its value on the day of the correction."""
    data = open_run(CORRECTED, "raw", recorded)
    assert RAW_DETECTOR in data.all_sources
    assert CORR_DETECTOR not in data.all_sources


def test_proc_brings_the_raw_data_along(recorded: Path) -> None:
    """A variable of corrected images needs the motors of the same run."""
    data = open_run(CORRECTED, "proc", recorded)
    assert {XGM, RAW_DETECTOR, CORR_DETECTOR} <= data.all_sources
    assert data.get_run_value(XGM, "classId") == "DoocsXGM"


def test_proc_wins_over_raw_where_both_have_a_source(root: Path) -> None:
    """As in open_run(data="all"); older calibration kept the names of the raw sources."""
    for path in run_files(CORRECTED, "proc", root):
        with h5py.File(path, "r+") as file:
            for group in ("INDEX", "INSTRUMENT"):
                file.move(f"{group}/{CORR_DETECTOR}", f"{group}/{RAW_DETECTOR}")
            for name in ("deviceId", "dataSourceId"):
                names = file[f"METADATA/dataSources/{name}"]
                names[0] = names.asstr()[0].replace("/CORR/", "/DET/")
    ours = open_run(CORRECTED, "proc", root)
    theirs = extra_data.open_run(find_proposal(1234, root), 1, data="all", parallelize=False)

    assert ours[RAW_DETECTOR, "data.image.pixels"].dtype == np.float32
    assert ours.all_sources == theirs.all_sources
    assert ours.train_ids == theirs.train_ids


def test_corrected_data_can_outlive_the_raw_data(root: Path) -> None:
    """Raw data is moved to tape; extra-data's "all" would not open such a run."""
    for path in run_files(CORRECTED, "raw", root):
        path.unlink()
    assert open_run(CORRECTED, "proc", root).all_sources == {CORR_DETECTOR}


def test_proc_without_corrected_data_is_an_error(recorded: Path) -> None:
    """It must wait for proc, not compute from raw."""
    with pytest.raises(errors.RunMissingError, match="has no proc data"):
        open_run(UNCORRECTED, "proc", recorded)


def test_a_source_comes_with_trains_and_unit(recorded: Path) -> None:
    """A column shows the unit it was recorded with, without anybody typing it."""
    data = open_run(CORRECTED, "proc", recorded)
    energies = read_source(data, f"{XGM}:output", "data.intensityTD")
    assert energies.shape == (40, 12)
    assert energies.dims[0] == "trainId"
    assert energies.attrs["units"] == "μJ"
    position = read_source(data, "MID_EXP_SAM/MOTOR/X", "actualPosition")
    assert position.attrs["units"] == "mm"
    pixels = read_source(data, CORR_DETECTOR, "data.image.pixels")
    assert "units" not in pixels.attrs


def test_a_train_without_an_entry_is_left_out(recorded: Path) -> None:
    """Filling it would invent data."""
    data = open_run(UNCORRECTED, "raw", recorded)
    assert len(read_source(data, DIGITIZER, "data.rawData")) == 39
    assert len(read_source(data, XGM, "state")) == 40


def test_a_missing_source_names_the_nearest(recorded: Path) -> None:
    """It becomes the reason of a skipped cell, where people look for the typo."""
    data = open_run(UNCORRECTED, "raw", recorded)
    with pytest.raises(errors.SourceMissingError) as source:
        read_source(data, "sa2_xtd1_xgm/xgm/doocs:out", "data.intensityTD")
    assert str(source.value) == (
        "The run has no source 'sa2_xtd1_xgm/xgm/doocs:out'. "
        "Nearest: 'SA2_XTD1_XGM/XGM/DOOCS:output', 'SA2_XTD1_XGM/XGM/DOOCS'."
    )
    with pytest.raises(errors.SourceKeyMissingError) as key:
        read_source(data, f"{XGM}:output", "data.intensity")
    assert str(key.value) == (
        "Source 'SA2_XTD1_XGM/XGM/DOOCS:output' has no key 'data.intensity'. "
        "Nearest: 'data.intensityTD', 'data.intensitySigmaTD', 'data.trainId'."
    )
    with pytest.raises(errors.SourceMissingError, match=r"no source 'zebra'\.$"):
        read_source(data, "zebra", "stripes")


def test_aliases_are_read_where_people_wrote_them(root: Path) -> None:
    """They make one context file fit several beamtimes."""
    path = find_proposal(1234, root) / "usr" / "extra-data-aliases.yml"
    path.parent.mkdir()
    path.write_text(f"xgm: {XGM}\nenergy: [{XGM}:output, data.intensityTD]\n")

    for kind in KINDS:
        data = open_run(CORRECTED, kind, root)
        assert data.alias["xgm"].source == XGM
        assert data.alias["energy"].key == "data.intensityTD"


def test_no_alias_file_is_ever_created(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """extra-data copies the instrument's default into the proposal, writable for everybody."""
    software = root / "software"
    (software / "MID").mkdir(parents=True)
    (software / "MID" / "extra-data-aliases-default.yml").write_text(f"xgm: {XGM}\n")
    monkeypatch.setenv("EXTRA_DATA_SW_ROOT", str(software))
    proposal = find_proposal(1234, root)
    (proposal / "usr").mkdir()

    open_run(CORRECTED, "proc", root)
    assert list((proposal / "usr").iterdir()) == []

    extra_data.open_run(proposal, 1, data="raw", parallelize=False)
    assert (proposal / "usr" / "extra-data-aliases.yml").exists(), "the trap is gone"


@pytest.mark.parametrize("text", ["xgm: [", "", "- a list", "xgm: 7", "a-b: X\na_b: Y"])
def test_a_broken_alias_file_costs_no_column_its_value(
    root: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Only what uses an alias fails, and the log says why."""
    path = find_proposal(1234, root) / "usr" / "extra-data-aliases.yml"
    path.parent.mkdir()
    path.write_text(text)
    assert len(open_run(CORRECTED, "raw", root).train_ids) == 40
    assert str(path) in caplog.text


@pytest.mark.parametrize("damaged", [0, 4, -1])
def test_a_cut_off_file_is_named(root: Path, damaged: int) -> None:
    """extra-data leaves it out, so a run would have fewer trains and nobody would know."""
    path = run_files(CORRECTED, "raw", root)[damaged]
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(errors.DamagedFileError) as caught:
        open_run(CORRECTED, "raw", root)
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path} cannot be read: ")
    assert "truncated" in str(caught.value)
    with pytest.raises(errors.DamagedFileError):
        open_run(CORRECTED, "proc", root)


def test_a_run_of_which_nothing_can_be_read_names_a_file(root: Path) -> None:
    """extra-data raises a bare Exception then, without any name."""
    for path in run_files(CORRECTED, "raw", root):
        path.write_bytes(b"not HDF5 at all")
    with pytest.raises(errors.DamagedFileError, match=r"DA01-S00000\.h5 cannot be read"):
        open_run(CORRECTED, "raw", root)


def test_a_file_that_is_hdf5_but_not_of_the_facility_is_named(root: Path) -> None:
    """People put their own files into run folders."""
    foreign = run_folder(CORRECTED, "raw", root) / "my_analysis.h5"
    with h5py.File(foreign, "x") as file:
        file["result"] = 42
    with pytest.raises(errors.DamagedFileError, match=r"my_analysis\.h5 .* INDEX/trainId"):
        open_run(CORRECTED, "raw", root)


def test_a_closed_file_is_named_with_its_user(
    root: Path, stranger: Callable[[], AbstractContextManager[None]]
) -> None:
    """It is not damaged: another remedy, another person to ask."""
    path = run_files(UNCORRECTED, "raw", root)[3]
    path.chmod(0)
    with stranger(), pytest.raises(errors.DataDeniedError, match=f"may not read {path}"):
        open_run(UNCORRECTED, "raw", root)


def test_an_overview_file_is_used_as_extra_data_does(root: Path) -> None:
    """A run of thousands of files opens at once where the facility made one."""
    folder = run_folder(UNCORRECTED, "raw", root)
    voview.write_atomic(str(folder / "overview.h5"), open_run(UNCORRECTED, "raw", root))
    data = open_run(UNCORRECTED, "raw", root)
    assert [file.is_voview for file in data.files] == [True]
    assert read_source(data, f"{XGM}:output", "data.intensityTD").shape == (40, 12)


def test_a_run_starts_with_its_first_train(tmp_path: Path) -> None:
    """That is when the row of the table says it was taken, not when it was copied."""
    start = datetime(2026, 5, 4, 3, 2, 1, 500_000, timezone.utc)
    write_run(tmp_path, CORRECTED, trains=5, start=start)
    assert start_time(open_run(CORRECTED, "raw", tmp_path)) == start


def test_a_run_without_train_times_starts_with_its_first_file(root: Path) -> None:
    """Files before 2020 have none."""
    files = run_files(UNCORRECTED, "raw", root)
    for path in files:
        with h5py.File(path, "r+") as file:
            del file["INDEX/timestamp"]
        os.utime(path, (2_000_000_000, 2_000_000_000))
    os.utime(files[0], (1_500_000_000, 1_500_000_000))
    began = start_time(open_run(UNCORRECTED, "raw", root))
    assert began == datetime.fromtimestamp(1_500_000_000, timezone.utc)
