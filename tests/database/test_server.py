"""The embedded server: one for all, ended by the last, healed after every death."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from knockoff.database.client import open_client
from knockoff.database.errors import ServerInUseError
from knockoff.database.mongod import LARGEST_LOG
from knockoff.database.server import embedded, ensure_running, status, stop, uri

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

BENCH = Path(__file__).parents[2] / "bench" / "embedded_server.py"


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """A database folder that is not there yet; no server of it outlives the test."""
    folder = tmp_path / "db"
    yield folder
    await stop(folder, even_if_used=True)


async def server_pid(address: str) -> int:
    """Process id of whoever answers."""
    async with open_client(address) as client:
        return int((await client.admin.command("serverStatus"))["pid"])


async def write(address: str) -> None:
    """Store one more document."""
    async with open_client(address) as client:
        await client.knockoff.notes.insert_one({})


async def count(address: str) -> int:
    """Number of documents that are stored."""
    async with open_client(address) as client:
        return await client.knockoff.notes.count_documents({})


def sockets_of(process: Path) -> set[str]:
    """Inode numbers of what a process has open to talk through, as /proc/net lists them."""
    found = set()
    for descriptor in (process / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            found.update(re.findall(r"socket:\[(\d+)\]", str(descriptor.readlink())))
    return found


def everything(folder: Path) -> Iterator[Path]:
    """Yield the folder and all that is in it; mongod removes some of it meanwhile."""
    yield folder
    for item in folder.rglob("*"):
        if os.path.lexists(item):
            yield item


async def gone(folder: Path) -> None:
    """Come back when no server is alive."""
    async with asyncio.timeout(60):
        while status(folder).running:  # noqa: ASYNC110 - the event is in another process
            await asyncio.sleep(0.01)


async def test_the_last_to_leave_stops_the_server(folder: Path) -> None:
    """Nobody shall find 130 MB of forgotten mongod on a shared machine."""
    async with embedded(folder) as first:
        async with embedded(folder) as second:
            assert first == second == uri(folder)
            assert await server_pid(first) == await server_pid(second)
        assert status(folder).running
        await write(first)
    await gone(folder)

    async with embedded(folder) as address:
        assert await count(address) == 1


async def test_who_comes_while_the_server_ends_gets_a_new_one(folder: Path) -> None:
    """One command after the other is how people work; a shutdown takes a second."""
    pids = set()
    for _ in range(3):
        async with embedded(folder) as address:
            await write(address)
            pids.add(await server_pid(address))
    async with embedded(folder) as address:
        assert await count(address) == 3
    assert len(pids) == 3


async def test_a_server_that_is_kept_stays_until_it_is_stopped(folder: Path) -> None:
    """`knockoff db start` is for those who look at the database with Compass all day."""
    await ensure_running(folder, keep=True)
    async with embedded(folder) as address:
        pid = await server_pid(address)
    assert status(folder).kept
    assert await server_pid(address) == pid

    assert await stop(folder)
    assert not status(folder).running
    assert not status(folder).kept
    assert not await stop(folder)


async def test_a_server_in_use_is_stopped_only_by_force(folder: Path) -> None:
    """A listener would lose its database in the middle of the night."""
    async with embedded(folder):
        with pytest.raises(ServerInUseError, match="--force"):
            await stop(folder)
        assert status(folder).running
        assert await stop(folder, even_if_used=True)


async def test_stopping_where_there_is_no_database_makes_none(tmp_path: Path) -> None:
    """A typing error in -p must not leave folders behind."""
    assert not await stop(tmp_path / "db")
    assert not (tmp_path / "db").exists()


async def test_a_killed_server_is_replaced_and_nothing_acknowledged_is_lost(folder: Path) -> None:
    """Machines lose power; the out-of-memory killer likes databases."""
    for written in range(3):
        address = (await ensure_running(folder)).uri
        assert await count(address) == written
        await write(address)
        os.kill(await server_pid(address), signal.SIGKILL)
        await gone(folder)


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.15, 0.3])
async def test_a_starter_killed_on_the_way_is_in_nobodys_way(folder: Path, seconds: float) -> None:
    """Between the start of mongod and its first election there are many half-done states."""
    starter = subprocess.Popen(  # noqa: ASYNC220 - stays while we look on
        [sys.executable, BENCH, "--folder", folder, "--role", "starter"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with starter:
        assert starter.stdin
        assert starter.stdout
        assert starter.stdout.readline() == b"ready\n"
        starter.stdin.write(b"go\n")
        starter.stdin.flush()
        await asyncio.sleep(seconds)
        starter.kill()
        async with embedded(folder) as address:
            await write(address)


def test_eight_simultaneous_starters_are_all_served_by_one_server() -> None:
    """The bar, in small: kill -9 of the server between rounds, of starters in every second."""
    bench = subprocess.run(
        [sys.executable, BENCH, "--rounds", "2", "--commands", "2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert bench.returncode == 0, bench.stdout + bench.stderr


async def test_a_moved_folder_serves_on(folder: Path, tmp_path: Path) -> None:
    """Proposals are archived, renamed, and copied to a laptop."""
    async with embedded(folder) as address:
        await write(address)
    await gone(folder)
    moved = tmp_path / "elsewhere" / "db"
    shutil.move(folder, moved)

    async with embedded(moved) as address:
        assert await count(address) == 1
    await gone(moved)


@pytest.mark.parametrize("name", ["l" * 120, "a, b", "Ü x@y%2F+:#?"])
async def test_any_path_can_hold_a_database(tmp_path: Path, name: str) -> None:
    """A socket's path is limited to 107 bytes, and a URI has its own ideas about signs."""
    folder = tmp_path / name / "db"
    folder.parent.mkdir()
    async with embedded(folder) as address:
        await write(address)
    await gone(folder)


