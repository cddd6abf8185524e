"""How long variables take, from the runs that this process has seen."""

from __future__ import annotations

from typing import Final

LONG: Final = 0.02
"""Seconds from which it pays to run others beside a variable; a process more costs about half
of that."""


class Forecast:
    """Which variables of one context file were long when they ran last."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], float] = {}

    def learn(self, collection: str, variable: str, seconds: float) -> None:
        """A variable of this table has ended after so many seconds."""
        self._seconds[collection, variable] = seconds

    def is_long(self, collection: str, variable: str) -> bool:
        """Whether it was long; one that has not been seen is not taken for long."""
        return self._seconds.get((collection, variable), 0.0) >= LONG
