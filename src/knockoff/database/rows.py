"""Rows of the run tables: created once, then changed only field by field."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from knockoff.database.client import storable
from knockoff.database.jobs import is_running
from knockoff.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from knockoff.database.client import Database
    from knockoff.database.jobs import Cause
    from knockoff.database.transactions import Session
    from knockoff.language.occasions import Event
    from knockoff.runkey import DataKind, RunKey

PEOPLES_FIELDS: Final = ("comment", "tags", "status")


class RowMissingError(DatabaseError):
    """A row that was there is not any more: somebody has deleted it."""


@dataclass
class RowChange:
    """Named fields of one row to be set and unset, in one write."""

    values: dict[str, Any] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.values or self.removed)

    def add(self, other: RowChange) -> None:
        """Take in a later change; where both touch a field the later one counts."""
        for path in other.removed:
            self.values.pop(path, None)
        self.removed = [path for path in self.removed if path not in other.values]
        self.removed.extend(path for path in other.removed if path not in self.removed)
        self.values.update(other.values)

    def pipeline(self) -> list[dict[str, Any]]:
        """As an update that also brings the row's list of states up to date."""
        stages: list[dict[str, Any]] = []
        if self.values:
            literal = {path: {"$literal": value} for path, value in self.values.items()}
            stages.append({"$set": literal})
        if self.removed:
            stages.append({"$unset": self.removed})
            for level in _levels_above(self.removed):
                left = {path: _unless_empty(f"${path}", {}) for path in level}
                stages.append({"$set": left})
        stages.append({"$set": {"knockoff.states": _STATES, "knockoff.updated_at": "$$NOW"}})
        return stages


def _levels_above(paths: Iterable[str]) -> list[list[str]]:
    """All that these lie in, the deepest first: one write may not name ``a`` and ``a.b``."""
    above: set[str] = set()
    for path in paths:
        while path := path.rpartition(".")[0]:
            above.add(path)
    ordered = sorted(above - {"knockoff"}, key=lambda path: (-path.count("."), path))
    return [list(level) for _, level in groupby(ordered, lambda path: path.count("."))]


def _unless_empty(value: Any, empty: Any) -> dict[str, Any]:
    """The value, or no field at all: what is empty is not kept in a row."""
    return {"$cond": [{"$eq": [value, empty]}, "$$REMOVE", value]}


_STATES: Final[dict[str, Any]] = _unless_empty(
    {
        "$setUnion": [
            {
                "$map": {
                    "input": {"$objectToArray": {"$ifNull": ["$knockoff.problems", {}]}},
                    "in": "$$this.v.state",
                }
            }
        ]
    },
    [],
)


async def record_arrival(
    database: Database,
    collection: str,
    key: RunKey,
    kind: DataKind,
    defaults: dict[str, Any],
) -> Event | None:
    """Create the row of a run if it is not there, and note that this kind of data is.

    Returns
    -------
    :
        ``"Insert"`` if the row is new, ``"Update"`` if the kind is, None for a duplicate.
    """
    now = datetime.now(UTC)
    update = {
        "$setOnInsert": {"proposal": key.proposal, "run": key.run, "added_at": now, **defaults},
        "$addToSet": {"knockoff.data": kind},
    }
    try:
        before = await _upserted(database, collection, key, update)
    except DuplicateKeyError:  # two racers inserted at once, and the other one won
        before = await _upserted(database, collection, key, update)
    if before is None:
        return "Insert"
    return None if kind in before.get("knockoff", {}).get("data", ()) else "Update"


async def _upserted(
    database: Database, collection: str, key: RunKey, update: dict[str, Any]
) -> dict[str, Any] | None:
    document: dict[str, Any] | None = await database[collection].find_one_and_update(
        {"_id": key.document_id},
        update,
        projection={"knockoff.data": 1},
        upsert=True,
        return_document=ReturnDocument.BEFORE,
    )
    return document


