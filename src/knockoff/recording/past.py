"""The tables as they were at a moment, told from the history, what was typed, and old contexts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from knockoff.contextfile.description import ContextDescription
from knockoff.database.documents import database_of
from knockoff.database.past import arrivals, edits_in, results_at
from knockoff.database.registry import columns_of, context_of, edition_at, editions
from knockoff.errors import ContextFileError, KnockoffError
from knockoff.recording.tasks import put_at, remove_at
from knockoff.runkey import RunKey
from knockoff.runs.described import read_description
from knockoff.runs.documents import PEOPLES_FIELDS
from knockoff.runs.staleness import OTHER_CODE, STALE
from knockoff.runs.stamps import dotted, slashed, value_at

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from knockoff.contextfile.description import FieldDescription, TableDescription
    from knockoff.database.client import Database

_OF_CELLS = ("arrays", "exact", "style", "units")
_OF_ALL_TIMES = ("start_time",)
"""Fields of the run that do not change once they are known."""


class TooEarlyError(KnockoffError):
    """At the moment that is asked for there was no table yet."""


@dataclass(frozen=True)
class Past:
    """The tables of a proposal at one moment.

    What is not told by the history is as it is now: which kinds of data there are where a
    notebook has inserted the row, and fields that other programs than knockoff have changed.
    """

    database: Database
    moment: datetime
    context: ContextDescription
    """As it was in use then."""

    @classmethod
    async def at(cls, database: Database, moment: datetime) -> Past:
        """The tables at a moment, in UTC.

        Raises
        ------
        TooEarlyError
            No context file was in use yet, or it cannot be read any more.
        """
        known = await editions(database)
        edition = edition_at(known, moment)
        if edition is None:
            first = f"The first came at {known[0].came_into_use[0]:%Y-%m-%d %H:%M} UTC." * bool(
                known
            )
            raise TooEarlyError(f"There was no table yet at {moment:%Y-%m-%d %H:%M} UTC. {first}")
        found = await context_of(database, edition.source_hash) or {}
        try:
            return cls(database, moment, read_description(found.get("description") or {}))
        except ContextFileError as error:
            raise TooEarlyError(
                f"What the table was at {moment:%Y-%m-%d %H:%M} UTC is not known: {error}"
            ) from error

    @property
    def collections(self) -> tuple[str, ...]:
        """The tables that there were."""
        return tuple(each.collection for each in self.context.tables)

    def columns(self, collection: str) -> list[dict[str, Any]]:
        """The columns of a table, as entries of the registry."""
        return columns_of(self._table(collection))

    async def rows(
        self, collection: str, runs: Collection[int] | None = None
    ) -> list[dict[str, Any]]:
        """The rows of a table by run, each as it was; of these runs, or of all.

        Of a row that was deleted meanwhile there is what the history has of it.
        """
        condition = {} if runs is None else {"run": {"$in": list(runs)}}
        now = {
            int(row["run"]): row
            for row in await self.database[collection].find(condition).to_list(None)
        }
        entries: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for each in await results_at(self.database, collection, self.moment, runs):
            entries[int(each["run"])].append(each)
        edits: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for each in await edits_in(self.database, collection, runs):
            edits[int(each["run"])].append(each)
        arrived = await arrivals(self.database, collection, runs)
        rows: list[dict[str, Any]] = []
        for run in sorted(now.keys() | entries.keys()):
            known = now.get(run, {})
            added = known.get("added_at")
            if run not in entries and added is not None and added > self.moment:
                continue
            data = [
                kind
                for kind in ("raw", "proc")
                if _was_there(kind, arrived.get((run, kind)), known, self.moment)
            ]
            row = _begun(known, entries[run], data)
            _Rebuilt(row, self._table(collection), self.moment).fill(
                entries[run], edits[run], known
            )
            rows.append(row)
        return rows

    def _table(self, collection: str) -> TableDescription:
        for each in self.context.tables:
            if each.collection == collection:
                return each
        raise TooEarlyError(
            f"There was no table {collection!r} at {self.moment:%Y-%m-%d %H:%M} UTC; there were "
            f"{', '.join(self.collections)}."
        )


async def rows_of_class(document_class: type[Any], moment: datetime) -> list[dict[str, Any]]:
    """The rows of a class that is connected to a database, as they were at a moment."""
    database = database_of(document_class)
    if await editions(database):
        past = await Past.at(database, moment)
    else:  # of a notebook, which keeps no context file
        table: TableDescription = document_class.__knockoff_table__
        past = Past(database, moment, ContextDescription("", "", (table,)))
    return await past.rows(document_class.__knockoff_table__.collection)


def _was_there(
    kind: str, announced: datetime | None, known: Mapping[str, Any], moment: datetime
) -> bool:
    if announced is not None:
        return announced <= moment
    return kind in known.get("knockoff", {}).get("data", ())


def _begun(
    known: Mapping[str, Any], entries: Sequence[Mapping[str, Any]], data: list[str]
) -> dict[str, Any]:
    """A row before anything was computed or typed."""
    some = known or entries[0]
    key = RunKey(int(some["proposal"]), int(some["run"]))
    row: dict[str, Any] = {"_id": key.document_id, "proposal": key.proposal, "run": key.run}
    for name in ("added_at", *_OF_ALL_TIMES):
        if known.get(name) is not None:
            row[name] = known[name]
    row["knockoff"] = {"data": data}
    if entries:
        row["knockoff"]["attempt"] = {"raw": 1}
    return row


@dataclass(frozen=True)
class _Rebuilt:
    """Puts into a row what was in it at a moment."""

    row: dict[str, Any]
    table: TableDescription
    moment: datetime

    def fill(
        self,
        entries: Sequence[Mapping[str, Any]],
        edits: Sequence[Mapping[str, Any]],
        known: Mapping[str, Any],
    ) -> None:
        """Results first, the oldest first; then what people own."""
        for entry in entries:
            self._result(entry)
        typed: dict[str, FieldDescription | None] = dict.fromkeys(PEOPLES_FIELDS)
        typed |= {field.name: field for field in self.table.fields}
        filled = {name: each for each in entries for name in each.get("fields") or ()}
        for name, field in typed.items():
            self._typed(name, field, edits, filled.get(slashed(name)), known)
        if states := {each["state"] for each in self._part("problems").values()}:
            self.row["knockoff"]["states"] = sorted(states)
        self._mark_stale({str(each["variable"]): each for each in entries})

    def _result(self, entry: Mapping[str, Any]) -> None:
        name = str(entry["variable"])
        if "#" in name:  # of the catalogue, and in no cell
            return
        fields, problems = entry.get("fields") or {}, entry.get("problems") or {}
        outputs = self._outputs(name)
        for cell in {*outputs, *fields, *problems, *(entry.get("arrays") or ())}:
            problem = problems.get(cell) or (entry.get("problem") if cell in outputs else None)
            self._part("code")[cell] = entry.get("code") or ""
            for part in _OF_CELLS:
                if (found := (entry.get(part) or {}).get(cell)) is not None:
                    self._part(part)[cell] = found
            if problem is not None:
                about = {"state": entry["outcome"], "variable": name, **problem}
                self._part("problems")[cell] = about
            elif cell in fields:
                put_at(self.row, dotted(cell), fields[cell])
        self._part("code")[slashed(name)] = entry.get("code") or ""
        self._part("inputs")[slashed(name)] = entry.get("inputs") or ""

    def _outputs(self, name: str) -> tuple[str, ...]:
        for each in self.table.variables:
            if each.name == name:
                return tuple(map(slashed, each.outputs))
        return (slashed(name),)

    def _typed(
        self,
        name: str,
        field: FieldDescription | None,
        edits: Sequence[Mapping[str, Any]],
        filled: Mapping[str, Any] | None,
        known: Mapping[str, Any],
    ) -> None:
        """A field that people type: what the next edit found there, else what is known now.

        One that a hook of the context file fills as well has what came last.
        """
        of_field = [each for each in edits if each["field"] == name]
        before = [each for each in of_field if each["at"] <= self.moment]
        after = [each for each in of_field if each["at"] > self.moment]
        if filled is not None and (not before or before[-1]["at"] < filled["stored_at"]):
            return  # `_result` has put it there
        is_hooked = any(each.hook and name in each.outputs for each in self.table.variables)
        if after and filled is None and not is_hooked:
            value = after[0]["old"]
        elif before:
            value = before[-1]["new"]
        elif known and not is_hooked:
            value = value_at(dict(known), name)
        else:
            value = field.stored_default if field is not None else None
        if value is None:
            remove_at(self.row, name)
        else:
            put_at(self.row, name, value)

    def _mark_stale(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        """Note which values other code had made than that in use, and what read those.

        Whether inputs had changed is not told: that the run's data were others then is not
        known. Nobody calls a value stale that may not have been.
        """
        stale: dict[str, str] = {}
        names: set[str] = set()
        for variable in self.table.variables:  # in dependency order
            entry = entries.get(variable.name)
            code = str((entry or {}).get("code") or "")
            roots = [each for each in (*variable.reads, *variable.may_read) if each in names]
            if entry is None or not code or variable.transient:
                continue
            if variable.code and code != variable.code:
                reason = OTHER_CODE
            elif roots:
                reason = f"it reads {', '.join(roots)}, stale itself"
            else:
                continue
            if not entry.get("rolled_back_to"):
                names.add(variable.name)
            cells = map(slashed, variable.outputs)
            stale.update((cell, reason) for cell in cells if cell not in self._part("problems"))
        if stale:
            self.row["knockoff"][STALE] = stale

    def _part(self, name: str) -> dict[str, Any]:
        part: dict[str, Any] = self.row["knockoff"].setdefault(name, {})
        return part
