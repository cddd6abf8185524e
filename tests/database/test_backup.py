"""A backup that was restored is the same database, and one that is not whole is refused."""

from __future__ import annotations

import asyncio
import json
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from bson import Binary, Decimal128, Int64, ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel

from knockoff.database import restore as restore_module
from knockoff.database.backup import STAGING, back_up
from knockoff.database.backupfile import MANIFEST, BackupError, opened
from knockoff.database.errors import RestoreCutOffError
from knockoff.database.layout import check_layout
from knockoff.database.restore import finish, fits, restore, what_is_there
from knockoff.database.transactions import RAW

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from knockoff.database.client import Database

PROPOSAL = 1234


@pytest.fixture
async def filled(database: Database) -> Database:
    """A database with all that is easily lost on the way through JSON or Python."""
    await check_layout(database)
    await database.runs.create_indexes(
        [
            IndexModel([("run", ASCENDING), ("proposal", ASCENDING)], name="run", unique=True),
            IndexModel([("knockoff.updated_at", DESCENDING)], name="updated", sparse=True),
        ]
    )
    await database.runs.insert_many(
        [
            {
                "_id": f"p001234r{run:04d}",
                "run": run,
                "proposal": PROPOSAL,
                "at": datetime(2026, 11, 28, 1, 2, 3, 456000, UTC),
                "small": 5,
                "large": Int64(5),
                "huge": 2**62,
                "float": 5.0,
                "odd": [float("nan"), float("inf"), -0.0, None, True],
                "binary": Binary(bytes(range(256)), 128),
                "decimal": Decimal128("1.10"),
                "b": 1,
                "a": {"ä/µ": "Größe"},
            }
            for run in range(1, 2501)
        ]
    )
    await database["knockoff.edits"].insert_one({"_id": ObjectId(), "by": "ada"})
    await database.create_collection("people.own", collation={"locale": "de"})
    await database["people.own"].insert_one({"_id": 1})
    return database


@pytest.fixture
async def other(database: Database) -> AsyncIterator[Database]:
    """An empty database beside it."""
    empty: Database = database.client[f"test_{uuid4().hex}"]
    yield empty
    await database.client.drop_database(empty.name)


def silent(_: str) -> None:
    """Nobody is told."""


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def whole(database: Database) -> dict[str, Any]:
    """All that a plain client sees: documents byte by byte, indexes and options."""
    found: dict[str, Any] = {}
    async for each in await database.list_collections():
        name = each["name"]
        collection: Any = database.get_collection(name, codec_options=RAW)
        documents = await collection.find().sort("_id", 1).to_list(None)
        indexes = await database[name].index_information()
        found[name] = ([bytes(one.raw) for one in documents], indexes, each["options"])
    return found


async def put_back(database: Database, file: Path, folder: Path, *, replace: bool = False) -> None:
    with opened(file) as backup:
        backup.verify()
        await fits(database, PROPOSAL, backup, replace=replace)
        await restore(database, backup, folder, silent)


async def test_a_restored_database_is_the_same_to_the_byte(
    filled: Database, other: Database, tmp_path: Path
) -> None:
    """Numbers keep their types, fields their order, and indexes are there again."""
    file = tmp_path / "backup.zip"
    manifest = await back_up(filled, PROPOSAL, file, tell=silent)
    assert manifest.documents == 2503
    assert file.stat().st_size < 300_000
    assert names_in(tmp_path) == ["backup.zip"]
    await put_back(other, file, tmp_path)
    assert await whole(other) == await whole(filled)
    await check_layout(other)


async def test_what_is_there_is_replaced_only_if_that_is_said(
    filled: Database, other: Database, tmp_path: Path
) -> None:
    """And then all of it: a table that is not in the backup is gone, too."""
    file = tmp_path / "backup.zip"
    await back_up(filled, PROPOSAL, file, tell=silent)
    await check_layout(other)
    await other.spectra.insert_one({"_id": 1})
    await other.runs.insert_one({"_id": 1, "run": 99})
    before = await whole(other)
    with pytest.raises(BackupError, match="--replace"):
        await put_back(other, file, tmp_path)
    assert await whole(other) == before
    await put_back(other, file, tmp_path, replace=True)
    assert await whole(other) == await whole(filled)


