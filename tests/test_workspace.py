"""A workspace is made, found again from anywhere, and open to its group alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from knockoff.errors import RunDataError, SettingsError, WorkspaceError
from knockoff.workspace import Workspace


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    (tmp_path / "exp" / "SPB" / "202501" / "p001234" / "usr" / "Shared").mkdir(parents=True)
    return tmp_path / "exp"


def test_a_workspace_is_found_from_any_folder_below_it(tmp_path: Path) -> None:
    """People stand in `process_logs` when they ask for the table."""
    made = Workspace.create(tmp_path / "here", 1234)

    assert Workspace.find(made.logs_folder) == made
    assert Workspace.open(made.folder) == made
    assert made.proposal == 1234


def test_without_a_workspace_the_ways_on_are_named(tmp_path: Path) -> None:
    """The first thing that a new user may see."""
    with pytest.raises(WorkspaceError, match="knockoff init 1234"):
        Workspace.find(tmp_path)
    with pytest.raises(WorkspaceError, match=r"no knockoff\.toml"):
        Workspace.open(tmp_path)


def test_a_proposals_workspace_is_found_by_its_number(data_root: Path) -> None:
    """`knockoff -p 1234` works from anywhere."""
    place = Workspace.place_of(1234, data_root)
    assert place == data_root / "SPB/202501/p001234/usr/Shared/knockoff"
    with pytest.raises(WorkspaceError, match="knockoff init 1234"):
        Workspace.of_proposal(1234, data_root)

    made = Workspace.create(place, 1234)

    assert Workspace.of_proposal(1234, data_root) == made


def test_an_unknown_proposal_is_not_a_missing_workspace(data_root: Path) -> None:
    """`knockoff init` would not help against a typing mistake."""
    with pytest.raises(RunDataError, match="1235"):
        Workspace.of_proposal(1235, data_root)


def test_the_group_may_write_and_nobody_else_may_read(tmp_path: Path) -> None:
    """Whatever the umask of the person who happened to make it."""
    before = os.umask(0o077)
    try:
        made = Workspace.create(tmp_path / "here", 1234, context="# columns\n")
    finally:
        os.umask(before)

    folders = (made.folder, made.arrays_folder, made.logs_folder, made.spool_folder)
    assert {mode(folder) for folder in folders} == {0o2770}
    assert {mode(file) for file in (made.settings_file, made.context_file)} == {0o660}
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "context.py",
        "extracted_data",
        "knockoff.toml",
        "process_logs",
        "spool",
    ]


def test_what_is_written_into_the_settings_is_read_back(tmp_path: Path) -> None:
    """A demo workspace brings its data root and broker along."""
    made = Workspace.create(
        tmp_path / "here",
        1234,
        settings={"data_root": "dätä", "kafka.brokers": ["localhost:9092"], "workers.parallel": 2},
    )

    settings = made.settings({"workers.parallel": 3})

    assert settings.data_root == made.folder / "dätä"
    assert settings.kafka.brokers == ("localhost:9092",)
    assert settings.workers.parallel == 3
    assert settings.origin("data_root") == str(made.settings_file)


def test_a_workspace_is_never_made_over_another(tmp_path: Path) -> None:
    """Two people type `knockoff init`; the second must not undo what the first has."""
    made = Workspace.create(tmp_path, 1234, context="# first\n")

    with pytest.raises(WorkspaceError, match="already"):
        Workspace.create(tmp_path, 2345, context="# second\n")

    assert Workspace.open(tmp_path) == made
    assert made.context_file.read_text() == "# first\n"


def test_a_context_file_that_is_there_stays(tmp_path: Path) -> None:
    """Somebody wrote it; it is all they have."""
    (tmp_path / "context.py").write_text("# mine\n")

    made = Workspace.create(tmp_path, 1234, context="# template\n")

    assert made.context_file.read_text() == "# mine\n"


@pytest.mark.parametrize("line", ["", 'proposal = "p1234"', "proposal = 0", "proposal = true"])
def test_a_workspace_without_a_number_says_which_line_is_missing(tmp_path: Path, line: str) -> None:
    """Rows of an unknown proposal would be worse than no rows."""
    (tmp_path / "knockoff.toml").write_text(line)

    with pytest.raises(WorkspaceError, match="proposal = 1234"):
        Workspace.find(tmp_path)


def test_a_broken_settings_file_is_not_passed_over(tmp_path: Path) -> None:
    """Else the folder above would silently be taken instead."""
    Workspace.create(tmp_path, 1234)
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "knockoff.toml").write_text("proposal = \n")

    with pytest.raises(SettingsError, match="not valid TOML"):
        Workspace.find(inner)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A plain file in the way fails for root, too."""
    (tmp_path / "usr").write_text("")

    with pytest.raises(WorkspaceError, match=r"usr.* cannot be made"):
        Workspace.create(tmp_path / "usr" / "knockoff", 1234)
