"""Connecting to MongoDB servers of every kind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from knockoff.database.client import (
    Database,
    DuplicateKeyError,
    connection,
    database_name,
    mask,
    open_client,
    refuse_unfit,
)
from knockoff.database.errors import (
    AccessRefusedError,
    UnfitServerError,
    UnreachableError,
    UnusableUriError,
)
from knockoff.database.mongod import find_mongod
from knockoff.database.shell import shell_command
from knockoff.errors import RunKeyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def server(folder: Path, *flags: str) -> Iterator[str]:
    """A mongod as somebody else would run it; yields the address of its socket."""
    path = folder / "s.sock"
    socket = ("--bind_ip", str(path), "--nounixsocket")
    command = [str(find_mongod()), "--dbpath", str(folder), *socket, *flags]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while not path.exists():
            assert process.poll() is None
            time.sleep(0.01)
        try:
            yield f"{quote(str(path), safe='')}/?directConnection=true"
        finally:
            process.kill()


async def initiated(address: str, folder: Path) -> None:
    """Make the server a replica set of one, and wait until it takes writes."""
    config = {"_id": "rs0", "members": [{"_id": 0, "host": str(folder / "s.sock")}]}
    async with connection(f"mongodb://{address}") as client:
        await client.admin.command("replSetInitiate", config)
        hello = await client.admin.command("hello")
        while not hello["isWritablePrimary"]:
            hello = await client.admin.command(
                "hello", maxAwaitTimeMS=100, topologyVersion=hello["topologyVersion"]
            )


async def test_what_is_written_is_journaled_by_a_majority_and_read_as_utc(
    database: Database,
) -> None:
    """A result that was reported as stored survives kill -9, and times are never naive."""
    assert database.write_concern.document == {"w": "majority", "j": True}
    now = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
    await database.times.insert_one({"at": now})
    found = await database.times.find_one()
    assert found is not None
    assert found["at"] == now
    assert found["at"].tzinfo is not None


async def test_an_address_cannot_weaken_the_write_concern(mongod: str) -> None:
    """w=0 in a copied URI would lose results without a word."""
    async with open_client(f"{mongod}&w=0&journal=false") as client:
        assert client.write_concern.document == {"w": "majority", "j": True}


async def test_a_server_that_is_not_there_is_named_with_the_remedy(tmp_path: Path) -> None:
    """The driver's own error is a page about topologies."""
    uri = f"mongodb://ada:s3cret@{quote(str(tmp_path / 'no.sock'), safe='')}/"
    with pytest.raises(UnreachableError, match="Start the server") as refusal:
        async with open_client(uri, patience=0.1):
            pass
    assert "no.sock" in str(refusal.value)
    assert "s3cret" not in str(refusal.value)
    assert "Topology" not in str(refusal.value)


@pytest.mark.parametrize(
    "uri",
    ["", "http://h", "mongodb://", "mongodb://u:p@ss/w@h/", "mongodb://h:port/"],
)
async def test_an_address_that_is_none_is_refused_without_its_password(uri: str) -> None:
    """People paste addresses from mails."""
    with pytest.raises(UnusableUriError, match="Write it as mongodb://") as refusal:
        async with open_client(uri):
            pass
    assert "p@ss" not in str(refusal.value)


async def test_a_server_that_stands_alone_is_refused(tmp_path: Path) -> None:
    """It has no change streams, so tables would never refresh, and no majority."""
    with server(tmp_path) as address, pytest.raises(UnfitServerError, match="--replSet"):
        async with open_client(f"mongodb://{address}"):
            pass


async def test_a_replica_set_that_was_never_initiated_is_refused(tmp_path: Path) -> None:
    """It answers, and refuses every write."""
    with (
        server(tmp_path, "--replSet", "rs1") as address,
        pytest.raises(UnfitServerError, match=r"rs\.initiate"),
    ):
        async with open_client(f"mongodb://{address}"):
            pass


