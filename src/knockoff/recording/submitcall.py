"""`knockoff.submit`: bring values from a script, a batch job or a notebook into the table."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from knockoff.database.opening import open_database
from knockoff.database.registry import current_context
from knockoff.errors import RunKeyError, WorkspaceError
from knockoff.filling.coroutines import awaited
from knockoff.recording import submitting
from knockoff.recording.submission import Submission
from knockoff.runkey import RunKey, run_number
from knockoff.runs.described import read_description
from knockoff.settings import read_settings
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from knockoff.recording.submission import Submitted
    from knockoff.settings import Settings

LAUNCH: Final = "KNOCKOFF_LAUNCH"
"""By which a launched program, and what it starts, is known."""


async def submit_async(
    values: Mapping[str, Any] | None = None,
    *,
    errors: Mapping[str, str] | None = None,
    run: int | None = None,
    where: int | str | os.PathLike[str] | None = None,
    table: str | None = None,
    source: str = "",
) -> Submitted:
    """Submit values for columns of one run; the same as `submit`, to be awaited.

    Parameters
    ----------
    values:
        By column, as in ``{"fit": 3.5, "xgm.corrected": array}``. A `Cell` also says
        how it looks.
    errors:
        Why a column has no value.
    run:
        The run; in a launched program, that of the variable which has launched it.
    where:
        Number of the proposal, or folder of the workspace; else the one of the launched
        program, or the one that the current folder is in.
    table:
        Which one, if several have such a column.
    source:
        Where the values come from, as the history tells it; else the script's name.

    Returns
    -------
    :
        What is computed now because of it. All values are stored when this returns.

    Raises
    ------
    SubmitError
        One of them cannot be taken.
    WorkspaceError, RowMissingError, DatabaseError
        There is no such place, or run, or no server.

    Whatever is raised, the table is as it was: all values are stored together, or none.
    """
    workspace = _workspace(where)
    submission = Submission(
        values=dict(values or {}),
        errors=dict(errors or {}),
        source=source or _script(),
        table=table,
        launch=os.environ.get(LAUNCH, ""),
    )
    key = RunKey(workspace.proposal, _run(run))
    return await submit_to(workspace, workspace.settings(), key, submission)


def submit(
    values: Mapping[str, Any] | None = None,
    *,
    errors: Mapping[str, str] | None = None,
    run: int | None = None,
    where: int | str | os.PathLike[str] | None = None,
    table: str | None = None,
    source: str = "",
) -> Submitted:
    """Submit values for columns of one run: `knockoff.submit`.

    Parameters, what comes back and what is raised are those of `submit_async`.
    """
    told: Submitted = awaited(
        submit_async(values, errors=errors, run=run, where=where, table=table, source=source)
    )
    return told


async def submit_to(
    workspace: Workspace, settings: Settings, key: RunKey, submission: Submission
) -> Submitted:
    """Submit to a workspace that is known already; errors as of `submit_async`."""
    if submission.launch and not _is_of(submission.launch, key):
        submission = Submission(
            submission.values, submission.errors, submission.source, submission.table
        )
    async with open_database(workspace, settings) as database:
        described = await current_context(database)
        if described is None:
            raise WorkspaceError(
                "There is no table here yet, so nothing was stored. `knockoff listen` or "
                f"`knockoff process {key.run}` makes it."
            )
        context = read_description(described)
        return await submitting.submit(database, context, workspace.arrays_folder, key, submission)


def _is_of(launch: str, key: RunKey) -> bool:
    parts = launch.split("/")
    return len(parts) == 4 and parts[1] == str(key.run)


def _workspace(where: int | str | os.PathLike[str] | None) -> Workspace:
    if isinstance(where, int):
        return Workspace.of_proposal(where, read_settings().data_root)
    folder = where or os.environ.get("KNOCKOFF_WORKSPACE")
    return Workspace.open(Path(folder)) if folder else Workspace.find()


def _run(run: int | None) -> int:
    if run is not None:
        return run_number(run)
    told = os.environ.get("KNOCKOFF_RUN")
    if not told:
        raise RunKeyError("Which run is it for? Say run=42; only a launched program need not.")
    return run_number(told)


def _script() -> str:
    return Path(sys.argv[0]).name if sys.argv and sys.argv[0] not in ("", "-c", "-m") else ""
