"""What was edited since a value was computed: which code, or what of what it reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from knockoff.contextfile.editions import edited_parts
from knockoff.database.registry import contexts_with
from knockoff.recording.history import NoResultError, history_of, inputs_of, source_of
from knockoff.recording.wording import Wording, listed
from knockoff.runs.staleness import KEPT, STALE
from knockoff.runs.stamps import slashed, value_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from knockoff.contextfile.description import TableDescription, VariableDescription
    from knockoff.contextfile.editions import Part
    from knockoff.database.client import Database
    from knockoff.recording.history import PastResult

NOT_KNOWN: Final = (
    "what it reads has changed since: the run's data, the catalogue's word on it, or a field "
    "that was not edited by knockoff"
)


@dataclass(frozen=True)
class Edits:
    """Finds the edits that make values of one row stale."""

    database: Database
    row: Mapping[str, Any]
    table: TableDescription
    """As the context file has it that was used last."""

    context: Mapping[str, Any]
    """That file: its ``source`` and ``source_hash``."""

    wording: Wording
    found: dict[str, Any] = field(default_factory=dict)
    """For programs: by variable which parts of the file were edited, and since when."""

    def has_other_code(self, variable: VariableDescription) -> bool:
        """Whether the row has what other code than now has made, be it a value or a problem."""
        code = self._part("code").get(slashed(variable.name))
        return bool(code and variable.code and code != variable.code)

    async def reason(self, variable: VariableDescription, last: PastResult) -> str:
        """Why a result is not what would be computed now, as the end of a sentence."""
        if self.has_other_code(variable):
            return await self._of_code(variable, last)
        return await self._of_inputs(variable, last)

    async def _of_code(self, variable: VariableDescription, last: PastResult) -> str:
        """What of the code was edited, and since when that is in use."""
        about: dict[str, Any] = {"code": variable.code, "parts": [], "since": None}
        self.found[variable.name] = about
        if self.context["source_hash"] == last.context:
            return f"a module that {variable.name} uses was edited since"
        contexts = await contexts_with(self.database, self.table.collection, variable.name)
        same = [each["first_used_at"] for each in contexts if each["code"] == variable.code]
        since = next((each for each in same if each > last.at), same[0] if same else None)
        parts = await self._parts(variable, last)
        about |= {"since": since, "parts": [[each.name, each.line] for each in parts]}
        what = listed([f"{each.name} (line {each.line})" for each in parts])
        when = f", and first used on {self.wording.when(since)}" if since else ""
        were = "were" if len(parts) > 1 else "was"
        return f"{what or f'what {variable.name} uses'} {were} edited since{when}"

    async def _parts(self, variable: VariableDescription, last: PastResult) -> tuple[Part, ...]:
        """What of the file differs; nothing where the old one was not kept."""
        try:
            old = await source_of(self.database, last)
        except NoResultError:
            return ()
        names = [each.name for each in self.table.variables]
        return edited_parts(old, str(self.context["source"]), variable, names)

    async def _of_inputs(self, variable: VariableDescription, last: PastResult) -> str:
        """Which of what it reads is other than it was."""
        read = (*variable.reads, *variable.may_read)
        stale = self._part(STALE)
        roots = [
            name
            for name in read
            if (why := stale.get(slashed(name))) and not str(why).startswith(KEPT)
        ]
        if roots:
            behind = [await self._root(name) for name in roots]
            return f"it reads {listed(roots)}, and {listed([each for each in behind if each])}"
        changed = await self.changed_fields(variable, last)
        for name in read:
            newer = await self._results(name)
            if newer and newer[-1].at > last.at:
                back = newer[-1].rolled_back_to
                what = f"rolled back to {back}" if back else "computed again"
                changed.append(f"{name} was {what} on {self.wording.when(newer[-1].at)}")
        return listed(changed) or NOT_KNOWN

    async def changed_fields(self, variable: VariableDescription, last: PastResult) -> list[str]:
        """Which fields of the row that it reads are others than they were, and how."""
        then = await inputs_of(self.database, self.table.collection, int(self.row["run"]), last)
        now = {name: value_at(dict(self.row), name) for name in variable.fields_read}
        text = self.wording.value
        return [
            f"{name} is {text(now[name])} and was {text(then[name]['value'])}"
            for name in now
            if name in then and then[name]["value"] != now[name]
        ]

    async def _root(self, name: str) -> str:
        """Why a variable is stale that another one reads; the way may be long."""
        variable = self.table.filler_of(name)
        results = await self._results(name)
        if variable is None or not results:
            return f"{name} is stale itself"
        return await self.reason(variable, results[-1])

    async def _results(self, name: str) -> list[PastResult]:
        run = int(self.row["run"])
        return await history_of(self.database, self.table.collection, run, name, self.table)

    def _part(self, name: str) -> Mapping[str, Any]:
        part: Mapping[str, Any] = self.row.get("knockoff", {}).get(name) or {}
        return part
