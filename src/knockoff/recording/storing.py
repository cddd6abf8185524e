"""From a worker's result to what MongoDB holds: fields of the row, history, preview."""

from __future__ import annotations

import base64
import getpass
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from knockoff.arrays.wire import from_json
from knockoff.database.rows import RowChange
from knockoff.filling.filling import START_TIME
from knockoff.runs.stamps import slashed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from knockoff.contextfile.description import TableDescription
    from knockoff.filling.messages import Result
    from knockoff.runkey import RunKey

PREVIEW_KINDS = ("trend", "png")


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


def row_change(table: TableDescription, result: Result, provenance: Provenance) -> RowChange:
    """The fields of the row that one result sets, and those that it takes away.

    No old value stands beside a new problem: whatever the variable had filled goes
    with the same write.
    """
    if result.variable == START_TIME:
        return RowChange({name: from_json(each) for name, each in result.fields.items()})
    variable = table.variable(result.variable)
    key = slashed(variable.name)
    change = RowChange()
    for name in {variable.name, *variable.outputs}:
        change.values[f"knockoff.code.{slashed(name)}"] = result.code
    change.values[f"knockoff.inputs.{key}"] = provenance.inputs.get(variable.name, "")
    change.values.update({name: from_json(each) for name, each in result.fields.items()})
    _set_or_remove(change, f"knockoff.arrays.{key}", result.array)
    _set_or_remove(change, f"knockoff.style.{key}", result.style)
    _set_or_remove(change, f"knockoff.units.{key}", _unusual_units(result, variable.units))
    if result.problem is None:
        change.removed.extend(f"knockoff.problems.{slashed(name)}" for name in variable.outputs)
        return change
    problem: dict[str, Any] = {"state": result.outcome, "variable": variable.name}
    problem |= {name: each for name, each in asdict(result.problem).items() if each}
    if "cause" in problem:
        problem["cause"] = list(problem["cause"])
    for output in variable.outputs:
        change.values[f"knockoff.problems.{slashed(output)}"] = problem
    typed = {field.name for field in table.fields if field.editable}
    if not variable.hook or variable.outputs != (variable.name,):
        change.removed.extend(name for name in variable.outputs if name not in typed)
    return change


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
        "seconds": result.seconds,
        "peak_memory": result.peak_memory,
        "host": socket.gethostname(),
        "user": getpass.getuser(),
        "versions": {"knockoff": version("knockoff")},
    }
    if result.fields:
        entry["fields"] = {slashed(name): from_json(each) for name, each in result.fields.items()}
    if result.array is not None:
        entry["array"] = result.array
    if result.problem is not None:
        entry["problem"] = {name: each for name, each in asdict(result.problem).items() if each}
    return entry


def preview_of(
    table: TableDescription, result: Result, provenance: Provenance
) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """The preview to be stored, and the ids of those that a cell may have and no longer should."""
    prefix = f"{table.collection}/{provenance.key.run}/{slashed(result.variable)}"
    ids = {kind: f"{prefix}/{kind}" for kind in PREVIEW_KINDS}
    if result.preview is None:
        return None, tuple(ids.values())
    preview = dict(result.preview)
    kind = preview.pop("kind")
    others = tuple(each for name, each in ids.items() if name != kind)
    if kind == "png":
        preview["png"] = base64.b64decode(preview.pop("data"))
        return {"_id": ids[kind], **preview}, others
    return {"_id": ids[kind], "trend": preview}, others


def _set_or_remove(change: RowChange, path: str, value: Any) -> None:
    if value is None:
        change.removed.append(path)
    else:
        change.values[path] = value


def _unusual_units(result: Result, usual: str | None) -> str | None:
    return result.units if result.units != usual else None
