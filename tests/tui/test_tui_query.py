"""The filter line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from knockoff.tui.columns import columns_of
from knockoff.tui.query import QueryError, read_query
from knockoff.tui.rows import Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.tui.cells import Hand

COLUMNS = columns_of(
    [
        {"name": "sample", "title": "Sample", "type": "str", "kind": "editable"},
        {"name": "trains", "title": "Trains", "type": "int"},
        {"name": "dark", "title": "Dark run", "type": "bool"},
        {"name": "sa2.energy", "title": "XGM SA2/Energy", "type": "float"},
        {"name": "sa3.energy", "title": "XGM SA3/Energy", "type": "float"},
    ]
)


@pytest.fixture
def gold(row: Callable[..., Any]) -> Row:
    """A run that some filters pick and others do not."""
    values = {"sample": "Gold foil", "trains": 600, "dark": False, "sa2.energy": 1376.5}
    problem = {"state": "failed", "kind": "KeyError", "message": "no camera"}
    return Row(row(42, values, problems={"sa3/energy": problem}))


@pytest.mark.parametrize(
    "text",
    [
        "gold",
        "GOLD foil",
        '"gold foil"',
        "42",
        "trains > 100",
        "trains>=600 and sample ~ gold",
        "sa2.energy < 1400",
        '"XGM SA2/Energy" = 1376.5',
        "trains != 3 gold",
        "sample !~ water",
        "dark = false",
        "dark = no",
        "keyerror",
        "failed",
        "camera",
        "start_time > 2024-05-24",
        "start_time >= 2024-05-24",
        "sa3.energy != 5",
    ],
)
def test_a_filter_picks_what_it_describes(text: str, gold: Row, hand: Hand) -> None:
    """People type what they see: words, numbers, times, and what went wrong."""
    expected = text != "start_time > 2024-05-24"  # the same day is not later than itself
    assert read_query(text, COLUMNS).picks(gold, hand) is expected


@pytest.mark.parametrize(
    "text",
    ["water", "gold water", "trains < 100", "sample = gold", "sa3.energy > 0", "dark = yes", "600"],
)
def test_a_filter_leaves_out_the_rest(text: str, gold: Row, hand: Hand) -> None:
    """A run without a value fulfils no comparison; numbers are not found by plain words."""
    assert not read_query(text, COLUMNS).picks(gold, hand)


def test_an_ambiguous_column_is_asked_back(hand: Hand) -> None:
    """Two XGMs have an energy; a filter on the wrong one would not be noticed."""
    with pytest.raises(QueryError, match=r"sa2\.energy.*sa3\.energy"):
        read_query("energy > 1", COLUMNS)


def test_an_unknown_column_is_named() -> None:
    """A misspelt column must not silently pick nothing."""
    with pytest.raises(QueryError, match="no column 'trans'"):
        read_query("trans > 1", COLUMNS)


def test_a_condition_without_a_value_is_explained() -> None:
    """Enter was pressed too early."""
    with pytest.raises(QueryError, match="trains > 100"):
        read_query("trains >", COLUMNS)


def test_only_what_a_filter_needs_is_read(hand: Hand) -> None:
    """Ten thousand runs are decided by one column, not by two hundred."""
    assert read_query("trains > 1", COLUMNS).fields == {"trains"}
