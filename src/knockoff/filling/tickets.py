"""Leave to begin a variable, which the engine may take back as long as nobody has used it."""

from __future__ import annotations

import os


class Tickets:
    """A number that two processes count down; each unit goes to exactly one of them.

    The engine asks one process for many variables at once, so that cheap ones cost no
    round trip, and adds a ticket for each. When a variable turns out to be long, the
    engine takes back the tickets that are left, and so knows what has not begun.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        if descriptor is None:
            descriptor = os.eventfd(0, os.EFD_SEMAPHORE | os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.descriptor = descriptor

    def add(self, number: int) -> None:
        """Give leave for so many more."""
        if number:
            os.eventfd_write(self.descriptor, number)

    def take(self) -> bool:
        """Use one; False if there is none."""
        try:
            os.eventfd_read(self.descriptor)
        except BlockingIOError:
            return False
        return True

    def take_back(self) -> int:
        """Use all that are left, and say how many these were."""
        taken = 0
        while self.take():
            taken += 1
        return taken

    def close(self) -> None:
        """Give the number back."""
        os.close(self.descriptor)