@pytest.mark.parametrize("harm", ["cut", "flipped", "text", "empty", "shorter", "missing"])
async def test_a_file_that_is_not_whole_is_refused(
    filled: Database, tmp_path: Path, harm: str
) -> None:
    """Before anything is touched; whoever restores has little else left."""
    file = tmp_path / "backup.zip"
    await back_up(filled, PROPOSAL, file, tell=silent)
    content = file.read_bytes()
    if harm == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif harm == "flipped":
        place = len(content) // 2
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    elif harm in ("text", "empty"):
        file.write_bytes(b"no backup" if harm == "text" else b"")
    else:
        with zipfile.ZipFile(file) as archive:
            members = {each: archive.read(each) for each in archive.namelist()}
        if harm == "missing":
            del members["collections/runs.bson"]
        else:
            length = int.from_bytes(members["collections/runs.bson"][:4], "little")
            members["collections/runs.bson"] = members["collections/runs.bson"][length:]
        with zipfile.ZipFile(file, "w") as archive:
            for name, each in members.items():
                archive.writestr(name, each)
    with pytest.raises(BackupError, match="damaged"), opened(file) as backup:
        backup.verify()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"version": 2}, "Upgrade"),
        ({"layout": 2}, "layout version 2"),
        ({"proposal": 99}, "proposal 99"),
        ({"format": "tar"}, "no backup of knockoff"),
        ({"collections": [{}]}, "not complete"),
        ({"collections": []}, "no whole backup"),
        ({"arrays": [{"member": "extracted_data/../x.h5", "bytes": 0, "sha256": ""}]}, "no array"),
    ],
)
async def test_a_backup_of_something_else_is_refused(
    filled: Database, other: Database, tmp_path: Path, change: dict[str, Any], match: str
) -> None:
    """A newer layout, another proposal, or a file that somebody has made to do harm."""
    file = tmp_path / "backup.zip"
    await back_up(filled, PROPOSAL, file, tell=silent)
    with zipfile.ZipFile(file) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    members[MANIFEST] = json.dumps({**json.loads(members[MANIFEST]), **change}).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, each in members.items():
            archive.writestr(name, each)
    with pytest.raises(BackupError, match=match):
        await put_back(other, file, tmp_path)
    assert await other.list_collection_names() == []


@pytest.mark.parametrize("renamed", [0, 1, 2])
async def test_a_restore_that_is_killed_is_whole_or_nothing(
    filled: Database,
    other: Database,
    tmp_path: Path,
    renamed: int,
) -> None:
    """While it loads nothing has changed; while it gives names, the rest can be done later."""
    file = tmp_path / "backup.zip"
    await back_up(filled, PROPOSAL, file, tell=silent)
    await check_layout(other)
    await other.spectra.insert_one({"_id": 1})
    before = await what_is_there(other)

    def kill(name: str) -> None:
        if name == "runs":
            raise KeyboardInterrupt

    with opened(file) as backup, pytest.raises(KeyboardInterrupt):
        await restore(other, backup, tmp_path, kill)
    assert await what_is_there(other) == before
    await check_layout(other)

    with opened(file) as backup:
        for collection in backup.manifest.collections:
            await other.drop_collection(STAGING + collection.name)
            await restore_module._load(other, backup, collection)
        names = [
            each.name for each in backup.manifest.collections if each.name != "knockoff.layout"
        ]
    mark = {"restoring": {"names": names, "others": ["spectra"]}}
    await other["knockoff.layout"].update_one({"_id": "layout"}, {"$set": mark})
    for name in names[:renamed]:
        await other[STAGING + name].rename(name, dropTarget=True)
    with pytest.raises(RestoreCutOffError, match="--finish"):
        await check_layout(other)
    assert await finish(other)
    assert await whole(other) == await whole(filled)
    assert not await finish(other)


async def test_a_backup_is_written_while_others_write(
    filled: Database, other: Database, tmp_path: Path
) -> None:
    """Each document is whole, and what was there before the backup is in it."""
    file = tmp_path / "backup.zip"
    stop = asyncio.Event()

    async def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            change = {"$set": {"first": number, "padding": "x" * (number % 3000), "last": number}}
            await filled.runs.update_one({"run": 1 + number * 7 % 2500}, change)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        await back_up(filled, PROPOSAL, file, tell=silent)
        stop.set()
    await put_back(other, file, tmp_path)
    rows = await other.runs.find().to_list(None)
    assert sorted(each["run"] for each in rows) == list(range(1, 2501))
    assert [each for each in rows if each.get("first") != each.get("last")] == []


async def test_a_backup_that_cannot_be_written_leaves_what_was_there(
    filled: Database, tmp_path: Path
) -> None:
    """The older backup is worth more than half of a new one."""
    file = tmp_path / "backup.zip"
    file.write_bytes(b"older")

    def full(_: str) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(BackupError, match="No space left"):
        await back_up(filled, PROPOSAL, file, tell=full)
    assert names_in(tmp_path) == ["backup.zip"]
    assert file.read_bytes() == b"older"


async def test_arrays_go_with_it_and_come_back(
    filled: Database, other: Database, tmp_path: Path
) -> None:
    """One file is all that has to be carried elsewhere."""
    folder, elsewhere, file = tmp_path / "one", tmp_path / "two", tmp_path / "backup.zip"
    name = "p1234_r0001/runs.energy.raw-1.h5"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_bytes(bytes(range(256)) * 10_000)
    there = [(name, folder / name), ("p1234_r0009/gone.h5", folder / "p1234_r0009/gone.h5")]
    manifest = await back_up(filled, PROPOSAL, file, arrays=there, tell=silent)
    assert [each.member for each in manifest.arrays] == [f"extracted_data/{name}"]
    await put_back(other, file, elsewhere)
    assert (elsewhere / name).read_bytes() == (folder / name).read_bytes()
    assert names_in((elsewhere / name).parent) == ["runs.energy.raw-1.h5"]