async def test_the_server_is_reached_through_its_socket_and_nothing_else(folder: Path) -> None:
    """There is no password: who may open the socket may write."""
    async with embedded(folder) as address:
        process = Path(f"/proc/{await server_pid(address)}")
        sockets = sockets_of(process)
        for table in ("tcp", "tcp6", "udp", "udp6"):
            lines = (process / "net" / table).read_text().splitlines()[1:]
            assert not sockets & {line.split()[9] for line in lines}
        lines = (process / "net" / "unix").read_text().splitlines()[1:]
        named = {
            line.split()[7] for line in lines if len(line.split()) > 7 if line.split()[6] in sockets
        }
        assert named == {"./run/m.sock"}


async def test_nobody_else_may_look_into_the_folder(folder: Path) -> None:
    """A proposal's data are its group's, and only when they are shared."""
    async with embedded(folder):
        modes = {str(item): item.lstat().st_mode for item in everything(folder)}
        assert {name for name, mode in modes.items() if mode & 0o077} == set()
        assert str(folder / "run" / "m.sock") in modes


async def test_ctrl_c_does_not_reach_the_server(folder: Path) -> None:
    """It is sent to every process of the terminal's group, and others work with the server."""
    async with embedded(folder) as address:
        pid = await server_pid(address)
        assert os.getsid(pid) != os.getsid(0)
        assert os.getpgid(pid) != os.getpgid(0)
        assert status(folder).holder.pid == pid


async def test_a_locale_that_is_not_installed_is_no_obstacle(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ssh sends the laptop's locale along, and mongod would not start."""
    monkeypatch.setenv("LC_ALL", "xx_XX.UTF-8")
    async with embedded(folder) as address:
        await write(address)


async def test_the_log_is_bounded(folder: Path) -> None:
    """A server that is kept for a year must not fill the disk with its own words."""
    async with embedded(folder) as address:
        log = folder / "log" / "mongod.log"
        os.truncate(log, LARGEST_LOG + 1)
        async with embedded(folder):
            pass
        await write(address)
        assert 0 < log.stat().st_size < LARGEST_LOG
    assert {file.name for file in log.parent.iterdir()} == {"mongod.log", "mongod.log.1"}


async def test_an_error_of_the_body_passes_as_it_is(folder: Path) -> None:
    """The folder is to blame only for what concerns the folder."""
    with pytest.raises(PermissionError, match=r"^mine$"):
        async with embedded(folder):
            raise PermissionError("mine")


async def test_a_start_does_not_hold_up_the_loop(folder: Path) -> None:
    """The listener serves other proposals meanwhile."""
    turns = 0
    async with asyncio.TaskGroup() as tasks:
        start = tasks.create_task(ensure_running(folder))
        while not start.done():
            await asyncio.sleep(0)
            turns += 1
    assert turns > 10  # a start that blocks comes back after one or two


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.2])
async def test_who_gives_up_during_the_start_leaves_no_server(folder: Path, seconds: float) -> None:
    """Ctrl-C at once after a typing error is what people do."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds), embedded(folder):
            await asyncio.sleep(60)
    await gone(folder)


def test_a_folder_without_a_database_has_no_server(folder: Path) -> None:
    """`knockoff db status` is the first thing that somebody tries."""
    assert not status(folder).running
    assert not folder.exists()
