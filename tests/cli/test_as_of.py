"""`--as-of`: the table as it was, value for value and word for word."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import CONTEXT, EDITED, workspace_with

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Shell

WORSE = EDITED.replace(
    "return len(data.train_ids)", 'raise ValueError("counted nothing")', 1
).replace('return {}["nothing"]', "return 1.5")


class Diary:
    """A workspace with a past, and what it showed at moments of it."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.pages: dict[str, tuple[str, str, str]] = {}

    def __call__(self, *words: str) -> str:
        """What a command prints, which works."""
        done = self.shell(*words)
        assert done.status == 0, done.said
        return done.out

    def keep(self, page: str) -> None:
        """Take down what the table shows now; a moment stands for its second."""
        time.sleep(1.1)
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.pages[page] = (moment, self("runs", "--csv"), self("show", "1"))
        time.sleep(1.1)

    def row(self, page: str, run: int = 1) -> dict[str, Any]:
        """A run as it was, for programs."""
        moment = self.pages[page][0]
        found = json.loads(self("show", str(run), "--as-of", moment, "--json"))
        row: dict[str, Any] = found["tables"]["runs"]
        return row


@pytest.fixture(scope="module")
def diary(tmp_path_factory: pytest.TempPathFactory, runs_on_disk: Path) -> Iterator[Diary]:
    """Two runs; then things typed; then other code; then failures, a roll back and a third run."""
    with workspace_with(CONTEXT, tmp_path_factory.mktemp("diary"), runs_on_disk) as shell:
        diary = Diary(shell)
        diary("process", "1,2")
        diary("comment", "1", "first light")
        diary.keep("filled")
        diary("comment", "1", "knife edge")
        diary("set", "1", "threshold", "12.5")
        diary("set", "2", "tags", "dark,short")
        diary("process", "1")
        diary.keep("typed")
        (shell.folder / "context.py").write_text(EDITED)
        diary("process", "1")
        diary.keep("edited")
        (shell.folder / "context.py").write_text(WORSE)
        shell("process", "all")
        diary("comment", "1", "")
        diary("history", "1", "hits", "--roll-back", "1")
        yield diary


@pytest.mark.parametrize("page", ["filled", "typed", "edited"])
def test_the_table_is_shown_as_it_was(diary: Diary, page: str) -> None:
    """Values, failures, comments, typed fields, columns and runs: all as somebody saw them."""
    moment, table, card = diary.pages[page]

    assert diary("runs", "--csv", "--as-of", moment) == table
    assert diary("show", "1", "--as-of", moment) == card
    assert diary("runs", "--csv") != table


def test_what_was_deleted_and_what_failed_since_has_its_value(diary: Diary) -> None:
    """The row has lost them; the past has not."""
    now = json.loads(diary("show", "1", "--json"))["tables"]["runs"]
    assert now["comment"] is None
    assert now["states"]["trains"]["state"] == "failed"
    assert now["broken"] == 1.5

    then = diary.row("edited")

    assert then["comment"] == "knife edge"
    assert then["trains"] == 8
    assert then["states"]["broken"]["kind"] == "KeyError"
    assert diary.row("filled")["threshold"] == 1e6
    assert diary.row("typed")["threshold"] == 12.5


def test_conditions_and_order_work_on_the_past_too(diary: Diary) -> None:
    """Which runs were good before the edit is asked as it is asked of today."""
    moment = diary.pages["typed"][0]

    found = json.loads(diary("runs", "--as-of", moment, "--where", "tags = dark", "--json"))
    assert [row["run"] for row in found] == [2]
    found = json.loads(diary("runs", "--as-of", moment, "--where", "broken is failed", "--json"))
    assert [row["run"] for row in found] == [1, 2]
    found = json.loads(diary("runs", "--as-of", moment, "--sort", "-run", "--json"))
    assert [row["run"] for row in found] == [2, 1]
    edited = diary.pages["edited"][0]
    found = json.loads(diary("runs", "--as-of", edited, "--where", "hits is stale", "--json"))
    assert [row["run"] for row in found] == [2]


def test_a_moment_that_cannot_be_shown_is_refused(diary: Diary) -> None:
    """Before the first run, in the future, and what is no time."""
    early = diary.shell("runs", "--as-of", "2001-01-01")
    assert (early.status, early.out) == (1, "")
    assert "no table yet" in early.said
    late = diary.shell("runs", "--as-of", "2999-01-01")
    assert late.status == 1
    assert "still to come" in late.said
    odd = diary.shell("show", "1", "--as-of", "teatime")
    assert odd.status == 1
    assert "'2h ago'" in odd.said
    moment = diary.pages["filled"][0]
    none = diary.shell("show", "3", "--as-of", moment)
    assert none.status == 1
    assert "no row then" in none.said
