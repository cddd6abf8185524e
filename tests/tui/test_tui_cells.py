"""What stands in a cell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from knockoff.tui.cells import Hand
from knockoff.tui.chart import chart
from knockoff.tui.columns import Column
from knockoff.tui.glyphs import ASCII, UNICODE, spoken
from knockoff.tui.numbers import NumberFormat, shorter
from knockoff.tui.rows import Row
from knockoff.tui.text import fit, one_line, without_end, without_start

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.tui.cells import Cell

HITS = Column("spb.hits", "Hits", type="int")
IMAGE = Column("image", "Image", type="ndarray", data="proc")
THRESHOLD = Column("threshold", "Threshold", kind="editable", type="float")


def cell(hand: Hand, column: Column, document: dict[str, Any], width: int = 20) -> Cell:
    return hand.cell(column, Row(document), NumberFormat(), width, right=column.is_number)


def test_a_failed_cell_names_the_error_and_its_message(hand: Hand, row: Callable[..., Any]) -> None:
    """Reading the table must tell what went wrong without opening a log."""
    problem = {"state": "failed", "kind": "KeyError", "message": "no\nsource [SPB]"}
    failed = cell(hand, HITS, row(1, problems={"spb/hits": problem}))
    assert (failed.text, failed.look) == ("✗ KeyError: no⏎source [SPB]", "failed")


@pytest.mark.parametrize(
    ("ours", "text"),
    [
        ({"problems": {"image": {"state": "blocked", "message": "by hits"}}}, "⊘ by hits"),
        ({"problems": {"image": {"state": "timed out"}}}, "✗ timed out"),
        ({"problems": {"image": {"state": "skipped", "message": "dark"}}}, "skipped: dark"),
        (
            {
                "problems": {
                    "image": {
                        "state": "waiting for outside",
                        "message": "sbatch fit.sh",
                        "outside": {"job": "123", "pid": 7, "host": "max"},
                    }
                }
            },
            "↗ waiting for outside: sbatch fit.sh (batch job 123)",
        ),
        (
            {"problems": {"image": {"state": "waiting for outside", "message": "hits"}}},
            "↗ waiting for outside: hits",
        ),
        ({}, "⋯ waiting for proc"),
        ({"active": {"raw": {"state": "running", "variable": "hits"}}}, "⋯ waiting for proc"),
        ({"data": ["raw", "proc"]}, "○ queued"),
        ({"data": ["raw", "proc"], "attempt": {"raw": 1}}, "not computed yet"),
        ({"data": ["proc"], "active": {"proc": {"state": "running"}}}, "○ queued"),
        ({"data": ["proc"], "active": {"proc": {"variable": "image"}}}, "◐ running"),
        ({"arrays": {"image": {"dtype": "float32", "shape": [64, 96]}}}, "float32 (64, 96)"),
        (
            {"arrays": {"image": {"kind": "image", "dtype": "uint8", "shape": [480, 640, 4]}}},
            "image (480, 640)",
        ),
        (
            {"arrays": {"image": {"kind": "dataset", "dtype": "", "shape": [4, 3]}}},
            "dataset (4, 3)",
        ),
        (
            {"arrays": {"image": {"kind": "ndarray", "dtype": "[('n', '<i4')]", "shape": [7]}}},
            "structured (7)",
        ),
    ],
)
def test_every_empty_cell_says_why(
    ours: dict[str, Any], text: str, hand: Hand, row: Callable[..., Any]
) -> None:
    """An empty cell without a reason makes people restart things."""
    assert cell(hand, IMAGE, row(1, **ours)).text == text


def test_a_complex_number_is_written_as_one(hand: Hand, row: Callable[..., Any]) -> None:
    """MongoDB has no complex numbers; nobody should see what stands in for them."""
    assert cell(hand, HITS, row(1, {"spb.hits": {"real": 1.5, "imag": -2.0}})).text == "1.5-2j"


def test_none_is_a_result_and_no_waiting(hand: Hand, row: Callable[..., Any]) -> None:
    """A method that returned None is done."""
    assert cell(hand, HITS, row(1, {"spb.hits": None})).text == "none"


def test_an_array_without_a_summary_shows_its_trend(hand: Hand, row: Callable[..., Any]) -> None:
    """The shape of a signal says more than the shape of its array."""
    document = row(1, arrays={"image": {"dtype": "float32", "shape": [4]}})
    trend = (0.0, 7.0, math.nan, 3.0)
    line = hand.cell(IMAGE, Row(document), NumberFormat(), 4, right=False, trend=trend)
    assert (line.text, line.look) == ("▁█ ▄", "spark")


def test_a_constant_trend_is_a_flat_line(hand: Hand) -> None:
    """Nothing to scale is nothing to divide by."""
    assert hand.trend((5.0, 5.0, 5.0), 10) == "▁▁▁"


def test_a_stale_value_stays_but_looks_stale(hand: Hand, row: Callable[..., Any]) -> None:
    """The number is still the best there is; nobody should take it for fresh."""
    document = row(1, {"spb.hits": 7}, stale={"spb/hits": "its code has changed since"})
    assert (cell(hand, HITS, document).text, cell(hand, HITS, document).look) == ("~7", "stale")


def test_unusual_units_stand_beside_the_number(hand: Hand, row: Callable[..., Any]) -> None:
    """1.2 under a header that says µJ must not be read as µJ if it is mJ."""
    document = row(1, {"spb.hits": 12}, units={"spb/hits": "mJ"})
    assert cell(hand, HITS, document).text == "12 mJ"


def test_a_typed_number_is_shown_as_typed(hand: Hand, row: Callable[..., Any]) -> None:
    """Somebody who types 0.125 does not want to read 0.13."""
    assert cell(hand, THRESHOLD, row(1, {"threshold": 0.125})).text == "0.125"


def test_times_are_the_facilitys(hand: Hand, row: Callable[..., Any]) -> None:
    """Storage is UTC; the clock on the wall is not."""
    started = Column("start_time", "Started", kind="builtin", type="datetime")
    assert cell(hand, started, row(5)).text == "24 May 12:05"


def test_the_context_files_colours_reach_the_cell(hand: Hand, row: Callable[..., Any]) -> None:
    """`Cell(bold=True, background=…)` is how people mark what matters."""
    style = {"bold": True, "background": "#7cfc00"}
    marked = cell(hand, HITS, row(1, {"spb.hits": 3}, style={"spb/hits": style}))
    assert (marked.bold, marked.background) == (True, "#7cfc00")


def test_points_of_one_column_stand_below_each_other() -> None:
    """Fixed decimals: a column is read by its digits' places."""
    numbers = NumberFormat().learned([1376.6123, 9.5, 0.25])
    assert [numbers.text(value) for value in (1376.6123, 9.5, 0.25)] == ["1376.6", "9.5", "0.2"]


