"""Which variables make the table of a context file, where the file says so itself.

A file may hold a `Pipeline` and make it the default one. That is a word of a floor
above, so what is known here is only where the table comes from then.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from knockoff.contextfile.tables import TableSource


class Chosen(Protocol):
    """Something that a table can be made of, once all names of the file are known."""

    def source_in(self, names: Mapping[str, Any], beside: TableSource | None) -> TableSource:
        """Where the table comes from.

        Parameters
        ----------
        names:
            Those of the file.
        beside:
            The table of what else is in the file; None if that is left out.

        Raises
        ------
        ContextFileError
            It cannot be put together.
        """


@dataclass
class Choice:
    """What one context file has chosen so far."""

    chosen: Chosen | None = None
    alone: bool = False
    """Whether variables of the file that are not in it are left out."""

    def of(self, found: list[TableSource], names: Mapping[str, Any]) -> list[TableSource]:
        """The tables of a file in which these were found.

        Raises
        ------
        ContextFileError
            They do not go together with what was chosen.
        """
        if self.chosen is None:
            return found
        if self.alone:
            return [self.chosen.source_in(names, None)]
        return [self.chosen.source_in(names, each) for each in found]


_CHOICE: ContextVar[Choice | None] = ContextVar("knockoff_choice", default=None)


@contextmanager
def choosing() -> Iterator[Choice]:
    """Listen to what a context file chooses, while it is run; files may load each other."""
    choice = Choice()
    token = _CHOICE.set(choice)
    try:
        yield choice
    finally:
        _CHOICE.reset(token)


def current_choice() -> Choice:
    """That of the file which is being loaded; in a notebook one that lasts as it does."""
    choice = _CHOICE.get()
    if choice is None:
        choice = Choice()
        _CHOICE.set(choice)
    return choice
