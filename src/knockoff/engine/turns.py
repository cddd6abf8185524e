"""Who is next: a bounded number of runs at a time, and no proposal waits behind all of another."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Hashable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Turns:
    """Lets so many in at a time; of those who wait, first whoever has the fewest inside."""

    def __init__(self, number: int | None) -> None:
        self._number = number
        self._inside = Counter[Hashable]()
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def turn(self, who: Hashable) -> AsyncIterator[None]:
        """Wait for one's turn, and have it for as long as the body runs."""
        if self._number is not None and (self._waiting or self._inside.total() >= self._number):
            await self._wait(who)
        else:
            self._inside[who] += 1
        try:
            yield
        finally:
            self._leave(who)

    async def _wait(self, who: Hashable) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(who, deque()).append(place)
        try:
            await place  # whoever calls has counted us in
        except asyncio.CancelledError:
            if not place.cancelled():
                self._leave(who)
            raise  # who has gone is passed over when it would be its turn

    def _leave(self, who: Hashable) -> None:
        self._inside[who] -= 1
        if not self._inside[who]:
            del self._inside[who]
        while self._waiting:
            following = min(self._waiting, key=lambda each: self._inside[each])
            places = self._waiting.pop(following)
            place = places.popleft()
            if places:  # behind others who have as few inside
                self._waiting[following] = places
            if not place.cancelled():
                self._inside[following] += 1
                place.set_result(None)
                return
