"""The array of one run as a line or an image."""

from __future__ import annotations

import base64
import io
import math
from typing import TYPE_CHECKING, Any, Final

from knockoff.arrays.kinds import kind_of
from knockoff.arrays.reading import read_array
from knockoff.plotting.charts import figure_of_chart, figure_of_dataset, figure_of_table
from knockoff.plotting.numbers import Axis, Numbers, numbers_of
from knockoff.plotting.panels import image_panel, line_panel
from knockoff.plotting.words import heading, labelled

if TYPE_CHECKING:
    from pathlib import Path

    from plotly.graph_objects import Figure

    from knockoff.arrays.references import ArrayReference
    from knockoff.runkey import RunKey

LARGEST_READ: Final = 512 * 1024 * 1024
"""Bytes that are read of an array; of a larger one evenly spaced pieces along its first axis."""

_SLICED: Final = frozenset({"ndarray", "masked", "dataarray", "series"})


def figure_of_variable(
    folder: Path,
    reference: ArrayReference,
    *,
    title: str,
    units: str = "",
    run: RunKey | None = None,
) -> Figure:
    """Draw a stored array; of one over 512 MB, evenly spaced pieces of it.

    Parameters
    ----------
    folder:
        ``extracted_data`` of the workspace.
    reference:
        As MongoDB has it.

    Raises
    ------
    ArrayError
        It cannot be read; as `knockoff.arrays.reading.read_array`.
    PlotError
        It cannot be drawn.
    """
    step = math.ceil(reference.nbytes / LARGEST_READ)
    if reference.kind == "plotly":
        name = f"{title} · {run}" if run else title
        return figure_of_chart(read_array(folder, reference), name)
    if (
        step == 1
        or reference.kind not in _SLICED
        or not reference.shape
        or reference.shape[0] <= step
    ):
        return figure_of_array(read_array(folder, reference), title=title, units=units, run=run)
    value = read_array(folder, reference, slice(None, None, step))
    note = f"every {step} along the first axis"
    return figure_of_array(value, title=title, units=units, run=run, note=note)


def figure_of_array(
    value: object, *, title: str, units: str = "", run: RunKey | None = None, note: str = ""
) -> Figure:
    """Draw an array: one axis as a line, two as an image, of more the mean over the first ones.

    Bytes of shape ``(height, width, 3 or 4)`` are a picture, RGB or RGBA. Of a table the columns
    of numbers are lines; the arrays of a Dataset are drawn below each other.

    Parameters
    ----------
    value:
        ndarray, masked array, DataArray, Dataset, Series, DataFrame, or a list of numbers.
    units:
        Of the values; by default those that a DataArray carries.

    Raises
    ------
    PlotError
        It is text, a single number, or empty.
    """
    name = f"{title} · {run}" if run else title
    kind = kind_of(value)
    if kind == "dataframe":
        return figure_of_table(value, name)
    if kind == "dataset":
        return figure_of_dataset(value, name)
    numbers = numbers_of(value)
    if note:
        numbers = numbers.noted(note)
    units = units or numbers.units
    if numbers.values.ndim == 1:
        return _line(numbers, name, labelled(title, units))
    if _is_picture(value):
        return _picture(value, name)
    return _image(numbers, name, labelled(title, units))


def _line(numbers: Numbers, name: str, label: str) -> Figure:
    import plotly.graph_objects as go

    panel = line_panel(numbers, label)
    figure = go.Figure(panel.traces)
    figure.update_layout(
        title=heading(name, panel.notes),
        xaxis_title=panel.x,
        yaxis_title=label,
        template="plotly_white",
    )
    return figure


def _image(numbers: Numbers, name: str, label: str) -> Figure:
    import plotly.graph_objects as go

    panel = image_panel(numbers, label)
    figure = go.Figure(panel.traces)
    figure.update_traces(colorbar={"title": label})
    figure.update_layout(
        title=heading(name, panel.notes),
        xaxis_title=panel.x,
        yaxis_title=panel.y,
        template="plotly_white",
    )
    figure.update_yaxes(autorange="reversed")  # the first row is on top, as in the preview
    if _has_square_pixels(*panel.axes):
        figure.update_yaxes(scaleanchor="x", constrain="domain")
        figure.update_xaxes(constrain="domain")
    return figure


def _has_square_pixels(rows: Axis, columns: Axis) -> bool:
    """Whether it is the image of a camera, and not a map of one thing against another."""
    if not (rows.is_counted and columns.is_counted):
        return False
    ratio = len(rows.places) / len(columns.places)
    return 0.25 <= ratio <= 4


def _is_picture(value: Any) -> bool:
    shape: tuple[int, ...] = getattr(value, "shape", ())
    return len(shape) == 3 and shape[-1] in (3, 4) and getattr(value, "dtype", None) == "uint8"


def _picture(value: Any, name: str) -> Figure:
    import numpy as np
    import plotly.graph_objects as go
    from PIL import Image

    file = io.BytesIO()
    picture = Image.fromarray(np.asarray(value))
    picture.save(file, "PNG")
    source = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
    figure = go.Figure(go.Image(source=source))
    figure.update_layout(title=heading(name), template="plotly_white")
    return figure
