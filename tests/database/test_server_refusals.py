"""What the embedded server refuses, and the ways out that it names; and with whom it is shared."""

from __future__ import annotations

import asyncio
import grp
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import pytest

from knockoff.database.errors import (
    DatabaseFolderError,
    EmbeddedServerError,
    MissingLibraryError,
    NoServerProgramError,
    NoSuchGroupError,
    ServerElsewhereError,
    ServerEndedError,
)
from knockoff.database.folder import DatabaseFolder, filesystem_of, share
from knockoff.database.locks import FileLock
from knockoff.database.mongod import why_it_ended
from knockoff.database.server import embedded, ensure_running, status, stop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

MODE = 0o7777


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """A database folder that is not there yet; no server of it outlives the test."""
    folder = tmp_path / "db"
    yield folder
    await stop(folder, even_if_used=True)


async def test_a_server_on_another_host_is_named_with_the_ways_on(folder: Path) -> None:
    """A socket does not reach over the network, though the folder may."""
    DatabaseFolder(folder).make()
    with FileLock(folder / "lock") as lock:  # as a file system shows it that carries locks
        assert lock.taken()
        lock.write("host=exflonc12 user=ada boot=another pid=4711\n")
        with pytest.raises(ServerElsewhereError) as refusal:
            await ensure_running(folder)
    for word in ("exflonc12", "ada", "ssh -N -L", "mongodb://"):
        assert word in str(refusal.value)


async def test_a_name_left_by_a_crash_before_a_restart_is_no_obstacle(folder: Path) -> None:
    """The lock is the sign of life; what its file says is for people."""
    DatabaseFolder(folder).make()
    (folder / "lock").write_text("host=exflonc12 user=ada boot=another pid=4711\n")
    async with embedded(folder):
        assert status(folder).holder.pid not in (0, 4711)


def test_a_network_file_system_is_recognised(tmp_path: Path) -> None:
    """MongoDB loses data on NFS, and beamline folders are on GPFS."""
    table = tmp_path / "mountinfo"
    table.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "80 22 0:45 / /gpfs rw,relatime shared:9 - gpfs exfel rw\n"
        "81 22 0:46 / /home/ada\\040b rw - nfs4 server:/home rw\n"
    )
    assert filesystem_of(Path("/home/ada"), table) == "ext4"
    assert filesystem_of(Path("/home/ada b/x"), table) == "nfs4"
    assert filesystem_of(Path("/gpfs/exfel/exp"), table) == "gpfs"
    assert filesystem_of(Path("/gpfs2"), table) == "ext4"


async def test_a_missing_mongod_is_one_clear_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong KNOCKOFF_MONGOD must not silently mean another server."""
    monkeypatch.setenv("KNOCKOFF_MONGOD", "/no/mongod")
    with pytest.raises(NoServerProgramError, match="KNOCKOFF_MONGOD=/no/mongod is no program"):
        await ensure_running(folder)


def without_libc(program: Path) -> Path:
    """Make a program that the loader refuses, as it does mongod where libcurl is missing."""
    elf = Path(which("true") or "").read_bytes()
    assert b"libc.so.6" in elf
    program.write_bytes(elf.replace(b"libc.so.6", b"libc.so.X"))
    program.chmod(0o755)
    return program


async def test_a_missing_library_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mongod needs libcurl4, which a bare container lacks; the loader's words tell which."""
    program = without_libc(tmp_path / "mongod")
    monkeypatch.setenv("KNOCKOFF_MONGOD", str(program))
    with pytest.raises(MissingLibraryError, match=r"mongod needs libc\.so\.X"):
        await ensure_running(folder)


def test_a_missing_libcurl_names_its_package(tmp_path: Path) -> None:
    """The most common one; `make` installs it only where it may."""
    database = DatabaseFolder(tmp_path)
    database.make()
    database.log.write_text(
        "mongod: error while loading shared libraries: libcurl.so.4: "
        "cannot open shared object file: No such file or directory\n"
    )
    assert "apt-get install libcurl4" in str(why_it_ended(database, 0))


