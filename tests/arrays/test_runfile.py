"""The file that people open for a run: everything in it, by the libraries that they use."""

import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knockoff.arrays.parts import part_name, write_part
from knockoff.arrays.references import ArrayReference
from knockoff.arrays.runfile import CellError, RunCell, is_current, run_file, write_run_file
from knockoff.errors import ArrayError
from knockoff.runkey import RunKey

RUN = RunKey(1234, 42)
CHANGED = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=timezone.utc)


def energies(trains: int, pulses: int = 400) -> xr.DataArray:
    """An array with coordinates along and across its axes."""
    return xr.DataArray(
        np.arange(trains * pulses, dtype="f4").reshape(trains, pulses) % 11,
        {
            "trainId": np.arange(trains) + 10_000,
            "position": ("pulse", np.linspace(0, 1, pulses)),
            "delay": (("trainId", "pulse"), np.random.default_rng(1).random((trains, pulses))),
        },
        ("trainId", "pulse"),
        name="energy",
        attrs={"units": "uJ"},
    )


def written(folder: Path, variable: str, value: Any, attempt: int = 1) -> ArrayReference:
    """A value in a part of its own."""
    return write_part(folder, part_name(RUN, "runs", variable, attempt), value)


@pytest.mark.parametrize("trains", [10, 4_000], ids=["copied", "shown from afar"])
def test_xarray_opens_every_variable_by_its_group(tmp_path: Path, trains: int) -> None:
    """Small arrays are copied and large ones are not; nobody who reads should notice."""
    array = energies(trains)
    both = xr.Dataset({"a": array, "b": ("trainId", np.arange(trains))}, attrs={"sample": "Si"})
    dark = energies(3, 5)
    cells = [
        RunCell("xgm_sa2/pulse_energy", array=written(tmp_path, "xgm_sa2/pulse_energy", array)),
        RunCell("both", array=written(tmp_path, "both", both)),
        RunCell("dark", array=written(tmp_path, "dark", dark)),
    ]

    path = write_run_file(tmp_path, RUN, cells)

    assert path.name == "p1234_r0042.h5"
    with xr.open_dataset(path, group="xgm_sa2/pulse_energy", engine="h5netcdf") as opened:
        xr.testing.assert_equal(opened["data"].load(), array)
        assert opened["data"].attrs["units"] == "uJ"
    with xr.open_dataarray(path, group="dark", engine="h5netcdf") as opened_array:
        xr.testing.assert_equal(opened_array.load(), dark)
    with xr.open_dataset(path, group="both", engine="h5netcdf") as opened:
        xr.testing.assert_identical(opened.load(), both)
    with h5py.File(path) as file:
        assert (file["xgm_sa2/pulse_energy/data"][3] == array[3].values).all()
        assert file["both/a"].dims[0].keys() == ["trainId"]


def test_a_dataset_keeps_its_own_attributes(tmp_path: Path) -> None:
    """What xarray opens is what was returned: the column's title is not written over its own."""
    returned = xr.Dataset({"a": ("x", [1, 2])}, attrs={"title": "Peaks", "units": "eV"})
    bare = xr.Dataset({"a": ("x", [1, 2])})
    about = {"title": "Column", "units": "mm", "description": "of the column"}
    cells = [
        RunCell("returned", array=written(tmp_path, "returned", returned), about=about),
        RunCell("bare", array=written(tmp_path, "bare", bare), about=about),
    ]
    path = write_run_file(tmp_path, RUN, cells)

    for name, expected in (("returned", returned), ("bare", bare)):
        with xr.open_dataset(path, group=name, engine="h5netcdf") as opened:
            xr.testing.assert_identical(opened.load(), expected)


def test_a_table_of_pandas_is_a_dataset_to_xarray(tmp_path: Path) -> None:
    """The recipe in the documentation: open_dataset(...).to_dataframe(), and its index."""
    table = pd.DataFrame(
        {"energy": [1.5, 2.5], "name": ["a", "é"]}, index=pd.Index([7, 9], name="trainId")
    )
    path = write_run_file(
        tmp_path, RUN, [RunCell("peaks", array=written(tmp_path, "peaks", table))]
    )

    with xr.open_dataset(path, group="peaks", engine="h5netcdf") as opened:
        read = opened.to_dataframe().set_index("trainId")
    assert read["energy"].tolist() == [1.5, 2.5]
    assert read["name"].tolist() == ["a", "é"]
    assert read.index.tolist() == [7, 9]


