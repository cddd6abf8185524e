"""The array of one run as a line or an image."""

from __future__ import annotations

import base64
import io
import math
from typing import TYPE_CHECKING, Any, Final

from knockoff.arrays.reading import read_array
from knockoff.plotting.errors import PlotError
from knockoff.plotting.numbers import Axis, Numbers, image_of, numbers_of, thinned
from knockoff.plotting.words import heading, labelled

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from plotly.graph_objects import Figure

    from knockoff.arrays.references import ArrayReference
    from knockoff.runkey import RunKey

LARGEST_READ: Final = 512 * 1024 * 1024
"""Bytes that are read of an array; of a larger one evenly spaced pieces along its first axis."""

PERCENTILES: Final = (1.0, 99.0)
"""What has the first and the last colour; a few hot pixels must not turn the rest dark."""


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
    if step == 1 or not reference.shape or reference.shape[0] <= step:
        return figure_of_array(read_array(folder, reference), title=title, units=units, run=run)
    value = read_array(folder, reference, slice(None, None, step))
    note = f"every {step} along the first axis"
    return figure_of_array(value, title=title, units=units, run=run, note=note)


def figure_of_array(
    value: object, *, title: str, units: str = "", run: RunKey | None = None, note: str = ""
) -> Figure:
    """Draw an array: one axis as a line, two as an image, of more the mean over the first ones.

    Bytes of shape ``(height, width, 3 or 4)`` are a picture, RGB or RGBA.

    Parameters
    ----------
    value:
        ndarray, masked array, DataArray, Series, or a list of numbers.
    units:
        Of the values; by default those that a DataArray carries.

    Raises
    ------
    PlotError
        It is text, a table, a single number, or empty.
    """
    numbers = numbers_of(value)
    if note:
        numbers = numbers.noted(note)
    name = f"{title} · {run}" if run else title
    units = units or numbers.units
    if numbers.values.ndim == 1:
        return _line(numbers, name, labelled(title, units))
    if _is_picture(value):
        return _picture(value, name)
    return _image(image_of(numbers), name, labelled(title, units))


def _line(numbers: Numbers, name: str, label: str) -> Figure:
    import numpy as np
    import plotly.graph_objects as go

    line = thinned(numbers)
    axis = line.axes[0]
    mode = "lines" if len(line.values) > 500 else "lines+markers"
    figure = go.Figure()
    if line.values.dtype.kind == "c":
        parts = {"real part": np.real, "imaginary part": np.imag}
        for word, part in parts.items():
            figure.add_trace(go.Scatter(x=axis.places, y=part(line.values), mode=mode, name=word))
    else:
        figure.add_trace(go.Scatter(x=axis.places, y=line.values, mode=mode, connectgaps=False))
    figure.update_layout(
        title=heading(name, line.notes),
        xaxis_title=labelled(axis.name, axis.units),
        yaxis_title=label,
        template="plotly_white",
    )
    return figure


def _image(image: Numbers, name: str, label: str) -> Figure:
    import numpy as np
    import plotly.graph_objects as go

    rows, columns = image.axes
    low, high = _limits(image.values)
    figure = go.Figure(
        go.Heatmap(
            x=columns.places,
            y=rows.places,
            z=image.values.astype(np.float32),
            zmin=low,
            zmax=high,
            colorscale="Viridis",
            colorbar={"title": label},
            hoverongaps=False,
        )
    )
    figure.update_layout(
        title=heading(name, image.notes),
        xaxis_title=labelled(columns.name, columns.units),
        yaxis_title=labelled(rows.name, rows.units),
        template="plotly_white",
    )
    figure.update_yaxes(autorange="reversed")  # the first row is on top, as in the preview
    if _has_square_pixels(rows, columns):
        figure.update_yaxes(scaleanchor="x", constrain="domain")
        figure.update_xaxes(constrain="domain")
    return figure


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    import numpy as np

    seen = values[np.isfinite(values)]
    if seen.size == 0:
        raise PlotError("Every element is missing", "Choose another run or variable.")
    low, high = (float(limit) for limit in np.percentile(seen, PERCENTILES))
    return (low, high) if high > low else (float(seen.min()), float(seen.max()))


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
