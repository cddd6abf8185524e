"""`Variable`, `Cell` and `Skip`: what they take, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from knockoff.language.cell import Cell, Skip
from knockoff.language.occasions import Insert, Update, after_event, before_event
from knockoff.language.variable import Variable, memory_in_bytes


def test_one_variable_serves_many_methods() -> None:
    """An alias in return hints is one object, and each method still a column of its own."""
    shared: Variable[Any] = Variable(units="uJ", summary="mean")

    def first() -> None: ...
    def second() -> None: ...

    one, two = shared.of(first), shared.of(second)

    assert (one.name, two.name) == ("first", "second")
    assert (one.units, two.units) == ("uJ", "uJ")
    assert shared.function is None


def test_a_decorated_function_can_still_be_called() -> None:
    """One variable may use another's function, and a test of a context file calls it."""

    @Variable(title="Twice")
    def twice(x: int) -> int:
        return 2 * x

    assert twice(3) == 6  # type: ignore[call-overload]  # as a decorator it is typed
    assert twice.title == "Twice"


def test_damnit_s_arguments_come_in_damnit_s_order() -> None:
    """Its files give some of them by position."""
    variable = Variable("Title", "What it is", "mean", "proc", True, "XGM", True, "uJ")

    assert (variable.title, variable.description, variable.summary) == (
        "Title", "What it is", "mean",
    )  # fmt: skip
    assert (variable.data, variable.cluster, variable.tags) == ("proc", True, ("XGM",))
    assert (variable.transient, variable.units) == (True, "uJ")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"title": " "}, "title must be text"),
        ({"title": 3}, "title must be text"),
        ({"units": " "}, "units must be text"),
        ({"summary": 3}, "summary must be"),
        ({"data": "cooked"}, "data must be 'raw' or 'proc', not 'cooked'"),
        ({"tags": ["a", ""]}, "tags must be words"),
        ({"timeout": 0}, "timeout must be more than 0"),
        ({"retries": -1}, "retries must be 0 or more"),
        ({"memory": "much"}, "memory must be bytes or text such as '25 GB'"),
        ({"cpus": 0}, "cpus must be more than 0"),
        ({"event": "Delete"}, None),
        ({"event": "Sometimes"}, "event must be Insert or Update"),
        ({"direction": "sideways"}, "direction must be before_event or after_event"),
    ],
)
def test_a_wrong_argument_is_named(wrong: dict[str, Any], message: str | None) -> None:
    """At the line of the decorator, when the file is loaded."""
    if message is None:
        assert Variable(**wrong).event == ()
        return
    with pytest.raises((TypeError, ValueError), match=message):
        Variable(**wrong)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("25 GB", 25_000_000_000), ("500M", 500_000_000), ("1.5 KB", 1500), ("7", 7), (7, 7)],
)
def test_memory_is_written_as_people_write_it(text: str | int, expected: int) -> None:
    """As Slurm does, with powers of 1000."""
    assert memory_in_bytes(text) == expected


def test_events_are_beanie_s_by_value() -> None:
    """A file may import them from either, and both mean the same."""
    import beanie

    for insert, update, before in (
        (Insert, Update, before_event),
        (beanie.Insert, beanie.Update, beanie.before_event),
        (beanie.Save, beanie.Replace, beanie.before_event),
    ):
        variable = Variable(event=[insert, update], direction=before)
        assert variable.event is not None
        assert set(variable.event) == {"Insert", "Update"}
        assert variable.direction == "before"
    assert Variable(direction=after_event).direction == "after"


@pytest.mark.parametrize("colour", ["#7CFC00", "#7cfc00ff", (124, 252, 0), [124, 252, 0]])
def test_a_colour_is_text_or_three_numbers(colour: Any) -> None:
    """Both become the same text in the document."""
    assert Cell(1, background=colour).background == "#7cfc00"


@pytest.mark.parametrize("colour", ["green", "#7cfc00f", (1, 2), (1, 2, 300)])
def test_what_is_no_colour_is_refused(colour: Any) -> None:
    """In the cell of the variable that made it, not later on somebody's screen."""
    with pytest.raises(ValueError, match="background must be"):
        Cell(1, background=colour)


def test_a_cell_is_put_together_step_by_step() -> None:
    """Files for DAMNIT colour a cell after they know what is in it, and give both summaries."""
    cell: Any = Cell([1, 2], summary="mean", summary_value=3)
    cell.bold = True
    cell.background = (255, 0, 0)

    assert (cell.bold, cell.background, cell.summary_value) == (True, "#ff0000", 3)
    with pytest.raises(ValueError, match="background must be"):
        cell.background = "red"


def test_a_skip_has_a_reason_or_none() -> None:
    """The reason is what the cell shows."""
    assert Skip("dark").reason == "dark"
    assert Skip().reason == ""


def test_a_cell_in_a_cell_is_refused() -> None:
    """It would be stored as a map of colours and previews."""
    with pytest.raises(TypeError, match="data is a Cell already: return that"):
        Cell(Cell(3), bold=True)
