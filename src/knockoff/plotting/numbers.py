"""A value as numbers that can be drawn, with its axes: complex, times and gaps made plain."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from knockoff.arrays.kinds import kind_of
from knockoff.arrays.summaries import described
from knockoff.plotting.errors import PlotError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LONGEST_LINE: Final = 20_000
"""Points of a line; of a longer one the lowest and highest of each stretch are drawn."""

WIDEST_IMAGE: Final = 1024
"""Pixels of an image in each direction; neighbours are averaged in a larger one."""


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of an array."""

    name: str
    places: NDArray[Any]
    """Coordinates of the elements, ascending; their positions where there are none."""

    units: str = ""
    is_counted: bool = False
    """Whether `places` are positions, because the array has no coordinates."""


@dataclass(frozen=True, eq=False)
class Numbers:
    """What can be drawn: real numbers or times with one `Axis` for each dimension."""

    values: NDArray[Any]
    """float64, NaN where missing; or datetime64, NaT where missing; complex for a line."""

    axes: tuple[Axis, ...]
    units: str = ""
    notes: tuple[str, ...] = field(default=())
    """What was done to the value, for the reader of the figure."""

    def noted(self, note: str, **changes: Any) -> Numbers:
        """The same with other parts, and a note of why."""
        return replace(self, notes=(*self.notes, note), **changes)


def numbers_of(value: object) -> Numbers:
    """Take what a variable returned, or what was read back of it, as numbers.

    Raises
    ------
    PlotError
        It is text, a table, a single number, or nothing.
    """
    import numpy as np

    kind = kind_of(value)
    if isinstance(value, (list, tuple)):
        value = _array_of_list(value)
        kind = "ndarray"
    if kind in (None, "dataset", "dataframe"):
        raise PlotError(f"{_named(value)} cannot be drawn", _remedy(kind))
    array: Any = value
    units = getattr(array, "attrs", {}).get("units", "")
    values = np.ma.asarray(array) if kind == "masked" else np.asarray(array)
    if values.dtype.kind not in "biufcmM":
        raise PlotError(
            f"{_named(value)} cannot be drawn",
            "Only numbers and times can; return those from a variable of their own.",
        )
    if values.ndim == 0 or values.size == 0:
        what = "has no axis" if values.ndim == 0 else "is empty"
        raise PlotError(f"{_named(value)} {what}", "Choose a variable with an array in it.")
    axes = tuple(_axis(array, kind, place) for place in range(values.ndim))
    return Numbers(_plain(values), axes, units if isinstance(units, str) else "")


