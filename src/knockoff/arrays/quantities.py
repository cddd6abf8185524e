"""Numbers that carry their unit, as Pint's do, which EXtra's components return."""

from __future__ import annotations

from typing import Any, NamedTuple

from knockoff.arrays.loaded import is_of


class Quantity(NamedTuple):
    """A value and the unit that it came with."""

    magnitude: Any
    unit: str | None
    """Short, as in ``keV``; None for a value without one."""


def measured(value: Any) -> Quantity:
    """A value of Pint apart from its unit; any other as it is.

    Pint is not imported: a quantity exists only where somebody else has done that.
    """
    if not is_of(value, "pint", "Quantity"):
        return Quantity(value, None)
    return Quantity(value.magnitude, f"{value.units:~}" or None)
