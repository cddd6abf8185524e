"""A cell's state follows from its row alone."""

from __future__ import annotations

from typing import Any

import pytest

from knockoff.runs.stamps import dotted, slashed
from knockoff.runs.states import CellState, state_of

WORKING = {"raw": {"state": "running", "host": "max-exfl7", "pid": 41, "variable": "b"}}


@pytest.mark.parametrize(
    ("ours", "name", "data", "state"),
    [
        ({}, "x", "raw", CellState("waiting for raw")),
        ({"data": ["raw"]}, "x", "proc", CellState("waiting for proc")),
        ({"data": ["raw"]}, "x", "raw", CellState("queued")),
        ({"data": ["raw"], "active": WORKING}, "x", "raw", CellState("queued")),
        (
            {"data": ["raw"], "active": WORKING},
            "b",
            "raw",
            CellState("running", "by process 41 on max-exfl7"),
        ),
        (
            {"data": ["raw"], "active": WORKING},
            "b.mean",
            "raw",
            CellState("running", "by process 41 on max-exfl7"),
        ),
        ({"data": ["raw"], "active": WORKING}, "bb", "raw", CellState("queued")),
        (
            {"data": ["raw"], "active": {"raw": {**WORKING["raw"], "variable": "a, g.x"}}},
            "g.x",
            "raw",
            CellState("running", "by process 41 on max-exfl7"),
        ),
        ({"data": ["raw"], "arrays": {"g/x": {}}}, "g.x", "raw", CellState("done")),
        ({"data": ["raw"], "code": {"g/x": "1f"}}, "g.x", "raw", CellState("done")),
        (
            {"data": ["raw"], "attempt": {"raw": 1}},
            "x",
            "raw",
            CellState("not computed", "the run was processed before this column was there"),
        ),
        (
            {"problems": {"g/x": {"state": "failed", "kind": "KeyError", "message": "'a'"}}},
            "g.x",
            "raw",
            CellState("failed", "'a'", "KeyError"),
        ),
        (
            {"problems": {"x": {"state": "waiting for mymdc", "message": "not known yet"}}},
            "x",
            "raw",
            CellState("waiting for mymdc", "not known yet"),
        ),
        (
            {"problems": {"x": {"state": "skipped", "kind": "Skip", "message": "dark"}}},
            "x",
            "raw",
            CellState("skipped", "dark"),
        ),
    ],
)
def test_a_cell_without_a_value_says_why(
    ours: dict[str, Any], name: str, data: str, state: CellState
) -> None:
    """People act on the reason: wait, ask for the correction, mend the context file."""
    assert state_of({"knockoff": ours}, name, data) == state


def test_a_stored_null_is_a_value() -> None:
    """A method that returned None is done; it does not wait for anything."""
    assert state_of({"g": {"x": None}, "knockoff": {}}, "g.x").word == "done"
    assert state_of({}, "g.x").word == "waiting for raw"


def test_a_stale_value_is_still_a_value() -> None:
    """It stays in the cell, marked."""
    row = {"x": 3, "knockoff": {"problems": {"x": {"state": "stale", "message": "code changed"}}}}
    state = state_of(row, "x")
    assert state.has_value
    assert str(state) == "stale: code changed"


def test_what_somebody_should_look_at_is_told_apart() -> None:
    """A skip was meant; a failure was not."""
    assert CellState("failed").is_trouble
    assert not CellState("skipped").is_trouble
    assert str(CellState("failed", "'a'", "KeyError")) == "failed: KeyError: 'a'"


def test_a_key_tells_what_the_column_is_called() -> None:
    """People are told of ``mid.agipd.photons``, and never of the key that it has in a row."""
    assert slashed("mid.agipd.photons") == "mid/agipd/photons"
    assert dotted(slashed("mid.agipd.photons")) == "mid.agipd.photons"
