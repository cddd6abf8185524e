"""How people arrange their columns."""

from __future__ import annotations

from knockoff.tui.columns import Column, columns_of
from knockoff.tui.view import Sort, View

COLUMNS = columns_of(
    [{"name": name, "title": name.upper(), "type": "float"} for name in ("a", "b", "c")]
)
WITH_NEW = (*COLUMNS[:4], Column("new", "New"), *COLUMNS[4:])


def names(view: View, columns: tuple[Column, ...] = COLUMNS) -> list[str]:
    return [column.name for column in view.shown(columns)]


def test_without_a_choice_every_column_stands_as_in_the_context_file() -> None:
    """Who just opened the table sees what was written."""
    assert names(View()) == ["run", "start_time", "comment", "a", "b", "c"]


def test_a_hidden_column_comes_back_to_its_place() -> None:
    """Hiding must be as easy to undo as to do."""
    hidden = View().hide("a", COLUMNS)
    assert names(hidden) == ["run", "start_time", "comment", "b", "c"]
    assert names(hidden.show("a", COLUMNS)) == names(View())


def test_the_run_number_cannot_be_hidden_or_unpinned() -> None:
    """A row without its run number is of no use."""
    assert names(View().hide("run", COLUMNS).pin("run"))[0] == "run"


def test_a_moved_column_stays_moved_when_others_are_hidden() -> None:
    """A column moves past what is seen, not past what is hidden."""
    view = View().hide("b", COLUMNS).moved("c", -1, COLUMNS)
    assert names(view) == ["run", "start_time", "comment", "c", "a"]


def test_a_column_does_not_move_over_the_edge() -> None:
    """The last one stays last, and pinned ones stay together."""
    assert names(View().moved("c", 1, COLUMNS)) == names(View())
    assert names(View().moved("start_time", -1, COLUMNS)) == names(View())


def test_pinned_columns_stand_at_the_left() -> None:
    """What is pinned stays in sight while the rest is scrolled."""
    assert names(View().pin("c"))[:2] == ["run", "c"]


def test_a_new_variable_is_seen_at_once_by_who_hid_nothing() -> None:
    """Somebody adds a variable during the beamtime: the others want to see it."""
    assert "new" in names(View().moved("a", 1, COLUMNS), WITH_NEW)


def test_a_new_variable_does_not_spoil_a_choice_of_columns() -> None:
    """Whoever selected ten of two hundred columns does not do it again for every new one."""
    view = View().hide("a", COLUMNS)
    assert "new" not in names(view, WITH_NEW)
    assert view.unseen(WITH_NEW) == {"new"}
    assert "new" in names(view.show("new", WITH_NEW), WITH_NEW)


def test_sorting_goes_up_then_down_then_back_to_runs() -> None:
    """One key does all three."""
    up = View().sorted_by("a")
    down = up.sorted_by("a")
    assert (up.sort, down.sort) == (Sort("a"), Sort("a", descending=True))
    assert down.sorted_by("a").sort is None


def test_what_is_kept_for_next_time_reads_back_the_same() -> None:
    """Columns are kept; a filter is not, since it would hide the newest runs unasked."""
    view = View().hide("a", COLUMNS).pin("b").widened("c", 30)
    assert View.from_document(view.filtered("gold").as_document()) == view


def test_a_kept_view_that_makes_no_sense_counts_as_none() -> None:
    """Somebody may have edited it by hand; the table opens all the same."""
    broken = {"order": 3, "hidden": None, "pinned": "x", "widths": [["a"], 7]}
    assert View.from_document(broken) == View()
