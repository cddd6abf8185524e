"""Whether an array says something that its summary cannot: that its numbers differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from knockoff.arrays.kinds import kind_of
from knockoff.arrays.refusals import told

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTICEABLE: Final = 1e-9
"""Difference between two numbers from which they count as different."""

_LOOKED_AT: Final = 2**20
"""Elements that are compared at once."""


def varies(value: object) -> bool | None:
    """Whether the largest and the smallest number of an array differ noticeably.

    Returns
    -------
    :
        None for what is no array of at least two real numbers. What is missing (NaN, masked)
        does not count, and infinity differs from all other numbers.

    Raises
    ------
    UnsupportedValueError
        The value raised when it was looked at.
    """
    with told(value):
        numbers = _numbers(value)
        if numbers is None or numbers.size < 2:
            return None
        return _spread(numbers)


def _spread(numbers: NDArray[Any]) -> bool:
    import numpy as np

    low = high = None
    step = max(1, _LOOKED_AT * len(numbers) // numbers.size)
    for start in range(0, len(numbers), step):
        piece = numbers[start : start + step]
        if isinstance(piece, np.ma.MaskedArray):
            piece = piece.compressed()
        piece = piece[~np.isnan(piece)] if piece.dtype.kind == "f" else piece
        if piece.size:
            least, most = piece.min().item(), piece.max().item()
            low = least if low is None else min(low, least)
            high = most if high is None else max(high, most)
            if low != high and high - low > NOTICEABLE:  # inf - inf is NaN
                return True
    return False


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
