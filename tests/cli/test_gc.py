"""`knockoff gc` as people call it, and what they see of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import h5py

if TYPE_CHECKING:
    from tests.cli.conftest import Shell


def test_process_leaves_a_file_per_run_and_gc_the_arrays_in_use_alone(knockoff: Shell) -> None:
    """The two commands that the documentation shows one after the other."""
    folder = knockoff.folder / "extracted_data"
    with h5py.File(folder / "p1234_r0001.h5") as file:
        assert file["energy/data"].shape == (8, 4)
        assert file[".reduced/energy"].attrs["units"] == "uJ"
        assert file[".errors/broken"].attrs["type"] == "KeyError"
        assert "start_time/data" in file
    assert knockoff("process", "1", "--force").status == 0
    before = sorted(path.name for path in (folder / "p1234_r0001").iterdir())
    assert len(before) > 1

    told = knockoff("gc", "--dry-run")
    assert told.status == 0
    assert "would be swept" in told.out
    assert sorted(path.name for path in (folder / "p1234_r0001").iterdir()) == before

    swept = knockoff("gc", "--json")
    assert swept.status == 0, swept.said
    done = json.loads(swept.out)
    assert done["freed_bytes"] > 0
    assert {each["why"] for each in done["swept"]} == {"replaced"}
    assert len(list((folder / "p1234_r0001").iterdir())) == 1
    assert json.loads(knockoff("gc", "--json").out)["swept"] == []


def test_the_files_of_runs_can_be_written_anew(knockoff: Shell) -> None:
    """Somebody deleted or damaged one."""
    file = knockoff.folder / "extracted_data" / "p1234_r0002.h5"
    file.write_bytes(b"damaged")
    written = knockoff("gc", "--index", "2")
    assert (written.status, written.out) == (0, "1 run file written anew.\n")
    with h5py.File(file) as opened:
        assert opened["trains/data"][()] == 8

    file.unlink()
    assert "1 run file written anew." in knockoff("gc").out
    assert file.exists()


def test_runs_that_are_none_are_refused(knockoff: Shell) -> None:
    """Exit status 2, as of every command that was typed wrongly."""
    refused = knockoff("gc", "seven")
    assert refused.status == 2
    assert "seven" in refused.said
