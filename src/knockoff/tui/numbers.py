"""Numbers of one column with their points one below the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

DIGITS: Final = 5
"""As many significant digits as the largest number of a column shows."""

NOTHING_SEEN: Final = -999

_MOST_DECIMALS: Final = 6


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of one column are written; it only ever grows more precise."""

    decimals: int = 0
    exponent: int = NOTHING_SEEN
    """The power of ten of the largest number seen."""

    def learned(self, values: Iterable[float]) -> NumberFormat:
        """The format that suits these numbers too."""
        exponent, needed = self.exponent, self.decimals
        for value in values:
            if value and math.isfinite(value):
                digits, _, power = f"{value:.{DIGITS - 1}e}".partition("e")
                exponent = max(exponent, int(power))
                fraction = len(digits.partition(".")[2].rstrip("0")) - int(power)
                needed = max(needed, fraction)
        return NumberFormat(max(0, min(needed, _room(exponent))), exponent)

    @property
    def is_final(self) -> bool:
        """More numbers would not make it more precise."""
        return self.exponent != NOTHING_SEEN and self.decimals >= _room(self.exponent)

    def text(self, value: float) -> str:
        """One number; in powers of ten where the others' decimals would not show it."""
        if isinstance(value, int):
            return str(value)
        if not math.isfinite(value):
            return str(value)
        if self.exponent == NOTHING_SEEN:
            return f"{value:.{DIGITS}g}"
        if value and not 10.0 ** min(1 - self.decimals, -1) <= abs(value) < 1e7:
            return f"{value:.{DIGITS - 2}e}"
        return f"{value:.{self.decimals}f}"


def _room(exponent: int) -> int:
    return min(DIGITS - 1 - exponent, _MOST_DECIMALS)


def shorter(value: float, width: int) -> str:
    """A number in `width` characters with as many digits as fit, never with some cut off."""
    for digits in range(DIGITS, 0, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= width:
            return text
    return "#" * width
