"""Values that were computed elsewhere, brought into the row as a worker's results are."""

from __future__ import annotations

import asyncio
import socket
import time
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from knockoff.arrays.values import stored_size
from knockoff.database.jobs import ask
from knockoff.database.owners import this_person
from knockoff.database.results import add_history, put_previews
from knockoff.database.rows import RowMissingError, change_row, find_row, next_submission
from knockoff.database.transactions import in_transaction
from knockoff.filling.messages import CellProblem, CellResult, Result, RunTask
from knockoff.filling.outcomes import Returned
from knockoff.language.cell import Cell
from knockoff.recording.dependants import dependants
from knockoff.recording.neighbours import ask_readers, neighbours_of
from knockoff.recording.storing import (
    LARGEST_ROW,
    SUBMITTED_BY,
    Provenance,
    history_entry,
    previews_by_result,
    previews_of,
    row_change,
)
from knockoff.recording.submission import SubmitError, Submitted, column_of, shares
from knockoff.recording.tasks import put_at
from knockoff.runs.stamps import input_stamps, slashed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from knockoff.contextfile.description import (
        ColumnDescription,
        ContextDescription,
        TableDescription,
    )
    from knockoff.database.client import Database
    from knockoff.database.rows import RowChange
    from knockoff.database.transactions import Session
    from knockoff.recording.submission import Share, Submission
    from knockoff.runkey import RunKey

    Tables = Mapping[str, TableDescription]


@dataclass(frozen=True)
class Prepared:
    """What is to be stored for one variable; what is bulk of it is on disk."""

    share: Share
    cells: Mapping[str, CellResult]
    label: str
    """Which attempt the result is, as in ``submit-3``."""

    guard: Mapping[str, Any] = field(default_factory=dict)
    """What must hold for the row."""

    whole: CellProblem | None = None
    """Why none of the variable's columns has a value."""


async def submit(
    database: Database,
    context: ContextDescription,
    arrays_folder: Path,
    key: RunKey,
    submission: Submission,
) -> Submitted:
    """Store values or errors, and have computed what reads them.

    All of it is stored in one transaction, with history, previews and the job for what reads
    it; whatever is refused, and whoever is killed, leaves the table as it was. What is left of
    arrays on disk then is swept.

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
    tables = {table.collection: table for table in context.tables}
    prepared = [
        await _prepared(database, arrays_folder, key, share, submission)
        for share in shares(context, submission)
    ]
    stored = await store(database, tables, key, submission, prepared, context.source_hash)
    if not stored:
        for each in prepared:
            await _refuse_changed(database, key, each.share, submission)
        raise SubmitError(f"The row of {key} has changed meanwhile. Submit once more.")
    readers = dict.fromkeys(name for each in stored for name in each.dependants)
    return Submitted(
        label=stored[0].label,
        columns=tuple(name for each in prepared for name in each.share.columns),
        dependants=tuple(readers),
        stale=tuple(name for each in stored for name in each.stale),
    )


async def store(
    database: Database,
    tables: Tables,
    key: RunKey,
    submission: Submission,
    prepared: Sequence[Prepared],
    source: str = "",
) -> list[Submitted]:
    """Store all of it together, and ask for what reads it; nothing if a guard does not hold.

    Parameters
    ----------
    source:
        Hash of the context file of now.
    """

    async def write(session: Session) -> list[Submitted]:
        stored = []
        for each in prepared:
            done = await _written(database, session, tables, key, submission, each, source)
            if done is None:
                await session.abort_transaction()
                return []
            stored.append(done)
        return stored

    stored = await in_transaction(database, write)
    changed = [part.share for part, done in zip(prepared, stored, strict=False) if not done.stale]
    for collection in dict.fromkeys(share.table.collection for share in changed):
        await ask_readers(database, tables, collection, key)  # as the row's own job will, later
    return stored


async def label_of_next(database: Database, collection: str, key: RunKey) -> str:
    """A name that no other submission to this row has.

    Raises
    ------
    RowMissingError
        The run has no row.
    """
    return f"submit-{await next_submission(database, collection, key)}"


async def _prepared(
    database: Database, arrays_folder: Path, key: RunKey, share: Share, submission: Submission
) -> Prepared:
    collection = share.table.collection
    is_its = share.is_of(submission.launch)
    row = await find_row(database, collection, key)
    if row is not None and is_its:
        _refuse_late(row, share, submission.launch)
    label = await label_of_next(database, collection, key)
    task = RunTask(
        proposal=key.proposal,
        run=key.run,
        collection=collection,
        attempt=label,
        extracted_data=str(arrays_folder),
    )
    cells = await asyncio.to_thread(_cells, share, task)
    slot = f"knockoff.launched.{slashed(share.variable.name)}"
    return Prepared(share, cells, label, {slot: submission.launch} if is_its else {})


def _cells(share: Share, task: RunTask) -> dict[str, CellResult]:
    """What goes into each cell; what is bulk is on disk when this returns."""
    cells: dict[str, CellResult] = {}
    for name, value in share.values.items():
        column = column_of(share.variable, name)
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


async def _written(
    database: Database,
    session: Session,
    tables: Tables,
    key: RunKey,
    submission: Submission,
    prepared: Prepared,
    source: str,
) -> Submitted | None:
    """Write cells of one variable within a transaction; None if the guard does not hold."""
    share, label, whole = prepared.share, prepared.label, prepared.whole
    table, variable, collection = share.table, share.variable, share.table.collection
    row = await find_row(database, collection, key, session)
    if row is None:
        return None
    around = await neighbours_of(database, tables, collection, key, session=session)
    now = input_stamps(table, row, around.elsewhere)[variable.name]
    slot, ours = slashed(variable.name), row.get("knockoff", {})
    is_its = share.is_of(submission.launch)
    code = ours.get("code", {}).get(slot, variable.code) if is_its else variable.code
    stamp = ours.get("inputs", {}).get(slot, now) if is_its else now
    result = Result(
        variable=variable.name,
        outcome="failed" if whole is not None else "done",
        code=code,
        cells={} if whole is not None else dict(prepared.cells),
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
    if not await change_row(database, collection, key, change, dict(prepared.guard), session):
        return None
    entry = history_entry(table, result, provenance)
    entries = [entry] if entry is not None else []
    await add_history(database, entries, session)
    await put_previews(database, previews, old, previews_by_result(entries, previews), session)
    is_stale = bool(variable.code and code != variable.code) or stamp != now
    readers = () if is_stale else dependants(table, of=[variable.name])
    if not is_stale:  # with itself, so that the file of the run is written anew in any case
        names = [variable.name, *readers]
        await ask(database, collection, key, "edit", variables=names, session=session)
    return Submitted(label, share.columns, readers, share.columns if is_stale else ())


async def _refuse_changed(
    database: Database, key: RunKey, share: Share, submission: Submission
) -> None:
    """Say why the row does not take this any more."""
    collection = share.table.collection
    row = await find_row(database, collection, key)
    if row is None:
        raise RowMissingError(f"The row of {key} in {collection} was deleted meanwhile.")
    if share.is_of(submission.launch):
        _refuse_late(row, share, submission.launch)


def _refuse_late(row: Mapping[str, Any], share: Share, launch: str) -> None:
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
