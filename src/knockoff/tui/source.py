"""What the run table asks of the world outside: rows, changes, edits and plots."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from typing import Any, Literal, Protocol

Document = Mapping[str, Any]
"""One MongoDB document; a run document is laid out as the recorder writes it."""

Link = Literal["live", "polling", "offline"]
"""How changes reach the table: pushed as they happen, asked for, or not at all."""


class Change(Protocol):
    """What happened since the last one; several may be merged into one."""

    @property
    def link(self) -> Link:
        """How changes arrive from now on."""

    @property
    def everything(self) -> bool:
        """What was read before may be out of date: read it all again."""

    @property
    def rows(self) -> frozenset[str]:
        """Keys of the rows that were written or deleted."""

    @property
    def previews(self) -> frozenset[str]:
        """Ids of the previews that were written or deleted."""

    @property
    def variables(self) -> bool:
        """The columns themselves changed."""


class Source(Protocol):
    """One table of one proposal, read for one person.

    Everything here raises `knockoff.errors.DatabaseError` where the database
    does not answer; `changes` instead says that it is offline, and goes on.
    """

    @property
    def table(self) -> str:
        """The collection, as in ``runs``."""

    async def variables(self) -> Sequence[Document]:
        """The column registry of this table, in the order of the context file."""

    async def refusal(self) -> str:
        """What is wrong with the context file, where the one before it is used; else empty."""

    async def rows(
        self, fields: Collection[str], keys: Collection[str] | None = None
    ) -> Sequence[Document]:
        """`_id` and `fields` of these rows, or of all, by run; what is gone is left out."""

    async def previews(self, ids: Collection[str]) -> Sequence[Document]:
        """Trendlines and thumbnails by id, as in ``runs/42/xgm/energy/trend``."""

    def changes(self) -> AsyncGenerator[Change, None]:
        """Every change for as long as it is iterated; the first one says `everything`."""

    async def view(self) -> Document | None:
        """How this person left the columns, if ever."""

    async def keep_view(self, view: Document) -> None:
        """Remember how this person left the columns."""


class Editor(Protocol):
    """Writes what people type; raises `knockoff.errors.EditError` with words for them."""

    async def set_field(self, run_key: str, field: str, text: str) -> None:
        """Store `text`, read as the type of `field`; an empty text clears it."""

    async def comment(self, run_key: str, text: str) -> None:
        """Replace the comment on a run."""


class Plotter(Protocol):
    """Makes an interactive figure of a value."""

    async def plot(self, run_key: str, variable: str) -> str:
        """A path or URL to open; raises a `knockoff.errors.KnockoffError` with words for people."""
