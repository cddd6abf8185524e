"""Figures of Matplotlib, Plotly and Pillow: stored without a display or a browser."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from knockoff.arrays.parts import write_part
from knockoff.arrays.previews import Thumbnail, Trend, preview_of
from knockoff.arrays.reading import read_array
from knockoff.arrays.refusals import UnsupportedValueError
from knockoff.arrays.summaries import SummaryError, summary_of
from knockoff.arrays.values import Bulk, normalised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from knockoff.arrays.references import ArrayReference

NAME = "p1234_r0042/runs.figure.1"


@pytest.fixture(autouse=True)
def display() -> Iterator[None]:
    """Nothing is left open by a test, and no test needs a display."""
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def there_and_back(folder: Path, value: object) -> tuple[ArrayReference, Any]:
    bulk = normalised(value)
    assert isinstance(bulk, Bulk)
    reference = write_part(folder, NAME, bulk.value)
    assert reference.kind == bulk.kind
    return reference, read_array(folder, reference)


def one_plot() -> Figure:
    figure, axes = plt.subplots(figsize=(4, 3), dpi=100)
    figure.set_facecolor("white")
    axes.plot([1, 3, 2])
    return figure


WAYS: dict[str, Callable[[], Any]] = {
    "figure": one_plot,
    "axes": lambda: one_plot().axes[0],
    "line": lambda: one_plot().axes[0].lines[0],
    "what plot gives": lambda: one_plot().axes[0].plot([1, 2]),
    "what subplots gives": lambda: plt.subplots(figsize=(4, 3), dpi=100),
    "many axes": lambda: plt.subplots(2, 2, figsize=(4, 3), dpi=100)[1],
    "part of a figure": lambda: plt.figure(figsize=(4, 3), dpi=100).subfigures(),
    "unknown to pyplot": lambda: Figure(figsize=(4, 3), dpi=100),
}


@pytest.mark.parametrize("name", WAYS)
def test_whatever_people_return_of_a_plot_is_its_picture(tmp_path: Path, name: str) -> None:
    """Some return the figure, some the axes, some what the last line gave."""
    reference, pixels = there_and_back(tmp_path, WAYS[name]())

    assert reference.kind == "image"
    assert pixels.shape == (300, 400, 4)
    assert pixels.dtype == np.uint8
    assert tuple(pixels[0, 0]) == (255, 255, 255, 255)
    assert plt.get_fignums() == []


def test_a_picture_shows_what_was_drawn() -> None:
    """The colours and where they are, and not just an image of that size."""
    figure = Figure(figsize=(2, 1), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow([[0, 1]], cmap="gray", aspect="auto")
    bulk = normalised(figure)
    assert isinstance(bulk, Bulk)
    pixels = bulk.value.pixels
    assert pixels[50, 50, :3].max() < 10
    assert pixels[50, 150, :3].min() > 245


def test_a_huge_figure_is_drawn_with_fewer_dots() -> None:
    """A poster of 100 inches would take a gigabyte."""
    bulk = normalised(Figure(figsize=(100, 50), dpi=300))
    assert isinstance(bulk, Bulk)
    assert bulk.value.pixels.shape == (2048, 4096, 4)


def test_a_picture_takes_little_room(tmp_path: Path) -> None:
    """Most of a plot is paper."""
    reference, _ = there_and_back(tmp_path, plt.subplots(figsize=(8, 6), dpi=100)[0])
    assert (tmp_path / reference.file).stat().st_size < reference.nbytes / 4


def test_the_thumbnail_of_a_figure_is_small_and_keeps_its_proportions() -> None:
    """Hundreds of them are shown in one table."""
    thumbnail = preview_of(one_plot())
    assert isinstance(thumbnail, Thumbnail)
    assert (thumbnail.width, thumbnail.height) == (300, 225)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Figure().text(0, 0, r"$\bad{$"), "ParseFatalException"),
        (lambda: Line2D([1], [1]), "in no figure"),
        (lambda: Figure(figsize=(1e-9, 1e-9)), "cannot be stored"),
        (lambda: {"a": Figure()}, "the Figure or its Axes alone"),
        (lambda: go.Scatter(y=[1]), "plotly.graph_objects.Figure(...)"),
    ],
)
def test_a_figure_that_cannot_be_drawn_says_why(make: Callable[[], Any], words: str) -> None:
    """In its own cell; the other variables of the run are not touched by it."""
    with pytest.raises(UnsupportedValueError) as caught:
        normalised(make())
    assert words in str(caught.value)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_an_image_of_pillow_is_a_picture(tmp_path: Path, mode: str) -> None:
    """Whatever its colours are made of."""
    reference, pixels = there_and_back(tmp_path, Image.new(mode, (6, 4)))
    assert reference.kind == "image"
    assert pixels.shape == (4, 6, 4)


@pytest.mark.parametrize(("mode", "dtype"), [("F", "float32"), ("I", "int32"), ("I;16", "uint16")])
def test_an_image_of_measurements_is_an_array(tmp_path: Path, mode: str, dtype: str) -> None:
    """Squeezed into 256 colours they would be lost."""
    reference, numbers = there_and_back(tmp_path, Image.new(mode, (6, 4)))
    assert (reference.kind, numbers.shape, numbers.dtype) == ("ndarray", (4, 6), dtype)


FIGURES = {
    "line": go.Figure(go.Scatter(x=np.arange(3), y=np.array([1.0, np.nan, 3.0], "f4"))),
    "map": go.Figure(go.Heatmap(z=np.arange(12.0).reshape(3, 4))),
    "words": go.Figure(go.Bar(x=["é", "</script>"], y=[1, None])),
    "frames": go.Figure(data=[go.Scatter(y=[1])], frames=[go.Frame(data=[go.Scatter(y=[2])])]),
    "empty": go.Figure(),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_plotly_figure_comes_back_as_its_json(tmp_path: Path, name: str) -> None:
    """A dict, so that reading it needs no Plotly; with Plotly it is the same figure again."""
    figure = FIGURES[name]
    reference, document = there_and_back(tmp_path, figure)

    assert reference.kind == "plotly"
    assert document == json.loads(figure.to_json())
    assert json.loads(go.Figure(document).to_json()) == document


@pytest.mark.parametrize(
    ("trace", "x", "y"),
    [
        (go.Scatter(x=np.array([1, 4]), y=np.array([1.5, np.nan])), (1, 4), (1.5, None)),
        (go.Scattergl(y=[3, None, 5]), (0, 1, 2), (3, None, 5)),
        (go.Scatter(x=["2026-05-04", "2026-05-05"], y=[1, 2]), (1777852800, 1777939200), (1, 2)),
        (go.Bar(x=["a", "b"], y=[1, 2]), (0, 1), (1, 2)),
        (go.Bar(x=[5, 6], y=["a", "b"], orientation="h"), (0, 1), (5, 6)),
    ],
)  # fmt: skip
def test_lines_and_bars_are_sketched_as_a_trend(
    trace: Any, x: tuple[float, ...], y: tuple[float | None, ...]
) -> None:
    """DAMNIT starts a browser for each of them, two seconds long."""
    sketch = preview_of(go.Figure(trace))
    assert isinstance(sketch, Trend)
    assert sketch.x == x
    assert sketch.y == y


def test_a_histogram_is_sketched_by_its_counts() -> None:
    """The numbers themselves, in the order of the run, would show nothing."""
    sketch = preview_of(go.Figure(go.Histogram(x=[0.0] * 30 + [10.0] * 70)))
    assert isinstance(sketch, Trend)
    assert (sketch.y[0], sketch.y[-1]) == (30, 70)


@pytest.mark.parametrize(
    "trace",
    [
        go.Heatmap(z=np.arange(600.0).reshape(20, 30)),
        go.Contour(z=np.arange(600.0).reshape(20, 30).tolist()),
        go.Image(z=np.zeros((20, 30, 3), np.uint8)),
    ],
)
def test_maps_and_images_are_sketched_by_their_colours(trace: Any) -> None:
    """As the browser shows them: the first row of a map is at the bottom."""
    sketch = preview_of(go.Figure(trace))
    assert isinstance(sketch, Thumbnail)
    assert (sketch.width, sketch.height) == (30, 20)


@pytest.mark.parametrize(
    "trace",
    [
        go.Pie(values=[1, 2]),
        go.Scatter3d(x=[1, 2], y=[1, 2], z=[1, 2]),
        go.Scatter(y=["a", "b"]),
        go.Heatmap(z=[[1, 2], [3]]),
        go.Image(source="data:image/png;base64,nonsense"),
        go.Histogram(x=["a", "b"]),
    ],
)
def test_what_makes_no_sketch_has_no_preview(trace: Any) -> None:
    """The figure is stored all the same."""
    assert preview_of(go.Figure(trace)) is None


def test_the_first_trace_that_can_be_is_sketched() -> None:
    """A figure often begins with something else than its data."""
    sketch = preview_of(go.Figure([go.Pie(values=[1]), go.Scatter(y=[1, 2])]))
    assert isinstance(sketch, Trend)


def test_a_figure_has_no_number_of_its_own() -> None:
    """Its mean colour would be a number that says nothing."""
    assert summary_of(one_plot(), None) is None
    with pytest.raises(SummaryError, match="summary_value"):
        summary_of(one_plot(), "mean")
    assert summary_of(one_plot(), lambda figure: len(figure.axes)) == 1


def test_no_library_of_figures_is_imported_for_a_value_without_one() -> None:
    """A worker starts in milliseconds, and none of them is needed in it."""
    code = (
        "import sys, numpy, knockoff.arrays.previews as previews, knockoff.arrays.values as values;"
        "values.normalised([1]); previews.preview_of(numpy.arange(9));"
        "print(sorted({'matplotlib', 'plotly', 'PIL', 'seaborn'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