async def test_a_start_that_fails_quotes_what_mongod_said(folder: Path) -> None:
    """Its log has hundreds of lines, and one that counts."""
    await ensure_running(folder)
    await stop(folder)
    (folder / "data" / "WiredTiger.turtle").write_text("not a turtle\n")
    with pytest.raises(ServerEndedError, match=r"WiredTiger\.turtle") as refusal:
        await ensure_running(folder)
    assert str(folder / "log" / "mongod.log") in str(refusal.value)
    assert not status(folder).running


async def test_a_program_that_says_nothing_is_no_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A processor without AVX, or a full disk, leaves not a word."""
    monkeypatch.setenv("KNOCKOFF_MONGOD", which("true") or "")
    with pytest.raises(ServerEndedError, match=r"AVX.*MB are free"):
        await ensure_running(folder)


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A workspace that was archived in the meantime, or a file where a folder should be."""
    (tmp_path / "file").touch()
    for place in (tmp_path / "no" / "db", tmp_path / "file", tmp_path / "file" / "db"):
        with pytest.raises(DatabaseFolderError, match=str(place)):
            await ensure_running(place)


async def test_sharing_opens_the_socket_to_a_group_and_nothing_more(folder: Path) -> None:
    """Colleagues read and type; the files stay the owner's."""
    group = grp.getgrgid(os.getegid()).gr_name
    async with embedded(folder):
        share(folder, group)
        shared = {
            "": 0o750,
            "run": 0o2750,
            "run/m.sock": 0o660,
            "lock": 0o640,
            "users": 0o640,
            "data": 0o700,
            "log": 0o700,
        }
        assert {name: (folder / name).stat().st_mode & MODE for name in shared} == shared
        assert status(folder).group == group
    await stop(folder)
    async with embedded(folder):
        assert (folder / "run" / "m.sock").stat().st_mode & MODE == 0o660
        share(folder, None)
        assert all((folder / name).stat().st_mode & 0o077 == 0 for name in shared)


def test_sharing_with_a_group_that_is_none_changes_nothing(folder: Path) -> None:
    """A typing error must not open the folder to the group it had before."""
    with pytest.raises(NoSuchGroupError, match=r"'exfel-nobody'.*`groups` lists"):
        share(folder, "exfel-nobody")
    assert folder.stat().st_mode & MODE == 0o700


AS_NOBODY = """
import asyncio, encodings.idna, os, sys
from pathlib import Path
from knockoff.database.client import open_client
from knockoff.database.server import embedded
from knockoff.errors import KnockoffError

async def visit() -> None:
    async with embedded(Path(sys.argv[1])) as uri, open_client(uri) as client:
        await client.knockoff.notes.insert_one({"by": os.geteuid()})
        print("wrote", flush=True)
        sys.stdin.readline()

os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    asyncio.run(visit())
except KnockoffError as error:
    print(error)
"""


@contextmanager
def visitor(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another user, who writes one document and stays until the body is done."""
    command = [sys.executable, "-c", AS_NOBODY, str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        yield process


def visit(folder: Path) -> str:
    """What another user is told, who comes and goes."""
    with visitor(folder) as process:
        return process.communicate("\n")[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be a second user")
async def test_a_second_user_works_where_it_is_shared_and_is_told_where_not(folder: Path) -> None:
    """Everybody of a shift looks at the same table; only one of them started it."""
    for parent in folder.parents[:3]:
        parent.chmod(0o755)

    with ExitStack() as visitors:
        async with embedded(folder):
            assert "root to run `knockoff db share GROUP`" in visit(folder)
            share(folder, grp.getgrgid(65534).gr_name)
            assert visit(folder) == "wrote\n"
            last = visitors.enter_context(visitor(folder))
            assert last.stdout
            assert last.stdout.readline() == "wrote\n"
        assert status(folder).running  # the visitor still works with it
    async with asyncio.timeout(60):
        while status(folder).running:  # noqa: ASYNC110 - the event is in another process
            await asyncio.sleep(0.01)
    assert "ask root to run `knockoff db start`" in visit(folder)


def test_every_refusal_can_be_passed_between_processes() -> None:
    """A worker's or a test runner's error travels pickled."""
    import pickle

    error = ServerElsewhereError(Path("/db"), "exflonc12", "ada", Path("/db/run/m.sock"))
    assert isinstance(error, EmbeddedServerError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
