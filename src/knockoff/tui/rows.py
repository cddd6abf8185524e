"""One run document, or the part of it that was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from knockoff.runs.staleness import STALE
from knockoff.runs.states import TROUBLES

if TYPE_CHECKING:
    from knockoff.tui.source import Document


class Absent:
    """The type of `ABSENT`."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()
"""The document has no such field: never computed, which is not the same as None."""


@dataclass(frozen=True)
class Row:
    """A row of the table; says what stands in it, not how it looks."""

    document: Document

    @property
    def key(self) -> str:
        """The row's `_id`."""
        return str(self.document["_id"])

    @property
    def run(self) -> int:
        """The run number; 0 where the document has none, so that it is seen and not lost."""
        run = self.document.get("run")
        return run if isinstance(run, int) else 0

    def value(self, name: str) -> Any:
        """The value at a path such as ``xgm_sa2.pulse_energy``, or `ABSENT`."""
        value: Any = self.document
        for step in name.split("."):
            if not isinstance(value, Mapping) or step not in value:
                return ABSENT
            value = value[step]
        return value

    def problem(self, key: str) -> Document | None:
        """Why this variable has no value, if it was tried."""
        return self._of("problems", key)

    def stale(self, key: str) -> str:
        """Why the value of this variable is stale; empty if it is not."""
        stale = self._ours.get(STALE)
        return str(stale.get(key) or "") if isinstance(stale, Mapping) else ""

    def array(self, key: str) -> Document | None:
        """Which array belongs to this variable."""
        return self._of("arrays", key)

    def style(self, key: str) -> Document | None:
        """How the context file wants this cell to look."""
        return self._of("style", key)

    def units(self, key: str) -> str:
        """The units of this one value, where they are not those of its column."""
        units = (self._ours.get("units") or {}).get(key)
        return units if isinstance(units, str) else ""

    @property
    def kinds(self) -> frozenset[str]:
        """Which data the run has: raw, proc."""
        return frozenset(map(str, self._ours.get("data") or ()))

    @property
    def active(self) -> Document:
        """By kind of data, who is working on this run or about to."""
        active = self._ours.get("active")
        return active if isinstance(active, Mapping) else {}

    @property
    def is_troubled(self) -> bool:
        """Some variable of it failed."""
        return not TROUBLES.isdisjoint(map(str, self._ours.get("states") or ()))

    @property
    def _ours(self) -> Document:
        ours = self.document.get("knockoff")
        return ours if isinstance(ours, Mapping) else {}

    def _of(self, what: str, key: str) -> Document | None:
        entries = self._ours.get(what)
        entry = entries.get(key) if isinstance(entries, Mapping) else None
        return entry if isinstance(entry, Mapping) and entry else None
