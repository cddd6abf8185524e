"""The slot in every run document: its events come in here, and a filler takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from knockoff.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from knockoff.language.occasions import Direction, Event


class Filler(Protocol):
    """Fills a document when something happens to it."""

    @property
    def arrays_folder(self) -> Path:
        """Where the arrays of its documents are: ``extracted_data`` of their workspace."""

    async def as_of(self, document_class: type[Any], moment: datetime) -> list[dict[str, Any]]:
        """The rows of a class as they were at a moment, in UTC."""

    async def fill(self, document: Any, event: Event, direction: Direction) -> None:
        """Run the variables of this side of the event that are due, and store their results."""


class Slot:
    """Holds the filler for all documents that have none of their own."""

    filler: ClassVar[Filler | None] = None
    make: ClassVar[Callable[[], Filler] | None] = None
    """Makes the filler when the first document needs it; a process that only computes has none."""


def filler_of(document: Any) -> Filler:
    """Whoever fills this document.

    Raises
    ------
    DatabaseError
        Nobody does.
    """
    return filler_of_class(type(document))


def filler_of_class(document_class: type[Any]) -> Filler:
    """Whoever fills the documents of a class; errors as of `filler_of`."""
    filler: Filler | None = getattr(document_class, "__knockoff_filler__", None) or Slot.filler
    if filler is None and Slot.make is not None:
        filler = Slot.filler = Slot.make()
    if filler is None:
        raise DatabaseError(
            f"Nothing fills {document_class.__name__}. Import Run from knockoff, or build the "
            f"class with a filler."
        )
    return filler
