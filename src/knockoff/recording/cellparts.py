"""All places of a row where something of one cell lies, to take them away or put them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from knockoff.database.rows import RowChange
from knockoff.runs.keeping import ROLLED_BACK
from knockoff.runs.stamps import slashed, value_at
from knockoff.runs.states import has_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OF_CELLS: Final = ("arrays", "exact", "style", "units", "problems")
"""Parts of ``knockoff`` that tell of what a cell shows."""

OF_METHODS: Final = ("code", "inputs", "made")
"""Parts of ``knockoff`` that tell whether a method is due."""

OF_SOURCES: Final = ("launched", "submitted", ROLLED_BACK)
"""Parts of ``knockoff`` that tell where the value of a method comes from, if it is none of now."""


def places_of(column: str, method: str | None = None) -> list[str]:
    """Where a row keeps what it knows of a column, and of the method that fills it."""
    names = dict.fromkeys((column, method or column))
    return [
        column,
        *(f"knockoff.{part}.{slashed(column)}" for part in OF_CELLS),
        *(
            f"knockoff.{part}.{slashed(name)}"
            for part in (*OF_METHODS, *OF_SOURCES)
            for name in names
        ),
    ]


def there(row: Mapping[str, Any], places: Iterable[str]) -> dict[str, Any]:
    """Those of the places that a row has, with what lies there."""
    return {place: value_at(row, place) for place in places if has_field(row, place)}


def has_result(row: Mapping[str, Any], column: str) -> bool:
    """Whether a cell has a value, or a problem of its own."""
    places = [column, *(f"knockoff.{part}.{slashed(column)}" for part in ("problems", "code"))]
    return any(has_field(row, place) for place in places)


def returned(now: Mapping[str, Any], before: Mapping[str, Any], places: Iterable[str]) -> RowChange:
    """What puts back what a row had in these places and has not got any more."""
    kept = there(before, places)
    return RowChange({place: each for place, each in kept.items() if not has_field(now, place)})