async def take(
    database: Database, collection: str, key: RunKey, cause: Cause, change: RowChange
) -> dict[str, Any] | None:
    """Mark a row as worked on for one cause, and read it; None if another cause has it.

    So a row is worked on by one job at a time, and no variable runs twice at once.

    Raises
    ------
    RowMissingError
        There is no such row any more.
    """
    free = [
        {"knockoff.active": {"$in": [None, {}]}},
        {f"knockoff.active.{cause}": {"$exists": True}},  # ours, of an attempt that died
    ]
    document: dict[str, Any] | None = await database[collection].find_one_and_update(
        {"_id": key.document_id, "$or": free},
        change.pipeline(),
        return_document=ReturnDocument.AFTER,
    )
    if document is None:
        await release_of_the_dead(database, collection, key, but=cause)
    return document


async def release_of_the_dead(
    database: Database, collection: str, key: RunKey, but: Cause | None = None
) -> None:
    """Take marks off a row whose jobs nobody alive holds."""
    row = await database[collection].find_one({"_id": key.document_id}, {"knockoff.active": 1})
    if row is None:
        raise RowMissingError(f"There is no row of {key} in {collection}.")
    for cause, mark in row.get("knockoff", {}).get("active", {}).items():
        if cause != but and not await is_running(database, collection, key, cause):
            path = f"knockoff.active.{cause}"
            await database[collection].update_one(
                {"_id": key.document_id, path: mark}, RowChange(removed=[path]).pipeline()
            )


async def change_row(
    database: Database,
    collection: str,
    key: RunKey,
    change: RowChange,
    guard: dict[str, Any] | None = None,
    session: Any = None,
) -> bool:
    """Write named fields of a row.

    Parameters
    ----------
    guard:
        What must hold for the row, such as the attempt that these results are from.
    session:
        Of a transaction that this is a part of.

    Raises
    ------
    UnstorableError
        MongoDB does not take one of the values.

    Returns
    -------
    :
        Whether it was written; False if the guard did not hold or there is no such row.
    """
    with storable():
        result = await database[collection].update_one(
            {"_id": key.document_id, **(guard or {})}, change.pipeline(), session=session
        )
    return bool(result.matched_count)


async def next_submission(database: Database, collection: str, key: RunKey) -> int:
    """Count one more submission to a row, so that no two have the same number.

    Raises
    ------
    RowMissingError
        There is no such row.
    """
    row = await database[collection].find_one_and_update(
        {"_id": key.document_id},
        {"$inc": {"knockoff.submissions": 1}},
        projection={"knockoff.submissions": 1},
        return_document=ReturnDocument.AFTER,
    )
    if row is None:
        raise RowMissingError(
            f"There is no row of {key} in {collection}, so nothing was stored. "
            f"`knockoff process {key.run}` makes it."
        )
    return int(row["knockoff"]["submissions"])


async def find_row(
    database: Database, collection: str, key: RunKey, session: Session | None = None
) -> dict[str, Any] | None:
    """One row as it is stored, or as a transaction sees it; None if there is none."""
    document: dict[str, Any] | None = await database[collection].find_one(
        {"_id": key.document_id}, session=session
    )
    return document


async def change_together(
    database: Database, session: Session, collection: str, document_id: str, change: RowChange
) -> datetime:
    """Write named fields of a row within a transaction; when that row was changed by it."""
    document = await database[collection].find_one_and_update(
        {"_id": document_id},
        change.pipeline(),
        projection={"knockoff.updated_at": 1},
        return_document=ReturnDocument.AFTER,
        session=session,
    )
    moment: datetime = document["knockoff"]["updated_at"]
    return moment


async def change_alike(
    database: Database,
    session: Session,
    collection: str,
    document_ids: Sequence[str],
    change: RowChange,
) -> None:
    """Write the same fields of several rows within a transaction."""
    await database[collection].update_many(
        {"_id": {"$in": list(document_ids)}}, change.pipeline(), session=session
    )
