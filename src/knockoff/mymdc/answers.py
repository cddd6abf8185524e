"""What the catalogue says of one field of one run: its value, not yet, or why it cannot say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  # dataclasses keep it
from typing import Any


@dataclass(frozen=True)
class Known:
    """The catalogue has a value, as it was at that moment; people may change it later."""

    value: Any
    fetched_at: datetime


@dataclass(frozen=True)
class UnknownYet:
    """The catalogue answered, and nobody has entered the run or the field there yet."""

    asked_at: datetime


@dataclass(frozen=True)
class Unavailable:
    """There was no answer that could be used; `reason` says what to do."""

    reason: str
    asked_at: datetime


Answer = Known | UnknownYet | Unavailable
