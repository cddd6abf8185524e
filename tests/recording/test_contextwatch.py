"""A context file that is edited while runs are filled, with real workers and a real MongoDB."""

from __future__ import annotations

import asyncio
import gc
import os
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from beanie import Document
from beanie.odm.actions import ActionRegistry

from knockoff.database.jobs import JOBS
from knockoff.database.registry import refusal_in
from knockoff.recording.opening import open_recorder
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from knockoff.database.client import Database
    from knockoff.recording.recorder import Recorder
    from knockoff.workspace import Workspace

ONE = "from knockoff import Variable\n\n@Variable\ndef one():\n    return {}\n"


@asynccontextmanager
async def opened(workspace: Workspace) -> AsyncIterator[Recorder]:
    async with open_recorder(workspace, workspace.settings()) as recorder:
        yield recorder


def value(recorder: Recorder) -> str:
    """What the method of the file that is used returns."""
    return recorder.tables.context.source.rpartition("return ")[2].strip()


async def test_a_broken_file_is_told_of_until_it_is_mended(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """Who looks at the table in the morning must see that it is not made by what is on disk."""
    workspace = make_workspace(ONE.format(1))
    file = workspace.context_file
    async with opened(workspace) as recorder:
        assert await refusal_in(recorder.database) is None

        file.write_text("def broken(:\n")
        await recorder.context.look()
        refusal = await refusal_in(recorder.database)
        assert refusal is not None
        assert "context.py:1" in refusal.headline
        assert value(recorder) == "1"

        file.write_text(ONE.format(1))  # as it was
        await recorder.context.look()
        assert await refusal_in(recorder.database) is None

        file.write_text("def broken(:\n")
        await recorder.context.look()
        file.write_text(ONE.format(2))  # and on
        await recorder.context.look()
        assert await refusal_in(recorder.database) is None
        assert value(recorder) == "2"


@pytest.mark.parametrize("way", ["deleted", "emptied", "a folder", "not text", "dangling"])
async def test_a_file_that_cannot_be_used_leaves_the_last_good_one_until_it_is_back(
    make_workspace: Callable[[str], Workspace], way: str
) -> None:
    """Editors crash, disks fill, and people move files about at night."""
    workspace = make_workspace(ONE.format(1))
    file = workspace.context_file
    async with opened(workspace) as recorder:
        file.unlink()
        if way == "emptied":
            file.write_text("")
        elif way == "a folder":
            file.mkdir()
        elif way == "not text":
            file.write_bytes(b"\x00\xff\xfe\x00")
        elif way == "dangling":
            file.symlink_to(file.with_name("nowhere.py"))
        await recorder.context.look()
        assert value(recorder) == "1"
        assert await refusal_in(recorder.database) is not None

        if way == "a folder":
            file.rmdir()
        else:
            file.unlink(missing_ok=True)
        file.write_text(ONE.format(22))
        await recorder.context.look()
        assert value(recorder) == "22"
        assert await refusal_in(recorder.database) is None


@pytest.mark.parametrize("way", ["in place", "renamed", "vim", "symlink", "same size and time"])
async def test_however_a_file_is_saved_it_is_used(
    make_workspace: Callable[[str], Workspace], way: str
) -> None:
    """Every editor saves in another way."""
    workspace = make_workspace(ONE.format(1))
    file = workspace.context_file
    beside = file.with_name(".context.tmp")
    async with opened(workspace) as recorder:
        if way == "in place":
            file.write_text(ONE.format(2))
        elif way == "renamed":
            beside.write_text(ONE.format(2))
            beside.replace(file)
        elif way == "vim":
            file.rename(file.with_name("context.py~"))
            file.write_text(ONE.format(2))
        elif way == "symlink":
            for number in (1, 2):
                file.with_name(f"version_{number}.txt").write_text(ONE.format(number))
            file.unlink()
            file.symlink_to("version_1.txt")
            await recorder.context.look()
            file.unlink()
            file.symlink_to("version_2.txt")
        else:
            before = file.stat()
            beside.write_text(ONE.format(2))
            beside.replace(file)
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        await recorder.context.look()
        assert value(recorder) == "2"


async def test_a_file_that_is_being_written_is_left_until_it_is_whole(
    make_workspace: Callable[[str], Workspace], caplog: pytest.LogCaptureFixture
) -> None:
    """An editor empties the file, then writes; the half in between is nobody's context file."""
    workspace = make_workspace(ONE.format(1))
    file = workspace.context_file
    half = "from knockoff import Variable\n\n@Variable\ndef other():\n    return 1\n"
    async with opened(workspace) as recorder:
        for text in ("", half[:40], half):
            file.write_text(text)
            looking = asyncio.create_task(recorder.context.look())
            await asyncio.sleep(0.05)
            file.write_text(text + "# more\n")
            await looking
            assert value(recorder) == "1"
        file.write_text(half + "\n@Variable\ndef one(other: 'var#other'):\n    return 2\n")
        await recorder.context.look()
        assert value(recorder) == "2"

    assert "used as it was before" not in caplog.text


async def test_a_module_in_a_package_beside_the_file_is_mended(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """The file itself has not changed when what it imports is mended."""
    workspace = make_workspace(ONE.format(1))
    package = workspace.folder / "tools"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "counting.py").write_text("FIVE = (\n")
    async with opened(workspace) as recorder:
        workspace.context_file.write_text("from tools.counting import FIVE\n" + ONE.format("FIVE"))
        await recorder.context.look()
        refusal = await refusal_in(recorder.database)
        assert refusal is not None
        assert "counting.py" in refusal.message
        assert value(recorder) == "1"

        (package / "counting.py").write_text("FIVE = 5\n")
        await recorder.context.look()
        assert value(recorder) == "FIVE"


UNIQUE = """
from pymongo import IndexModel
from knockoff import Run, Variable

INDEX = IndexModel([("one", 1)], unique=True)

class Runs(Run):
    class Settings:
        indexes = [INDEX]

    @Variable
    def one(self) -> int: return 2
"""


async def test_runs_are_filled_by_the_code_whose_tables_are_open(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """A file that loads may still be refused by MongoDB: then nothing of it may be run."""
    workspace = make_workspace(ONE.format(1))
    database = plain(workspace)
    async with opened(workspace) as recorder:
        workspace.context_file.write_text(UNIQUE)
        await recorder.context.look()
        refusal = await refusal_in(recorder.database)
        assert refusal is not None
        assert "cannot be unique" in refusal.message

        await recorder.record(RunKey(workspace.proposal, 1), "raw")
        await recorder.work_off(["runs/1/raw"])
        row: Any = await database.runs.find_one()
        assert row["one"] == 1

        workspace.context_file.write_text(UNIQUE.replace(", unique=True", ""))
        await recorder.context.look()
        await recorder.record(RunKey(workspace.proposal, 2), "raw")
        await recorder.work_off(["runs/2/raw"])
        other: Any = await database.runs.find_one({"run": 2})
        assert other["one"] == 2


async def test_a_file_that_was_not_loaded_in_time_is_tried_again_as_it_is(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """A machine is slow for a minute; nobody should have to touch the file to have it used."""
    workspace = make_workspace(ONE.format(1))
    busy = workspace.folder / "busy"
    async with opened(workspace) as recorder:
        busy.touch()
        slow = f"import os, time\nwhile os.path.exists({str(busy)!r}): time.sleep(0.02)\n"
        workspace.context_file.write_text(slow + ONE.format(2))
        engine: Any = recorder.context._engine
        usual = engine._settings
        engine._settings = replace(usual, loading=1.0)
        await recorder.context.look()
        refusal = await refusal_in(recorder.database)
        assert refusal is not None
        assert "has not been loaded" in refusal.message
        assert value(recorder) == "1"

        busy.unlink()
        engine._settings = usual
        await recorder.context.look()
        assert value(recorder) == "1"  # not at every look: a load takes a second of a processor
        recorder.context._again_at -= 60  # as a minute later
        await recorder.context.look()
        assert value(recorder) == "2"
        assert await refusal_in(recorder.database) is None


SLOW = """
from pathlib import Path
from time import sleep
from knockoff import Variable

@Variable
def first(run):
    Path(__file__).with_name("begun").touch()
    while not Path(__file__).with_name("go").exists():
        sleep(0.02)
    return {0}

@Variable
def second(first: "var#first"):
    return {0} + first
"""


async def test_a_run_that_is_filled_meanwhile_is_stamped_with_the_code_that_filled_it(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """A value that says it is of the new code and is of the old one would never be mended."""
    workspace = make_workspace(SLOW.format(1).replace("(run)", "()"))
    database = plain(workspace)
    async with opened(workspace) as recorder:
        old = recorder.tables.context
        work = asyncio.create_task(recorder.work(1, sweep=0.1))
        await recorder.record(RunKey(workspace.proposal, 1), "raw")
        while not (workspace.folder / "begun").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        workspace.context_file.write_text(SLOW.format(20).replace("(run)", "()"))
        while recorder.tables.context == old:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        (workspace.folder / "go").touch()
        while await database[JOBS].find_one({"state": {"$ne": "done"}}):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        new = recorder.tables.context
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        row: Any = await database.runs.find_one()
        told: Any = await database["knockoff.history"].find_one({"variable": "second"})

    assert (row["first"], row["second"]) == (1, 2)
    codes = {each.name: each.code for each in old.tables[0].variables}
    assert row["knockoff"]["code"] == codes
    assert codes["first"] != new.tables[0].variable("first").code
    assert told["context"] == old.source_hash


@pytest.mark.timeout(600)
async def test_a_hundred_reloads_leave_nothing_behind(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """People save every few minutes, and the listener runs for a week."""
    workspace = make_workspace(ONE.format(0))
    async with opened(workspace) as recorder:
        engine: Any = recorder.context._engine
        engine._settings = replace(engine._settings, preload=())  # faster, and as real

        async def reload(number: int) -> None:
            workspace.context_file.write_text(ONE.format(number))
            await recorder.context.look()
            assert value(recorder) == str(number)

        for number in range(1, 6):
            await reload(number)
        before = await left_behind()
        for number in range(6, 106):
            await reload(number)
        after = await left_behind()

    assert after["processes"] <= before["processes"]
    assert after["descriptors"] <= before["descriptors"]
    assert after["registered"] <= before["registered"]
    assert after["classes"] <= before["classes"]
    assert after["objects"] < before["objects"] + 100 * 20


def own_children() -> list[str]:
    """Process ids of what this process has started and not yet waited for."""
    me = os.getpid()
    return Path(f"/proc/{me}/task/{me}/children").read_text().split()


async def left_behind() -> dict[str, int]:
    """What this process holds, when its retired workers had time to end."""
    children, seen = own_children(), -1
    while len(children) != seen:
        seen = len(children)
        await asyncio.sleep(1)  # in which the loop also closes what belonged to them
        children = own_children()
    for _ in range(3):
        gc.collect()
    objects = gc.get_objects()
    return {
        "processes": len(children),
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        "registered": len(ActionRegistry._actions),
        # By their own type: isinstance asks a weak proxy's object, which may be gone.
        "classes": sum(
            issubclass(type(each), type) and issubclass(each, Document) for each in objects
        ),
        "objects": len(objects),
    }
