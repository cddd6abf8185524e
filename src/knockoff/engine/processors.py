"""The processors of this machine, counted by what keeps them busy."""

from __future__ import annotations


class Processors:
    """How many are free; less than none where work goes on that cannot wait."""

    def __init__(self, number: int) -> None:
        self.free = number

    def take(self, number: int) -> None:
        """Keep so many busy, whether they are free or not."""
        self.free -= number

    def give_back(self, number: int) -> None:
        """They are idle again."""
        self.free += number
