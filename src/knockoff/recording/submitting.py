"""Values that were computed elsewhere, brought into the row as a worker's results are."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from knockoff.arrays.foreign import Archive
from knockoff.arrays.values import stored_size
from knockoff.arrays.wire import type_name
from knockoff.contextfile.problems import nearest
from knockoff.database.jobs import ask
from knockoff.database.owners import this_person
from knockoff.database.results import add_history, put_previews
from knockoff.database.rows import RowChange, RowMissingError, change_row, find_row, next_submission
from knockoff.errors import EditError
from knockoff.filling.messages import CellProblem, CellResult, Result, RunTask
from knockoff.filling.outcomes import Returned
from knockoff.language.cell import Cell
from knockoff.recording.neighbours import ask_readers, neighbours_of
from knockoff.recording.storing import (
    LARGEST_ROW,
    SUBMITTED_BY,
    Provenance,
    history_entry,
    previews_of,
    row_change,
)
from knockoff.recording.tasks import put_at
from knockoff.runs.stamps import input_stamps, slashed

if TYPE_CHECKING:
    from pathlib import Path

    from knockoff.contextfile.description import (
        ColumnDescription,
        ContextDescription,
        TableDescription,
        VariableDescription,
    )
    from knockoff.database.client import Database
    from knockoff.runkey import RunKey

    Tables = Mapping[str, TableDescription]


class SubmitError(EditError):
    """A value that was submitted cannot be taken; nothing of the submission is stored."""


@dataclass(frozen=True)
class Submission:
    """What somebody brings for one run."""

    values: Mapping[str, Any] = field(default_factory=dict)
    """By column, dotted; a `Cell` also says how it looks."""

    errors: Mapping[str, str] = field(default_factory=dict)
    """Why there is no value, by column."""

    source: str = ""
    """Where it comes from, as people are told: a file, a program."""

    table: str | None = None
    launch: str = ""
    """The launch that the program belongs to which submits; empty for a person."""


@dataclass(frozen=True)
class Submitted:
    """What became of a submission."""

    label: str
    """Which attempt the results are, as in ``submit-3``."""

    columns: tuple[str, ...]
    dependants: tuple[str, ...]
    """Variables that are computed now, because they read what was submitted."""

    stale: tuple[str, ...]
    """Columns whose code or inputs have changed since their program was launched."""


@dataclass(frozen=True)
class _Share:
    """What a submission has for one variable."""

    table: TableDescription
    variable: VariableDescription
    values: Mapping[str, Any]
    errors: Mapping[str, str]

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.values, *self.errors)


async def submit(
    database: Database,
    context: ContextDescription,
    arrays_folder: Path,
    key: RunKey,
    submission: Submission,
) -> Submitted:
    """Store values or errors, and have computed what reads them.

    All are looked at before the first is stored. They are stored one after the other, so
    that a run which is deleted meanwhile, or a value that MongoDB refuses, leaves those
    before it in their cells.

    A value counts as made by the code of now; one that a launched program submits, as
    made by the code and from the inputs of when that was launched.

    Raises
    ------
    SubmitError
        A column does not exist or is not computed, a value does not fit it, or another
        program is to fill it by now.
    RowMissingError
        The run has no row.
    VariableError, ArrayError
        A value cannot be stored.
    """
    shares = _shares(context, submission)
    tables = {table.collection: table for table in context.tables}
    stored = [
        await _store_share(
            database, tables, arrays_folder, key, share, submission, context.source_hash
        )
        for share in shares
    ]
    dependants = dict.fromkeys(name for each in stored for name in each.dependants)
    return Submitted(
        label=stored[0].label,
        columns=tuple(name for share in shares for name in share.columns),
        dependants=tuple(dependants),
        stale=tuple(name for each in stored for name in each.stale),
    )


async def end_launch(
    database: Database,
    tables: Tables,
    key: RunKey,
    launch: str,
    how: str,
    kind: str = "ProgramEnded",
) -> bool:
    """Let the cells fail that still wait for this launch; False if none does.

    Parameters
    ----------
    how:
        What has become of its program, as in ``"ended with exit status 1"``.
    kind:
        What is wrong, in one word.
    """
    collection, variable = _of_launch(launch)
    table = tables.get(collection)
    if table is None or variable not in {each.name for each in table.variables}:
        return False
    described = table.variable(variable)
    row = await find_row(database, collection, key)
    waiting = _still_waiting(row, described, launch)
    if row is None or not waiting:
        return False
    shown = next(iter(waiting.values())).get("message")
    problem = CellProblem(kind, f"`{shown}` {how}. `knockoff logs {key.run}` has what it printed.")
    cells = {name: CellResult(outcome="failed", problem=problem) for name in waiting}
    whole = problem if len(waiting) == len(described.columns) else None
    share = _Share(table, described, {}, dict.fromkeys(waiting, how))
    first = f"knockoff.problems.{slashed(next(iter(waiting)))}.outside.id"
    written = await _write(
        database, tables, key, share, Submission(launch=launch), row, cells, {first: launch}, whole
    )
    return written is not None


async def note_batch_job(
    database: Database, tables: Tables, key: RunKey, launch: str, job: str
) -> bool:
    """Let the cells say that they wait for a batch job, whose command has ended well."""
    collection, variable = _of_launch(launch)
    row = await find_row(database, collection, key)
    table = tables.get(collection)
    if row is None or table is None or variable not in {each.name for each in table.variables}:
        return False
    waiting = _still_waiting(row, table.variable(variable), launch)
    for name in waiting:
        path = f"knockoff.problems.{slashed(name)}.outside"
        change = RowChange({f"{path}.job": job})
        await change_row(database, collection, key, change, {f"{path}.id": launch})
    return bool(waiting)


def _still_waiting(
    row: Mapping[str, Any] | None, variable: VariableDescription, launch: str
) -> dict[str, Mapping[str, Any]]:
    """The problems of cells that wait for a launch, by column."""
    problems = (row or {}).get("knockoff", {}).get("problems", {})
    found = {column.name: problems.get(slashed(column.name)) for column in variable.columns}
    return {
        name: problem
        for name, problem in found.items()
        if problem is not None and (problem.get("outside") or {}).get("id") == launch
    }


def _of_launch(launch: str) -> tuple[str, str]:
    """Table and variable of a launch, as in ``runs/42/fit/raw-1``."""
    parts = launch.split("/")
    return (parts[0], parts[2]) if len(parts) == 4 else ("", "")


# What is meant, and whether it fits


def _shares(context: ContextDescription, submission: Submission) -> list[_Share]:
    """What there is for each variable.

    Raises
    ------
    SubmitError
        A name means nothing, or too much; or there is nothing at all.
    """
    values: dict[str, Any] = {}
    found: dict[tuple[str, str], tuple[TableDescription, VariableDescription]] = {}
    where: dict[str, tuple[str, str]] = {}
    both = sorted(submission.values.keys() & submission.errors.keys())
    if both:
        raise SubmitError(f"{both[0]} is given a value and an error. Submit one of the two.")
    errors: dict[str, str] = {}
    for name in (*submission.values, *submission.errors):
        table, variable = _found(context, name, submission)
        found[table.collection, variable.name] = (table, variable)
        parts: Mapping[str, Any]
        if name in submission.errors:
            columns = variable.columns if name == variable.name else ()
            parts = dict.fromkeys([each.name for each in columns] or [name], None)
            errors |= dict.fromkeys(parts, submission.errors[name])
        else:
            parts = _parts(variable, name, submission.values[name])
            for column, value in parts.items():
                values[column] = fitting(_column(variable, column), value)
        where |= dict.fromkeys(parts, (table.collection, variable.name))
    if not found:
        raise SubmitError("There is nothing to submit: give a value, or an error.")
    return [
        _Share(
            table,
            variable,
            {name: each for name, each in values.items() if where[name] == of},
            {name: each for name, each in errors.items() if where[name] == of},
        )
        for of, (table, variable) in found.items()
    ]


def _found(
    context: ContextDescription, name: str, submission: Submission
) -> tuple[TableDescription, VariableDescription]:
    places: list[tuple[TableDescription, VariableDescription]] = []
    launched, launched_for = _of_launch(submission.launch)
    own = launched if name == launched_for or name.startswith(f"{launched_for}.") else None
    for table in context.tables:
        if submission.table not in (None, table.collection, table.name):
            continue
        if own and submission.table is None and table.collection != own:
            continue
        for variable in table.variables:
            if name == variable.name or name in variable.outputs:
                places.append((table, variable))
                break
        else:
            if name in {each.name for each in table.fields}:
                raise SubmitError(
                    f"{name} of {table.collection} is typed by people. "
                    f"`knockoff set RUN {name} VALUE` does that."
                )
    if len(places) > 1:
        tables = ", ".join(table.collection for table, _ in places)
        raise SubmitError(f"{name} is in {tables}. Say which: --table {places[0][0].collection}.")
    if not places:
        known = [
            column.name
            for table in context.tables
            for variable in table.variables
            for column in variable.columns
            if not (variable.hook or variable.transient)
        ]
        raise SubmitError(
            f"The context file has no variable {name!r}, so there is no column for it. "
            f"{nearest(name, known)} To have one, add a method of that name.".replace("  ", " ")
        )
    table, variable = places[0]
    if variable.hook or variable.transient:
        what = "a hook" if variable.hook else "transient, and never stored"
        raise SubmitError(f"{name} cannot be submitted: its method is {what}.")
    return table, variable


def _parts(variable: VariableDescription, name: str, value: Any) -> Mapping[str, Any]:
    """The columns that a value is for: all outputs of a method where a dict has several."""
    if name != variable.name or not variable.parts:
        return {name: _without_archive(value)}
    columns = [column.name for column in variable.columns]
    short = [column.removeprefix(f"{name}.") for column in columns]
    if isinstance(value, Mapping) and value and set(map(str, value)) <= set(short):
        return {f"{name}.{part}": each for part, each in value.items()}
    raise SubmitError(
        f"{name} has several outputs: submit {' or '.join(columns)}, or a dict with "
        f"{', '.join(short)}."
    )


def _without_archive(value: Any) -> Any:
    """Named arrays in one cell are a Dataset."""
    if isinstance(value, Cell):
        return replace(value, data=_without_archive(value.data))
    return value.dataset() if isinstance(value, Archive) else value


def _column(variable: VariableDescription, name: str) -> ColumnDescription:
    return next(each for each in variable.columns if each.name == name)


_PLAIN: Final = {"int": int, "float": float, "str": str, "bool": bool}


def fitting(column: ColumnDescription, value: Any) -> Any:
    """A value for a column whose return hint is a plain type; of other hints any value is taken.

    Raises
    ------
    SubmitError
        It is not of that type.
    """
    wanted = _PLAIN.get(column.type)
    data = value.data if isinstance(value, Cell) else value
    if wanted is None or data is None:
        return value
    plain = data.item() if getattr(data, "shape", None) == () and hasattr(data, "item") else data
    fits = isinstance(plain, wanted) and not (wanted is int and isinstance(plain, bool))
    if wanted is float and isinstance(plain, int) and not isinstance(plain, bool):
        fits = True
    if wanted is int and isinstance(plain, float) and plain.is_integer():
        plain, fits = int(plain), True
    if not fits:
        raise SubmitError(
            f"{column.name} is declared as {column.type} in the context file, and this is "
            f"{type_name(data)}. Submit {_article(column.type)}, or change the return hint."
        )
    return replace(value, data=plain) if isinstance(value, Cell) else plain


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


# Into the row


async def _store_share(
    database: Database,
    tables: Tables,
    arrays_folder: Path,
    key: RunKey,
    share: _Share,
    submission: Submission,
    source: str,
) -> Submitted:
    collection = share.table.collection
    row = await find_row(database, collection, key)
    if row is not None and _is_its(submission, share):
        _refuse_late(row, share, submission.launch)
    label = await _label(database, collection, key)
    row = row or {}
    task = RunTask(
        proposal=key.proposal,
        run=key.run,
        collection=collection,
        attempt=label,
        extracted_data=str(arrays_folder),
    )
    cells = await asyncio.to_thread(_cells, share, task)
    slot = f"knockoff.launched.{slashed(share.variable.name)}"
    guard = {slot: submission.launch} if _is_its(submission, share) else {}
    written = await _write(
        database, tables, key, share, submission, row, cells, guard, label=label, source=source
    )
    if written is None:
        found = await find_row(database, collection, key)
        if found is None:
            raise RowMissingError(f"The row of {key} in {collection} was deleted meanwhile.")
        _refuse_late(found, share, submission.launch)
        raise SubmitError(f"The row of {key} has changed meanwhile. Submit once more.")
    return written


def _cells(share: _Share, task: RunTask) -> dict[str, CellResult]:
    """What goes into each cell; what is bulk is on disk when this returns."""
    cells: dict[str, CellResult] = {}
    for name, value in share.values.items():
        column = _column(share.variable, name)
        cell = value if isinstance(value, Cell) else Cell(value)
        cells[name] = Returned(cell, column, _reducer(column)).stored(task)
    for name, message in share.errors.items():
        problem = CellProblem("SubmittedError", message)
        cells[name] = CellResult(outcome="failed", problem=problem)
    return cells


def _reducer(column: ColumnDescription) -> str | None:
    """The column's summary, where it is NumPy's; functions of the context file are not run here."""
    import numpy as np

    name = column.summary
    return name if name and not name.startswith("_") and hasattr(np, name) else None


async def _write(
    database: Database,
    tables: Tables,
    key: RunKey,
    share: _Share,
    submission: Submission,
    row: dict[str, Any],
    cells: Mapping[str, CellResult],
    guard: Mapping[str, Any],
    whole: CellProblem | None = None,
    *,
    label: str = "",
    source: str = "",
) -> Submitted | None:
    """Store cells of one variable, and ask for what reads it; None if the guard does not hold."""
    table, variable, collection = share.table, share.variable, share.table.collection
    label = label or await _label(database, collection, key)
    around = await neighbours_of(database, tables, collection, key)
    now = input_stamps(table, row, around.elsewhere)[variable.name]
    slot, ours = slashed(variable.name), row.get("knockoff", {})
    is_its = _is_its(submission, share)
    code = ours.get("code", {}).get(slot, variable.code) if is_its else variable.code
    stamp = ours.get("inputs", {}).get(slot, now) if is_its else now
    result = Result(
        variable=variable.name,
        outcome="failed" if whole is not None else "done",
        code=code,
        cells={} if whole is not None else dict(cells),
        problem=whole,
        started_at=time.time(),
    )
    by = f"{SUBMITTED_BY}{this_person()}@{socket.gethostname()}"
    provenance = Provenance(
        key=key,
        label=label,
        context=source if code == variable.code else "",
        inputs={variable.name: stamp},
        shared=around.shared(collection),
        source=f"{by} from {submission.source}" if submission.source else by,
    )
    change = row_change(table, result, provenance, only=share.columns)
    change.values[f"knockoff.submitted.{slot}"] = label
    _refuse_too_large(row, change, key)
    previews, old = previews_of(table, result, provenance, only=share.columns)
    if not await change_row(database, collection, key, change, dict(guard)):
        return None
    entry = history_entry(table, result, provenance)
    await add_history(database, [entry] if entry is not None else [])
    await put_previews(database, previews, old)
    is_stale = bool(variable.code and code != variable.code) or stamp != now
    readers = () if is_stale else dependants_of(table, variable.name)
    if not is_stale:  # with itself, so that the file of the run is written anew in any case
        await ask(database, collection, key, "edit", variables=[variable.name, *readers])
        await ask_readers(database, tables, collection, key)
    return Submitted(label, share.columns, readers, share.columns if is_stale else ())


def dependants_of(table: TableDescription, name: str) -> tuple[str, ...]:
    """Variables that read another one, directly or not."""
    found = {name}
    for variable in table.variables:  # in dependency order
        if not found.isdisjoint((*variable.reads, *variable.may_read)):
            found.add(variable.name)
    return tuple(each.name for each in table.variables if each.name in found - {name})


def _is_its(submission: Submission, share: _Share) -> bool:
    """Whether the value is the one that the submitting program was launched for."""
    here = (share.table.collection, share.variable.name)
    return bool(submission.launch) and _of_launch(submission.launch) == here


def _refuse_late(row: Mapping[str, Any], share: _Share, launch: str) -> None:
    newest = row.get("knockoff", {}).get("launched", {}).get(slashed(share.variable.name))
    if newest == launch:
        return
    what = (
        f"{newest.rpartition('/')[2]} has launched another program for it since"
        if newest
        else "it was computed otherwise since"
    )
    raise SubmitError(
        f"{share.variable.name} does not take the value of {launch.rpartition('/')[2]} any more: "
        f"{what}. To store it all the same, submit it by hand, without KNOCKOFF_LAUNCH in the "
        f"environment."
    )


def _refuse_too_large(row: Mapping[str, Any], change: RowChange, key: RunKey) -> None:
    after = deepcopy(dict(row))
    for path, value in change.values.items():
        put_at(after, path, value)
    size = stored_size(after)
    if size > LARGEST_ROW:
        raise SubmitError(
            f"The row of {key} would have {size} bytes, and 1 MB is the limit. "
            f"Submit an array, which has a file of its own."
        )


async def _label(database: Database, collection: str, key: RunKey) -> str:
    """A name that no other submission to this row has."""
    return f"submit-{await next_submission(database, collection, key)}"
