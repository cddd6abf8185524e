"""What an array says that its summary cannot: how far its numbers differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from knockoff.arrays.kinds import kind_of
from knockoff.arrays.refusals import told

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTICEABLE: Final = 1e-9
"""Difference between two numbers above which they count as different."""

_LOOKED_AT: Final = 2**18
"""Elements that are compared at once: they stay in the processor's cache."""


def max_diff(value: object) -> float | None:
    """Difference of the largest and the smallest number of an array.

    Returns
    -------
    :
        None for what is no array of at least two real numbers. What is missing (NaN, masked)
        does not count, and infinity differs from all other numbers by infinity.

    Raises
    ------
    UnsupportedValueError
        The value raised when it was looked at.
    """
    with told(value):
        numbers = _numbers(value)
        if numbers is None or numbers.size < 2:
            return None
        return _max_diff(numbers)


def _max_diff(numbers: NDArray[Any]) -> float | None:
    import numpy as np

    ends: list[Any] = []
    step = max(1, _LOOKED_AT * len(numbers) // numbers.size)
    for start in range(0, len(numbers), step):
        piece = numbers[start : start + step]
        if isinstance(piece, np.ma.MaskedArray):
            piece = piece.compressed()
        if piece.size:
            with np.errstate(invalid="ignore"):  # a signalling NaN
                found = (np.fmin.reduce(piece, axis=None), np.fmax.reduce(piece, axis=None))
            ends += [each.item() for each in found if not np.isnan(each)]
    if not ends:
        return None
    least, most = min(ends), max(ends)
    return 0.0 if least == most else float(most - least)  # inf - inf is NaN


def _numbers(value: Any) -> NDArray[Any] | None:
    import numpy as np

    kind = kind_of(value)
    if kind not in ("ndarray", "masked", "dataarray", "series"):
        return None
    dtype = value.dtype
    if not isinstance(dtype, np.dtype) or dtype.kind not in "biuf" or value.ndim == 0:
        return None
    numbers: NDArray[Any] = value if kind == "masked" else np.asarray(value)
    return numbers
