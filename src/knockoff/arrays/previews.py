"""The small picture of a value: a trendline or a thumbnail, whichever fits."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Union

from knockoff.arrays.figures import Chart, Picture, drawn
from knockoff.arrays.kinds import is_numpy, is_pandas, is_xarray
from knockoff.arrays.plainness import simplified
from knockoff.arrays.refusals import told
from knockoff.arrays.sketches import sketch_of
from knockoff.arrays.thumbnails import Thumbnail, picture_of, thumbnail_of
from knockoff.arrays.trends import Trend, trend_of
from knockoff.errors import ArrayError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Preview", "Thumbnail", "Trend", "preview_from_json", "preview_of"]

Preview = Union[Trend, Thumbnail]  # noqa: UP007  # evaluated, and Python 3.10 is to run it


def preview_of(value: object) -> Preview | None:
    """Picture a value; None if there is nothing in it to be pictured.

    One axis gives a trend, two give an image. Of more axes the mean over all but the last two is
    shown. Bytes of shape ``(height, width, 3 or 4)`` are a picture already, RGB or RGBA, and so is
    a figure; of one of Plotly the first trace with numbers is sketched. A list of numbers is a
    line. Text, tables, Datasets and arrays of fewer than two elements have none.

    Raises
    ------
    UnsupportedValueError
        The value raised when it was looked at, or a figure cannot be drawn.
    """
    with told(value):
        value = drawn(value)
        if type(value) is Picture:
            return picture_of(value.pixels)
        if type(value) is Chart:
            return sketch_of(value)
        return _pictured(value)


def _pictured(value: object) -> Preview | None:
    numbers = _numbers(value)
    if numbers is None or numbers.size < 2:
        return None
    import numpy as np

    with np.errstate(all="ignore"):  # what overflows is missing in the picture, and no more
        if numbers.ndim == 1:
            return trend_of(numbers, _coordinate(value))
        if numbers.dtype.kind in "mM":
            return None
        if numbers.ndim == 3 and numbers.dtype == "u1" and numbers.shape[2] in (3, 4):
            return picture_of(numbers)
        return thumbnail_of(numbers)


def preview_from_json(document: Mapping[str, Any]) -> Preview:
    """Read back what `to_json` of a preview wrote; a PNG may be bytes, as MongoDB has them.

    Raises
    ------
    ArrayError
        The document is no preview.
    """
    try:
        if document["kind"] == Trend.kind:
            return Trend(tuple(document["x"]), tuple(document["y"]), bool(document["x_is_time"]))
        if document["kind"] == Thumbnail.kind:
            data = document["data"]
            return Thumbnail(
                base64.b64decode(data) if isinstance(data, str) else bytes(data),
                int(document["width"]),
                int(document["height"]),
                document["low"],
                document["high"],
            )
        problem = f"its kind is {document['kind']!r}"
    except (KeyError, TypeError, ValueError) as error:
        problem = repr(error)
    raise ArrayError(f"A preview cannot be read: {problem}. Reprocess the variable.")


def _numbers(value: Any) -> NDArray[Any] | None:
    """The bare numbers of an array or list, with their mask; None if they are no numbers."""
    import numpy as np

    value = simplified(value)
    if type(value) in (list, tuple) and value:
        value = _number_array(value)
    elif is_xarray(value, "DataArray"):
        value = value.values
    elif is_pandas(value, "Series"):
        value = _number_column(value)
    if is_numpy(value, "ndarray") and value.dtype.kind in "biufcmM" and value.ndim > 0:
        numbers: NDArray[Any] = value
        return numbers if is_numpy(value, "ma", "MaskedArray") else np.asarray(numbers)
    return None


def _number_array(items: Any) -> NDArray[np.float64] | None:
    import numpy as np

    if not all(issubclass(type(item), (int, float, np.integer, np.floating)) for item in items):
        return None
    try:
        return np.array(items, dtype=float)
    except OverflowError:  # an int that no float holds
        return None


def _number_column(column: Any) -> NDArray[Any] | None:
    """A column of numbers that may be missing, or of times with a zone, as NumPy has them."""
    import numpy as np

    if isinstance(column.dtype, np.dtype):
        return np.asarray(column.to_numpy())
    kind = getattr(column.dtype, "kind", "O")
    if kind in "biuf":
        return np.asarray(column.to_numpy(dtype=float, na_value=np.nan))
    return np.asarray(column.to_numpy(dtype="datetime64[ns]")) if kind == "M" else None


def _coordinate(value: Any) -> NDArray[Any] | None:
    """The numbers along the one axis of a DataArray or Series."""
    coordinate: NDArray[Any] | None = None
    if is_xarray(value, "DataArray") and value.dims[0] in value.coords:
        coordinate = value.coords[value.dims[0]].values
    elif is_pandas(value, "Series"):
        coordinate = value.index.to_numpy()
    return coordinate
