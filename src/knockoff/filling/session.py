"""One run open for filling, in a process of its own or in this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from knockoff.contextfile.description import ContextDescription
    from knockoff.filling.messages import Message, RunTask


class Session(Protocol):
    """A run whose variables are asked for, once or several times; it keeps their values."""

    def fill(self, names: Sequence[str]) -> AsyncIterator[Message]:
        """Run these variables in dependency order, and give each message as it comes.

        Ends after `Filled`. Every variable asked for ends in exactly one `Result`,
        whatever happens to the process that runs it; only transient ones say nothing.
        """

    async def acknowledge(self, results: int) -> None:
        """Tell the worker that so many more results are stored and need not be kept."""


class Engine(Protocol):
    """Where user code runs."""

    async def describe(self, context_file: Path) -> ContextDescription:
        """Load a context file and say what is in it.

        Raises
        ------
        ContextProblems
            Something is wrong with the file.
        """

    def trying(self, context_file: Path) -> AbstractAsyncContextManager[ContextDescription]:
        """As `describe`, but sessions run the file only after a body that did not raise."""

    def session(self, context_file: Path, task: RunTask) -> AbstractAsyncContextManager[Session]:
        """Open one run for filling."""
