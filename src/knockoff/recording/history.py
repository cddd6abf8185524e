"""Every result that one cell ever had: what it was, what made it, and how two of them differ."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from knockoff.database.notes import edits_of
from knockoff.database.registry import context_of
from knockoff.database.results import results_of
from knockoff.errors import ContextFileError, KnockoffError
from knockoff.recording.storing import SUBMITTED_BY
from knockoff.runs.described import read_description
from knockoff.runs.stamps import FIXED_FIELDS, slashed, value_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from knockoff.contextfile.description import TableDescription, VariableDescription
    from knockoff.database.client import Database


class NoResultError(KnockoffError):
    """A result that is asked for is not in the history."""


@dataclass(frozen=True)
class PastResult:
    """What one cell held, or why it was empty, and where that came from."""

    number: int
    """Counted from 1, the oldest first."""

    column: str
    entry: Mapping[str, Any]
    """As it is stored."""

    @property
    def attempt(self) -> str:
        """Cause and attempt, as in ``raw-1``."""
        return str(self.entry["attempt"])

    @property
    def at(self) -> datetime:
        """When it was begun, in UTC."""
        moment: datetime = self.entry["started_at"]
        return moment

    @property
    def problem(self) -> Mapping[str, Any] | None:
        """Why there is no value."""
        of_cell = self._part("problems")
        found = of_cell if of_cell is not None else self.entry.get("problem")
        return found if isinstance(found, Mapping) else None

    @property
    def state(self) -> str:
        """``done``, ``failed`` and so on."""
        of_cell = self._part("problems")
        state = of_cell.get("state") if isinstance(of_cell, Mapping) else None
        return str(state or self.entry["outcome"])

    @property
    def value(self) -> Any:
        """What the cell showed; None where it showed nothing."""
        return self._part("fields")

    @property
    def array(self) -> Mapping[str, Any] | None:
        """Where its array is, or was: a sweep may have taken what no row refers to."""
        found = self._part("arrays")
        return found if isinstance(found, Mapping) else None

    @property
    def code(self) -> str:
        """Hash of the code that made it."""
        return str(self.entry.get("code") or "")

    @property
    def context(self) -> str:
        """Hash of the context file's source."""
        return str(self.entry.get("context") or "")

    @property
    def inputs(self) -> str:
        """Stamp of all that it was made from."""
        return str(self.entry.get("inputs") or "")

    @property
    def rolled_back_to(self) -> str | None:
        """The attempt whose result was put back by this one; None where it was computed."""
        found = self.entry.get("rolled_back_to")
        return None if found is None else str(found)

    @property
    def made_at(self) -> datetime:
        """When what it shows was begun to be computed, in UTC."""
        moment: datetime = self.entry.get("made_at") or self.at
        return moment

    @property
    def by(self) -> str:
        """User and host; of what was submitted, also from where."""
        if self.source:
            return self.source.removeprefix(SUBMITTED_BY)
        return f"{self.entry.get('user', '?')}@{self.entry.get('host', '?')}"

    @property
    def source(self) -> str:
        """Who submitted it, and from what; empty for what a worker has computed."""
        return str(self.entry.get("source") or "")

    def to_json(self) -> dict[str, Any]:
        """For programs: of the parts of a method only this one."""
        kept = ("seconds", "peak_memory", "host", "user", "versions")
        about: dict[str, Any] = {
            "number": self.number,
            "attempt": self.attempt,
            "at": self.at,
            "state": self.state,
            "value": self.value,
            "array": self.array,
            "problem": self.problem,
            "code": self.code,
            "inputs": self.inputs,
            "context": self.context,
            "rolled_back_to": self.rolled_back_to,
        }
        about |= {"source": self.source} if self.source else {}
        return about | {name: self.entry.get(name) for name in kept}

    def _part(self, name: str) -> Any:
        parts = self.entry.get(name)
        return parts.get(slashed(self.column)) if isinstance(parts, Mapping) else None


@dataclass(frozen=True)
class Difference:
    """How two results of one cell differ."""

    first: PastResult
    second: PastResult
    source: tuple[str, ...]
    """Unified diff of the context files; empty where the code is the same."""

    inputs: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """What they read and what was different, by variable or field, in the first and the second."""

    @property
    def same_value(self) -> bool:
        """Whether the cell showed the same, and for the same reason."""
        told = [(each.state, each.value, _message(each.problem)) for each in self._both]
        shapes = [
            [(each.array or {}).get(part) for part in ("dtype", "shape")] for each in self._both
        ]
        return told[0] == told[1] and shapes[0] == shapes[1]

    @property
    def same_code(self) -> bool:
        """Whether the same code made both."""
        return self.first.code == self.second.code

    @property
    def same_inputs(self) -> bool:
        """Whether both were made from the same."""
        return self.first.inputs == self.second.inputs

    @property
    def _both(self) -> tuple[PastResult, PastResult]:
        return self.first, self.second