def test_a_number_that_its_column_would_swallow_is_written_in_powers_of_ten() -> None:
    """0.0001 among thousands is not 0.0."""
    assert NumberFormat().learned([1376.6]).text(0.000123) == "1.230e-04"


def test_a_more_precise_number_makes_its_column_more_precise() -> None:
    """A first page of whole numbers must not round what comes later."""
    whole = NumberFormat().learned([3.0, 12.0])
    assert (whole.text(12.0), whole.learned([12.5]).text(12.5)) == ("12", "12.5")


@pytest.mark.parametrize(("value", "width"), [(123456.789, 6), (-1.23456e-7, 9), (12345678.0, 3)])
def test_a_number_is_never_cut(value: float, width: int) -> None:
    """A part of a number is another number; rather fewer digits, or none."""
    text = shorter(value, width)
    assert len(text) <= width
    assert text == "#" * width or float(text) == pytest.approx(value, rel=0.5)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines", "two⏎lines"),
        ("\x1b[31mred\x07", "�[31mred�"),
        ("a\u202eb\u200bc", "abc"),
        ("µJ Größe 実験", "µJ Größe 実験"),
        ("[bold]not markup[/]", "[bold]not markup[/]"),
    ],
)
def test_text_cannot_disturb_the_terminal(text: str, shown: str) -> None:
    """Comments and messages come from anywhere."""
    assert one_line(text) == shown


def test_wide_characters_keep_the_columns_straight() -> None:
    """They take two cells each, and may be cut in the middle."""
    assert fit("実験室", 5, "…") == "実験…"
    assert without_start("実験室", 1) == " 験室"
    assert without_end("実験室", 1) == "実験 "


def test_signs_are_plain_where_the_terminal_has_no_others() -> None:
    """LANG=C, and terminals of another age."""
    assert spoken("utf-8", {"LANG": "C"}) is ASCII
    assert spoken("ascii", {"LANG": "en_US.UTF-8"}) is ASCII
    assert spoken("utf-8", {"LANG": "de_DE.UTF-8"}) is UNICODE
    assert all(getattr(ASCII, name).isascii() for name in ASCII.__dataclass_fields__)


def test_a_chart_reaches_from_the_lowest_to_the_highest_point() -> None:
    """In the detail of a cell a trendline has several lines."""
    assert chart((0.0, 1.0, 2.0, 3.0), 4, 2, "▄█") == ["  ▄█", "▄███"]
