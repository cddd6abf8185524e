"""Where each column stands on the screen."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from knockoff.tui.store import Place

PADDING: Final = 2
"""A cell has a blank on both sides."""

MARK: Final = 2
"""Before the run number stands a sign for its state."""


class Layout:
    """Pinned columns at the left, and the others, which are scrolled by `x` cells."""

    def __init__(self, places: Sequence[Place], pinned: Collection[str]) -> None:
        self.pinned = tuple(place for place in places if place.column.name in pinned)
        self.free = tuple(places[len(self.pinned) :])
        self.edge = MARK + sum(place.width + PADDING for place in self.pinned)
        widths = (place.width + PADDING for place in self.free)
        self._starts = list(accumulate(widths, initial=0))
        self.has_groups = any(place.column.group for place in places)

    @property
    def width(self) -> int:
        """Of all columns together."""
        return self.edge + self._starts[-1]

    def seen(self, x: int, width: int) -> Iterator[tuple[Place, int, int]]:
        """Free columns on the screen, each with how many cells of it are hidden and seen."""
        left = width - self.edge
        first = max(bisect_right(self._starts, x) - 1, 0)
        for number in range(first, len(self.free)):
            if left <= 0:
                return
            place = self.free[number]
            hidden = max(x - self._starts[number], 0)
            room = place.width + PADDING - hidden
            yield place, hidden, min(room, left)
            left -= room

    def goes_on(self, x: int, width: int) -> bool:
        """There is more at the right."""
        return self._starts[-1] > x + width - self.edge

    def at(self, screen_x: int, x: int) -> int | None:
        """Which column is at a place of the screen, counted from the left."""
        left = MARK
        if screen_x < left:
            return 0
        for number, place in enumerate(self.pinned):
            left += place.width + PADDING
            if screen_x < left:
                return number
        free = bisect_right(self._starts, screen_x - self.edge + x) - 1
        return len(self.pinned) + free if free < len(self.free) else None

    def x_that_shows(self, number: int, x: int, width: int) -> int:
        """How far to scroll so that a column is seen, with a whole column at the left edge."""
        place = number - len(self.pinned)
        if place < 0:
            return 0 if number == 0 or not self.free else x
        room = max(width - self.edge, 1)
        start, end = self._starts[place], self._starts[place + 1]
        wanted = min(max(x, end - room), start)
        return self._starts[min(bisect_left(self._starts, wanted), place)]
