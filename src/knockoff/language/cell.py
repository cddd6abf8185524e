"""What a method may return beside a plain value: a `Cell`, or a `Skip` raised."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import TypeVar

    T_co = TypeVar("T_co", covariant=True, default=Any)  # so that -> Cell is enough
else:
    from typing import TypeVar

    T_co = TypeVar("T_co", covariant=True)

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}(?:[0-9a-fA-F]{2})?", re.ASCII)


class Skip(Exception):  # noqa: N818  # the word people write is Skip, as in pytest
    """Raise it to leave a cell empty on purpose; the reason is shown in the cell.

    Dependants of a skipped variable are skipped too, with the same reason.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = str(reason)


@dataclass
class Cell(Generic[T_co]):
    """A value together with how its cell looks.

    In a hint ``Cell[float]`` says what the value is; ``Cell`` alone is any. What is not
    known at first can be assigned before the cell is returned.

    Raises
    ------
    ValueError
        `background` is no colour.
    TypeError
        `data` is a `Cell` already.
    """

    data: T_co
    """The value: whatever a method may return; None stores nothing but the summary."""

    summary: str | Callable[[Any], Any] | None = None
    """How to reduce `data` to what the cell shows: a NumPy function's name or a callable."""

    summary_value: Any = None
    """What the cell shows, given directly; then `summary` does not matter."""

    bold: bool | None = None

    background: str | Sequence[int] | None = None
    """``"#rrggbb"`` or three whole numbers from 0 to 255; an opacity behind it is left out."""

    preview: Any = field(default=None, kw_only=True)
    """What to draw small instead of `data`: 1-D or 2-D."""

    units: str | None = field(default=None, kw_only=True)

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse what is no colour, and a cell in a cell, in the line that gives it."""
        if name == "data" and isinstance(value, Cell):
            raise TypeError("data is a Cell already: return that, or write Cell(it.data, …).")
        is_colour = name == "background" and value is not None
        object.__setattr__(self, name, _hex_colour(value) if is_colour else value)


def _hex_colour(colour: str | Sequence[int]) -> str:
    if isinstance(colour, str):
        if _COLOUR.fullmatch(colour):
            return colour[:7].lower()
    else:
        parts = [int(part) for part in colour]
        if len(parts) == 3 and all(0 <= part <= 255 for part in parts):
            return "#{:02x}{:02x}{:02x}".format(*parts)
    raise ValueError(
        f"background must be '#rrggbb' or three numbers from 0 to 255, not {colour!r}."
    )