def test_a_server_that_is_too_old_is_refused() -> None:
    """MongoDB 5.0 says 13; what knockoff does is tested from 6.0 on."""
    with pytest.raises(UnfitServerError, match=r"older than 6\.0"):
        refuse_unfit("mongodb://h/", {"maxWireVersion": 13, "setName": "rs0"})
    refuse_unfit("mongodb://h/", {"maxWireVersion": 17, "setName": "rs0"})
    refuse_unfit("mongodb://h/", {"maxWireVersion": 25, "msg": "isdbgrid"})


async def test_a_wrong_or_missing_password_is_refused_at_the_door(tmp_path: Path) -> None:
    """And not in the middle of the night, by the first write."""
    key = tmp_path / "key"
    key.write_text("knockoff")
    key.chmod(0o600)
    user = {"createUser": "ada", "pwd": "s3cret", "roles": ["root"]}
    with server(tmp_path, "--replSet", "rs0", "--auth", "--keyFile", str(key)) as address:
        await initiated(address, tmp_path)
        async with connection(f"mongodb://{address}") as client:
            await client.admin.command(user)

        async with open_client(f"mongodb://ada:s3cret@{address}") as client:
            await client.runs.runs.insert_one({})
        with pytest.raises(AccessRefusedError, match="wrong user or password") as refusal:
            async with open_client(f"mongodb://ada:Secret@{address}"):
                pass
        with pytest.raises(AccessRefusedError, match="not authorized"):
            async with open_client(f"mongodb://{address}"):
                pass
    assert "Secret" not in str(refusal.value)


async def test_a_server_that_goes_away_is_reported_as_such(tmp_path: Path) -> None:
    """The one line a person sees then must not depend on the moment."""
    with server(tmp_path, "--replSet", "rs0") as address:
        await initiated(address, tmp_path)
        with pytest.raises(UnreachableError):
            async with open_client(f"mongodb://{address}") as client:
                await client.admin.command("shutdown")


async def test_what_the_server_says_about_one_write_passes_as_it_is(
    database: Database, mongod: str
) -> None:
    """Who writes knows what a duplicate means; it is no fault of the server."""
    await database.runs.insert_one({"_id": 1})
    with pytest.raises(DuplicateKeyError):
        async with open_client(mongod) as client:
            await client[database.name].runs.insert_one({"_id": 1})


async def test_giving_up_on_a_silent_server_leaves_no_thread_behind(tmp_path: Path) -> None:
    """Ctrl-C in front of a dead server must end the program, not hang it for half a minute."""
    threads = set(threading.enumerate())
    uri = f"mongodb://{quote(str(tmp_path / 'no.sock'), safe='')}/"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), open_client(uri, patience=600):
            pass
    for thread in set(threading.enumerate()) - threads:
        if thread.name.startswith("pymongo"):  # the others are pools, which wait for work
            await asyncio.to_thread(thread.join)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("mongodb://h:1/?w=1", "mongodb://h:1/?w=1"),
        ("mongodb://ada@h/", "mongodb://ada@h/"),
        ("mongodb://ada:s3cret@h,i/?x=1", "mongodb://ada:***@h,i/?x=1"),
        ("mongodb+srv://ada:s3/c:r@et@h/", "mongodb+srv://ada:***@h/"),
        ("mongodb://h/?tlsCertificateKeyFilePassword=s3cret&w=1", None),
        ("mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:s3cret", None),
    ],
)
def test_an_address_is_shown_without_what_is_secret(uri: str, shown: str | None) -> None:
    """Addresses stand in logs, errors and `knockoff doctor`."""
    assert "s3" not in mask(uri)
    assert shown is None or mask(uri) == shown


def test_each_proposal_has_a_database_of_its_own() -> None:
    """Access is given per database."""
    assert database_name(1234) == "p001234"
    with pytest.raises(RunKeyError):
        database_name(0)


def test_mongosh_is_found_and_never_given_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every user of the machine can read a command line."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shell_command("mongodb://h/") is None
    mongosh = tmp_path / "mongosh"
    mongosh.touch(mode=0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), os.defpath]))
    assert shell_command("mongodb://ada:s3cret@h/?w=1") == [str(mongosh), "mongodb://ada@h/?w=1"]
    assert shell_command("mongodb://h/", "p001234") == [
        *(str(mongosh), "mongodb://h/"),
        *("--eval", 'db = db.getSiblingDB("p001234")', "--shell"),
    ]
