"""The log of a run is read to its end, whatever its variables wrote into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockoff.filling.messages import RunTask
from knockoff.filling.sections import announce, heading_in, log_name, open_section, variables_in
from knockoff.recording.runlogs import NoAttemptError, NoLogError, RunLog
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from pathlib import Path

KEY = RunKey(1234, 42)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two attempts, the second one in two processes."""
    path = tmp_path / log_name(1234, 42)
    for attempt, said in (("raw-1", "first"), ("asked-2", "second"), ("asked-2", "third")):
        open_section(path, RunTask(1234, 42, "runs", attempt, ""))
        announce(path, ["hits", "xgm.energy"])
        with path.open("a") as file:
            file.write(f"{said}\n")
    return path


def test_what_is_written_as_a_heading_is_read_as_one(log: Path) -> None:
    """Writer and reader must not drift apart."""
    lines = log.read_text().splitlines()
    heading = heading_in(lines[0])
    assert heading is not None
    assert (heading.table, heading.attempt) == ("runs", "raw-1")
    assert heading.moment.tzinfo is not None
    assert variables_in(lines[1]) == ("hits", "xgm.energy")


def test_an_attempt_is_asked_for_by_its_name_or_number(log: Path) -> None:
    """All processes of it belong to it; those of others do not."""
    assert list(RunLog(log.parent, KEY).lines()) == log.read_text().splitlines()
    for name in ("asked-2", "2"):
        lines = list(RunLog(log.parent, KEY, name).lines())
        assert "second" in lines
        assert "third" in lines
        assert "first" not in lines
    with pytest.raises(NoAttemptError, match="it has raw-1, asked-2"):
        list(RunLog(log.parent, KEY, "proc-1").lines())


def test_only_what_is_new_is_read_again(log: Path) -> None:
    """Whoever follows sees each line once, and no half ones until nothing more is to come."""
    reader = RunLog(log.parent, KEY)
    assert len(list(reader.lines(at_end=False))) == 9
    with log.open("a") as file:
        file.write("fourth\nhalf")
    assert list(reader.lines(at_end=False)) == ["fourth"]
    with log.open("a") as file:
        file.write(" done\nlast")
    assert list(reader.lines(at_end=False)) == ["half done"]
    assert list(reader.lines()) == ["last"]
    assert list(reader.lines()) == []


def test_a_log_that_was_cut_is_followed_on(log: Path) -> None:
    """One that grows without end is cut by the worker while somebody reads it."""
    reader = RunLog(log.parent, KEY)
    list(reader.lines())
    log.write_text("short\n")
    assert list(reader.lines()) == []
    with log.open("a") as file:
        file.write("and on\n")
    assert list(reader.lines()) == ["and on"]


def test_a_run_without_a_log_is_told_with_those_that_have_one(log: Path) -> None:
    """While it is followed it may still come."""
    other = RunLog(log.parent, RunKey(1234, 43))
    assert list(other.lines(at_end=False)) == []
    with pytest.raises(NoLogError, match="logs of runs 42") as caught:
        list(other.lines())
    assert "no log" in str(caught.value)
    with pytest.raises(NoLogError):
        RunLog(log.parent / "nowhere", KEY).sections()


@given(st.binary(max_size=200))
def test_anything_can_be_printed(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    """A variable may write bytes that are no text; the next section is found all the same."""
    folder = tmp_path_factory.mktemp("logs")
    path = folder / log_name(1234, 42)
    open_section(path, RunTask(1234, 42, "runs", "raw-1", ""))
    with path.open("ab") as file:
        file.write(noise + b"\n")
    open_section(path, RunTask(1234, 42, "runs", "raw-2", ""))

    sections = RunLog(folder, KEY).sections()
    assert [each["attempt"] for each in sections] == ["raw-1", "raw-2"]
    assert list(RunLog(folder, KEY, "raw-2").lines())[-1].startswith("=== ")
