"""What a variable returned, on its way through a worker: figures, classes, summaries that fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from knockoff.arrays.reading import read_array
from knockoff.arrays.references import ArrayReference
from knockoff.contextfile.loading import load
from knockoff.filling.filling import Filling
from knockoff.filling.messages import Result, RunTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.filling.messages import CellResult, Message

    Fill = Callable[..., "dict[str, CellResult]"]


@pytest.fixture
def task(tmp_path: Path) -> RunTask:
    """A run of which nothing is known; its data are not asked for."""
    return RunTask(1234, 1, "runs", "1", str(tmp_path / "arrays"))


@pytest.fixture
def fill(tmp_path: Path, task: RunTask) -> Fill:
    """Load a context file with this text, and fill all of its variables."""

    def filled(text: str, *names: str, **known: Any) -> dict[str, CellResult]:
        path = tmp_path / "context.py"
        path.write_text(
            f"from knockoff import Cell, Run, Variable\nimport numpy as np\n{dedent(text)}"
        )
        context = load(path)
        told: list[Message] = []
        wanted = names or context.tables["runs"].formulas
        Filling(context, replace(task, **known)).fill(wanted, told.append)
        results = [each for each in told if isinstance(each, Result)]
        assert [each.problem for each in results] == [None] * len(results)
        return {each.variable: each.cell for each in results}

    return filled


def read(cell: CellResult, task: RunTask) -> Any:
    assert cell.array is not None
    return read_array(Path(task.extracted_data), ArrayReference.from_json(cell.array))


def test_a_summary_that_fails_costs_only_itself(fill: Fill, task: RunTask) -> None:
    """The array took an hour; a wrong line in a lambda must not throw it away."""
    cells = fill(
        """
        class Runs(Run):
            @Variable(summary=lambda array: array.no_such())
            def broken(self) -> np.ndarray:
                return np.arange(3.0)

            @Variable
            def reader(self) -> float:
                return self.broken.sum()

            @Variable(summary=lambda numbers: 1 / 0)
            def short(self) -> list:
                return [1, 2]
        """
    )
    broken = cells["broken"]
    assert broken.outcome == "failed"
    assert broken.problem is not None
    assert broken.problem.kind == "SummaryError"
    assert "no_such" in broken.problem.message
    assert broken.value is None
    assert read(broken, task).tolist() == [0, 1, 2]
    assert broken.preview is not None
    assert cells["reader"].value == 3.0
    assert cells["short"].problem is not None
    assert read(cells["short"], task) == [1, 2]


def test_figures_are_stored_by_a_worker(fill: Fill, task: RunTask) -> None:
    """As value and as preview of another value."""
    cells = fill(
        """
        import matplotlib.pyplot as plt
        import plotly.graph_objects as go

        class Runs(Run):
            @Variable
            def plot(self):
                figure, axes = plt.subplots()
                axes.plot([1, 2])
                return figure

            @Variable
            def chart(self):
                return go.Figure(go.Scatter(y=np.arange(5)))

            @Variable
            def number(self) -> Cell:
                return Cell(5, preview=self.plot)
        """
    )
    assert read(cells["plot"], task).shape[2] == 4
    assert read(cells["chart"], task)["data"][0]["type"] == "scatter"
    assert [cells[name].value for name in ("plot", "chart", "number")] == [None, None, 5]
    kinds = {name: cell.preview and cell.preview["kind"] for name, cell in cells.items()}
    assert kinds == {"plot": "png", "chart": "trend", "number": "png"}
    assert cells["number"].array is None


def test_an_array_as_summary_value_is_the_picture_of_the_cell(fill: Fill) -> None:
    """Whatever its shape: DAMNIT takes one of two rows for a trendline it made itself."""
    cells = fill(
        """
        class Runs(Run):
            @Variable
            def line(self) -> Cell:
                return Cell(None, summary_value=np.arange(9))

            @Variable
            def image(self) -> Cell:
                return Cell(None, summary_value=np.eye(2, 9))

            @Variable
            def word(self) -> Cell:
                return Cell(np.arange(9), summary_value="dark")
        """
    )
    assert cells["line"].preview is not None
    assert cells["line"].preview["kind"] == "trend"
    assert cells["image"].preview is not None
    assert cells["image"].preview["kind"] == "png"
    assert cells["line"].value is cells["image"].value is None
    assert cells["word"].value == "dark"
    assert cells["word"].array is not None


def test_what_varies_is_bold_unless_its_author_says_otherwise(fill: Fill) -> None:
    """A motor that moved during the run is seen at a glance."""
    cells = fill(
        """
        class Runs(Run):
            @Variable(summary="mean")
            def moved(self) -> np.ndarray:
                return np.array([1.0, 2.0])

            @Variable(summary="mean")
            def stood(self) -> np.ndarray:
                return np.array([1.0, 1.0])

            @Variable(summary="mean")
            def plain(self) -> Cell:
                return Cell(np.array([1.0, 2.0]), bold=False)
        """
    )
    assert cells["moved"].style == {"bold": True}
    assert cells["stood"].style is None
    assert cells["plain"].style == {"bold": False}
    differences = {name: cell.array and cell.array["max_diff"] for name, cell in cells.items()}
    assert differences == {"moved": 1.0, "stood": 0.0, "plain": 1.0}


def test_a_class_of_the_context_file_is_itself_again_for_a_later_variable(fill: Fill) -> None:
    """A variable that is computed next week must get what was returned today."""
    context = """
        import enum
        from pydantic import BaseModel

        class Shutter(enum.Enum):
            OPEN = "open"

        class Fit(BaseModel):
            slope: float
            state: Shutter

        class Runs(Run):
            @Variable
            def fits(self) -> list:
                return [Fit(slope=2, state=Shutter.OPEN)]

            @Variable
            def state(self):
                return Shutter.OPEN

            @Variable
            def rise(self) -> float:
                assert self.state is Shutter.OPEN
                assert self.fits[0].state is Shutter.OPEN
                return 10 * self.fits[0].slope
        """
    today = fill(context, "fits", "state")
    assert today["fits"].value == [{"slope": 2.0, "state": "open"}]
    assert today["state"].value == "open"
    exact = {name: cell.exact for name, cell in today.items()}
    row = {name: cell.value for name, cell in today.items()}

    later = fill(context, "rise", exact=exact, row=row, done=("fits", "state"))

    assert later["rise"].value == 20