def test_values_summaries_previews_and_errors_stand_where_people_look(tmp_path: Path) -> None:
    """The names are those that scripts for run files already use."""
    trend = {"trend": {"x": [0.0, 1.0], "y": [5.0, None], "x_is_time": False}}
    cells = [
        RunCell("trains", 1086, about={"units": "1", "bold": True}),
        RunCell("name", "é"),
        RunCell("when", CHANGED),
        RunCell("field", {"real": 1.0, "imag": -2.0}),
        RunCell("peaks", [1.5, 2.5]),
        RunCell("settings", {"gain": "high"}),
        RunCell("raw", b"\0\1"),
        RunCell("nothing"),
        RunCell(
            "image",
            3.5,
            written(tmp_path, "image", np.eye(3)),
            {"png": b"\x89PNG"},
            about={
                "summary_method": "mean",
                "background": "#ff0000",
                "units": "keV",
                "max_diff": 1.0,
            },
        ),
        RunCell("line", array=written(tmp_path, "line", np.arange(5)), preview=trend),
        RunCell("hits", error=CellError("KeyError", "'device'")),
    ]

    with h5py.File(write_run_file(tmp_path, RUN, cells)) as file:
        assert file["trains/data"][()] == file[".reduced/trains"][()] == 1086
        assert dict(file[".reduced/trains"].attrs) == {"units": "1", "bold": True}
        assert file["name/data"].asstr()[()] == "é"
        assert file["when/data"].asstr()[()] == "2026-01-02T03:04:05.678000+00:00"
        assert file["field/data"][()] == 1 - 2j
        assert list(file["peaks/data"]) == [1.5, 2.5]
        assert file["settings/data"].asstr()[()] == '{"gain": "high"}'
        assert bytes(file["raw/data"][()]) == b"\0\1"
        assert "nothing" not in file
        assert (file["image/data"][()] == np.eye(3)).all()
        assert dict(file["image"].attrs) == {"units": "keV", "kind": "ndarray"}
        reduced = file[".reduced/image"]
        assert reduced[()] == 3.5
        assert reduced.attrs["summary_method"] == "mean"
        assert reduced.attrs["background"] == "#ff0000"
        assert reduced.attrs["max_diff"] == 1.0
        assert bytes(file[".preview/image"][()]) == b"\x89PNG"
        line = file[".preview/line"][()]
        assert np.array_equal(line, np.array([[0, 1], [5, np.nan]]), equal_nan=True)
        assert "line" not in file[".reduced"]
        assert file[".errors/hits"].asstr()[()] == "'device'"
        assert file[".errors/hits"].attrs["type"] == "KeyError"
        assert (file.attrs["proposal"], file.attrs["run"]) == (1234, 42)


def test_a_variable_may_be_a_group_of_others(tmp_path: Path) -> None:
    """A method with several outputs: beam, beam.mean, and even beam.data and beam.trainId."""
    beam = written(tmp_path, "beam", energies(4))
    cells = [
        RunCell("beam", 1.0, beam, {"png": b"a"}, CellError("Old", "x")),
        RunCell("beam/mean", 2.0, preview={"png": b"b"}, error=CellError("New", "y")),
        RunCell("beam/data", 3.0),
        RunCell("beam/trainId", 4.0),
    ]

    with h5py.File(write_run_file(tmp_path, RUN, cells)) as file:
        assert file["beam/data_"].shape == (4, 400)
        assert file["beam/data/data"][()] == file[".reduced/beam/data"][()] == 3.0
        assert file["beam/mean/data"][()] == 2.0
        assert file["beam/trainId/data"][()] == 4.0
        assert file["beam/trainId_"].is_scale
        assert file[".reduced/beam/data_"][()] == 1.0
        assert file[".errors/beam/data_"].asstr()[()] == "x"


def test_an_array_that_is_gone_leaves_the_others_and_says_so(tmp_path: Path) -> None:
    """Somebody tidied up by hand: one variable is missing, and not the whole file."""
    here = written(tmp_path, "here", np.arange(3))
    gone = written(tmp_path, "gone", np.arange(3))
    (tmp_path / gone.file).unlink()

    path = write_run_file(tmp_path, RUN, [RunCell("gone", array=gone), RunCell("here", array=here)])

    with h5py.File(path) as file:
        assert list(file["here/data"]) == [0, 1, 2]
        assert file[".errors/gone"].attrs["type"] == "ArrayMissingError"
        assert "Reprocess" in file[".errors/gone"].asstr()[()]


@pytest.mark.parametrize("dtype", ["f4", "c8", "i2"])
def test_a_large_array_that_is_gone_does_not_look_like_a_measurement(
    tmp_path: Path, dtype: str
) -> None:
    """The file was copied without its folder: HDF5 gives what we tell it to, and no error."""
    large = written(tmp_path, "large", np.ones(3_000_000, dtype))
    noisy = np.random.default_rng(1).integers(0, 99, 3_000_000).astype(dtype)
    large = written(tmp_path, "large", noisy)
    path = write_run_file(tmp_path, RUN, [RunCell("large", array=large)])
    with h5py.File(path) as file:
        assert (file["large/data"][()] == noisy).all()
    (tmp_path / large.file).unlink()
    with h5py.File(path) as file:
        read = file["large/data"][:10]
    assert np.isnan(read).all() if dtype != "i2" else (read == -(2**15)).all()


