"""Why a variable cannot run: what it needs and has no value, and the way to every root of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from knockoff.filling.messages import (
    WAITING_FOR_MYMDC,
    WAITING_FOR_OUTSIDE,
    Cause,
    CellProblem,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from knockoff.filling.messages import Outcome

NOT_COMPUTED: Final = CellProblem("NotComputed", "has not been computed yet.")

MOST_CAUSES: Final = 12
"""As many are kept in a row: a context of hundreds of variables must not fill a document."""

LONGEST_REASON: Final = 300

_MILDER: Final = {"skipped": 1, WAITING_FOR_MYMDC: 2, WAITING_FOR_OUTSIDE: 3}
"""States that nobody has to mend come after the others; a wait ends by itself."""


@dataclass(frozen=True)
class Missing:
    """A variable that is needed and has no value."""

    name: str
    outcome: Outcome
    problem: CellProblem


def blocked_by(missing: Iterable[Missing], file: str) -> tuple[Outcome, CellProblem]:
    """What the cell of a variable shows that needs these.

    Where all of them were skipped, it is skipped as well, for the same reason, and
    where all of them wait for the catalogue or for a program outside, it waits; else there
    is something to be mended, and it is blocked.

    Parameters
    ----------
    missing:
        At least one.
    file:
        Name of the context file.
    """
    roots: dict[str, Cause] = {}
    for each in missing:
        for cause in _causes_of(each, file):
            known = roots.get(cause.path[-1])
            if known is None or len(cause.path) < len(known.path):
                roots[cause.path[-1]] = cause
    causes = sorted(roots.values(), key=lambda each: _MILDER.get(each.state, 0))
    worst, kept = causes[0], tuple(causes[:MOST_CAUSES])
    if worst.state == WAITING_FOR_MYMDC:
        return worst.state, CellProblem("", worst.message, cause=worst.path, causes=kept)
    if worst.state == WAITING_FOR_OUTSIDE:
        message = " ← ".join(worst.path)
        return worst.state, CellProblem("", message, cause=worst.path, causes=kept)
    if worst.state == "skipped":
        return "skipped", CellProblem("Skip", worst.message, cause=worst.path, causes=kept)
    message = " ← ".join(worst.path) + f" {reason_of(worst)}"
    others = len(causes) - 1
    if others:
        message += f"; and {others} more"
    return "blocked", CellProblem(worst.kind, message, cause=worst.path, causes=kept)


def reason_of(cause: Cause) -> str:
    """What became of a root, as in ``failed: KeyError: 'x' (context.py:31)``."""
    said = cause.message.removeprefix(f"{cause.state}: ")
    if cause.kind == NOT_COMPUTED.kind:
        return said
    if cause.state == "failed":
        said = f"{cause.kind}: {said}" if said else cause.kind
    reason = f"{cause.state}: {said}" if said else cause.state
    return f"{reason} ({cause.file}:{cause.line})" if cause.line else reason


def _causes_of(missing: Missing, file: str) -> tuple[Cause, ...]:
    problem = missing.problem
    if problem.causes:
        return tuple(
            Cause(
                path=(missing.name, *each.path),
                state=each.state,
                kind=each.kind,
                message=each.message,
                file=each.file,
                line=each.line,
                context_line=each.context_line,
            )
            for each in problem.causes
        )
    return (
        Cause(
            path=(missing.name, *problem.cause),
            state=missing.outcome,
            kind=problem.kind,
            message=" ".join(problem.message.split())[:LONGEST_REASON],
            file=file if problem.line else "",
            line=problem.line,
            context_line=problem.context_line,
        ),
    )
