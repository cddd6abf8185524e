"""Why a cell is as it is, told from the row alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from knockoff.runs.staleness import STALE
from knockoff.runs.stamps import dotted, slashed

TROUBLES: Final = frozenset({"failed", "timed out", "killed"})
"""States that somebody should look at."""

_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True)
class CellState:
    """One word of design's list of states, and what there is to say about it."""

    word: str
    """As in ``"waiting for proc"``, ``"waiting for outside"``, ``"failed"``, ``"done"``."""

    reason: str = ""
    """For people, on one line or several; empty where the word says it all."""

    kind: str = ""
    """Of a failure, its class: ``"KeyError"``."""

    @property
    def has_value(self) -> bool:
        """Whether the cell shows a value: a stale one is still shown, but marked."""
        return self.word in ("done", "stale")

    @property
    def is_trouble(self) -> bool:
        """Whether somebody should look at it."""
        return self.word in TROUBLES

    def __str__(self) -> str:
        parts = (self.kind, self.reason) if self.kind else (self.reason,)
        said = ": ".join(part for part in parts if part)
        return f"{self.word}: {said}" if said else self.word


DONE: Final = CellState("done")


def state_of(row: Mapping[str, Any], name: str, data: str = "raw") -> CellState:
    """The state of the cell of one variable.

    Parameters
    ----------
    row:
        The run document, or the part of it with the field, and of ``knockoff`` the
        parts ``data``, ``active``, ``attempt``, ``problems``, ``arrays`` and ``code``, and
        ``stale`` where the reader has worked that out (`knockoff.runs.staleness`).
    name:
        The variable, dotted as in the registry of columns.
    data:
        What it needs on disk: raw or proc.
    """
    ours = _mapping(row.get("knockoff"))
    key = slashed(name)
    problem = _mapping(_mapping(ours.get("problems")).get(key))
    if problem:
        return _told(problem)
    if has_field(row, name) or key in _mapping(ours.get("arrays")):
        stale = _mapping(ours.get(STALE)).get(key)
        return CellState(STALE, str(stale)) if stale else DONE
    working = [_mapping(each) for each in _mapping(ours.get("active")).values()]
    for worker in working:
        running = dotted(str(worker.get("variable", ""))).split(", ")
        if any(_is_filled_by(each, name) for each in running):
            return CellState("running", f"by process {worker.get('pid')} on {worker.get('host')}")
    if data not in (ours.get("data") or ()):
        return CellState(f"waiting for {data}")
    if key in _mapping(ours.get("code")):
        return DONE
    if working or not ours.get("attempt"):
        return CellState("queued")
    return CellState("not computed", "the run was processed before this column was there")


def has_field(row: Mapping[str, Any], name: str) -> bool:
    """Whether the row has the dotted field at all; a stored null is one, too."""
    value: Any = row
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return True


def _is_filled_by(variable: str, column: str) -> bool:
    """Whether a column is that of a variable, or one of its several outputs."""
    return bool(variable) and (column == variable or column.startswith(f"{variable}."))


def place_of(problem: Mapping[str, Any]) -> str:
    """Where a launched program runs that a cell waits for; empty for any other cell."""
    about = _mapping(problem.get("outside"))
    if about.get("job"):
        return f"batch job {about['job']}"
    if about.get("pid"):
        return f"process {about['pid']} on {about.get('host')}"
    return "not started yet" if about else ""


def _told(problem: Mapping[str, Any]) -> CellState:
    place = place_of(problem)
    return CellState(
        str(problem.get("state") or "failed"),
        str(problem.get("message") or "") + (f" ({place})" if place else ""),
        str(problem.get("kind") or "") if problem.get("state") == "failed" else "",
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else _NOTHING
