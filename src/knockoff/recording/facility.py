"""The facility's catalogue, as far as recording needs to know it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta, tzinfo  # noqa: TC003  # dataclasses keep them
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractAsyncContextManager

    from knockoff.mymdc.answers import Answer
    from knockoff.runkey import RunKey


class Source(Protocol):
    """A catalogue that is open for questions."""

    async def answers(self, key: RunKey, fields: Iterable[str]) -> Mapping[str, Answer]:
        """What it says of a run, by field; raises `CatalogueError` where asking on is no use."""


class Access(Protocol):
    """The way to a catalogue."""

    def open(self) -> AbstractAsyncContextManager[Source]:
        """Sign in; raises `CatalogueError` where that is not possible."""


@dataclass(frozen=True)
class Facility:
    """A facility's catalogue, and how often to ask it."""

    access: Access
    refresh: timedelta
    """Between two looks at a value that is known, while its run is recent."""

    recent: timedelta
    """For how long a run is."""

    zone: tzinfo
    """In which people read times."""
