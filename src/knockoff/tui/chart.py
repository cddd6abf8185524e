"""A trendline and a picture drawn with the characters of a terminal."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from rich.color import Color
from rich.style import Style
from rich.text import Text

from knockoff.tui.cells import means

if TYPE_CHECKING:
    from knockoff.tui.cells import Trend


def chart(points: Trend, width: int, height: int, bars: str) -> list[str]:
    """Lines from top to bottom; `bars` are signs from nearly empty to full. Gaps stay blank."""
    columns = means(points, width)
    known = [point for point in columns if not math.isnan(point)]
    if not known:
        return []
    low, span = min(known), (max(known) - min(known)) or 1.0
    steps = height * len(bars)
    heights = [
        0 if math.isnan(point) else 1 + round((point - low) / span * (steps - 1))
        for point in columns
    ]
    lines = []
    for line in reversed(range(height)):
        floor = line * len(bars)
        filled = (min(max(top - floor, 0), len(bars)) for top in heights)
        lines.append("".join(bars[count - 1] if count else " " for count in filled))
    return lines


def picture(png: bytes, width: int, height: int) -> Text:
    """An image in `width` × `height` terminal cells at most, two pixels in each.

    Raises
    ------
    OSError
        `png` is no image.
    """
    from PIL import Image  # only who looks at an image pays for it

    with Image.open(io.BytesIO(png)) as image:
        pixels = image.convert("RGB")
        pixels.thumbnail((width, height * 2))
    text = Text()
    for y in range(0, pixels.height - pixels.height % 2, 2):
        for x in range(pixels.width):
            upper, lower = pixels.getpixel((x, y)), pixels.getpixel((x, y + 1))
            text.append("▀", Style(color=_color(upper), bgcolor=_color(lower)))
        text.append("\n")
    return text


def _color(pixel: object) -> Color:
    red, green, blue = pixel if isinstance(pixel, tuple) else (0, 0, 0)
    return Color.from_rgb(red, green, blue)
