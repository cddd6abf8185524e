"""Runs are found where the facility puts them, and what is missing is said exactly."""

from __future__ import annotations

import os
import pickle
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knockoff.errors import RunDataError, RunKeyError
from knockoff.rundata import errors
from knockoff.rundata.finding import (
    data_root,
    find_proposal,
    fingerprint,
    kinds_on_disk,
    run_files,
    run_folder,
    runs_on_disk,
)
from knockoff.rundata.opening import open_run
from knockoff.runkey import LARGEST_PROPOSAL, LARGEST_RUN, DataKind, RunKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

CORRECTED, UNCORRECTED = RunKey(1234, 1), RunKey(1234, 2)


def test_a_proposal_is_found_under_its_instrument_and_cycle(recorded: Path) -> None:
    """A message names the proposal only; instrument and cycle are read from the disk."""
    assert find_proposal(1234, recorded) == recorded / "MID" / "202601" / "p001234"


def test_without_a_root_the_environment_says_where_data_is(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same variable as extra-data's, so that a user's own open_run finds the same runs."""
    monkeypatch.setenv("EXTRA_DATA_DATA_ROOT", str(recorded))
    assert data_root() == recorded
    assert kinds_on_disk(CORRECTED) == {"raw", "proc"}

    monkeypatch.delenv("EXTRA_DATA_DATA_ROOT")
    assert data_root() == Path("/gpfs/exfel/exp")


def test_a_missing_data_root_is_told_from_a_missing_proposal(recorded: Path) -> None:
    """Whoever mistypes the root would otherwise look for the mistake in the proposal."""
    with pytest.raises(errors.DataRootMissingError, match="data root /nowhere does not exist"):
        find_proposal(1234, Path("/nowhere"))
    with pytest.raises(errors.ProposalMissingError) as caught:
        find_proposal(4321, recorded)
    assert str(caught.value).startswith(
        f"No such proposal here: nothing matches {recorded}/*/*/p004321."
    )


@pytest.mark.parametrize("name", ["../../etc", "p*", "/etc", "", "１２", -1, 0, True, 10**7])
def test_only_a_number_becomes_a_path(recorded: Path, name: object) -> None:
    """Whoever can send a message must not choose what is opened."""
    with pytest.raises(RunKeyError):
        find_proposal(name, recorded)  # type: ignore[arg-type]


def test_a_missing_run_names_the_runs_near_it(recorded: Path) -> None:
    """Most missing runs are a slip of the finger."""
    with pytest.raises(errors.RunMissingError) as caught:
        run_folder(RunKey(1234, 30), "raw", recorded)
    assert "p1234 r0030 has no raw data" in str(caught.value)
    assert "nearest runs with raw data are 1, 2" in str(caught.value)


def test_a_run_that_is_not_corrected_yet_is_not_called_missing(recorded: Path) -> None:
    """The reader should wait, not search."""
    with pytest.raises(errors.RunMissingError) as caught:
        run_folder(UNCORRECTED, "proc", recorded)
    assert "Its raw data is there; proc data comes when" in str(caught.value)


def test_a_proposal_without_any_run_says_so(tmp_path: Path) -> None:
    """At the start of a beamtime there is nothing to be near to."""
    (tmp_path / "MID" / "202601" / "p001234").mkdir(parents=True)
    with pytest.raises(errors.RunMissingError, match="no raw data at all yet"):
        run_files(CORRECTED, "raw", tmp_path)
    assert runs_on_disk(1234, tmp_path) == {"raw": [], "proc": []}


def test_a_run_folder_without_files_is_no_data(root: Path) -> None:
    """The folder is made before the files arrive in it."""
    folder = run_folder(CORRECTED, "raw", root)
    for path in folder.glob("*.h5"):
        path.unlink()
    assert kinds_on_disk(CORRECTED, root) == {"proc"}
    with pytest.raises(errors.RunFolderEmptyError, match=f"{folder} holds no HDF5 file"):
        run_files(CORRECTED, "raw", root)


def test_a_closed_folder_is_named_with_the_user_who_may_not_enter(
    root: Path, stranger: Callable[[], AbstractContextManager[None]]
) -> None:
    """Access to a proposal is given by the facility, to a named user and folder."""
    proposal = find_proposal(1234, root)
    for closed in (root, proposal, proposal / "raw", proposal / "raw" / "r0001"):
        closed.chmod(0)
        with stranger():
            user = errors.current_user()
            with pytest.raises(errors.DataDeniedError) as caught:
                run_files(CORRECTED, "raw", root)
        closed.chmod(0o755)
        assert f"User {user} may not read {closed}." in str(caught.value)


def test_a_proposal_may_hide_in_an_instrument_that_is_closed(
    root: Path, stranger: Callable[[], AbstractContextManager[None]]
) -> None:
    """It cannot be known, so both are said; and an open instrument is still searched."""
    (root / "HED").mkdir(mode=0)
    with stranger():
        assert find_proposal(1234, root) == root / "MID" / "202601" / "p001234"
        with pytest.raises(errors.ProposalMissingError, match=f"may not look into {root}/HED"):
            find_proposal(4321, root)
    (root / "HED").chmod(0o755)


def test_runs_are_listed_by_kind_and_nothing_else_is_taken_for_one(root: Path) -> None:
    """People and programs leave other things between the runs."""
    raw = find_proposal(1234, root) / "raw"
    for stray in (".r0007.part", "r1", "r0000", "dark_r0003", "r0004.bak"):
        (raw / stray).mkdir()
    (raw / "r12345").mkdir()
    assert runs_on_disk(1234, root) == {"raw": [1, 2, 12345], "proc": [1]}


@given(
    proposal=st.integers(1, LARGEST_PROPOSAL),
    run=st.integers(1, LARGEST_RUN),
    kind=st.sampled_from(["raw", "proc"]),
)
@settings(max_examples=50, deadline=None)
def test_every_run_that_has_a_number_is_found_again(
    proposal: int, run: int, kind: DataKind
) -> None:
    """Padding differs between 4 and 5 digits; none may get lost over it."""
    key = RunKey(proposal, run)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        folder = root / "SQS" / "202522" / f"p{proposal:06d}" / kind / f"r{run:04d}"
        folder.mkdir(parents=True)
        (folder / "RAW.h5").touch()
        assert run_files(key, kind, root) == [folder / "RAW.h5"]
        assert kinds_on_disk(key, root) == {kind}
        assert runs_on_disk(proposal, root)[kind] == [run]


def test_a_fingerprint_changes_with_the_data_and_only_with_it(root: Path) -> None:
    """A result is current as long as its data is; extra-data's cache file is not data."""
    before = fingerprint(UNCORRECTED, "raw", root)
    open_run(UNCORRECTED, "raw", root)
    assert (run_folder(UNCORRECTED, "raw", root) / "karabo_data_map.json").exists()
    assert fingerprint(UNCORRECTED, "raw", root) == before
    assert fingerprint(CORRECTED, "raw", root) != before

    seen = {before}
    first = run_files(UNCORRECTED, "raw", root)[0]
    os.utime(first, ns=(1, 1))
    seen.add(fingerprint(UNCORRECTED, "raw", root))
    first.rename(first.with_name("RAW-R0002-DA09-S00000.h5"))
    seen.add(fingerprint(UNCORRECTED, "raw", root))
    first.with_name("RAW-R0002-DA09-S00000.h5").unlink()
    seen.add(fingerprint(UNCORRECTED, "raw", root))
    assert len(seen) == 4


@pytest.mark.parametrize(
    "error",
    [
        errors.DataRootMissingError(Path("/data")),
        errors.ProposalMissingError(1234, Path("/data"), (Path("/data/HED"),)),
        errors.RunMissingError(CORRECTED, "raw", Path("/data/r0001"), (2, 3), ("proc",)),
        errors.RunFolderEmptyError(Path("/data/r0001")),
        errors.DataDeniedError(Path("/data/r0001")),
        errors.DataUnreachableError(Path("/data"), "Stale file handle"),
        errors.DamagedFileError(Path("/data/r0001/a.h5"), "cut"),
        errors.SourceMissingError("XGM", ("SA2_XGM",)),
        errors.SourceKeyMissingError("XGM", "x", ("xTD",)),
        errors.SyntheticRunError("exists"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_reads_the_same_in_another_process(error: RunDataError) -> None:
    """Runs are opened in workers, and people read about it elsewhere."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
