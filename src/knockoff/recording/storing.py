"""From a worker's result to what MongoDB holds: fields of the row, history, preview."""

from __future__ import annotations

import base64
import socket
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from knockoff.arrays.wire import from_json
from knockoff.database.owners import this_person
from knockoff.database.rows import RowChange
from knockoff.filling.filling import START_TIME
from knockoff.filling.messages import CellResult
from knockoff.runs.stamps import slashed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from knockoff.contextfile.description import (
        ColumnDescription,
        TableDescription,
        VariableDescription,
    )
    from knockoff.filling.messages import CellProblem, Outcome, Result
    from knockoff.runkey import RunKey

PREVIEW_KINDS = ("trend", "png")

SUBMITTED_BY: Final = "submitted by "

LARGEST_ROW = 1_000_000
"""Bytes; a table of larger rows is slow for everybody who looks at it."""


@dataclass(frozen=True)
class Provenance:
    """Where the results of one attempt come from."""

    key: RunKey
    label: str
    """Cause and attempt, as in ``raw-1``."""

    context: str
    """Hash of the context file's source."""

    inputs: Mapping[str, str]
    """Stamps of the inputs, by dotted variable."""

    shared: frozenset[str] = frozenset()
    """Variables that other tables read: their row says which attempt they are from."""

    versions: Mapping[str, str] = field(default_factory=dict)
    """Of what the methods ran with, by package."""

    source: str = ""
    """Who submitted it, and from what; empty for what a worker has computed."""


def row_change(
    table: TableDescription,
    result: Result,
    provenance: Provenance,
    only: Collection[str] | None = None,
) -> RowChange:
    """The fields of the row that one result sets, and those that it takes away.

    No old value stands beside a new problem: whatever the variable had filled goes
    with the same write. Of several outputs only these columns are touched, if any are named.
    """
    if result.variable == START_TIME:
        return RowChange({name: from_json(each) for name, each in result.fields.items()})
    variable = table.variable(result.variable)
    change = RowChange()
    for name in {variable.name, *variable.outputs}:
        change.values[f"knockoff.code.{slashed(name)}"] = result.code
    stamp = provenance.inputs.get(variable.name, "")
    change.values[f"knockoff.inputs.{slashed(variable.name)}"] = stamp
    if variable.name in provenance.shared:
        change.values[f"knockoff.made.{slashed(variable.name)}"] = provenance.label
    if variable.hook:
        _fill_fields(change, table, variable, result)
        return change
    for column in variable.columns:
        if only is None or column.name in only:
            _fill_cell(change, variable, column, _cell_of(result, column.name))
    return change


def _cell_of(result: Result, column: str) -> CellResult:
    """What one cell is to hold; a problem of the whole variable is one of each."""
    if result.problem is not None:
        return CellResult(outcome=result.outcome, problem=result.problem)
    return result.cells.get(column, CellResult())


def _fill_cell(
    change: RowChange, variable: VariableDescription, column: ColumnDescription, cell: CellResult
) -> None:
    key = slashed(column.name)
    units = cell.units if cell.units != column.units else None
    beside = {"arrays": cell.array, "exact": cell.exact, "style": cell.style, "units": units}
    for part, content in beside.items():
        _set_or_remove(change, f"knockoff.{part}.{key}", content)
    if cell.problem is None:
        change.values[column.name] = from_json(cell.value)
        change.removed.append(f"knockoff.problems.{key}")
    else:
        change.removed.append(column.name)
        change.values[f"knockoff.problems.{key}"] = _problem(variable, cell.outcome, cell.problem)


def _fill_fields(
    change: RowChange, table: TableDescription, variable: VariableDescription, result: Result
) -> None:
    """What a plain hook has assigned; what people type there stays when it fails."""
    if result.problem is None:
        change.values.update({name: from_json(each) for name, each in result.fields.items()})
        change.removed.extend(f"knockoff.problems.{slashed(name)}" for name in variable.outputs)
        return
    problem = _problem(variable, result.outcome, result.problem)
    typed = {field.name for field in table.fields if field.editable}
    for output in variable.outputs:
        change.values[f"knockoff.problems.{slashed(output)}"] = problem
        if output not in typed and output != variable.name:
            change.removed.append(output)


def _problem(
    variable: VariableDescription, outcome: Outcome, problem: CellProblem
) -> dict[str, Any]:
    return {"state": outcome, "variable": variable.name, **_told(problem)}


