"""What was deleted and can be had back, until `knockoff gc` takes it away.

A deletion has a number and an entry in ``knockoff.deletions``; each document that it took away
or changed lies in ``knockoff.trash``, byte by byte as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from bson import decode
from pymongo import DESCENDING
from pymongo.errors import DuplicateKeyError

from knockoff.database.jobs import JOBS
from knockoff.database.registry import VARIABLES
from knockoff.database.results import HISTORY, PAST_PREVIEWS, PREVIEWS
from knockoff.database.transactions import RAW, in_transaction, raw

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from knockoff.database.client import Database
    from knockoff.database.transactions import Session

TRASH: Final = "knockoff.trash"
DELETIONS: Final = "knockoff.deletions"


@dataclass(frozen=True)
class Deletion:
    """A run or a column that was deleted."""

    number: int
    at: datetime
    by: str
    run: int | None = None
    table: str = ""
    """Of a column."""

    column: str = ""
    nbytes: int = 0
    """Of the documents; their arrays are not counted."""

    rows: int = 0

    @property
    def what(self) -> str:
        """As people call it."""
        return f"run {self.run}" if self.run is not None else f"column {self.table}.{self.column}"

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Deletion:
        """From its entry."""
        return cls(
            number=int(entry["_id"]),
            at=entry["at"] if entry["at"].tzinfo else entry["at"].replace(tzinfo=UTC),
            by=str(entry["by"]),
            run=entry.get("run"),
            table=str(entry.get("table", "")),
            column=str(entry.get("column", "")),
            nbytes=int(entry.get("bytes", 0)),
            rows=int(entry.get("rows", 0)),
        )


@dataclass(frozen=True)
class TrashedFiles:
    """What of ``extracted_data`` the trash still needs."""

    files: frozenset[str] = frozenset()
    runs: frozenset[int] = frozenset()
    """Whose own files stay, since they can be had back whole."""


async def begin(database: Database, session: Session | None = None, **about: Any) -> int:
    """Enter a deletion; its number."""
    while True:
        last = await database[DELETIONS].find_one(
            {}, {"_id": 1}, sort=[("_id", DESCENDING)], session=session
        )
        number = int(last["_id"]) + 1 if last else 1
        entry = {"_id": number, **about, "at": datetime.now(UTC), "rows": 0, "bytes": 0}
        try:
            await database[DELETIONS].insert_one(entry, session=session)
        except DuplicateKeyError:
            if session is not None:
                raise
            continue  # somebody else deletes just now
        return number


async def put(
    database: Database,
    session: Session,
    number: int,
    collection: str,
    documents: Sequence[Any],
    after: Mapping[str, datetime] | None = None,
) -> None:
    """Lay documents aside as they are.

    Parameters
    ----------
    documents:
        Raw ones, of `collection`.
    after:
        When those that stay, without a part, were changed by that; by `_id`.
    """
    if not documents:
        return
    items = [
        {
            "deletion": number,
            "collection": collection,
            "document": each,
            **({"after": after[each["_id"]]} if after and each["_id"] in after else {}),
        }
        for each in documents
    ]
    await database[TRASH].insert_many(items, session=session)
    counted = {"bytes": sum(len(each.raw) for each in documents)}
    if collection in await _tables(database, session):
        counted["rows"] = len(documents)
    await database[DELETIONS].update_one({"_id": number}, {"$inc": counted}, session=session)


async def move(
    database: Database,
    session: Session,
    number: int,
    collection: str,
    condition: Mapping[str, Any],
) -> int:
    """Take documents away into the trash; how many there were."""
    found = await raw(database, collection).find(condition, session=session).to_list(None)
    await put(database, session, number, collection, found)
    ids = [each["_id"] for each in found]
    if ids:
        await database[collection].delete_many({"_id": {"$in": ids}}, session=session)
    return len(ids)


async def items_of(database: Database, session: Session, number: int) -> list[Any]:
    """Everything of a deletion, raw."""
    found = raw(database, TRASH).find({"deletion": number}, session=session)
    items: list[Any] = await found.to_list(None)
    return items


def understood(document: Any) -> dict[str, Any]:
    """A raw document as others read it."""
    return decode(document.raw, codec_options=RAW.with_options(document_class=dict, tz_aware=True))


async def forget_items(database: Database, session: Session, items: Iterable[Any]) -> None:
    """Take items off the trash that are where they were."""
    ids = [each["_id"] for each in items]
    await database[TRASH].delete_many({"_id": {"$in": ids}}, session=session)


async def end(database: Database, session: Session, number: int) -> None:
    """Strike a deletion off of which nothing is left in the trash."""
    left = await database[TRASH].find_one({"deletion": number}, {"_id": 1}, session=session)
    if left is None:
        await database[DELETIONS].delete_one({"_id": number}, session=session)


async def deletions(
    database: Database, runs: Collection[int] | None = None, session: Session | None = None
) -> list[Deletion]:
    """What can be had back, the newest last; of these runs, or all, columns too."""
    condition = {} if runs is None else {"run": {"$in": list(runs)}}
    found = database[DELETIONS].find(condition, session=session).sort("_id", 1)
    return [Deletion.of(each) for each in await found.to_list(None)]


async def trashed_files(database: Database, numbers: Collection[int]) -> TrashedFiles:
    """Which files these deletions need, to be undone."""
    files: set[str] = set()
    runs: set[int] = set()
    condition = {"deletion": {"$in": list(numbers)}}
    fields = {"collection": 1, "document.arrays": 1, "document.knockoff.arrays": 1}
    beside = {JOBS, PREVIEWS, PAST_PREVIEWS, VARIABLES}
    async for item in database[TRASH].find(
        {**condition, "collection": {"$nin": list(beside)}}, fields
    ):
        document = item.get("document", {})
        within = document if item["collection"] == HISTORY else document.get("knockoff", {})
        arrays = within.get("arrays") or {}
        files.update(str(each.get("file")) for each in arrays.values() if "swept_at" not in each)
    for each in await deletions(database):
        if each.number in numbers and each.run is not None:
            runs.add(each.run)
    return TrashedFiles(frozenset(files), frozenset(runs))


async def empty(database: Database, numbers: Collection[int]) -> None:
    """Give these deletions up; they cannot be undone any more."""

    async def work(session: Session) -> None:
        named = {"$in": list(numbers)}
        await database[DELETIONS].delete_many({"_id": named}, session=session)
        # together, since the numbers may be given anew from then on
        await database[TRASH].delete_many({"deletion": named}, session=session)

    if numbers:
        await in_transaction(database, work)


async def _tables(database: Database, session: Session) -> list[str]:
    return [str(each) for each in await database[VARIABLES].distinct("table", session=session)]