async def history_of(
    database: Database, table: str, run: int, column: str, described: TableDescription | None
) -> list[PastResult]:
    """Every result of one cell, the oldest first; none if it was never computed.

    Parameters
    ----------
    described:
        The table as the context file has it now; None if it has it no more.
    """
    filler = described.filler_of(column) if described is not None else None
    entries: list[dict[str, Any]] = []
    if filler is not None:
        entries = await results_of(database, table, run, filler.name)
    if not entries:  # of a file that no longer has it, or filled it by another method
        key = slashed(column)
        entries = [
            each
            for each in await results_of(database, table, run)
            if each["variable"] == column
            or any(key in each.get(part, ()) for part in ("fields", "arrays", "problems"))
        ]
    return [PastResult(number, column, entry) for number, entry in enumerate(entries, 1)]


def result_named(results: Sequence[PastResult], name: str) -> PastResult:
    """The result that somebody means by its number, its attempt, or by ``last``.

    Raises
    ------
    NoResultError
        There is none; the message says which there are.
    """
    for each in results:
        if name in (str(each.number), each.attempt):
            return each
    if name == "last" and results:
        return results[-1]
    known = ", ".join(f"{each.number} ({each.attempt})" for each in results[-12:])
    raise NoResultError(
        f"There is no result {name!r}; there are {known}." if known else "There is no result yet."
    )


def computed(results: Sequence[PastResult]) -> PastResult | None:
    """What computed the newest of some results: that which it was rolled back to, else itself."""
    if not results:
        return None
    last = results[-1]
    same = (each for each in results if each.attempt == last.rolled_back_to)
    return next(same, last)


async def source_of(database: Database, result: PastResult) -> str:
    """The source of the context file that made a result.

    Raises
    ------
    NoResultError
        It was not kept.
    """
    found = await context_of(database, result.context)
    if found is None or not isinstance(found.get("source"), str):
        raise NoResultError(
            f"The context file {result.context or 'of this result'} is not kept in this database; "
            f"the results of later attempts may have theirs."
        )
    return str(found["source"])


async def difference(
    database: Database, table: str, run: int, first: PastResult, second: PastResult
) -> Difference:
    """Find out how two results of one cell differ."""
    source: tuple[str, ...] = ()
    if first.code != second.code and first.context != second.context:
        before, after = [await source_of(database, each) for each in (first, second)]
        names = [f"context.py  {each.attempt} ({each.context})" for each in (first, second)]
        lines = difflib.unified_diff(
            before.splitlines(), after.splitlines(), names[0], names[1], lineterm=""
        )
        source = tuple(lines)
    inputs: dict[str, tuple[Any, Any]] = {}
    if first.inputs != second.inputs:
        read, again = [await inputs_of(database, table, run, each) for each in (first, second)]
        inputs = {
            name: (read.get(name), again.get(name))
            for name in {**read, **again}
            if read.get(name) != again.get(name)
        }
    return Difference(first, second, source, inputs)


async def inputs_of(
    database: Database, table: str, run: int, result: PastResult
) -> dict[str, dict[str, Any]]:
    """What a result was made from: of each variable the result that it read, of a field its value.

    As far as that is kept: the context file must be known, and fields must have been
    edited by knockoff's own commands.
    """
    variable = await _variable_of(database, table, result)
    if variable is None:
        return {}
    reads = (*variable.reads, *variable.may_read)
    earlier = await results_of(database, table, run, until=result.made_at)
    last = {str(each["variable"]): each for each in earlier}
    inputs: dict[str, dict[str, Any]] = {}
    for name in reads:
        if (found := last.get(name)) is not None:
            read = PastResult(0, name, found)
            inputs[name] = {"attempt": read.attempt, "code": read.code, "state": read.state}
            inputs[name] |= {"value": read.value} if read.value is not None else {}
    fields = [name for name in variable.fields_read if name not in FIXED_FIELDS]
    if fields:
        row = await database[table].find_one({"run": run}, dict.fromkeys(fields, 1)) or {}
        edits = await edits_of(database, table, run)
        for name in fields:
            inputs[name] = {"value": _field_at(edits, name, result.made_at, value_at(row, name))}
    return inputs


async def _variable_of(
    database: Database, table: str, result: PastResult
) -> VariableDescription | None:
    """The method that made a result, as the context file described it then."""
    context = await context_of(database, result.context)
    try:
        described = read_description((context or {}).get("description") or {})
    except ContextFileError:  # none, or by another version of knockoff
        return None
    for each in described.tables:
        if each.collection == table:
            return each.filler_of(result.column)
    return None


def _field_at(edits: Sequence[Mapping[str, Any]], name: str, moment: datetime, now: Any) -> Any:
    """The value that a field had at a moment; it is `now` if nobody has typed since."""
    for each in edits:
        if each["field"] == name and each["at"] > moment:
            return each["old"]
    return now


def _message(problem: Mapping[str, Any] | None) -> tuple[Any, Any] | None:
    return None if problem is None else (problem.get("kind"), problem.get("message"))
