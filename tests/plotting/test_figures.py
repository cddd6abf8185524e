"""Values become figures that show what is there, what is missing, and what was done to it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import plotly.graph_objects as go
import pytest
import xarray as xr

from knockoff.arrays.parts import write_part
from knockoff.errors import KnockoffError
from knockoff.plotting.arrays import figure_of_array, figure_of_variable
from knockoff.plotting.charts import figure_of_chart
from knockoff.plotting.columns import Column, figure_of_columns
from knockoff.plotting.errors import PlotError
from knockoff.plotting.numbers import LONGEST_LINE, WIDEST_IMAGE
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from pathlib import Path

RUN = Column("run", "Run")
HITS = Column("hits", "Hits")
ENERGY = Column("xgm.energy", "XGM/Energy", "µJ")
START = Column("start_time", "Start time")
KIND = Column("kind", "Kind")


def row(run: int, **fields: Any) -> dict[str, Any]:
    """A run document."""
    return {"proposal": 1234, "run": run, **fields}


# Columns against each other


def test_one_point_stands_for_each_run() -> None:
    """With titles and units on the axes, and the group's fields found by their dotted name."""
    rows = [row(1, hits=3, xgm={"energy": 900.0}), row(2, hits=5, xgm={"energy": 950.0})]

    figure = figure_of_columns(rows, ENERGY, HITS)

    (points,) = figure.data
    assert (list(points.x), list(points.y)) == ([900.0, 950.0], [3, 5])
    assert points.mode == "markers"
    assert figure.layout.xaxis.title.text == "XGM/Energy (µJ)"
    assert figure.layout.yaxis.title.text == "Hits"
    assert figure.layout.title.text == "Hits against XGM/Energy"


def test_against_the_run_number_points_are_joined_in_order_with_gaps() -> None:
    """A failed run is a gap; joining its neighbours would invent a value for it."""
    rows = [row(3, hits=5), row(1, hits=3), row(2), row(4, hits=float("nan"))]

    figure = figure_of_columns(rows, RUN, HITS)

    (points,) = figure.data
    assert (list(points.x), list(points.y)) == ([1, 2, 3, 4], [3, None, 5, None])
    assert points.mode == "lines+markers"
    assert points.connectgaps is False
    assert figure.layout.title.subtitle.text == "2 runs · 2 without a value"


def test_pointing_at_a_run_shows_its_number_and_comment() -> None:
    """Which is how one finds out what an outlier is."""
    figure = figure_of_columns([row(42, hits=3, comment="knife edge\nscan")], RUN, HITS)

    assert figure.data[0].hovertext == ("<b>run 42</b><br>Hits: 3<br><i>knife edge<br>scan</i>",)


def test_times_are_those_of_the_facility() -> None:
    """MongoDB gives UTC, with or without saying so; the axis names the zone it shows."""
    aware = datetime(2026, 3, 2, 7, tzinfo=timezone.utc)
    rows = [row(1, hits=1, start_time=aware), row(2, hits=2, start_time=aware.replace(tzinfo=None))]

    figure = figure_of_columns(rows, START, HITS, zone=ZoneInfo("Europe/Berlin"))

    assert list(figure.data[0].x) == [datetime(2026, 3, 2, 8)] * 2  # noqa: DTZ001  # as Plotly has it
    assert figure.layout.xaxis.title.text == "Start time (Europe/Berlin)"


def test_words_and_truths_have_a_place_on_an_axis() -> None:
    """Samples are words, and "lasing" is yes or no."""
    rows = [row(1, kind="powder", hits=True), row(2, kind="dark", hits=False)]

    figure = figure_of_columns(rows, KIND, HITS)

    assert (list(figure.data[0].x), list(figure.data[0].y)) == (["powder", "dark"], [1, 0])


def test_a_third_column_colours_the_points() -> None:
    """By a scale for numbers, word by word for words."""
    rows = [row(1, hits=3, kind="a", xgm={"energy": 1.0}), row(2, hits=5, xgm={"energy": 2.0})]

    by_number = figure_of_columns(rows, RUN, HITS, ENERGY)
    by_word = figure_of_columns(rows, RUN, HITS, KIND)

    assert list(by_number.data[0].marker.color) == [1.0, 2.0]
    assert by_number.data[0].marker.colorbar.title.text == "XGM/Energy (µJ)"
    assert {trace.name: list(trace.x) for trace in by_word.data} == {"a": [1], "–": [2]}


def test_columns_without_a_common_run_are_refused() -> None:
    """An empty figure would look like a broken one."""
    with pytest.raises(PlotError, match="No run has both 'XGM/Energy' and 'Hits'"):
        figure_of_columns([row(1, hits=3), row(2, xgm={"energy": 1.0})], ENERGY, HITS)


def test_a_value_without_a_place_on_an_axis_is_refused() -> None:
    """With what to choose instead."""
    with pytest.raises(PlotError, match="'Hits' holds a dict") as raised:
        figure_of_columns([row(1, hits={"a": 1})], RUN, HITS)

    assert "numbers, times or words" in str(raised.value)
    assert isinstance(raised.value, KnockoffError)


