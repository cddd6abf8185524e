"""What is listed to be swept is ours, and lies where it seems to."""

from __future__ import annotations

from pathlib import Path

from knockoff.arrays.sweeping import files_in


def test_files_that_a_link_leads_to_are_not_swept(tmp_path: Path) -> None:
    """User code may write here: a link to recorded data must not have it deleted as unknown."""
    elsewhere = tmp_path / "raw"
    elsewhere.mkdir()
    (elsewhere / "RAW-R0042.h5").touch()
    folder = tmp_path / "extracted_data"
    (folder / "p1234_r0001").mkdir(parents=True)
    (folder / "p1234_r0001" / "runs.hits.1.h5").touch()
    (folder / "p1234_r0001" / "runs.link.1.h5").symlink_to(elsewhere / "RAW-R0042.h5")
    (folder / "p1234_r0042").symlink_to(elsewhere, target_is_directory=True)

    assert [each.file for each in files_in(folder, 1234)] == ["p1234_r0001/runs.hits.1.h5"]
    other = tmp_path / "linked"
    other.symlink_to(folder, target_is_directory=True)
    assert len(files_in(other, 1234)) == 1
