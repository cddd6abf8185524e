"""Back a proposal's database up: every document as it is, and what makes the indexes again.

Documents are read one after the other while others may write. Each is whole. Jobs come first and
the history last, so that what happens meanwhile is seen as not done yet, never as done and lost.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from bson import json_util

from knockoff.database.backupfile import CHUNK, Manifest, SavedCollection, written_aside
from knockoff.database.jobs import JOBS
from knockoff.database.layout import LAYOUT
from knockoff.database.owners import this_person
from knockoff.database.presence import RECORDERS
from knockoff.database.results import HISTORY, PREVIEWS
from knockoff.database.transactions import raw

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from knockoff.database.backupfile import BackupWriter, Member
    from knockoff.database.client import Database

STAGING: Final = "knockoff.restoring."
"""Where a restore puts collections before they get their names."""

_PLACES: Final = {JOBS: 0, PREVIEWS: 2, HISTORY: 3}


async def back_up(
    database: Database,
    proposal: int,
    path: Path,
    *,
    arrays: Sequence[tuple[str, Path]] = (),
    tell: Callable[[str], None],
) -> Manifest:
    """Write a backup.

    Parameters
    ----------
    arrays:
        Files to take along, with their names relative to ``extracted_data``.

    Raises
    ------
    BackupError
        It cannot be written.
    """
    collections: list[SavedCollection] = []
    members: list[Member] = []
    with written_aside(path) as writer:
        for name, options in await _collections(database):
            collections.append(await _saved(database, writer, name, options))
            tell(name)
        for name, file in arrays:
            try:
                members.append(await asyncio.to_thread(writer.file, f"extracted_data/{name}", file))
            except FileNotFoundError:  # swept since it was listed
                continue
            tell(name)
        manifest = Manifest(
            proposal=proposal,
            layout=LAYOUT,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            made_by=f"{this_person()}@{socket.gethostname()}",
            knockoff=version("knockoff"),
            collections=collections,
            arrays=members,
        )
        writer.close(manifest)
    return manifest


async def _collections(database: Database) -> list[tuple[str, dict[str, Any]]]:
    """Names and options, in the order in which they are read."""
    found = await database.list_collections()
    known = [
        (str(each["name"]), dict(each.get("options", {})))
        async for each in found
        if each.get("type", "collection") == "collection"
        and not each["name"].startswith(("system.", STAGING, RECORDERS))
    ]
    return sorted(known, key=lambda each: (_PLACES.get(each[0], 1), each[0]))


async def _saved(
    database: Database, writer: BackupWriter, name: str, options: dict[str, Any]
) -> SavedCollection:
    documents, block = 0, bytearray()
    safe = re.sub(r"[^A-Za-z0-9_.\-]", "_", name)
    with writer.member(f"collections/{safe}.bson", compressed=True) as member:
        async for document in raw(database, name).find():
            block += document.raw
            documents += 1
            if len(block) >= CHUNK:
                await asyncio.to_thread(member.write, bytes(block))
                block.clear()
        await asyncio.to_thread(member.write, bytes(block))
    indexes = [each async for each in database[name].list_indexes()]
    return SavedCollection(name, documents, member.member, _plain(indexes), _plain(options))


def _plain(value: Any) -> Any:
    """As JSON keeps it without loss."""
    return json.loads(json_util.dumps(value, json_options=json_util.CANONICAL_JSON_OPTIONS))