def thinned(line: Numbers) -> Numbers:
    """A line that a browser can draw, with every peak of the long one still in it."""
    import numpy as np

    values = line.values
    if len(values) <= LONGEST_LINE or values.dtype.kind not in "f":
        step = math.ceil(len(values) / LONGEST_LINE)
        return line if step == 1 else _every(line, step)
    stretch = math.ceil(len(values) / (LONGEST_LINE // 2))
    whole = len(values) // stretch
    blocks = values[: whole * stretch].reshape(whole, stretch)
    starts = np.arange(whole) * stretch
    lowest = np.where(np.isnan(blocks), np.inf, blocks).argmin(axis=1) + starts
    highest = np.where(np.isnan(blocks), -np.inf, blocks).argmax(axis=1) + starts
    rest = np.arange(whole * stretch, len(values))
    kept = np.unique(np.concatenate([lowest, highest, rest]))
    note = f"lowest and highest of every {stretch} points"
    return line.noted(note, values=values[kept], axes=(_at(line.axes[0], kept),))


def image_of(numbers: Numbers) -> Numbers:
    """The last two axes as an image that a browser can draw; the mean over all before them."""
    import numpy as np

    values, notes = numbers.values, []
    if values.dtype.kind == "M":
        values = (values - values[~np.isnat(values)].min()) / np.timedelta64(1, "s")
        notes.append("seconds after the first")
    if values.dtype.kind == "c":
        values = np.abs(values)
        notes.append("magnitude")
    image = replace(numbers, values=values, notes=(*numbers.notes, *notes))
    if values.ndim > 2:
        leading = numbers.axes[:-2]
        over = ", ".join(f"{axis.name} ({len(axis.places)})" for axis in leading)
        flat = values.reshape(-1, *values.shape[-2:])
        image = image.noted(f"mean over {over}", values=_mean(flat, [0])[0], axes=numbers.axes[-2:])
    for along in (0, 1):
        length = image.values.shape[along]
        if length > WIDEST_IMAGE:
            step = math.ceil(length / WIDEST_IMAGE)
            starts = np.arange(0, length, step)
            turned = np.moveaxis(image.values, along, 0)
            axes = list(image.axes)
            axes[along] = _at(axes[along], starts)
            image = image.noted(
                f"mean of every {step} along {axes[along].name}",
                values=np.moveaxis(_mean(turned, starts), 0, along),
                axes=tuple(axes),
            )
    return image


def _every(line: Numbers, step: int) -> Numbers:
    axis = line.axes[0]
    return line.noted(
        f"every {step} points",
        values=line.values[::step],
        axes=(replace(axis, places=axis.places[::step]),),
    )


def _at(axis: Axis, kept: NDArray[Any]) -> Axis:
    return replace(axis, places=axis.places[kept])


def _mean(values: NDArray[np.float64], starts: Any) -> NDArray[np.float64]:
    """Mean of each stretch along the first axis, of what is there; NaN where nothing is."""
    import numpy as np

    seen = np.isfinite(values)
    total = np.add.reduceat(np.where(seen, values, 0.0), starts, axis=0)
    count = np.add.reduceat(seen, starts, axis=0, dtype=np.int64)
    with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN promised above
        mean: NDArray[np.float64] = total / count
    return mean


def _plain(values: Any) -> NDArray[Any]:
    import numpy as np

    missing = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    plain = np.ma.getdata(values)
    if plain.dtype.kind == "m":
        absent = np.isnat(plain)
        plain = np.where(absent, np.nan, plain / np.timedelta64(1, "s"))
    elif plain.dtype.kind == "M":
        plain = plain.astype("datetime64[ns]")
    elif plain.dtype.kind == "c":
        plain = plain.astype(np.complex128)
    else:
        plain = plain.astype(np.float64)
    if missing is not None and missing.any():
        plain = plain.copy()
        plain[missing] = np.datetime64("NaT") if plain.dtype.kind == "M" else np.nan
    if plain.dtype.kind == "f":
        plain = np.where(np.isfinite(plain), plain, np.nan)
    return plain


def _axis(value: Any, kind: str | None, place: int) -> Axis:
    """Name and coordinates of one axis; positions where what is there cannot be drawn along."""
    import numpy as np

    length = value.shape[place]
    counted = Axis(f"axis {place}", np.arange(length), is_counted=True)
    if kind == "series":
        name = str(value.index.name or "row")
        return _with_places(replace(counted, name=name), value.index.to_numpy())
    if kind != "dataarray":
        return counted
    dim = value.dims[place]
    name = "train ID" if dim == "trainId" else str(dim)
    if dim not in value.coords:
        return replace(counted, name=name)
    coordinate = value.coords[dim]
    units = coordinate.attrs.get("units", "")
    found = _with_places(replace(counted, name=name), np.asarray(coordinate.values))
    return replace(found, units=units) if isinstance(units, str) else found


def _with_places(axis: Axis, places: NDArray[Any]) -> Axis:
    import numpy as np

    if places.dtype.kind not in "biufM" or (len(places) > 1 and np.any(places[1:] <= places[:-1])):
        return axis  # labels or a back and forth: their order is all that can be drawn
    if places.dtype.kind in "fM" and np.any(places != places):  # noqa: PLR0124  # NaN and NaT
        return axis
    return replace(axis, places=places, is_counted=False)


def _array_of_list(value: Any) -> NDArray[Any]:
    import numpy as np

    try:
        return np.asarray(value)
    except ValueError:
        raise PlotError("A list of lists of different lengths cannot be drawn", _NUMBERS) from None


_NUMBERS: Final = "Return one array of numbers."


def _named(value: object) -> str:
    text = described(value)
    return text[:1].upper() + text[1:]


def _remedy(kind: str | None) -> str:
    if kind == "dataset":
        return "It has several arrays: return the one to be drawn from a variable of its own."
    if kind == "dataframe":
        return "Return the column to be drawn from a variable of its own."
    return _NUMBERS
