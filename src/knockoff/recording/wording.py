"""Times, values and lists as sentences have them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

LONGEST_VALUE: Final = 80


@dataclass(frozen=True)
class Wording:
    """Writes for people who see times in this zone."""

    zone: tzinfo

    def when(self, moment: datetime) -> str:
        """A moment to the second."""
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M:%S}"

    def value(self, value: Any) -> str:
        """A stored value; a long one is cut."""
        if isinstance(value, datetime):
            return self.when(value)
        if value is None:
            return "empty"
        if isinstance(value, float):
            return f"{value:.12g}"
        text = json.dumps(value, ensure_ascii=False, default=str)
        return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def listed(words: Sequence[str]) -> str:
    """Words joined for people.

    >>> listed(["hits", "trains", "energy"])
    'hits, trains and energy'
    """
    return " and ".join(each for each in (", ".join(words[:-1]), *words[-1:]) if each)


def ended(sentence: str) -> str:
    """A sentence with its full stop."""
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def lasting(later: datetime, earlier: datetime) -> str:
    """From one moment to the other, as in ``1:02:03``."""
    seconds = max(0, round((later - earlier).total_seconds()))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
