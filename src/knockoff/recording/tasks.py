"""What a worker is told of the row that it fills, and where values stand in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from knockoff.arrays.wire import to_json
from knockoff.contextfile.scope import ROW_FIELDS
from knockoff.filling.messages import CellProblem, RunTask
from knockoff.runs.stamps import slashed, value_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from knockoff.recording.rowfill import Place

_TOLD: Final = ("kind", "message", "line", "context_line", "traceback")


def task_of(place: Place, row: Mapping[str, Any]) -> RunTask:
    """The run to be filled, with what is stored of it already."""
    ours = row.get("knockoff", {})
    arrays, problems, code = (ours.get(name, {}) for name in ("arrays", "problems", "code"))
    names = [each.name for each in place.table.variables]
    outputs = {output for each in place.table.variables for output in each.outputs}
    fields = {each.name for each in place.table.fields}
    values = {name: value_at(row, name) for name in (*ROW_FIELDS, *fields, *outputs)}
    return RunTask(
        proposal=place.key.proposal,
        run=place.key.run,
        collection=place.table.collection,
        attempt=place.label,
        extracted_data=place.extracted_data,
        data_root=place.data_root,
        row={name: to_json(value) for name, value in values.items() if value is not None},
        arrays={name: arrays[slashed(name)] for name in names if slashed(name) in arrays},
        problems={
            name: (problems[slashed(name)]["state"], _problem_of(problems[slashed(name)]))
            for name in (*names, *outputs)
            if slashed(name) in problems
        },
        done=tuple(
            name for name in names if slashed(name) in code and slashed(name) not in problems
        ),
    )


def put_at(row: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at a dotted path; what is no dict on the way becomes one."""
    *above, last = path.split(".")
    for name in above:
        below = row.get(name)
        if not isinstance(below, dict):
            below = row[name] = {}
        row = below
    row[last] = value


def remove_at(row: dict[str, Any], path: str) -> None:
    """Take away what is at a dotted path, if anything is."""
    *above, last = path.split(".")
    for name in above:
        below = row.get(name)
        if not isinstance(below, dict):
            return
        row = below
    row.pop(last, None)


def _problem_of(stored: Mapping[str, Any]) -> CellProblem:
    told = {name: stored[name] for name in _TOLD if name in stored}
    return CellProblem(**{"kind": "", "message": "", **told}, cause=tuple(stored.get("cause", ())))
