"""From one error to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from knockoff.runs.states import TROUBLES

if TYPE_CHECKING:
    from knockoff.tui.feed import Feed
    from knockoff.tui.rows import Row
    from knockoff.tui.store import RunStore


async def next_trouble(
    store: RunStore, feed: Feed, row: int, place: int, direction: int
) -> tuple[int, int] | None:
    """Row and column of the next failed cell after this one, or before it; None if there is none.

    Rows that were not looked at yet are read. A failure in a hidden column leads to
    the run's number.

    Raises
    ------
    DatabaseError
        A row cannot be read.
    """
    order = list(store.order)
    for index in range(row, len(order)) if direction > 0 else range(row, -1, -1):
        fact = store.fact(order[index])
        if fact is None or not fact.is_troubled:
            continue
        found = _troubles(store, await feed.bring(order[index]))
        if index == row:
            found = [each for each in found if (each - place) * direction > 0]
        elif not found:
            found = [0]
        if found:
            return index, min(found) if direction > 0 else max(found)
    return None


def _troubles(store: RunStore, row: Row | None) -> list[int]:
    return [
        number
        for number, place in enumerate(store.places)
        if row is not None
        and (problem := row.problem(place.column.key)) is not None
        and problem.get("state") in TROUBLES
    ]
