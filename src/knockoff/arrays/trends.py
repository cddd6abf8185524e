"""A trendline: few points that keep every peak and dip of a long line."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

POINTS: Final = 150


@dataclass(frozen=True)
class Trend:
    """A line of at most 150 points with the extremes of the original."""

    kind: ClassVar[Literal["trend"]] = "trend"

    x: tuple[float, ...]
    """The coordinate if it only rises or only falls, else the index; times in seconds (UTC)."""
    y: tuple[float | None, ...]
    """None is a gap: NaN, infinite or masked."""
    x_is_time: bool = False

    def to_json(self) -> dict[str, Any]:
        """For the wire and for MongoDB."""
        x, y = list(self.x), list(self.y)
        return {"kind": self.kind, "x": x, "y": y, "x_is_time": self.x_is_time}


def trend_of(numbers: NDArray[Any], coordinate: NDArray[Any] | None) -> Trend:
    """Draw an array of one axis through at most 150 points.

    A line of up to 150 points is kept as it is. A longer one is cut into 75 stretches, and of each
    the smallest and the largest value stay, where they are; a stretch without any is a gap.

    Parameters
    ----------
    numbers:
        Shape ``(n,)``, real or complex (the magnitude is drawn); may be masked.
    coordinate:
        Shape ``(n,)``, or None.
    """
    import numpy as np

    shown = _all_places if len(numbers) <= POINTS else _extreme_places
    places, values = shown(numbers)
    x, is_time = _positions(coordinate, places)
    y = tuple(float(value) if np.isfinite(value) else None for value in values)
    return Trend(x, y, is_time)


def as_floats(numbers: NDArray[Any]) -> NDArray[np.float64]:
    """Real numbers, NaN where there is nothing to be drawn; times as their integers."""
    import numpy as np

    array = np.asarray(numbers)
    if array.dtype.kind == "c":
        array = np.abs(array)
    missing = np.ma.getmaskarray(numbers) if isinstance(numbers, np.ma.MaskedArray) else None
    if array.dtype.kind in "mM":
        missing = np.isnat(array)
        array = array.view("i8")
    floats = array.astype(np.float64)
    floats[~np.isfinite(floats)] = np.nan
    if missing is not None:
        floats[missing] = np.nan
    return floats


def _all_places(numbers: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    import numpy as np

    return np.arange(len(numbers)), as_floats(numbers)


def _extreme_places(numbers: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    import numpy as np

    places: list[int] = []
    values: list[float] = []
    edges = np.linspace(0, len(numbers), POINTS // 2 + 1).astype(int)
    for start, stop in pairwise(edges):
        stretch = as_floats(numbers[start:stop])
        least = int(np.argmin(stretch))  # the first NaN, if there is one
        if np.isnan(stretch[least]):
            if np.isnan(stretch).all():
                places.append(int(start))
                values.append(np.nan)
                continue
            least = int(np.nanargmin(stretch))
        for place in sorted({least, int(np.nanargmax(stretch))}):
            places.append(int(start) + place)
            values.append(float(stretch[place]))
    return np.array(places), np.array(values)


def _positions(
    coordinate: NDArray[Any] | None, places: NDArray[np.intp]
) -> tuple[tuple[float, ...], bool]:
    import numpy as np

    if coordinate is not None and coordinate.dtype.kind in "iufmM":
        is_time = coordinate.dtype.kind == "M"
        if coordinate.dtype.kind in "mM":
            seconds = coordinate - np.datetime64(0, "s") if is_time else coordinate
            along = seconds / np.timedelta64(1, "s")
        else:
            along = coordinate
        one_way = (along[1:] >= along[:-1]).all() or (along[1:] <= along[:-1]).all()
        if one_way and np.isfinite(along).all():
            return tuple(float(position) for position in along[places]), is_time
    return tuple(float(place) for place in places), False