def test_too_many_words_are_refused_as_colours() -> None:
    """Nobody can tell forty colours apart."""
    rows = [row(run, hits=1, kind=f"word {run}") for run in range(1, 40)]

    with pytest.raises(PlotError, match="39 different values"):
        figure_of_columns(rows, RUN, HITS, KIND)


# Arrays


def test_one_axis_is_a_line_along_its_coordinate() -> None:
    """With its name and units, and a gap where a value is missing."""
    value = xr.DataArray(
        [1.0, np.nan, 3.0],
        dims="trainId",
        coords={"trainId": [100, 101, 105]},
        attrs={"units": "mm"},
    )

    figure = figure_of_array(value, title="Sample/Y", run=RunKey(1234, 42))

    (line,) = figure.data
    assert list(line.x) == [100, 101, 105]
    np.testing.assert_array_equal(line.y, [1.0, np.nan, 3.0])
    assert figure.layout.title.text == "Sample/Y · p1234 r0042"
    assert figure.layout.xaxis.title.text == "train ID"
    assert figure.layout.yaxis.title.text == "Sample/Y (mm)"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array([True, False]), [1.0, 0.0]),
        (np.array([1, 2], dtype=np.uint8), [1.0, 2.0]),
        (np.ma.masked_array([1, 2], mask=[True, False]), [np.nan, 2.0]),
        (np.array([1.0, np.inf]), [1.0, np.nan]),
        (np.array([1, 2], dtype="timedelta64[m]"), [60.0, 120.0]),
        (pd.Series([1.0, 2.0], index=[5, 6]), [1.0, 2.0]),
        ([1, 2], [1.0, 2.0]),
    ],
)
def test_all_kinds_of_numbers_are_drawn(value: object, expected: list[float]) -> None:
    """Missing and infinite ones are gaps, durations are seconds."""
    (line,) = figure_of_array(value, title="A").data

    np.testing.assert_array_equal(np.asarray(line.y, dtype=float), expected)


def test_complex_numbers_are_two_lines() -> None:
    """Their magnitude alone would hide the phase."""
    figure = figure_of_array(np.array([1 + 2j, 3 - 1j]), title="A")

    assert {line.name: list(line.y) for line in figure.data} == {
        "real part": [1.0, 3.0],
        "imaginary part": [2.0, -1.0],
    }


def test_times_are_drawn_as_times() -> None:
    """Along the axis, and as values."""
    times = np.array(["2026-03-02T07:00", "NaT", "2026-03-02T07:01"], dtype="datetime64[s]")
    along = xr.DataArray([1.0, 2.0], dims="t", coords={"t": times[[0, 2]]})

    assert np.asarray(figure_of_array(times, title="A").data[0].y).dtype.kind == "M"
    assert np.asarray(figure_of_array(along, title="A").data[0].x).dtype.kind == "M"


def test_a_long_line_keeps_its_peaks() -> None:
    """A digitizer's trace has millions of samples, and its one spike is what one looks for."""
    trace = np.zeros(3_000_001, dtype=np.float32)
    trace[1_234_567], trace[-1] = 7.0, -3.0

    figure = figure_of_array(trace, title="Trace")

    (line,) = figure.data
    assert len(line.y) <= LONGEST_LINE + 2
    assert (max(line.y), min(line.y)) == (7.0, -3.0)
    assert line.x[int(np.argmax(line.y))] == 1_234_567
    assert "lowest and highest of every" in figure.layout.title.subtitle.text


def test_two_axes_are_an_image_with_its_coordinates() -> None:
    """Coloured so that a few hot pixels do not turn the rest dark."""
    values = np.arange(10_000.0).reshape(100, 100)
    values[0, 0] = 1e9
    value = xr.DataArray(values, dims=("trainId", "pulse"), coords={"pulse": np.arange(100) * 2})

    figure = figure_of_array(value, title="A", units="µJ")

    (image,) = figure.data
    assert image.type == "heatmap"
    assert list(image.x[:3]) == [0, 2, 4]
    assert image.zmax < 10_000
    assert image.colorbar.title.text == "A (µJ)"
    assert figure.layout.yaxis.autorange == "reversed"


def test_a_camera_image_has_square_pixels() -> None:
    """And a map of one thing against another fills the window."""
    camera = figure_of_array(np.ones((96, 128)), title="A")
    long = figure_of_array(np.ones((1000, 16)), title="A")

    assert camera.layout.yaxis.scaleanchor == "x"
    assert long.layout.yaxis.scaleanchor is None


def test_a_large_image_is_averaged_down() -> None:
    """To what a screen can show; a missing pixel does not take its neighbours along."""
    values = np.ones((3000, 50), dtype=np.float32)
    values[::2] = np.nan

    figure = figure_of_array(values, title="A")

    (image,) = figure.data
    assert image.z.shape == (1000, 50)
    assert np.all(np.asarray(image.z) == 1.0)
    assert max(image.z.shape) <= WIDEST_IMAGE
    assert figure.layout.title.subtitle.text == "mean of every 3 along axis 0"


