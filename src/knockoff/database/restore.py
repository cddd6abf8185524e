"""Restore a backup, whole or not at all.

All of it is verified first, then loaded beside what is there, under other names. Only when it is
complete do the collections get their names; from then on whoever is killed leaves a mark, and
the rest can be done by anybody.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any, Final

from bson import json_util
from bson.raw_bson import RawBSONDocument

from knockoff.database.backup import STAGING
from knockoff.database.backupfile import BackupError, array_name
from knockoff.database.jobentries import refuse_while_worked_on
from knockoff.database.layout import COLLECTION, LAYOUT, RESTORING
from knockoff.database.presence import (
    RECORDERS,
    RecorderPresentError,
    refuse_while_recorded,
)
from knockoff.database.transactions import raw
from knockoff.workspace import FILE_MODE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from knockoff.database.backupfile import Backup, Member, SavedCollection
    from knockoff.database.client import Database

MOST_AT_ONCE: Final = 1000
LARGEST_BATCH: Final = 8 * 1024 * 1024
"""Documents and bytes that are sent together."""


async def fits(database: Database, proposal: int, backup: Backup, *, replace: bool) -> None:
    """See whether a backup may be restored here; nothing is changed.

    Raises
    ------
    BackupError
        It is another proposal's, or laid out by another knockoff, or something is there already
        that is not to be replaced.
    AtWorkError, RecorderPresentError
        Something is being computed here, or somebody records.
    """
    about = backup.manifest
    if about.proposal != proposal:
        raise BackupError(
            f"{backup.path} is a backup of proposal {about.proposal}, and this is the workspace of "
            f"{proposal}. Restore it there: knockoff -p {about.proposal} db restore."
        )
    if about.layout != LAYOUT:
        raise BackupError(
            f"{backup.path} has layout version {about.layout}, of knockoff {about.knockoff}; this "
            f"one knows {LAYOUT}. Restore it with that version, or one that migrates it."
        )
    if COLLECTION not in {each.name for each in about.collections}:
        raise BackupError(f"{backup.path} has no {COLLECTION}: it is no whole backup.")
    if not replace and (there := await what_is_there(database)):
        raise BackupError(
            f"Database {database.name} is not empty: it has {', '.join(there[:5])}"
            f"{' …' if len(there) > 5 else ''}. Nothing was changed. --replace restores the backup "
            "in place of it; `knockoff db backup FILE` keeps what is there."
        )
    await refuse_while_worked_on(database)
    await refuse_while_recorded(database)


async def what_is_there(database: Database) -> list[str]:
    """Collections with documents, but for the mark of the layout."""
    names = [
        each
        for each in sorted(await database.list_collection_names())
        if each not in (COLLECTION, RECORDERS) and not each.startswith(("system.", STAGING))
    ]
    return [each for each in names if await database[each].find_one({}, {"_id": 1}) is not None]


async def restore(
    database: Database, backup: Backup, arrays_folder: Path, tell: Callable[[str], None]
) -> None:
    """Put a verified backup in the place of what is there.

    Raises
    ------
    RecorderPresentError
        Somebody has begun to record meanwhile; all is as it was.
    """
    for name in await database.list_collection_names():
        if name.startswith(STAGING):  # of somebody who was killed
            await database.drop_collection(name)
    for collection in backup.manifest.collections:
        await _load(database, backup, collection)
        tell(collection.name)
    for member in backup.manifest.arrays:
        await asyncio.to_thread(_extract, backup, member, arrays_folder)
        tell(member.member)
    names = [each.name for each in backup.manifest.collections if each.name != COLLECTION]
    others = [
        each
        for each in await database.list_collection_names()
        if each not in names and each != COLLECTION and not each.startswith(("system.", STAGING))
    ]
    mark = {RESTORING: {"names": names, "others": others}}
    await database[COLLECTION].update_one({"_id": "layout"}, {"$set": mark}, upsert=True)
    try:
        await refuse_while_recorded(database)  # from here on whoever wants to sees the mark
    except RecorderPresentError:
        await database[COLLECTION].update_one({"_id": "layout"}, {"$unset": {RESTORING: ""}})
        for name in [*names, COLLECTION]:
            await database.drop_collection(STAGING + name)
        raise
    await finish(database)


async def finish(database: Database) -> bool:
    """Give what was loaded its names, also where somebody was killed while doing so.

    Returns
    -------
    :
        Whether there was anything to finish.
    """
    layout = await database[COLLECTION].find_one({"_id": "layout"})
    if layout is None or RESTORING not in layout:
        return False
    loaded = set(await database.list_collection_names())
    for name in layout[RESTORING]["names"]:
        if STAGING + name in loaded:
            await database[STAGING + name].rename(name, dropTarget=True)
    for name in layout[RESTORING]["others"]:
        await database.drop_collection(name)
    mark = await raw(database, STAGING + COLLECTION).find_one({"_id": "layout"})
    if mark is not None:
        await raw(database, COLLECTION).replace_one({"_id": "layout"}, mark)
    else:
        await database[COLLECTION].update_one({"_id": "layout"}, {"$unset": {RESTORING: ""}})
    await database.drop_collection(STAGING + COLLECTION)
    return True


async def _load(database: Database, backup: Backup, collection: SavedCollection) -> None:
    name = STAGING + collection.name
    options = _understood(collection.options)
    await database.command({"create": name, **options})
    documents = backup.documents(collection)
    loaded = 0
    while batch := await asyncio.to_thread(_some, documents):
        found = [RawBSONDocument(each) for each in batch]
        await raw(database, name).insert_many(found)
        loaded += len(found)
    if loaded != collection.documents:
        raise BackupError(f"{backup.path} has changed while it was read. Nothing was changed.")
    indexes = [each for each in _understood(collection.indexes) if each["name"] != "_id_"]
    if indexes:
        made = [{key: each[key] for key in each if key != "ns"} for each in indexes]
        await database.command({"createIndexes": name, "indexes": made})


def _some(documents: Iterator[bytes]) -> list[bytes]:
    batch: list[bytes] = []
    size = 0
    for each in documents:
        batch.append(each)
        size += len(each)
        if len(batch) >= MOST_AT_ONCE or size >= LARGEST_BATCH:
            break
    return batch


def _extract(backup: Backup, member: Member, folder: Path) -> None:
    """Write an array's file, whole before it has its name; one that is there already stays."""
    path = folder / array_name(member)
    if path.exists() and path.stat().st_size == member.bytes and _hash(path) == member.sha256:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.tmp")
    try:
        with aside.open("wb") as stream:
            os.fchmod(stream.fileno(), FILE_MODE)  # whatever the umask, colleagues may read it
            for block in backup.blocks(member):
                stream.write(block)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)
    except OSError as error:
        raise BackupError(
            f"{path} cannot be written: {error.strerror or error}. The database is as it was."
        ) from error
    finally:
        aside.unlink(missing_ok=True)


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _understood(value: Any) -> Any:
    return json_util.loads(json.dumps(value), json_options=json_util.CANONICAL_JSON_OPTIONS)
