"""Figures that people return: Matplotlib's and Pillow's as pixels, Plotly's as their JSON.

None of these libraries is imported: a figure brings along whatever can draw it. No browser and
no display is needed either; a picture of Matplotlib is drawn by its Agg renderer.
"""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from knockoff.arrays.loaded import is_of
from knockoff.arrays.refusals import UnsupportedValueError, told, type_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

FigureKind = Literal["image", "plotly"]

LARGEST_SIDE: Final = 4096
"""Pixels; a larger figure of Matplotlib is drawn with fewer dots per inch."""

_NUMBERS: Final = ("F", "I", "I;16", "I;16B", "I;16L", "I;16N")
"""Modes of Pillow whose pixels are measurements and no colours."""


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels that are to be seen as they are."""

    pixels: NDArray[np.uint8]
    """Shape ``(height, width, 4)``: red, green, blue, opacity; first row on top."""


@dataclass(frozen=True, eq=False)
class Chart:
    """A figure of Plotly, to be drawn by a browser."""

    text: str
    """JSON: an object with ``data``, ``layout`` and perhaps ``frames``."""


def figure_kind(value: object) -> FigureKind | None:
    """Whether a value is kept as an image or as Plotly's JSON; None for what is no figure."""
    if type(value) is Picture or _is_matplotlib(value) or _is_coloured_image(value):
        return "image"
    if type(value) is Chart or _is_plotly(value):
        return "plotly"
    return None


def drawn(value: Any) -> Any:
    """A figure as the `Picture` or `Chart` that is stored; any other value as it is.

    A figure that pyplot knows is closed, so that no run leaves one to the next.

    Raises
    ------
    UnsupportedValueError
        It cannot be drawn: the library's own words say why.
    """
    if type(value) in (Picture, Chart):
        return value
    with told(value, f"A figure ({type_name(value)})"):
        if _is_matplotlib(value):
            return Picture(_rendered(_figure_of(value)))
        if _is_coloured_image(value):
            return Picture(_pixels(value))
        if is_of(value, "PIL.Image", "Image"):
            import numpy as np

            return np.asarray(value)
        if _is_plotly(value):
            return Chart(_json_of(value))
    return value


def _is_matplotlib(value: object) -> bool:
    if is_of(value, "matplotlib.artist", "Artist"):
        return True
    if is_of(value, "numpy", "ndarray"):  # of Axes, as plt.subplots(2, 2) gives them
        array: Any = value
        return array.dtype == object and _are_artists(array.flat)
    if type(value) in (list, tuple):  # what plt.subplots() and ax.plot() give
        items: Any = value
        return _are_artists(items)
    return is_of(value, "seaborn.axisgrid", "_BaseGrid")


def _are_artists(values: Iterable[object]) -> bool:
    found = False
    for each in values:
        found = is_of(each, "matplotlib.artist", "Artist")
        if not found:
            break
    return found


def _is_coloured_image(value: Any) -> bool:
    return is_of(value, "PIL.Image", "Image") and value.mode not in _NUMBERS


def _is_plotly(value: object) -> bool:
    return is_of(value, "plotly.basedatatypes", "BaseFigure")


def _figure_of(value: Any) -> Any:
    """The whole figure that Axes, lines or images belong to."""
    artist = value
    if is_of(value, "numpy", "ndarray") or type(value) in (list, tuple):
        artist = next(iter(getattr(value, "flat", value)))
    figure = artist.figure
    while figure is not None and getattr(figure, "figure", figure) is not figure:
        figure = figure.figure  # of a part of a figure
    if figure is None:
        raise UnsupportedValueError(
            f"A {type(artist).__name__} of Matplotlib that is in no figure",
            "Return the Figure or the Axes that show it.",
        )
    return figure


def _rendered(figure: Any) -> NDArray[np.uint8]:
    from PIL import Image

    longest = max(figure.get_size_inches())
    file = io.BytesIO()
    try:
        figure.savefig(
            file,
            format="png",
            dpi=min(figure.dpi, LARGEST_SIDE / longest),
            pil_kwargs={"compress_level": 1},
        )
    finally:
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is not None:
            pyplot.close(figure)
    return _pixels(Image.open(file))


def _pixels(image: Any) -> NDArray[np.uint8]:
    import numpy as np

    pixels: NDArray[np.uint8] = np.array(image.convert("RGBA"))
    return pixels


def _json_of(figure: Any) -> str:
    """The JSON of a figure, found to be nothing but JSON."""
    document = json.loads(figure.to_json(), parse_constant=_refuse_constant)
    if not isinstance(document, dict) or not isinstance(document.get("data"), list):
        raise ValueError("its JSON has no list of traces")
    return json.dumps(document, separators=(",", ":"), allow_nan=False)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"its JSON has {word} in it, which no browser reads")
