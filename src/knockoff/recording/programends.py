"""What becomes of launched programs without a value, told in the cells that wait for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knockoff.database.rows import RowChange, change_row, find_row
from knockoff.engine.launching import launched_for
from knockoff.filling.messages import CellProblem, CellResult
from knockoff.recording.submission import Share, Submission
from knockoff.recording.submitting import Prepared, label_of_next, store
from knockoff.runs.stamps import slashed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from knockoff.contextfile.description import VariableDescription
    from knockoff.database.client import Database
    from knockoff.recording.submitting import Tables
    from knockoff.runkey import RunKey


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
    collection, variable = launched_for(launch)
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
    share = Share(table, described, {}, dict.fromkeys(waiting, how))
    first = f"knockoff.problems.{slashed(next(iter(waiting)))}.outside.id"
    told = Prepared(
        share, cells, await label_of_next(database, collection, key), {first: launch}, whole
    )
    return bool(await store(database, tables, key, Submission(launch=launch), [told]))


async def note_batch_job(
    database: Database, tables: Tables, key: RunKey, launch: str, job: str
) -> bool:
    """Let the cells say that they wait for a batch job, whose command has ended well."""
    collection, variable = launched_for(launch)
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
