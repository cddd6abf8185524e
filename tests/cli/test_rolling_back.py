"""`knockoff history --roll-back`: an older result is the value again, and stays it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import CONTEXT, workspace_with

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Shell

READERS = (
    CONTEXT
    + """
    @Variable(title="Twice")
    def twice(self) -> int:
        return 2 * self.hits

    @Variable(title="Largest")
    def largest(self) -> float:
        return float(self.energy.max())
"""
)
COUNT = "return int((self.energy > self.threshold).sum())"
OTHER = READERS.replace(COUNT, "return 1000 + int(0 * self.threshold)")
THIRD = READERS.replace(COUNT, "return 2000 + int(0 * self.threshold)")
FAINTER = READERS.replace(
    'data[XGM, "data.intensityTD"].ndarray()', 'data[XGM, "data.intensityTD"].ndarray() * 0'
)


@pytest.fixture
def workspace(tmp_path: Path, runs_on_disk: Path) -> Iterator[Shell]:
    """Run 1 was processed, then again by other code of `hits`."""
    with workspace_with(READERS, tmp_path, runs_on_disk) as shell:
        assert shell("process", "1").status == 0
        edit(shell, OTHER)
        yield shell


def edit(shell: Shell, text: str) -> None:
    """Save another context file, and compute by it what it makes due."""
    (shell.folder / "context.py").write_text(text)
    done = shell("reprocess", "all")
    assert done.status == 0, done.said


def roll_back(shell: Shell, variable: str, name: str) -> dict[str, Any]:
    """Roll back, which works, and see what the history says of it."""
    done = shell("history", "1", variable, "--roll-back", name, "--json")
    assert done.status == 0, done.said
    entry: dict[str, Any] = json.loads(done.out)
    return entry


def row(shell: Shell) -> dict[str, Any]:
    """Run 1 as a program sees it."""
    found: dict[str, Any] = json.loads(shell("show", "1", "--json").out)["tables"]["runs"]
    return found


def due(shell: Shell, *words: str) -> list[str]:
    """What a reprocess of all runs would compute."""
    found = json.loads(shell("reprocess", "all", "--dry-run", "--json", *words).out)
    return [name for each in found for name in each["variables"]]


def test_a_value_is_back_stays_and_its_readers_follow(workspace: Shell) -> None:
    """New code was worse for one run: what was right before stays, whatever is reprocessed."""
    before = json.loads(workspace("history", "1", "hits", "--json").out)
    assert (row(workspace)["hits"], row(workspace)["twice"]) == (1000, 2000)

    entry = roll_back(workspace, "hits", "1")

    assert entry["rolled_back_to"] == "raw-1"
    assert entry["value"] == before[0]["value"]
    assert entry["user"]
    now = row(workspace)
    assert (now["hits"], now["twice"]) == (before[0]["value"], 2000)
    assert "kept" in now["states"]["hits"]["reason"]
    assert now["states"]["twice"]["state"] == "stale"
    assert due(workspace) == ["twice"]

    assert workspace("reprocess", "all").status == 0
    assert workspace("process", "1").status == 0
    now = row(workspace)
    assert (now["hits"], now["twice"]) == (before[0]["value"], 2 * before[0]["value"])
    assert "twice" not in now["states"]
    assert due(workspace) == []


def test_a_reader_that_is_rolled_back_as_well_is_current(workspace: Shell) -> None:
    """Both were computed from each other once: there is nothing to compute."""
    roll_back(workspace, "hits", "raw-1")
    roll_back(workspace, "twice", "raw-1")

    assert due(workspace) == []
    assert "twice" not in row(workspace)["states"]


def test_a_kept_value_goes_when_it_is_named_or_forced_or_its_code_or_inputs_change(
    workspace: Shell,
) -> None:
    """It is kept against what was known then, and against nothing else."""
    roll_back(workspace, "hits", "1")
    assert "hits" in due(workspace, "--force")
    assert due(workspace, "--variables", "hits") == ["hits"]
    assert workspace("reprocess", "1", "--variables", "hits").status == 0
    assert row(workspace)["hits"] == 1000

    roll_back(workspace, "hits", "1")
    edit(workspace, THIRD)
    assert row(workspace)["hits"] == 2000

    roll_back(workspace, "hits", "1")
    assert workspace("set", "1", "threshold", "12.5").status == 0
    assert workspace("process", "1").status == 0
    assert row(workspace)["hits"] == 2000
    assert due(workspace) == []


def test_a_roll_back_is_undone_by_one_to_the_newer_result(workspace: Shell) -> None:
    """As it was before, in value and in what is due."""
    roll_back(workspace, "hits", "1")
    entry = roll_back(workspace, "hits", "2")

    assert entry["attempt"] == "rollback-2"
    assert (row(workspace)["hits"], due(workspace)) == (1000, [])
    refused = workspace("history", "1", "hits", "--roll-back", "2")
    assert refused.status == 1
    assert "already" in refused.said


def test_an_array_comes_back_whole_and_no_sweep_takes_it(workspace: Shell) -> None:
    """Array, preview, style and what was computed from it are of one result."""
    bright = row(workspace)
    edit(workspace, FAINTER)
    assert row(workspace)["energy"] == 0
    assert "energy" in due(workspace, "--force")

    roll_back(workspace, "energy", "1")
    now = row(workspace)
    assert now["energy"] == bright["energy"]
    assert now["arrays"]["energy"] == bright["arrays"]["energy"]
    file = workspace.folder / "extracted_data" / now["arrays"]["energy"]["file"]

    assert workspace("gc", "--grace", "0").status == 0
    assert file.is_file()
    assert workspace("reprocess", "1").status == 0
    assert row(workspace)["largest"] == bright["largest"]


def test_what_was_swept_is_refused_with_a_way_on(workspace: Shell) -> None:
    """No row ever names an array that is not there."""
    edit(workspace, FAINTER)
    assert workspace("gc", "--grace", "0").status == 0

    refused = workspace("history", "1", "energy", "--roll-back", "1")

    assert refused.status == 1
    assert "was swept by `knockoff gc`" in refused.said
    assert "--variables energy --force" in refused.said
    assert row(workspace)["energy"] == 0


def test_history_and_why_say_who_has_rolled_back(workspace: Shell) -> None:
    """A number that other code made is no riddle for those who come after."""
    roll_back(workspace, "hits", "1")

    listed = workspace("history", "1", "hits").out.splitlines()[-1]
    assert "rollback-1" in listed
    assert listed.endswith("that of raw-1")
    why = workspace("why", "1", "hits").out
    assert "It was rolled back to that attempt, raw-1, by " in why
    assert "before, it held that of asked-1" in why
    assert "It is kept all the same" in why
    assert "--variables hits" in why
    assert "hits was rolled back to raw-1 on" in workspace("why", "1", "twice").out
