"""Whether a process that should answer still does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_ASKED: Final = 6
"""Questions in a row that are not answered: one proves nothing, as after the machine has slept."""


class Pulse:
    """Asks a process for a sign of life while it has work, as one that is stopped has none.

    Parameters
    ----------
    ask:
        Asks it, if it has anything to do; says whether it has.
    silence:
        Seconds for which it may say nothing.
    """

    def __init__(self, ask: Callable[[], bool], silence: float) -> None:
        self._ask = ask
        self._pause = silence / _ASKED
        self._is_heard = False

    def beat(self) -> None:
        """It has said something."""
        self._is_heard = True

    async def until_silent(self) -> None:
        """Return when it answers no more."""
        unanswered = 0
        while unanswered < _ASKED:
            self._is_heard = False
            must_answer = self._ask()
            await asyncio.sleep(self._pause)
            unanswered = unanswered + 1 if must_answer and not self._is_heard else 0