def _told(problem: CellProblem) -> dict[str, Any]:
    """What there is to be told, as MongoDB takes it: tuples are lists there."""
    told = {name: each for name, each in asdict(problem).items() if each}
    return {name: list(each) if isinstance(each, tuple) else each for name, each in told.items()}


@cache
def _our_host() -> str:
    return socket.gethostname()


@cache
def _our_user() -> str:
    return this_person()


@cache
def _our_version() -> str:
    return version("knockoff")  # read from a file of the installation each time it is asked for


def history_entry(
    table: TableDescription, result: Result, provenance: Provenance
) -> dict[str, Any] | None:
    """What is kept of a result for ever; None for what no method computes."""
    if result.variable == START_TIME:
        return None
    key = provenance.key
    entry: dict[str, Any] = {
        "_id": f"{table.collection}/{key.run}/{slashed(result.variable)}/{provenance.label}",
        "table": table.collection,
        "proposal": key.proposal,
        "run": key.run,
        "variable": result.variable,
        "attempt": provenance.label,
        "outcome": result.outcome,
        "code": result.code,
        "inputs": provenance.inputs.get(result.variable, ""),
        "context": provenance.context,
        "started_at": datetime.fromtimestamp(result.started_at, UTC),
        "stored_at": datetime.now(UTC),
        "seconds": result.seconds,
        "peak_memory": result.peak_memory,
        "host": _our_host(),
        "user": _our_user(),
        "versions": {**provenance.versions, "knockoff": _our_version()},
    }
    if provenance.source:
        entry["source"] = provenance.source
    if result.problem is not None:
        entry["problem"] = _told(result.problem)
    of_cells: dict[str, dict[str, Any]] = {
        "fields": {name: from_json(each) for name, each in result.fields.items()},
        "arrays": {name: cell.array for name, cell in result.cells.items()},
        "exact": {name: cell.exact for name, cell in result.cells.items()},
        "style": {name: cell.style for name, cell in result.cells.items()},
        "units": {name: cell.units for name, cell in result.cells.items()},
        "problems": {
            name: {"state": cell.outcome, **_told(cell.problem)}
            for name, cell in result.cells.items()
            if cell.problem is not None
        },
    }
    for part, found in of_cells.items():
        there = {slashed(name): each for name, each in found.items() if each or part == "fields"}
        if there:
            entry[part] = there
    return entry


def previews_of(
    table: TableDescription,
    result: Result,
    provenance: Provenance,
    only: Collection[str] | None = None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """The previews to be stored, and the ids of those that cells may have and no longer should."""
    if result.variable == START_TIME:
        return [], []
    previews: list[dict[str, Any]] = []
    stale: list[str] = []
    for column in table.variable(result.variable).columns:
        if only is not None and column.name not in only:
            continue
        prefix = f"{table.collection}/{provenance.key.run}/{slashed(column.name)}"
        ids = {kind: f"{prefix}/{kind}" for kind in PREVIEW_KINDS}
        preview = _cell_of(result, column.name).preview
        if preview is not None:
            stored = _stored_preview(ids.pop(preview["kind"]), preview)
            previews.append(stored)
        stale.extend(ids.values())
    return previews, stale


def previews_by_result(
    entries: Sequence[Mapping[str, Any]], previews: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Previews as the history keeps them: those of one result together, by its entry."""
    by_cell: dict[str, list[dict[str, Any]]] = {}
    for each in previews:
        by_cell.setdefault(str(each["_id"]).rpartition("/")[0], []).append(each)
    past: list[dict[str, Any]] = []
    for entry in entries if by_cell else ():
        cells = [f"{entry['table']}/{entry['run']}/{cell}" for cell in entry.get("fields", ())]
        found = [each for cell in cells for each in by_cell.get(cell, ())]
        if found:
            past.append({"_id": entry["_id"], "previews": found})
    return past


def _stored_preview(name: str, preview: Mapping[str, Any]) -> dict[str, Any]:
    content = {part: each for part, each in preview.items() if part != "kind"}
    if preview["kind"] == "png":
        return {"_id": name, **content, "png": base64.b64decode(content["data"])}
    return {"_id": name, "trend": content}


def _set_or_remove(change: RowChange, path: str, value: Any) -> None:
    if value is None:
        change.removed.append(path)
    else:
        change.values[path] = value
