"""Why a cell is blocked or skipped, drawn as a tree that ends in what is to be mended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from knockoff.filling.blocking import reason_of
from knockoff.filling.messages import Cause
from knockoff.runs.stamps import slashed, value_at

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Strokes:
    """What the tree is drawn with."""

    arrow: str
    branch: str
    last: str
    below: str


UNICODE: Final = Strokes(" ← ", "├ ", "└ ", "│ ")
ASCII: Final = Strokes(" <- ", "|- ", "`- ", "|  ")


@dataclass
class _Node:
    cause: Cause | None = None
    below: dict[str, _Node] = field(default_factory=dict)


def causes_in(problem: Mapping[str, Any]) -> tuple[Cause, ...]:
    """The roots that a row's problem names; none for a variable that failed itself."""
    stored = problem.get("causes")
    told = [each for each in stored or () if isinstance(each, Mapping) and each.get("path")]
    return tuple(_cause(each) for each in told)


def causes_of(row: Mapping[str, Any], name: str) -> tuple[Cause, ...]:
    """The same of one column of a row, by its dotted name."""
    problem = value_at(row, f"knockoff.problems.{slashed(name)}")
    return causes_in(problem) if isinstance(problem, Mapping) else ()


def tree_of(problem: Mapping[str, Any], strokes: Strokes = UNICODE) -> list[str]:
    """One line for each way to a cause, with the line of code below it.

    Ways that begin alike branch where they part::

        ├ hits ← xgm.pulse_energy failed: KeyError: 'x' (context.py:31)
        │     return data["x"]
        └ background skipped: no dark run
    """
    top = _Node()
    for cause in causes_in(problem):
        node = top
        for name in cause.path:
            node = node.below.setdefault(name, _Node())
        node.cause = cause
    return list(_lines(top.below, strokes, "", alone=len(top.below) == 1))


def _lines(
    nodes: Mapping[str, _Node], strokes: Strokes, indent: str, *, alone: bool
) -> Iterable[str]:
    for place, (name, found) in enumerate(nodes.items(), 1):
        node, way = found, [name]
        while node.cause is None and len(node.below) == 1:
            ((step, node),) = node.below.items()
            way.append(step)
        is_last = place == len(nodes)
        head = "" if alone else strokes.last if is_last else strokes.branch
        blank = " " * len(strokes.below)
        inner = indent + ("" if alone else blank if is_last else strokes.below)
        text = strokes.arrow.join(way)
        reason = f" {reason_of(node.cause)}" if node.cause is not None else ""
        yield f"{indent}{head}{text}{reason}"
        if node.cause is not None and node.cause.context_line:
            yield f"{inner}{blank if node.below else ''}    {node.cause.context_line.strip()}"
        yield from _lines(node.below, strokes, inner, alone=False)


def _cause(stored: Mapping[str, Any]) -> Cause:
    line = stored.get("line")
    return Cause(
        path=tuple(map(str, stored["path"])),
        state=stored.get("state") or "failed",
        kind=str(stored.get("kind") or ""),
        message=str(stored.get("message") or ""),
        file=str(stored.get("file") or ""),
        line=line if isinstance(line, int) else 0,
        context_line=str(stored.get("context_line") or ""),
    )