def test_the_file_moves_with_its_folder(tmp_path: Path) -> None:
    """People copy the folder of a beamtime home, and read there from any other folder."""
    folder = tmp_path / "before"
    large = written(folder, "large", energies(4_000))
    name = write_run_file(folder, RUN, [RunCell("large", array=large)]).name
    moved = folder.rename(tmp_path / "after")
    code = "import h5py, hdf5plugin, sys; print(h5py.File(sys.argv[1])['large/data'][1, :3])"
    read = subprocess.run(
        [sys.executable, "-c", code, str(moved / name)],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert read.stdout.split() == ["[4.", "5.", "6.]"], read.stderr


def test_one_can_tell_whether_the_file_is_current(tmp_path: Path) -> None:
    """A recorder that was killed in between leaves an old one, which has to be found."""
    path = run_file(tmp_path, RUN)
    assert not is_current(path, CHANGED)
    write_run_file(tmp_path, RUN, [RunCell("trains", 7)], CHANGED)
    assert is_current(path, CHANGED)
    assert not is_current(path, CHANGED.replace(microsecond=679_000))


@pytest.mark.parametrize("name", ["", ".reduced/a", "a//b", "../a", "/a", "a/.b"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    """Rows can be written with mongosh."""
    with pytest.raises(ArrayError, match="no name of a variable"):
        write_run_file(tmp_path, RUN, [RunCell(name, 1)])
    assert not list(tmp_path.iterdir())


words = st.text(st.characters(exclude_characters="/\0.", exclude_categories=["Cs"]), min_size=1)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.lists(words, min_size=1, max_size=3).map("/".join), max_size=8))
def test_whatever_the_variables_are_called_each_has_its_value(
    tmp_path: Path, names: set[str]
) -> None:
    """Unicode, blanks, names of ours, and groups within variables."""
    cells = [RunCell(name, number) for number, name in enumerate(sorted(names))]
    with h5py.File(write_run_file(tmp_path, RUN, cells)) as file:
        for cell in cells:
            held = [each for each in file[cell.name].values() if isinstance(each, h5py.Dataset)]
            assert [each[()] for each in held] == [cell.value]


READER = """
import sys, h5py, hdf5plugin
from pathlib import Path
import numpy as np

run, said = Path(sys.argv[1]), set()
held = h5py.File(run)
print("ready", flush=True)
while not Path(sys.argv[2]).exists():
    with h5py.File(run) as file:
        for name in ("small", "large"):
            read = file[name + "/data"][()]
            value = int(read.flat[0])
            assert (read == value).all(), name
            said.add(value)
    assert (held["small/data"][()] == 0).all()
print(sorted(said))
"""


def test_a_reader_with_open_files_never_blocks_the_writer_and_sees_whole_values(
    tmp_path: Path,
) -> None:
    """With h5py's own locks, on the run's file and, through it, on the parts."""

    def replaced(version: int) -> None:
        cells = [
            RunCell(name, array=written(tmp_path, name, np.full(size, version), version))
            for name, size in (("small", 1_000), ("large", 300_000))
        ]
        write_run_file(tmp_path, RUN, cells)

    replaced(0)
    command = [sys.executable, "-c", READER, str(run_file(tmp_path, RUN)), str(tmp_path / "end")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for version in range(1, 11):
            replaced(version)
            time.sleep(0.05)
        (tmp_path / "end").touch()
        words, complaints = reader.communicate(timeout=60)
    assert (reader.returncode, complaints) == (0, "")
    seen = eval(words)
    assert set(seen) <= set(range(11))
    assert len(seen) > 3


def test_two_recorders_may_write_the_file_of_one_run_at_once(tmp_path: Path) -> None:
    """A listener and somebody's `knockoff process`: whoever is last has it, whole."""
    code = """
import sys
from pathlib import Path
from knockoff.arrays.runfile import RunCell, write_run_file
from knockoff.runkey import RunKey
for number in range(60):
    cells = [RunCell(f"v{n}", number) for n in range(20)]
    write_run_file(Path(sys.argv[1]), RunKey(1234, 42), cells)
"""
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(2)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    with h5py.File(run_file(tmp_path, RUN)) as file:
        assert {int(file[f"v{n}/data"][()]) for n in range(20)} == {59}
    assert [path.name for path in tmp_path.iterdir()] == ["p1234_r0042.h5"]


def test_nothing_leads_out_of_the_folder(tmp_path: Path) -> None:
    """A forged reference must not bring other people's files into ours."""
    folder = tmp_path / "extracted_data"
    array = written(folder, "hits", np.arange(3))
    (tmp_path / "secret.h5").write_bytes((folder / array.file).read_bytes())
    forged = replace(array, file="../secret.h5")
    with h5py.File(write_run_file(folder, RUN, [RunCell("hits", array=forged)])) as file:
        assert "data" not in file.get("hits", ())
        assert "leads out of" in file[".errors/hits"].asstr()[()]
