"""What a worker is told of the row that it fills, and where values stand in a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from knockoff.arrays.wire import to_json
from knockoff.contextfile.inputs import MYMDC
from knockoff.contextfile.scope import ROW_FIELDS
from knockoff.filling.messages import CellProblem, RunTask
from knockoff.recording.neighbours import WAITING
from knockoff.runs.stamps import read_elsewhere, slashed, value_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from knockoff.recording.rowfill import Place

_TOLD: Final = ("kind", "message", "line", "context_line", "traceback", "cause", "causes")


def task_of(place: Place, row: Mapping[str, Any]) -> RunTask:
    """The run to be filled, with what is stored of it already."""
    ours = row.get("knockoff", {})
    arrays, problems, code = (ours.get(name, {}) for name in ("arrays", "problems", "code"))
    exact, told = (ours.get(name, {}) for name in ("exact", "mymdc"))
    # a value of which only the summary could not be made is there all the same
    troubled = problems.keys() - arrays.keys() - exact.keys()
    names = [each.name for each in place.table.variables]
    outputs = {output for each in place.table.variables for output in each.outputs}
    fields = {each.name for each in place.table.fields}
    values = {name: value_at(row, name) for name in (*ROW_FIELDS, *fields, *outputs)}
    read = _read_elsewhere(place)
    return RunTask(
        proposal=place.key.proposal,
        run=place.key.run,
        collection=place.table.collection,
        attempt=place.label,
        extracted_data=place.extracted_data,
        data_root=place.data_root,
        row={name: to_json(value) for name, value in values.items() if value is not None}
        | read.row,
        arrays={name: arrays[slashed(name)] for name in outputs if slashed(name) in arrays}
        | read.arrays,
        exact={name: exact[slashed(name)] for name in outputs if slashed(name) in exact}
        | read.exact,
        problems={
            name: (problems[slashed(name)]["state"], _problem_of(problems[slashed(name)]))
            for name in (*names, *outputs)
            if slashed(name) in troubled and problems[slashed(name)]["state"] != WAITING
        }
        | read.problems,
        done=(
            *(name for name in names if slashed(name) in code and slashed(name) not in troubled),
            *read.done,
        ),
        mymdc={name: to_json(each["value"]) for name, each in told.items() if "value" in each},
        waits={name: told.get(name, {}).get("reason") or not_asked(name) for name in MYMDC},
    )


@dataclass
class _Read:
    """What is stored of the run in other tables, by columns as in ``spectrum_runs/energy``."""

    row: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Any] = field(default_factory=dict)
    exact: dict[str, str] = field(default_factory=dict)
    problems: dict[str, tuple[Any, CellProblem]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    def add(self, collection: str, column: str, row: Mapping[str, Any]) -> None:
        """Take down one column of one row; nothing of one that has not been computed."""
        name, key, ours = f"{collection}/{column}", slashed(column), row.get("knockoff", {})
        value, problem = value_at(row, column), ours.get("problems", {}).get(key)
        if problem is not None:
            if problem["state"] != WAITING:
                self.problems[name] = (problem["state"], _problem_of(problem))
            return
        is_computed = key in ours.get("code", {})
        if value is not None:
            self.row[name] = to_json(value)
        for part, kept in (("arrays", self.arrays), ("exact", self.exact)):
            if key in ours.get(part, {}):
                kept[name] = ours[part][key]
        if is_computed or value is not None:
            self.done.append(name)


def _read_elsewhere(place: Place) -> _Read:
    read = _Read()
    around = place.neighbours
    for qualified in dict.fromkeys(
        name for variable in place.table.variables for name in read_elsewhere(variable)
    ):
        collection, _, name = qualified.rpartition("/")
        table, row = around.tables.get(collection), around.rows.get(collection)
        if table is None or row is None:
            continue
        is_variable = any(each.name == name for each in table.variables)
        for column in table.variable(name).outputs if is_variable else (name,):
            read.add(collection, column, row)
    return read


def not_asked(field: str) -> str:
    """Why a field of the catalogue is missing before anybody has asked for it."""
    return (
        f"MyMdC has not been asked for {field} of this run yet; `knockoff listen` does, "
        f"and `knockoff mymdc sync`."
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
    return CellProblem.from_json({"kind": "", "message": "", "cause": (), **told})
