"""Part files: whole or not there, readable by the group, never outside their folder."""

import os
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from knockoff.arrays.parts import ArrayNotWrittenError, part_name, write_part, write_whole
from knockoff.arrays.reading import ArrayMissingError, ArrayUnreadableError, read_array
from knockoff.arrays.references import ArrayReference
from knockoff.arrays.sweeping import files_in, remove
from knockoff.errors import ArrayError
from knockoff.runkey import RunKey

RUN = RunKey(1234, 42)
NAME = part_name(RUN, "runs", "xgm_sa2/pulse_energy", 1)


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start another Python, as the worker is one."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, umask=0o077
    )


def test_a_process_killed_in_the_middle_of_a_write_leaves_no_part(tmp_path: Path) -> None:
    """A reference may only ever point at a value that is whole."""
    code = """
import os, signal, sys
from pathlib import Path
from knockoff.arrays.parts import write_whole

def write(file):
    file["data"] = range(100_000)
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

write_whole(Path(sys.argv[1]), write)
"""
    with python(code, tmp_path / "part.h5") as worker:
        worker.wait(60)
    assert worker.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == ["part.h5.tmp"]

    write_whole(tmp_path / "part.h5", lambda file: file.create_dataset("data", data=1))
    assert [path.name for path in tmp_path.iterdir()] == ["part.h5"]


def test_whatever_the_moment_of_the_kill_every_part_is_whole(tmp_path: Path) -> None:
    """The same from outside, at moments that nobody chose."""
    code = """
import sys
from itertools import count
from pathlib import Path
import numpy as np
from knockoff.arrays.parts import write_part

for number in count():
    array = np.full(300_000, number)
    write_part(Path(sys.argv[1]), f"p1_r0001/{number}", array, compression="none")
"""
    read = 0
    for wait in (0.0, 0.003, 0.01, 0.02):
        folder = tmp_path / str(wait)
        with python(code, folder) as worker:
            while not (folder / "p1_r0001" / "1.h5").exists():
                assert worker.poll() is None
                time.sleep(0.002)
            time.sleep(wait)
            worker.kill()
        for path in folder.rglob("*.h5"):
            with h5py.File(path, "r", locking=False) as file:
                assert (file["data"][()] == int(path.stem)).all()
            read += 1
    assert read >= 8


@pytest.mark.parametrize("largest", [2_000, 100_000, 3_000_000])
def test_a_full_disk_is_told_with_its_name_and_leaves_nothing(tmp_path: Path, largest: int) -> None:
    """A quota is exceeded at night, while nobody looks: the cell must say what to do."""
    code = """
import resource, sys
from pathlib import Path
import numpy as np
from knockoff.arrays.parts import ArrayNotWrittenError, write_part

folder, largest = Path(sys.argv[1]), int(sys.argv[2])
numbers = np.random.default_rng(1).random(500_000)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
try:
    write_part(folder, "p1_r0001/runs.hits.1", numbers)
except ArrayNotWrittenError as error:
    print(error, list(folder.rglob("*.h5*")))
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
write_part(folder, "p1_r0001/runs.hits.1", numbers)
"""
    with python(code, tmp_path, largest) as worker:
        words, complaints = worker.communicate(timeout=60)
    assert (worker.returncode, complaints) == (0, "")
    assert "full" in words, complaints
    assert str(tmp_path / "p1_r0001" / "runs.hits.1.h5") in words
    assert "Make room there" in words
    assert words.endswith(" []\n")
    assert (tmp_path / "p1_r0001" / "runs.hits.1.h5").exists()


