"""A thumbnail: an image of at most 300 pixels a side, as a PNG."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from knockoff.arrays.colours import VIRIDIS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIXELS: Final = 300
"""On the long side."""

SHORTEST: Final = 48
"""Pixels that the short side of a long image keeps, if it has them."""

LOOKED_AT: Final = 2**22
"""Elements that are read at most; of more, evenly spaced frames, rows and columns."""

PERCENTILES: Final = (1.0, 99.0)
"""What has the first and the last colour; a few hot pixels must not turn the rest dark."""


@dataclass(frozen=True)
class Thumbnail:
    """An image, first row on top; missing pixels are transparent."""

    kind: ClassVar[Literal["png"]] = "png"

    data: bytes
    """A PNG file."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    low: float | None = None
    """The value of the first colour; None where the array was a picture already."""
    high: float | None = None
    """The value of the last colour."""

    def to_json(self) -> dict[str, Any]:
        """For the wire, the PNG in base 64."""
        data = base64.b64encode(self.data).decode("ascii")
        size = {"width": self.width, "height": self.height}
        return {"kind": self.kind, "data": data, **size, "low": self.low, "high": self.high}


def thumbnail_of(numbers: NDArray[Any]) -> Thumbnail | None:
    """Picture the last two axes by colour, the mean over all axes before them.

    Parameters
    ----------
    numbers:
        Shape ``(..., rows, columns)``, real or complex (the magnitude is shown); may be masked.
        NaN, infinities and masked elements count as missing: a pixel is the mean of the others.

    Returns
    -------
    :
        None if every element is missing.
    """
    import numpy as np

    image = _mean_image(numbers)
    seen = image[np.isfinite(image)]
    if seen.size == 0:
        return None
    low, high = (float(limit) for limit in np.percentile(seen, PERCENTILES))
    if low == high:  # a few bright pixels on nothing: show them rather than nothing
        low, high = float(seen.min()), float(seen.max())
    span = high - low if high > low else 1.0
    levels = 1 + np.clip((image - low) / span, 0, 1) * (len(VIRIDIS) // 3 - 2)
    levels[~np.isfinite(image)] = 0
    height, width = levels.shape
    return Thumbnail(_png(levels.round().astype(np.uint8)), width, height, low, high)


def picture_of(pixels: NDArray[np.uint8]) -> Thumbnail:
    """Make a picture small, shape ``(height, width, 3 or 4)``, RGB or RGBA."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    picture.thumbnail((PIXELS, PIXELS))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return Thumbnail(file.getvalue(), *picture.size)


def _mean_image(numbers: NDArray[Any]) -> NDArray[np.float64]:
    import numpy as np

    *leading, rows, columns = numbers.shape
    frames = math.prod(leading)
    stride = max(1, math.ceil(math.sqrt(rows * columns / LOOKED_AT)))
    per_frame = math.ceil(rows / stride) * math.ceil(columns / stride)
    chosen = min(frames, max(1, LOOKED_AT // per_frame))
    total: Any = 0.0
    count: Any = 0
    for place in np.linspace(0, frames - 1, chosen).round().astype(int):
        frame = numbers[np.unravel_index(place, leading)] if leading else numbers
        sums, seen = _block_sums(frame[::stride, ::stride])
        total = total + sums
        count = count + seen
    # 0 / 0 is NaN: a pixel in which all is missing
    image: NDArray[np.float64] = np.true_divide(total, count, dtype=np.float64)
    return image


def _block_sums(frame: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Sum of what is there in each block of pixels, and how many there are."""
    import numpy as np

    blocks = _blocks(frame.shape)
    values = np.asarray(frame)
    if values.dtype.kind == "c":
        values = np.abs(values)
    narrow = values.dtype.itemsize <= 2 or values.dtype == np.float32
    wide = np.float32 if narrow else np.float64
    if not isinstance(frame, np.ma.MaskedArray):
        sums = _summed(values, blocks, wide)
        if np.isfinite(sums).all():  # then so was every element
            return sums, np.outer(*map(_block_lengths, frame.shape, blocks))
    seen = np.isfinite(values)
    if isinstance(frame, np.ma.MaskedArray):
        seen &= ~np.ma.getmaskarray(frame)
    sums = _summed(np.where(seen, values, values.dtype.type(0)), blocks, wide)
    return sums, _summed(seen.view(np.uint8), blocks, np.uint32)


def _blocks(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns that become one pixel; the last block of each may be smaller."""
    rows, columns = shape
    factor = max(1.0, max(rows, columns) / PIXELS)

    def block(length: int) -> int:
        return math.ceil(length / min(length, max(SHORTEST, math.floor(length / factor))))

    return block(rows), block(columns)


def _block_lengths(length: int, block: int) -> NDArray[np.intp]:
    import numpy as np

    return np.minimum(block, length - np.arange(0, length, block))


def _summed(array: NDArray[Any], blocks: tuple[int, int], dtype: Any) -> NDArray[Any]:
    by_rows = _summed_rows(array, blocks[0], dtype)
    return _summed_rows(by_rows.T, blocks[1], dtype).T


def _summed_rows(array: NDArray[Any], block: int, dtype: Any) -> NDArray[Any]:
    """Sums of `block` rows each; ten times as fast as `numpy.add.reduceat`."""
    import numpy as np

    whole = len(array) // block
    blocks: NDArray[Any] = array[: whole * block].reshape(whole, block, -1).sum(axis=1, dtype=dtype)
    if whole * block == len(array):
        return blocks
    rest: NDArray[Any] = array[whole * block :].sum(axis=0, dtype=dtype, keepdims=True)
    return np.concatenate([blocks, rest])


def _png(levels: NDArray[np.uint8]) -> bytes:
    """Encode levels 1 to 255 in colour, level 0 as transparent grey."""
    from PIL import Image

    image = Image.frombytes("P", (levels.shape[1], levels.shape[0]), levels.tobytes())
    image.putpalette(b"\x80\x80\x80" + VIRIDIS[3:])
    file = io.BytesIO()
    image.save(file, "PNG", transparency=0, compress_level=6)
    return file.getvalue()
