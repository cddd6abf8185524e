"""The layout version that every database carries from its first day on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from knockoff.database.client import Database, DuplicateKeyError
from knockoff.database.errors import LayoutError, RestoreCutOffError

LAYOUT: Final = 1
"""What this version of knockoff writes; raised together with a migration."""

COLLECTION: Final = "knockoff.layout"

RESTORING: Final = "restoring"
"""What the mark says while a backup is put in place; see `knockoff.database.restore`."""


async def check_layout(database: Database) -> None:
    """Let a database be used only if we know its layout; mark one that is new.

    Any number may come first at the same time. An older layout is never
    migrated here: a look must not change what is there.

    Raises
    ------
    LayoutError
        The layout is newer, older, or unreadable.
    RestoreCutOffError
        Somebody began to put a backup in place, and has not ended.
    """
    found = await database[COLLECTION].find_one({"_id": "layout"})
    if found is None:
        found = {"_id": "layout", "version": LAYOUT, "marked_at": datetime.now(UTC)}
        try:
            await database[COLLECTION].insert_one(found)
        except DuplicateKeyError:  # somebody was faster, perhaps with another version
            return await check_layout(database)
    if RESTORING in found:
        raise RestoreCutOffError(database.name)
    version = found.get("version")
    if version != LAYOUT or isinstance(version, bool):
        raise LayoutError(database.name, version, LAYOUT)
    return None
