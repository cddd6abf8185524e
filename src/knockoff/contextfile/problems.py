"""What is wrong with a context file: every problem at once, each with its place and remedy."""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from knockoff.errors import ContextFileError

if TYPE_CHECKING:
    from collections.abc import Iterable


Severity = Literal["error", "note"]
"""A note is worth reading, and forbids nothing."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong, and what to do about it."""

    file: str
    line: int
    column: int
    message: str
    remedy: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        return " ".join(part for part in (f"{self.place}: {self.message}", self.remedy) if part)

    @property
    def place(self) -> str:
        """As editors and terminals know to follow it: ``context.py:31:9``."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @property
    def is_note(self) -> bool:
        """Whether the file can be used in spite of it."""
        return self.severity == "note"

    def to_json(self) -> dict[str, Any]:
        """The same as a dict."""
        return asdict(self)


class ContextProblems(ContextFileError):  # noqa: N818  # it is a list of them
    """All problems of one context file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint at the name that was probably meant: "Did you mean 'hits'?", or nothing."""
    known = sorted(set(names))
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]!r}?"
    if known and len(known) <= 12:
        return f"There are {', '.join(known)}."
    return ""
