"""`knockoff submit`: a value from a file or the command line, as a batch script calls it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from .conftest import workspace_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .conftest import Shell

CONTEXT = """
import numpy as np
from knockoff import Run, Variable, launch

class Runs(Run):
    @Variable(title="Fit", units="mm")
    def fit(self) -> float:
        launch("echo working; until [ -e go ]; do sleep 0.1; done; "
               "$KNOCKOFF_PYTHON -m knockoff submit $KNOCKOFF_RUN fit --value 7.5")

    @Variable(title="Double")
    def double(self) -> float:
        return 2 * self.fit

    @Variable(title="Map")
    def map(self) -> np.ndarray:
        return np.zeros((2, 3))

    @Variable(title="Note")
    def note(self):
        return None
"""


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory, runs_on_disk: Path) -> Iterator[Shell]:
    """Runs 1 to 3 were processed; `fit` of each waits for a program outside."""
    with workspace_with(CONTEXT, tmp_path_factory.mktemp("outside"), runs_on_disk) as shell:
        done = shell("process", "all")
        assert done.status == 0, done.said
        yield shell
        shell("cancel", "all")


def eventually(look: Callable[[], bool]) -> None:
    """Wait until it is so."""
    end = time.monotonic() + 30
    while not look():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_waiting_cell_shows_so_wherever_people_look(launched: Shell) -> None:
    """Which program, where and since when, and how it is ended."""
    card = launched("show", "1").out
    assert "↗ waiting for outside: echo working" in card
    assert "(process " in card
    assert "↗ waiting for outside by way of" in card
    told = launched("why", "1", "fit").out
    assert "has not submitted a value yet" in told
    assert "`knockoff submit 1 fit FILE`" in told.replace("\n", " ")
    facts = json.loads(launched("why", "1", "double", "--json").out)
    assert facts["state"] == "waiting for outside"
    assert "it needs fit" in facts["text"]
    assert "↗ " in launched("runs").out
    rows = json.loads(launched("runs", "--where", "fit is waiting for outside", "--json").out)
    assert len(rows) >= 2
    logs = launched("logs", "1").out
    assert "--- launched for fit: echo working" in logs
    dry = launched("reprocess", "all", "--dry-run")
    assert dry.status == 0
    assert "fit" not in dry.out


def test_an_array_is_submitted_from_its_file(launched: Shell) -> None:
    """What is data goes to stdout and what is told to stderr."""
    np.save(launched.folder / "map.npy", np.arange(6.0).reshape(2, 3))
    done = launched("submit", "2", "map", "map.npy", "--units", "mJ", "--summary", "max", "--json")
    assert done.status == 0, done.said
    told = json.loads(done.out)
    assert (told["run"], told["columns"]) == (2, ["map"])
    assert "map of run 2 is stored (submit-" in done.said
    shown = launched("show", "2").out
    assert "5 mJ" in shown
    assert "float64 (2, 3)" in shown
    history = launched("history", "2", "map").out
    assert "from map.npy" in history
    why = launched("why", "2", "map").out.replace("\n", " ")
    assert "It was submitted on " in why
    assert "from map.npy" in why


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (["--value", "-3.5"], "-3.5"),
        (["--value", "knife edge"], "knife edge"),
        (["--value", "[1, 2]"], "[1, 2]"),
        (["--error", "no beam"], "✗ SubmittedError: no beam"),
    ],
)
def test_a_small_value_or_an_error_needs_no_file(
    launched: Shell, given: list[str], shown: str
) -> None:
    """A shell script has a number in a variable."""
    assert launched("submit", "3", "note", *given).status == 0
    assert shown in launched("show", "3").out


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["2", "fitt", "--value", "1"], 1, "has no variable 'fitt'"),
        (["9", "fit", "--value", "1"], 1, "no row of"),
        (["2", "fit", "missing.npy"], 1, "it is not there"),
        (["2", "fit", "--value", "high"], 1, "declared as float"),
        (["2", "fit"], 2, "Give a file"),
        (["2", "fit", "a.npy", "--value", "1"], 2, "Give a file"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_a_remedy(
    launched: Shell, words: list[str], status: int, said: str
) -> None:
    """A batch script sees it by the exit status, and its author by the words."""
    done = launched("submit", *words)
    assert done.status == status
    assert said in done.said
    assert done.out == ""


def test_a_launched_program_fills_its_cell_and_cancel_ends_others(launched: Shell) -> None:
    """From launch to value by nothing but commands."""
    ended = launched("cancel", "3")
    assert "Ended fit of run 3: echo working" in ended.said
    assert "cancelled" in launched("show", "3").out
    (launched.folder / "go").touch()
    eventually(lambda: "7.5 mm" in launched("show", "1").out)
    assert launched("process", "1").status == 0
    card = launched("show", "1").out
    assert "Double   15" in card
    assert "stale" not in card