def test_of_more_axes_the_mean_over_the_first_is_shown() -> None:
    """And said, so that nobody takes it for a single frame."""
    stack = xr.DataArray(
        np.stack([np.zeros((4, 5)), np.full((4, 5), 2.0), np.full((4, 5), np.nan)]),
        dims=("trainId", "row", "column"),
    )

    figure = figure_of_array(stack, title="A")

    assert np.all(np.asarray(figure.data[0].z) == 1.0)
    assert figure.layout.title.subtitle.text == "mean over train ID (3)"


def test_bytes_in_three_or_four_colours_are_a_picture() -> None:
    """As Matplotlib draws one."""
    (picture,) = figure_of_array(np.zeros((4, 6, 4), np.uint8), title="A").data

    assert picture.type == "image"
    assert picture.source.startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("text", "cannot be drawn"),
        (np.array(["a", "b"]), "cannot be drawn"),
        (pd.DataFrame({"a": []}), "without rows"),
        (xr.Dataset({"a": ("x", ["text"])}), "without an array of numbers"),
        (np.array(3.0), "has no axis"),
        (np.zeros((0, 3)), "is empty"),
        (np.full((3, 3), np.nan), "Every element is missing"),
        ([[1, 2], [3]], "lists of different lengths"),
        (timedelta(1), "cannot be drawn"),
        (None, "cannot be drawn"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_way_on(value: object, told: str) -> None:
    """Rather than with whatever Plotly says of it."""
    with pytest.raises(PlotError, match=told):
        figure_of_array(value, title="A")


def test_a_stored_array_is_drawn_as_it_was_returned(tmp_path: Path) -> None:
    """Through its reference, which is all that the document has."""
    value = xr.DataArray([1.0, 2.0], dims="trainId", coords={"trainId": [7, 8]})
    reference = write_part(tmp_path, "p1234_r0042/runs.a.1", value)

    figure = figure_of_variable(tmp_path, reference, title="A", run=RunKey(1234, 42))

    assert list(figure.data[0].x) == [7, 8]
    assert list(figure.data[0].y) == [1.0, 2.0]


def test_the_columns_of_a_table_are_lines_along_its_index() -> None:
    """A table of results per pulse is looked at as a whole."""
    table = pd.DataFrame({"a": [1, 2], "<b>": [0.5, None], "t": ["x", "y"]}, index=[7, 9])

    figure = figure_of_array(table, title="A")

    assert [trace.name for trace in figure.data] == ["a", "&lt;b&gt;"]
    assert list(figure.data[0].x) == [7, 9]
    assert list(figure.data[0].y) == [1, 2]


def test_a_table_of_words_is_shown_as_one() -> None:
    """There is nothing to draw in it, but all to read."""
    (trace,) = figure_of_array(pd.DataFrame({"t": ["<x>", "y"]}), title="A").data

    assert trace.type == "table"
    assert list(trace.cells.values[0]) == ["&lt;x&gt;", "y"]


def test_the_arrays_of_a_dataset_are_drawn_below_each_other() -> None:
    """Each with its own axes; what has no numbers is left out."""
    dataset = xr.Dataset(
        {
            "line": ("x", [1.0, 2.0], {"units": "uJ"}),
            "image": (("y", "x"), np.eye(2)),
            "name": ("x", ["a", "b"]),
        },
        {"x": [10, 20]},
    )

    figure = figure_of_array(dataset, title="A")

    assert [trace.type for trace in figure.data] == ["scatter", "heatmap"]
    assert list(figure.data[0].x) == [10, 20]
    assert figure.layout.yaxis.title.text == "line (uJ)"
    assert figure.layout.yaxis2.autorange == "reversed"


def test_a_stored_plotly_figure_is_shown_as_its_author_made_it(tmp_path: Path) -> None:
    """Arrays in base 64 included, which the browser reads; a figure without title gets one."""
    made = go.Figure(go.Scatter(x=np.arange(3), y=np.array([1.5, np.nan, 2.5])))
    made.update_yaxes(type="log")
    reference = write_part(tmp_path, "p1234_r0042/runs.a.1", made)

    figure = figure_of_variable(tmp_path, reference, title="A <b>", run=RunKey(1234, 42))

    assert reference.kind == "plotly"
    assert json.loads(figure.to_json())["data"] == json.loads(made.to_json())["data"]
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.title.text.startswith("A &lt;b&gt; · ")


@pytest.mark.parametrize("document", [{"data": 5}, {"data": [3]}, {"data": [], "layout": []}])
def test_json_that_is_no_figure_is_refused(document: dict[str, object]) -> None:
    """It lies in a file that others may write to."""
    with pytest.raises(PlotError, match="no figure"):
        figure_of_chart(document, "A")


def test_a_figure_of_a_newer_plotly_is_shown_without_what_is_unknown() -> None:
    """The worker's Python may have another Plotly than the one that draws."""
    figure = figure_of_chart({"data": [{"type": "scatter", "y": [1], "new": 2}]}, "A")

    assert list(figure.data[0].y) == [1]
