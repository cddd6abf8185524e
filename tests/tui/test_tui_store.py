"""What is known of the table, without a terminal and without a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from knockoff.tui.columns import columns_of
from knockoff.tui.rows import Row
from knockoff.tui.store import RunStore, asked
from knockoff.tui.view import View

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.tui.cells import Hand


@pytest.fixture
def store(hand: Hand, row: Callable[..., Any], variable: Callable[..., Any]) -> RunStore:
    """Four runs with a number that one of them lacks."""
    store = RunStore(hand)
    store.define(columns_of([variable("hits", "Hits"), variable("sa2.energy", "XGM/Energy")]))
    rows = [Row(row(run, {"hits": hits})) for run, hits in ((1, 5.0), (2, None), (3, 9.5), (4, 7))]
    store.index(rows)
    store.put(rows)
    return store


def runs(store: RunStore) -> list[int]:
    return [int(key[-4:]) for key in store.order]


def test_rows_stand_by_run(store: RunStore) -> None:
    """The newest is the last, as in the log book."""
    assert runs(store) == [1, 2, 3, 4]


def test_rows_without_a_value_come_last_in_both_directions(store: RunStore) -> None:
    """Who sorts looks for values, not for their absence."""
    store.look(View().sorted_by("hits"))
    store.arrange()
    assert runs(store) == [1, 4, 3, 2]
    store.look(store.view.sorted_by("hits"))
    store.arrange()
    assert runs(store) == [3, 4, 1, 2]


def test_mixed_types_in_one_column_can_be_sorted(store: RunStore, row: Callable[..., Any]) -> None:
    """A column may have had another type last week."""
    store.note([Row(row(5, {"hits": "many"})), Row(row(6, {"hits": True}))])
    store.look(View().sorted_by("hits"))
    store.arrange()
    assert runs(store) == [6, 1, 4, 3, 5, 2]


def test_a_late_run_goes_where_its_number_belongs(store: RunStore, row: Callable[..., Any]) -> None:
    """Runs may be announced out of order."""
    store.note([Row(row(7))])
    store.note([Row(row(6))])
    assert runs(store) == [1, 2, 3, 4, 6, 7]
    assert store.position("p001234r0007") == 5


def test_a_changed_row_says_so_and_no_other(store: RunStore, row: Callable[..., Any]) -> None:
    """Only what changed is drawn again."""
    before = dict(store.versions)
    store.put([Row(row(3, {"hits": 1.0}))])
    changed = {key for key, version in store.versions.items() if before.get(key) != version}
    assert changed == {"p001234r0003"}


def test_what_was_typed_is_shown_until_the_row_is_read_again(
    store: RunStore, row: Callable[..., Any]
) -> None:
    """Typing must not wait for the network, and must not be forgotten before it is stored."""
    key, place = "p001234r0003", next(p for p in store.places if p.column.name == "hits")
    store.typed(key, "hits", "12")
    store.put([Row(row(3, {"hits": 9.5}))])
    assert store.cell(key, place).text == "12"
    store.stored(key, "hits")
    store.put([Row(row(3, {"hits": 13.0}))])
    assert store.cell(key, place).text == "13.0"


def test_a_row_that_was_not_read_has_its_number_already(store: RunStore) -> None:
    """Scrolling faster than the network shows where one is."""
    store.forget(["p001234r0002"])
    texts = [store.cell("p001234r0002", place).text for place in store.places]
    assert texts[0] == "2"
    assert not any(texts[1:])
    assert store.missing(0, 4) == ["p001234r0002"]


def test_mongodb_is_never_asked_for_a_field_and_a_part_of_it() -> None:
    """It refuses such a projection as a whole."""
    assert asked({"a", "a.b", "a.b.c", "ab.c", "x.y"}) == {"a", "ab.c", "x.y"}


def test_a_page_is_read_without_tracebacks(store: RunStore) -> None:
    """They are long, and nobody sees them in the grid."""
    assert not any("traceback" in field for field in store.page_fields)
    assert "knockoff.problems.sa2/energy.message" in store.page_fields