def test_colleagues_may_read_and_delete_what_a_worker_wrote(tmp_path: Path) -> None:
    """Whatever umask the worker was started with; and nothing is open to everybody."""
    code = """
import sys
from pathlib import Path
from knockoff.arrays.parts import write_part
write_part(Path(sys.argv[1]), "p1_r0001/runs.hits.1", "x" * 20_000)
"""
    with python(code, tmp_path / "extracted_data") as worker:
        assert worker.wait(60) == 0
    for folder in (tmp_path / "extracted_data", tmp_path / "extracted_data" / "p1_r0001"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o2770
    part = tmp_path / "extracted_data" / "p1_r0001" / "runs.hits.1.h5"
    assert stat.S_IMODE(part.stat().st_mode) == 0o660


def test_a_reader_keeps_the_part_it_opened_while_it_is_replaced(tmp_path: Path) -> None:
    """A reprocess must neither wait for a plot nor change it half way."""
    first = write_part(tmp_path, NAME, np.zeros(1000))
    with h5py.File(tmp_path / first.file, "r", locking=False) as opened:
        second = write_part(tmp_path, NAME, np.ones(1000))
        assert not opened["data"][()].any()
    assert read_array(tmp_path, second).all()


def test_a_part_says_where_it_comes_from(tmp_path: Path) -> None:
    """A file that somebody copied away must still explain itself."""
    reference = write_part(tmp_path, NAME, np.arange(3), attrs={"title": "Énergie", "attempt": 1})
    with h5py.File(tmp_path / reference.file) as file:
        assert file.attrs["title"] == "Énergie"
        assert file.attrs["attempt"] == 1


def test_a_workspace_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Where a disk is not mounted, a folder of its name would hide it later."""
    with pytest.raises(ArrayNotWrittenError, match="No such file or directory"):
        write_part(tmp_path / "unmounted" / "extracted_data", NAME, np.arange(3))
    assert not (tmp_path / "unmounted").exists()


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/etc/a", "a", "a/b/c", "a/\0", ""])
def test_a_part_is_never_written_outside_its_folder(tmp_path: Path, name: str) -> None:
    """Names come from context files."""
    with pytest.raises(ArrayError, match="A part is called like"):
        write_part(tmp_path, name, np.arange(3))


def test_a_long_variable_name_still_makes_a_file_of_its_own() -> None:
    """A file's name has 255 bytes, an identifier as many as it likes."""
    names = [part_name(RUN, "runs", "é" * 300 + end, 1) for end in "ab"]
    assert names[0] != names[1]
    assert all(len(Path(name).name.encode()) < 240 for name in names)


def test_a_missing_part_is_named_with_a_remedy(tmp_path: Path) -> None:
    """Somebody tidied up: the table must say so instead of showing a traceback."""
    reference = write_part(tmp_path, NAME, np.arange(3))
    (tmp_path / reference.file).unlink()
    with pytest.raises(ArrayMissingError) as caught:
        read_array(tmp_path, reference)
    assert str(tmp_path / reference.file) in str(caught.value)
    assert "Reprocess" in str(caught.value)


def test_a_damaged_part_is_named_with_a_remedy(tmp_path: Path) -> None:
    """Cut off, overwritten, or another program's file."""
    reference = write_part(tmp_path, NAME, xr.DataArray(np.arange(3000.0)))
    path = tmp_path / reference.file
    whole = path.read_bytes()
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["data"] = 1
    for content in (
        whole[: len(whole) // 2],
        b"",
        b"no HDF5",
        (tmp_path / "other.h5").read_bytes(),
    ):
        path.write_bytes(content)
        with pytest.raises(ArrayError) as caught:
            read_array(tmp_path, reference)
        assert str(path) in str(caught.value)


def test_without_hdf5plugin_arrays_are_written_and_read_and_the_remedy_is_named(
    tmp_path: Path,
) -> None:
    """Variables run in other people's Pythons, which need not have it."""
    code = """
import sys
from pathlib import Path
import numpy as np
from knockoff.arrays.parts import write_part
from knockoff.arrays.reading import ArrayUnreadableError, read_array
from knockoff.arrays.references import ArrayReference

sys.modules["hdf5plugin"] = None  # as where it is not installed
folder = Path(sys.argv[1])
for number, dtype in enumerate(("u2", "f4")):
    counts = (np.arange(1_000_000) % 7).astype(dtype)
    reference = write_part(folder, f"p1_r0001/{number}", counts)
    assert (folder / reference.file).stat().st_size < counts.nbytes / 2
    assert np.array_equal(read_array(folder, reference), counts)
try:
    read_array(folder, ArrayReference.from_json(eval(sys.argv[2])))
except ArrayUnreadableError as error:
    print(error)
"""
    reference = write_part(tmp_path, NAME, np.zeros(1_000_000))
    with python(code, tmp_path, reference.to_json()) as worker:
        words, complaints = worker.communicate(timeout=60)
    assert complaints == ""
    assert "pip install hdf5plugin" in words


def test_a_part_with_another_layout_is_refused(tmp_path: Path) -> None:
    """A newer knockoff wrote it: reading it half right would be worse than not at all."""
    reference = write_part(tmp_path, NAME, np.arange(3))
    with h5py.File(tmp_path / reference.file, "r+") as file:
        file.attrs["knockoff"] = file.attrs["knockoff"].replace('"version": 1', '"version": 2')
    with pytest.raises(ArrayError, match="Update knockoff"):
        read_array(tmp_path, reference)


@pytest.mark.parametrize("file", ["../secret.h5", "/etc/passwd", "a/../../secret.h5", "", "out.h5"])
def test_no_reference_leads_out_of_the_folder(tmp_path: Path, file: str) -> None:
    """The database is shared; what is in it must not open other people's files."""
    folder = tmp_path / "extracted_data"
    reference = write_part(folder, NAME, np.arange(3))
    (tmp_path / "secret.h5").write_bytes((folder / reference.file).read_bytes())
    (folder / "out.h5").symlink_to(tmp_path / "secret.h5")
    with pytest.raises(ArrayError, match="leads out of"):
        read_array(folder, replace(reference, file=file))


@pytest.mark.parametrize("trick", ["external link", "soft link", "virtual", "external storage"])
def test_no_file_leads_a_reader_to_other_files(tmp_path: Path, trick: str) -> None:
    """Parts lie in a folder that a whole group writes to."""
    reference = write_part(tmp_path, NAME, np.arange(3))
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["data"] = np.arange(3)
    with h5py.File(tmp_path / reference.file, "r+") as file:
        del file["data"]
        if trick == "external link":
            file["data"] = h5py.ExternalLink(str(secret), "/data")
        elif trick == "soft link":
            file["data"] = h5py.SoftLink("/elsewhere")
        elif trick == "virtual":
            virtual = h5py.VirtualLayout((3,), "i8")
            virtual[:] = h5py.VirtualSource(str(secret), "data", (3,))
            file.create_virtual_dataset("data", virtual)
        else:
            file.create_dataset("data", (3,), "i8", external=str(secret))
    with pytest.raises(ArrayError, match="points elsewhere"):
        read_array(tmp_path, reference)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_part_that_may_not_be_read_says_whom_to_ask(tmp_path: Path) -> None:
    """The most frequent trouble at a facility."""
    reference = write_part(tmp_path, NAME, np.arange(3))
    (tmp_path / reference.file).chmod(0)
    with pytest.raises(ArrayUnreadableError, match="proposal's group"):
        read_array(tmp_path, reference)


@pytest.mark.parametrize(
    "document",
    [{}, {"kind": "hologram"}, {"kind": "ndarray", "file": "a", "dataset": "/data", "shape": 3}],
)
def test_what_is_no_reference_is_an_error_that_says_so(document: dict[str, object]) -> None:
    """Rows can be written with mongosh, and by a newer version."""
    with pytest.raises(ArrayError, match=r"reference|newer"):
        ArrayReference.from_json(document)


def test_the_sweep_knows_our_files_from_those_of_people(tmp_path: Path) -> None:
    """It may delete what it finds, so it finds nothing else."""
    kept = write_part(tmp_path, NAME, np.arange(3))
    ours = ["p1234_r0042/runs.hits.3.h5.tmp", "p1234_r0042.h5", "p1234_r0042.h5.0a1b2c3d.tmp"]
    theirs = ["p1234_r0042/notes.txt", "p99_r0042.h5", "mine_r0042.h5", "p1234_r0042.txt", "a.h5"]
    for name in (*ours, *theirs):
        (tmp_path / name).touch()
    (tmp_path / "p1234_r0043.h5").symlink_to(tmp_path / "a.h5")

    found = files_in(tmp_path, 1234)

    assert sorted(each.file for each in found) == sorted([kept.file, *ours])
    assert [each.file for each in found if each.is_part] == [kept.file]
    assert {each.run for each in found} == {42}
    assert remove(tmp_path, found) == []
    (tmp_path / "p1234_r0042" / "notes.txt").unlink()
    assert remove(tmp_path, found) == []
    assert not (tmp_path / "p1234_r0042").exists()
    assert (tmp_path / "p1234_r0043.h5").is_symlink()


@pytest.mark.parametrize(
    "value",
    [
        np.zeros((2000, 2000)),
        np.zeros((4000, 1000), bool),
        np.zeros((1000, 1000, 4), np.uint8),
        np.array(["SA2_XTD1_XGM", "é", ""] * 100_000),
        ["a list of texts"] * 100_000,
        {f"key {number}": number for number in range(50_000)},
        np.ma.masked_array(np.zeros(1_000_000), mask=np.zeros(1_000_000, bool)),
        np.zeros(1_000_000, "M8[ns]"),
        xr.DataArray(np.zeros((1000, 2000), "f4"), {"x": np.arange(1000)}, ("x", "y")),
        xr.Dataset({"dark": ("x", np.zeros(2_000_000, bool))}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_repeats_itself_takes_little_space(tmp_path: Path, value: Any) -> None:
    """By default, whatever the type: nobody has to ask for compression."""
    reference = write_part(tmp_path, NAME, value)
    assert (tmp_path / reference.file).stat().st_size < reference.nbytes / 3
    read = read_array(tmp_path, reference)
    assert type(read) is type(value)
    if isinstance(value, np.ndarray):
        assert read.dtype == value.dtype
        assert (read == value).all()
    else:
        assert value.identical(read) if hasattr(value, "identical") else read == value


def test_zeros_of_32_mb_take_less_than_a_fifth_of_one(tmp_path: Path) -> None:
    """As many as a detector image of 2000 × 2000 pixels in double precision."""
    reference = write_part(tmp_path, NAME, np.zeros((2000, 2000)))
    assert reference.nbytes == 32_000_000
    assert (tmp_path / reference.file).stat().st_size <= 200_000
