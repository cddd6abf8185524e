"""A small picture of a Plotly figure, drawn from its numbers; no browser is started for it.

References
----------
Plotly's JSON chart schema, https://plotly.com/chart-studio-help/json-chart-schema/; arrays in
base 64 as of plotly.js 2.35: ``{"dtype": "f8", "bdata": "...", "shape": "2, 3"}``.
"""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any, Final

from knockoff.arrays.thumbnails import picture_of, thumbnail_of
from knockoff.arrays.trends import trend_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from knockoff.arrays.figures import Chart
    from knockoff.arrays.thumbnails import Thumbnail
    from knockoff.arrays.trends import Trend

_LINES: Final = frozenset({"scatter", "scattergl", "scatterpolar", "bar", "waterfall", "funnel"})
_MAPS: Final = frozenset({"heatmap", "heatmapgl", "contour", "surface"})
_HISTOGRAMS: Final = frozenset({"histogram", "box", "violin"})
_PNG: Final = "data:image/png;base64,"
_ITEM_TYPES: Final = frozenset({"i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"})


def sketch_of(chart: Chart) -> Trend | Thumbnail | None:
    """Picture the first trace that can be: a line or bars by a trend, a map by its colours.

    Returns
    -------
    :
        None if no trace has numbers that make a line or an image.
    """
    for trace in json.loads(chart.text)["data"]:
        try:
            sketch = _of_trace(trace)
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, OSError):
            continue  # a trace of another shape than Plotly itself would draw
        if sketch is not None:
            return sketch
    return None


def _of_trace(trace: Mapping[str, Any]) -> Trend | Thumbnail | None:
    kind = trace.get("type", "scatter")
    if kind == "image":
        return _of_image(trace)
    if kind in _MAPS:
        values = _numbers(trace["z"])
        return thumbnail_of(values[::-1]) if values.ndim == 2 and values.size > 1 else None
    if kind in _HISTOGRAMS:
        return _of_histogram(trace)
    if kind not in _LINES:
        return None
    lying = trace.get("orientation") == "h"
    across, up = ("y", "x") if lying else ("x", "y")
    up = "r" if kind == "scatterpolar" else up
    values = _numbers(trace[up])
    if values.ndim != 1 or len(values) < 2:
        return None
    return trend_of(values, _places(trace, across, len(values)))


def _places(trace: Mapping[str, Any], name: str, length: int) -> NDArray[Any] | None:
    """The coordinate of a line: numbers, or times as ISO texts; None for categories."""
    import numpy as np

    given = trace.get(name)
    if given is None:
        return None
    try:
        places = _numbers(given)
    except (TypeError, ValueError):
        try:
            places = np.array(given, dtype="datetime64[ms]")
        except (TypeError, ValueError):
            return None
    return places if places.shape == (length,) else None


def _of_histogram(trace: Mapping[str, Any]) -> Trend | None:
    import numpy as np

    values = _numbers(trace["x"] if "x" in trace else trace["y"]).ravel()
    values = values[np.isfinite(values)]
    if values.size < 2:
        return None
    counts, edges = np.histogram(values, bins=min(64, max(8, int(values.size**0.5))))
    return trend_of(counts, (edges[1:] + edges[:-1]) / 2)


def _of_image(trace: Mapping[str, Any]) -> Thumbnail | None:
    import numpy as np

    if "z" in trace:
        pixels = _numbers(trace["z"])
        if pixels.ndim == 3 and pixels.shape[2] in (3, 4) and pixels.size:
            return picture_of(np.clip(np.nan_to_num(pixels), 0, 255).astype(np.uint8))
        return None
    source = trace["source"]
    if not source.startswith(_PNG):
        return None
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(source[len(_PNG) :])), formats=["PNG"]) as image:
        return picture_of(np.asarray(image.convert("RGBA")))


def _numbers(given: Any) -> NDArray[Any]:
    """An array as Plotly writes it: a list with null for what is missing, or bytes in base 64."""
    import numpy as np

    if not isinstance(given, dict):
        return np.array(given, dtype=np.float64)
    if given["dtype"] not in _ITEM_TYPES:
        raise ValueError(f"{given['dtype']!r} is no dtype of Plotly")
    flat = np.frombuffer(base64.b64decode(given["bdata"]), np.dtype(given["dtype"]))
    shape = given.get("shape")
    return flat if shape is None else flat.reshape([int(each) for each in str(shape).split(",")])
