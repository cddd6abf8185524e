"""The files that people open, one per run, kept as new as the rows: `arrays.runfile` from MongoDB.

Writing them never holds up a result: what has changed is noted, and written in a thread a moment
later, once for all jobs that ended until then. If the recorder is killed in between, the file is
older than its row, and the next listener or `knockoff gc` sees that.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from knockoff.arrays.references import ArrayReference
from knockoff.arrays.runfile import CellError, RunCell, is_current, run_file, write_run_file
from knockoff.database.client import PyMongoError, reworded
from knockoff.database.runcells import RunRows, columns_of_tables, rows_of_runs, when_changed
from knockoff.errors import ArrayError, DatabaseError
from knockoff.runkey import RunKey
from knockoff.runs.stamps import slashed, value_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping
    from pathlib import Path

    from knockoff.database.client import Database

log = logging.getLogger(__name__)

PAUSE: Final = 0.3
"""Seconds from the end of a job to writing, so that the jobs of a run are shown at once."""

AT_ONCE: Final = 20
"""Runs whose rows and previews are read together."""

PAUSE_AFTER_TROUBLE: Final = 5.0
"""Seconds until it is tried again when MongoDB or the disk did not do."""

GOODBYE: Final = 60.0
"""Seconds for what is still to be written when the recorder ends."""


@asynccontextmanager
async def open_run_files(
    database: Database, folder: Path, proposal: int
) -> AsyncIterator[RunFiles]:
    """Write what is noted, as long as the body runs; what is left then is written at last."""
    files = RunFiles(database, folder, proposal)
    keeping = asyncio.create_task(files.keep_up())
    try:
        yield files
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await files.finish()


class RunFiles:
    """The runs' files of one proposal.

    Parameters
    ----------
    folder:
        ``extracted_data`` of the workspace.
    """

    def __init__(self, database: Database, folder: Path, proposal: int) -> None:
        self._database = database
        self._folder = folder
        self._proposal = proposal
        self._noted: set[int] = set()
        """Runs with jobs of ours."""
        self._stale: set[int] = set()
        """Runs that somebody before us left behind."""
        self._news = asyncio.Event()
        self._is_troubled = False

    def note(self, key: RunKey) -> None:
        """A job of this run has ended: write its file anew, soon."""
        self._noted.add(key.run)
        self._news.set()

    async def note_stale(self) -> None:
        """Find files that are older than their rows, and write them when there is time."""
        self._stale.update(await self.stale())
        self._news.set()

    async def stale(self, runs: Collection[int] | None = None) -> list[int]:
        """Of these runs, or of all, those whose file is not there or older than the rows."""
        changed = await when_changed(self._database, runs)

        def old() -> list[int]:
            return [run for run, at in changed.items() if not is_current(self._path(run), at)]

        return sorted(await asyncio.to_thread(old))

    async def all_runs(self, runs: Collection[int] | None = None) -> list[int]:
        """Of these runs, or of all, those that have rows."""
        return sorted(await when_changed(self._database, runs))

    async def write(self, runs: Collection[int]) -> list[int]:
        """Write the files of runs from what is known just now; those runs that have rows.

        Raises
        ------
        ArrayError
            One of the files cannot be written; the others are.
        DatabaseError, PyMongoError
            MongoDB cannot be asked.
        """
        tables = await columns_of_tables(self._database)
        found = await rows_of_runs(self._database, list(tables), runs)
        failures: list[ArrayError] = []
        for run, rows in found.items():
            cells = [
                cell
                for place, (table, columns) in enumerate(tables.items())
                if table in rows.rows
                for cell in _cells(rows, table, columns, prefix=f"{table}/" if place else "")
            ]
            key = RunKey(self._proposal, run)
            try:
                await asyncio.to_thread(write_run_file, self._folder, key, cells, rows.changed)
            except ArrayError as error:
                failures.append(error)
        now = await when_changed(self._database, found)
        for run, rows in found.items():
            if now.get(run, rows.changed) != rows.changed:  # who writes last must have read last
                self.note(RunKey(self._proposal, run))
        if failures:
            raise failures[0]
        return sorted(found)

    async def keep_up(self) -> None:
        """Write what is noted, for ever."""
        while True:
            await self._news.wait()
            await asyncio.sleep(PAUSE)
            self._news.clear()
            if not await self._write_all(self._noted) or not await self._write_all(self._stale):
                self._news.set()
                await asyncio.sleep(PAUSE_AFTER_TROUBLE)

    async def finish(self) -> None:
        """Write what is left of our own jobs; if that cannot be, somebody after us will."""
        try:
            async with asyncio.timeout(GOODBYE):
                while self._noted and await self._write_all(self._noted):
                    continue
        except TimeoutError:
            log.warning(
                "The files of %d runs are older than their rows. `knockoff gc` writes them.",
                len(self._noted),
            )

    async def _write_all(self, runs: set[int]) -> bool:
        while runs:
            some = sorted(runs)[:AT_ONCE]
            runs.difference_update(some)
            try:
                with reworded("MongoDB"):
                    await self.write(some)
            except ArrayError as error:  # tried again after the next job, or by `knockoff gc`
                log.warning("The file of a run is older than its row: %s", error)
            except (DatabaseError, PyMongoError) as error:
                runs.update(some)
                if not self._is_troubled:
                    log.warning("The files of runs %s are not written: %s", some, error)
                self._is_troubled = True
                return False
            except BaseException:
                runs.update(some)
                raise
            self._is_troubled = False
        return True

    def _path(self, run: int) -> Path:
        return run_file(self._folder, RunKey(self._proposal, run))


def _cells(
    found: RunRows, table: str, columns: list[Mapping[str, Any]], prefix: str
) -> list[RunCell]:
    """What a row says of its variables; those of a second table have its name in front."""
    row = found.rows[table]
    ours = row.get("knockoff", {})
    cells = []
    for column in columns:
        name = slashed(str(column["name"]))
        problem = ours.get("problems", {}).get(name)
        reference, error = _array(ours.get("arrays", {}).get(name))
        if problem is not None:
            error = CellError(
                str(problem.get("kind") or problem.get("state") or "Problem"),
                str(problem.get("message") or ""),
            )
        cell = RunCell(
            prefix + name,
            _aware(value_at(row, str(column["name"]))),
            reference,
            found.previews.get((table, name)),
            error,
            _about(column, ours, name, reference),
        )
        if cell.value is not None or reference or error or cell.preview:
            cells.append(cell)
    return cells


def _array(document: Mapping[str, Any] | None) -> tuple[ArrayReference | None, CellError | None]:
    if document is None:
        return None, None
    try:
        return ArrayReference.from_json(document), None
    except ArrayError as error:
        return None, CellError(type(error).__name__, str(error))


def _about(
    column: Mapping[str, Any],
    ours: Mapping[str, Any],
    name: str,
    reference: ArrayReference | None,
) -> dict[str, str | bool | float]:
    about: dict[str, Any] = {
        "title": column.get("title"),
        "description": column.get("description"),
        "units": ours.get("units", {}).get(name, column.get("units")),
        "summary_method": column.get("summary"),
        "max_diff": reference and reference.max_diff,
        "exact": ours.get("exact", {}).get(name),
        **ours.get("style", {}).get(name, {}),
    }
    return {
        key: each
        for key, each in about.items()
        if each != "" and isinstance(each, bool | str | float)
    }


def _aware(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value
