"""Roll a cell back to one of its older results: value, array, preview and what they came from."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from knockoff.database.owners import this_person
from knockoff.database.putback import Restoration, previews_of_result, put_back
from knockoff.database.registry import current_context
from knockoff.database.rows import RowChange, find_row, release_of_the_dead
from knockoff.errors import ContextFileError, EditError
from knockoff.recording.history import PastResult
from knockoff.recording.storing import PREVIEW_KINDS
from knockoff.runs.described import read_description
from knockoff.runs.elsewhere import look_elsewhere
from knockoff.runs.keeping import ROLLED_BACK
from knockoff.runs.stamps import NOWHERE, dotted, input_stamps, slashed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from knockoff.contextfile.description import ContextDescription, VariableDescription
    from knockoff.database.client import Database
    from knockoff.runkey import RunKey

_TRIES: Final = 5
"""Times that somebody else may change the row between our look at it and our write."""


class RollBackError(EditError):
    """A cell cannot be rolled back to a result; nothing was changed."""


@dataclass(frozen=True)
class RollBack:
    """What is put back where.

    Parameters
    ----------
    results:
        All of the cell, the oldest first.
    folder:
        ``extracted_data``.
    """

    database: Database
    table: str
    key: RunKey
    results: Sequence[PastResult]
    folder: Path

    async def to(self, wanted: PastResult) -> PastResult:
        """Put a result back, with all outputs of its method; what the history says of it.

        Raises
        ------
        RollBackError
            The row is gone or being worked on, the array was swept, or the cell holds this
            result already.
        """
        source = self._source(wanted)
        self._refuse_what_is_there(source)
        self._refuse_swept(source)
        for _ in range(_TRIES):
            row = await find_row(self.database, self.table, self.key)
            if row is None:
                raise RollBackError(
                    f"There is no row of {self.key} in {self.table} any more. "
                    f"`knockoff process {self.key.run}` makes it."
                )
            if row.get("knockoff", {}).get("active"):
                await self._refuse_busy()
                continue
            restoration = await self._restoration(source, row)
            if await put_back(self.database, restoration):
                return PastResult(len(self.results) + 1, source.column, restoration.entry)
        raise RollBackError(
            f"{source.column} of {self.key} was not rolled back: its array was swept by "
            f"`knockoff gc` just now, or somebody else changes the row all the time. Try again."
        )

    def _source(self, wanted: PastResult) -> PastResult:
        """The result as it was computed: a roll back may be rolled back to as well."""
        label = wanted.rolled_back_to or wanted.attempt
        for each in self.results:
            if each.attempt == label:
                return each
        return wanted

    def _refuse_what_is_there(self, source: PastResult) -> None:
        last = self.results[-1]
        if source.attempt in (last.attempt, last.rolled_back_to):
            raise RollBackError(
                f"{source.column} of {self.key} holds result {source.number} ({source.attempt}) "
                f"already. `knockoff history {self.key.run} {source.column}` lists the others."
            )

    def _refuse_swept(self, source: PastResult) -> None:
        remedy = (
            f"Its value is in the history all the same; `knockoff reprocess {self.key.run} "
            f"--variables {source.entry['variable']} --force` computes it anew, by the code of now."
        )
        for array in (source.entry.get("arrays") or {}).values():
            if array.get("swept_at"):
                raise RollBackError(
                    f"The array of result {source.number} ({source.attempt}) was swept by "
                    f"`knockoff gc` on {array['swept_at']:%Y-%m-%d}. {remedy}"
                )
            if not (self.folder / str(array.get("file"))).is_file():
                raise RollBackError(
                    f"The array of result {source.number} ({source.attempt}) is gone: there is no "
                    f"{self.folder / str(array.get('file'))}. {remedy}"
                )

    async def _refuse_busy(self) -> None:
        """Raise if somebody alive works on the row; else take the marks of the dead off it."""
        await release_of_the_dead(self.database, self.table, self.key)
        row = await find_row(self.database, self.table, self.key)
        active = (row or {}).get("knockoff", {}).get("active")
        if active:
            mark = next(iter(active.values()))
            raise RollBackError(
                f"{self.key} is being worked on by process {mark.get('pid')} on "
                f"{mark.get('host')}, so nothing of it is rolled back. Wait until it is done "
                f"(`knockoff jobs`), or stop it: `knockoff cancel {self.key.run}`."
            )

    async def _restoration(self, source: PastResult, row: dict[str, Any]) -> Restoration:
        context = await self._context()
        variable = _variable_in(context, self.table, source)
        now = datetime.now(UTC)
        by = this_person()
        entry = self._entry(source, now, by)
        change = _change(source.entry, variable, _typed(context, self.table))
        name = slashed(str(source.entry["variable"]))
        if name in row["knockoff"].get("made", {}):  # other tables read it
            change.values[f"knockoff.made.{name}"] = entry["attempt"]
        is_undone = source.attempt == self._newest_computed().attempt
        if variable is None or is_undone or source.entry["outcome"] != "done":
            change.removed.append(f"knockoff.{ROLLED_BACK}.{name}")
        else:
            change.values[f"knockoff.{ROLLED_BACK}.{name}"] = {
                "to": source.attempt,
                "by": by,
                "at": now,
                "code": variable.code,
                "inputs": await self._stamp(context, variable, row),
            }
        previews = await previews_of_result(self.database, source.entry["_id"])
        prefix = f"{self.table}/{self.key.run}"
        ids = {f"{prefix}/{cell}/{kind}" for cell in _cells(source) for kind in PREVIEW_KINDS}
        guard = {
            "knockoff.active": {"$in": [None, {}]},
            "knockoff.updated_at": row["knockoff"].get("updated_at"),
        }
        without = sorted(ids - {each["_id"] for each in previews})
        return Restoration(
            self.table, self.key, change, guard, entry, source.entry["_id"], previews, without
        )

    def _entry(self, source: PastResult, now: datetime, by: str) -> dict[str, Any]:
        before = self.results[-1]
        count = sum(each.rolled_back_to is not None for each in self.results)
        label = f"rollback-{count + 1}"
        return {
            **{name: each for name, each in source.entry.items() if name != "restored"},
            "_id": str(source.entry["_id"]).rpartition("/")[0] + f"/{label}",
            "attempt": label,
            "started_at": now,
            "stored_at": now,
            "made_at": source.at,
            "seconds": None,
            "peak_memory": None,
            "host": socket.gethostname(),
            "user": by,
            "rolled_back_to": source.attempt,
            "rolled_back_from": before.rolled_back_to or before.attempt,
        }

    def _newest_computed(self) -> PastResult:
        return [each for each in self.results if each.rolled_back_to is None][-1]

    async def _context(self) -> ContextDescription | None:
        described = await current_context(self.database)
        try:
            return read_description(described) if described else None
        except ContextFileError:  # by another version of knockoff: what is due is not known
            return None

    async def _stamp(
        self, context: ContextDescription | None, variable: VariableDescription, row: dict[str, Any]
    ) -> str:
        """That of the inputs from which the variable would be computed now."""
        tables = {each.collection: each for each in (context.tables if context else ())}
        around = NOWHERE
        if len(tables) > 1:
            rows = {name: await find_row(self.database, name, self.key) for name in tables}
            around = look_elsewhere(tables, {**rows, self.table: row}, {})
        return input_stamps(tables[self.table], row, around)[variable.name]


def _cells(source: PastResult) -> set[str]:
    """All cells of the method, with slashes, as far as its result names them."""
    parts = ("fields", "arrays", "problems")
    found = {cell for part in parts for cell in source.entry.get(part) or ()}
    return found | {slashed(source.column)}


def _variable_in(
    context: ContextDescription | None, table: str, source: PastResult
) -> VariableDescription | None:
    for each in context.tables if context else ():
        if each.collection == table:
            return each.filler_of(source.column)
    return None


def _typed(context: ContextDescription | None, table: str) -> frozenset[str]:
    """Fields that people type: what they have typed since is theirs."""
    return frozenset(
        field.name
        for each in (context.tables if context else ())
        if each.collection == table
        for field in each.fields
        if field.editable
    )


def _change(
    entry: Mapping[str, Any], variable: VariableDescription | None, typed: frozenset[str]
) -> RowChange:
    """What the row gets, and what is taken from it, so that it holds this result alone."""
    name = str(entry["variable"])
    fields, problems = entry.get("fields") or {}, entry.get("problems") or {}
    known = {cell for part in ("fields", "arrays", "problems") for cell in entry.get(part) or ()}
    outputs = {slashed(each) for each in (variable.outputs if variable is not None else ())}
    cells = (known | outputs or {slashed(name)}) - {slashed(each) for each in typed}
    change = RowChange({f"knockoff.inputs.{slashed(name)}": entry.get("inputs") or ""})
    for cell in {slashed(name), *cells}:
        change.values[f"knockoff.code.{cell}"] = entry.get("code") or ""
    whole = entry.get("problem")
    for cell in cells:
        for part in ("arrays", "exact", "style", "units"):
            _set_or_remove(change, f"knockoff.{part}.{cell}", (entry.get(part) or {}).get(cell))
        problem = problems.get(cell) or whole
        if problem is not None:
            about = {"state": entry["outcome"], "variable": name, **problem}
            change.values[f"knockoff.problems.{cell}"] = about
        else:
            change.removed.append(f"knockoff.problems.{cell}")
        if cell in fields and problem is None:
            change.values[dotted(cell)] = fields[cell]
        elif variable is None or cell != slashed(name) or name in variable.outputs:
            change.removed.append(dotted(cell))
    return change


def _set_or_remove(change: RowChange, path: str, value: Any) -> None:
    if value is None:
        change.removed.append(path)
    else:
        change.values[path] = value
