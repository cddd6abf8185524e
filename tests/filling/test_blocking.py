"""A cell without a value names every root of that, and the way there."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from knockoff.contextfile.loading import load
from knockoff.filling.blocking import MOST_CAUSES, Missing, blocked_by
from knockoff.filling.filling import Filling
from knockoff.filling.messages import CellProblem, Result, RunTask

if TYPE_CHECKING:
    from pathlib import Path

CONTEXT = """
from knockoff import Group, Run, Skip, Variable

@Group
class Xgm:
    @Variable
    def pulse_energy(self):
        return {}["intensityTD"]

class Runs(Run):
    xgm = Xgm()

    @Variable
    def dark(self):
        raise Skip("no dark run")

    @Variable
    def motor(self):
        raise ValueError("stuck\\nat 3 mm")

    @Variable
    def hits(self):
        return self.xgm.pulse_energy

    @Variable
    def background(self):
        return self.dark

    @Variable
    def hit_rate(self):
        return self.background + self.hits + self.motor

    @Variable
    def once_more(self):
        return self.hit_rate + self.hits

    @Variable
    def corrected(self):
        return self.background
"""


@pytest.fixture
def results(tmp_path: Path) -> dict[str, Result]:
    """How each variable of the file above ends."""
    (tmp_path / "context.py").write_text(CONTEXT)
    context = load(tmp_path / "context.py")
    told: list[Any] = []
    task = RunTask(1234, 1, "runs", "1", str(tmp_path))
    Filling(context, task).fill(context.tables["runs"].formulas, told.append)
    return {each.variable: each for each in told if isinstance(each, Result)}


def problem(results: dict[str, Result], name: str) -> CellProblem:
    """Why a cell is empty."""
    found = results[name].problem
    assert found is not None
    return found


def test_the_message_is_the_way_to_the_worst_root_in_one_line(results: dict[str, Result]) -> None:
    """That is what the cell of the table shows."""
    assert problem(results, "hits").message == (
        "xgm.pulse_energy failed: KeyError: 'intensityTD' (context.py:8)"
    )
    assert problem(results, "hit_rate").message == (
        "hits ← xgm.pulse_energy failed: KeyError: 'intensityTD' (context.py:8); and 2 more"
    )


def test_every_root_is_kept_once_with_its_shortest_way(results: dict[str, Result]) -> None:
    """Failures first: a skip is nobody's fault."""
    found = problem(results, "once_more").causes

    assert [(each.path, each.state) for each in found] == [
        (("hits", "xgm.pulse_energy"), "failed"),
        (("hit_rate", "motor"), "failed"),
        (("hit_rate", "background", "dark"), "skipped"),
    ]
    assert [(each.file, each.line) for each in found] == [
        ("context.py", 8),
        ("context.py", 19),
        ("context.py", 15),
    ]
    assert found[1].message == "stuck at 3 mm"
    assert found[0].context_line == 'return {}["intensityTD"]'


def test_what_needs_only_skipped_ones_is_skipped_for_the_same_reason(
    results: dict[str, Result],
) -> None:
    """And says through which variable."""
    assert results["corrected"].outcome == "skipped"
    assert problem(results, "corrected").message == "no dark run"
    assert problem(results, "corrected").cause == ("background", "dark")


def test_causes_survive_json(results: dict[str, Result]) -> None:
    """They come from another process, and are read back for the next attempt."""
    found = problem(results, "hit_rate")

    assert CellProblem.from_json(json.loads(json.dumps(asdict(found)))) == found


def test_only_so_many_causes_are_kept() -> None:
    """A row must not be filled by the reasons of one cell."""
    missing = [Missing(f"v{n}", "failed", CellProblem("E", "x" * 2000)) for n in range(50)]

    _, found = blocked_by(missing, "context.py")

    assert len(found.causes) == MOST_CAUSES
    assert found.message.endswith("; and 49 more")
    assert len(json.dumps(asdict(found))) < 8000
