"""One array as what Plotly draws of it: a line or an image, with the names of its axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from knockoff.plotting.errors import PlotError
from knockoff.plotting.numbers import Axis, Numbers, image_of, numbers_of, thinned
from knockoff.plotting.words import labelled, word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PERCENTILES: Final = (1.0, 99.0)
"""What has the first and the last colour; a few hot pixels must not turn the rest dark."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One array as Plotly draws it, to stand alone or among others."""

    title: str
    traces: tuple[Any, ...]
    x: str
    """Below the horizontal axis."""

    y: str
    """Beside the vertical one."""

    is_image: bool = False
    notes: tuple[str, ...] = ()
    axes: tuple[Axis, ...] = ()


def panel_of(value: object, title: str) -> Panel:
    """Draw one array of several.

    Raises
    ------
    PlotError
        It is text, a single number, or empty.
    """
    numbers = numbers_of(value)
    label = labelled(title, numbers.units)
    return line_panel(numbers, label) if numbers.values.ndim == 1 else image_panel(numbers, label)


def line_traces(numbers: Numbers, name: str = "") -> tuple[Any, ...]:
    """A line as traces: one, or real and imaginary part; `name` is for the legend."""
    return line_panel(numbers, word(name)).traces


def line_panel(numbers: Numbers, label: str) -> Panel:
    """Draw one axis; of a complex array the real and the imaginary part."""
    import numpy as np
    import plotly.graph_objects as go

    line = thinned(numbers)
    axis = line.axes[0]
    mode = "lines" if len(line.values) > 500 else "lines+markers"
    parts: dict[str, Any] = {label: line.values}
    if line.values.dtype.kind == "c":
        parts = {"real part": np.real(line.values), "imaginary part": np.imag(line.values)}
    traces = tuple(
        go.Scatter(x=axis.places, y=values, mode=mode, name=name, connectgaps=False)
        for name, values in parts.items()
    )
    return Panel(label, traces, labelled(axis.name, axis.units), label, notes=line.notes)


def image_panel(numbers: Numbers, label: str) -> Panel:
    """Draw the last two axes, the mean over those before them."""
    import numpy as np
    import plotly.graph_objects as go

    image = image_of(numbers)
    rows, columns = image.axes
    low, high = _limits(image.values)
    trace = go.Heatmap(
        x=columns.places,
        y=rows.places,
        z=image.values.astype(np.float32),
        zmin=low,
        zmax=high,
        colorscale="Viridis",
        hoverongaps=False,
    )
    return Panel(
        label,
        (trace,),
        labelled(columns.name, columns.units),
        labelled(rows.name, rows.units),
        is_image=True,
        notes=image.notes,
        axes=image.axes,
    )


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    import numpy as np

    seen = values[np.isfinite(values)]
    if seen.size == 0:
        raise PlotError("Every element is missing", "Choose another run or variable.")
    low, high = (float(limit) for limit in np.percentile(seen, PERCENTILES))
    return (low, high) if high > low else (float(seen.min()), float(seen.max()))
