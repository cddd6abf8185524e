"""`reset`, `delete` and `undelete` as people call them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h5py
import pytest
from tests.cli.conftest import CONTEXT, Shell, workspace_with

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def shell(tmp_path: Path, runs_on_disk: Path) -> Iterator[Shell]:
    """A workspace of this test's own, with three runs processed."""
    with workspace_with(CONTEXT, tmp_path, runs_on_disk) as shell:
        assert shell("process", "all").status == 0
        yield shell


def rows(shell: Shell) -> list[dict[str, Any]]:
    printed: list[dict[str, Any]] = json.loads(shell("runs", "--json").out)
    return printed


def parts(shell: Shell) -> list[Path]:
    return sorted((shell.folder / "extracted_data").glob("*/*.h5"))


def test_a_reset_takes_what_was_computed_and_leaves_what_was_typed(shell: Shell) -> None:
    """After the commissioning shifts the table is to be empty, and the notes are not."""
    assert shell("comment", "2", "knife edge").status == 0
    assert shell("set", "2", "threshold", "5").status == 0
    before = rows(shell)
    told = json.loads(shell("reset", "--dry-run", "--json").out)
    assert told["rows"] == 3
    assert told["arrays"]["number"] == len(parts(shell)) > 0
    assert told["history"] == {"number": 0, "bytes": 0}
    past = json.loads(shell("reset", "--history", "--dry-run", "--json").out)
    assert past["history"]["number"] == 20
    assert told["events"] == 5
    assert rows(shell) == before

    unanswered = shell.apart("reset")
    assert unanswered.status == 1
    assert "results in 3 rows" in unanswered.out
    assert "Nothing was changed" in unanswered.said
    assert rows(shell) == before
    assert shell.apart("reset", "--values", typed="n\n").status == 1
    assert rows(shell) == before

    assert shell.apart("reset", typed="y\n").status == 0
    emptied = rows(shell)
    assert [each["run"] for each in emptied] == [1, 2, 3]
    assert (emptied[1]["comment"], emptied[1]["threshold"]) == ("knife edge", 5)
    assert not {"trains", "energy", "hits"} & {
        name for each in emptied for name, value in each.items() if value is not None
    }
    assert parts(shell) == []
    assert "8" in shell("history", "1", "trains").out
    with h5py.File(shell.folder / "extracted_data/p1234_r0001.h5") as file:
        assert "trains" not in file
    assert json.loads(shell("reset", "--dry-run", "--json").out)["results"] == 0

    assert shell("process", "all").status == 0
    filled = rows(shell)
    for row, old in zip(filled, before, strict=True):
        computed_again = {"hits": 0, "states": {}}  # by the threshold that was typed
        assert {**row, **computed_again} == {**old, **computed_again}
    assert shell("reset", "--arrays", "--yes").status == 0
    assert parts(shell) == []
    assert rows(shell)[0]["trains"] == 8
    assert rows(shell)[0]["energy"] == before[0]["energy"]
    assert shell("reprocess", "all").status == 0
    assert len(parts(shell)) >= 3


def test_a_deleted_run_can_be_had_back_until_it_is_swept(shell: Shell) -> None:
    """Whoever deletes reads at once how to have it back."""
    before = rows(shell)
    refused = shell("delete", "7")
    assert (refused.status, "knockoff runs" in refused.said) == (1, True)
    assert shell("delete").status == 2
    assert shell("delete", "1", "--column", "hits").status == 2
    assert shell("delete", "all").status == 2

    done = shell("delete", "1-2")
    assert done.status == 0, done.said
    assert "`knockoff undelete 1 2` brings it back" in done.said
    assert [each["run"] for each in rows(shell)] == [3]
    assert "run 1" in shell("undelete").out
    listed = json.loads(shell("undelete", "--json").out)
    assert [(each["number"], each["run"]) for each in listed] == [(1, 1), (2, 2)]
    assert shell("undelete", "9").status == 1
    assert shell("undelete", "1", "2").status == 0
    assert rows(shell) == before
    assert shell("undelete").said.strip() == "Nothing was deleted that could be had back."

    assert shell("delete", "1").status == 0
    kept = shell("gc", "--keep-deleted")
    assert "undone" not in kept.out
    swept = shell("gc")
    assert "The deletion of run 1 cannot be undone any more." in swept.out
    assert not (shell.folder / "extracted_data/p1234_r0001").exists()
    assert not (shell.folder / "extracted_data/p1234_r0001.h5").exists()
    assert shell("undelete", "1").status == 1
    assert shell("process", "1").status == 0
    anew = {"added_at": ""}
    assert [{**each, **anew} for each in rows(shell)] == [{**each, **anew} for each in before]


def test_a_deleted_column_is_filled_again_only_if_somebody_asks(shell: Shell) -> None:
    """And the run's file has it no more, although nobody has opened an old one."""
    before = rows(shell)
    done = shell("delete", "--column", "Pulse energy")
    assert done.status == 0, done.said
    assert "It is in the context file" in done.said
    assert [each["energy"] for each in rows(shell)] == [None] * 3
    with h5py.File(shell.folder / "extracted_data/p1234_r0001.h5") as file:
        assert "energy" not in file
        assert "trains" in file
    assert shell("undelete", "1").status == 0
    assert rows(shell) == before
    with h5py.File(shell.folder / "extracted_data/p1234_r0001.h5") as file:
        assert file["energy/data"].shape == (8, 4)
    assert shell("delete", "--column", "threshold").status == 1
    assert shell("delete", "--column", "comment").status == 1
    assert shell("delete", "--column", "nothing").status == 1
