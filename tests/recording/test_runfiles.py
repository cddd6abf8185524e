"""The runs' files and the sweep, on a real MongoDB and with real workers."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import xarray as xr

from knockoff.arrays.parts import write_part
from knockoff.arrays.reading import ArrayMissingError, read_array
from knockoff.arrays.references import ArrayReference
from knockoff.arrays.values import exact_value
from knockoff.database.jobs import claim
from knockoff.database.versions import versions
from knockoff.recording.opening import open_recorder
from knockoff.recording.runfiles import RunFiles
from knockoff.recording.sweep import carry_out, plan_sweep
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from knockoff.database.client import Database
    from knockoff.recording.recorder import Recorder
    from knockoff.recording.sweep import Sweep
    from knockoff.workspace import Workspace

CONTEXT = """
from pathlib import Path
from typing import Annotated, TypedDict
import numpy as np
import xarray as xr
from knockoff import Cell, Group, Run, Skip, Variable

def version():
    file = Path(__file__).with_name("version.txt")
    return int(file.read_text()) if file.exists() else 0

def middle(profile):
    return profile[25]

class Beam(TypedDict):
    mean: float
    profile: Annotated[np.ndarray, Variable(summary=middle)]

@Group
class XGM:
    @Variable(title="Pulse energy", units="uJ", summary="mean")
    def pulse_energy(self):
        energies = np.full((30, 4), float(version()))
        return xr.DataArray(energies, {"trainId": np.arange(30)}, ("trainId", "pulse"))

class Runs(Run):
    xgm_sa2 = XGM()

    @Variable(title="Trains")
    def trains(self) -> int:
        return Cell(1086, bold=True, background="#00ff00")

    @Variable(title="Peaks", units="eV")
    def peaks(self) -> xr.Dataset:
        return xr.Dataset({"energy": ("peak", [1.5, 2.5])}, attrs={"title": "found"})

    @Variable
    def pulses(self) -> int:
        return 2**70

    @Variable
    def beam(self) -> Beam:
        return {"mean": 1.5, "profile": np.arange(50.0)}

    @Variable
    def large(self):
        noise = np.random.randint(0, 20_000, (800_000, 1), "i2")
        noise[0] = version()
        return noise

    @Variable
    def broken(self) -> float:
        return {}["nothing"]

    @Variable
    def dark(self) -> int:
        raise Skip("shutter was open")

class Other(Run):
    @Variable
    def trains(self) -> int:
        return 7
"""


async def fill(recorder: Recorder, run: int, kind: Any = "raw") -> None:
    """Record data of a run and do the jobs that follow."""
    key = RunKey(int(recorder.database.name[1:]), run)
    await recorder.record(key, kind)
    await recorder.work_off([f"{name}/{run}/{kind}" for name in recorder.tables.classes])


async def replaced(workspace: Workspace, recorder: Recorder, run: int, version: int) -> None:
    """Compute everything anew, with other values."""
    (workspace.folder / "version.txt").write_text(str(version))
    await recorder.work_off(
        await recorder.ask_again(RunKey(workspace.proposal, run), retry=True, force=True)
    )


async def swept(workspace: Workspace, database: Database, **options: Any) -> Sweep:
    """What `knockoff gc` does."""
    folder, options = workspace.arrays_folder, {"grace": timedelta(hours=1), **options}
    sweep = await plan_sweep(database, folder, workspace.proposal, **options)
    assert await carry_out(database, folder, sweep) == []
    return sweep


def parts(workspace: Workspace, run: int) -> set[str]:
    folder = workspace.arrays_folder
    within = folder / f"p{workspace.proposal}_r{run:04d}"
    return {path.relative_to(folder).as_posix() for path in within.iterdir()}


def run_file(workspace: Workspace, run: int) -> Path:
    return workspace.arrays_folder / f"p{workspace.proposal}_r{run:04d}.h5"


async def named(database: Database, run: int) -> dict[str, ArrayReference]:
    row: Any = await database.runs.find_one({"run": run})
    arrays = row["knockoff"]["arrays"]
    return {name: ArrayReference.from_json(each) for name, each in arrays.items()}


async def test_the_file_of_a_run_is_complete_when_the_recorder_ends(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """As `knockoff process` leaves it: every variable, with what the table says of it."""
    workspace = make_workspace(CONTEXT)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 42)

    path = run_file(workspace, 42)
    with xr.open_dataset(path, group="xgm_sa2/pulse_energy", engine="h5netcdf") as opened:
        assert dict(opened["data"].sizes) == {"trainId": 30, "pulse": 4}
    with xr.open_dataset(path, group="peaks", engine="h5netcdf") as opened:
        assert opened.attrs == {"title": "found"}
    with h5py.File(path) as file:
        assert file["xgm_sa2/pulse_energy/data"].shape == (30, 4)
        reduced = file[".reduced/xgm_sa2/pulse_energy"]
        assert (reduced[()], reduced.attrs["units"]) == (0.0, "uJ")
        assert (reduced.attrs["summary_method"], reduced.attrs["max_diff"]) == ("mean", 0.0)
        profile = file[".reduced/beam/profile"]
        assert (profile[()], profile.attrs["summary_method"]) == (25.0, "middle")
        assert profile.attrs["max_diff"] == 49.0
        pulses = file["pulses/data"]
        assert (pulses[()], exact_value(pulses.attrs["exact"])) == (2.0**70, 2**70)
        assert "summary_method" not in pulses.attrs
        trains = file[".reduced/trains"]
        assert (trains[()], trains.attrs["bold"], trains.attrs["background"]) == (
            1086,
            True,
            "#00ff00",
        )
        assert file["trains/data"][()] == 1086
        assert (file["beam/profile/data"][()] == np.arange(50)).all()
        assert file[".reduced/beam/mean"][()] == 1.5
        assert file[".preview/beam/profile"].shape == (2, 50)
        assert file["large/data"].shape == (800_000, 1)
        assert file[".errors/broken"].attrs["type"] == "KeyError"
        assert "shutter was open" in file[".errors/dark"].asstr()[()]
        assert file["other/trains/data"][()] == 7
        assert "start_time" not in file or file["start_time/data"].shape == ()
    assert (
        await RunFiles(plain(workspace), workspace.arrays_folder, workspace.proposal).stale() == []
    )


async def test_a_file_that_a_killed_recorder_left_behind_is_found_and_written(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Killed between the row and the file: the file is old, and says so by its time."""
    workspace = make_workspace(CONTEXT)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        await fill(recorder, 2)
    files = RunFiles(plain(workspace), workspace.arrays_folder, workspace.proposal)
    old = run_file(workspace, 1).read_bytes()
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await replaced(workspace, recorder, 1, version=5)
        recorder.run_files._noted.clear()  # as if it were killed
    run_file(workspace, 1).write_bytes(old)
    assert await files.stale() == [1]

    assert await files.write([1]) == [1]

    assert await files.stale() == []
    with h5py.File(run_file(workspace, 1)) as file:
        assert (file["xgm_sa2/pulse_energy/data"][()] == 5).all()


async def test_a_listener_keeps_the_files_current_while_it_works(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Also those that are older than their rows when it starts; nobody has to end it first."""
    workspace = make_workspace(CONTEXT)
    files = RunFiles(plain(workspace), workspace.arrays_folder, workspace.proposal)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
    run_file(workspace, 1).unlink()
    async with open_recorder(workspace, workspace.settings()) as recorder:
        working = asyncio.create_task(recorder.work(2))
        for kind in ("raw", "proc"):
            await recorder.record(RunKey(workspace.proposal, 2), kind)
        while await files.stale() or len(await files.all_runs()) < 2:  # noqa: ASYNC110  # no such event
            await asyncio.sleep(0.1)
        with h5py.File(run_file(workspace, 1)) as file:
            assert file["trains/data"][()] == 1086
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def test_whenever_the_recorder_is_killed_every_reference_has_its_array(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Bulk first, reference second; and what the killed left is mended by the next."""
    workspace = make_workspace(CONTEXT)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
    database = plain(workspace)
    code = """
import asyncio, sys
from pathlib import Path
from knockoff.recording.opening import open_recorder
from knockoff.runkey import RunKey
from knockoff.workspace import Workspace

async def main(workspace):
    async with open_recorder(workspace, workspace.settings()) as recorder:
        print("ready", flush=True)
        while True:
            key = RunKey(workspace.proposal, 1)
            await recorder.work_off(await recorder.ask_again(key, force=True))

asyncio.run(main(Workspace.open(Path(sys.argv[1]))))
"""
    for wait in (0.02, 0.3, 0.8):
        command = [sys.executable, "-c", code, str(workspace.folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as killed:  # noqa: ASYNC220
            assert killed.stdout is not None
            await asyncio.to_thread(killed.stdout.readline)
            await asyncio.sleep(wait)
            killed.send_signal(signal.SIGKILL)
        for reference in (await named(database, 1)).values():
            read_array(workspace.arrays_folder, reference)
        for version in await versions(database, [1]):
            assert (workspace.arrays_folder / version.file).exists()
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await replaced(workspace, recorder, 1, version=8)
    await swept(workspace, database, grace=timedelta(seconds=-1))

    assert parts(workspace, 1) == {each.file for each in (await named(database, 1)).values()}
    with h5py.File(run_file(workspace, 1)) as file:
        assert (file["xgm_sa2/pulse_energy/data"][()] == 8).all()


async def test_a_file_can_be_made_from_nothing(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """It is never the only place of anything."""
    workspace = make_workspace(CONTEXT)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
    run_file(workspace, 1).unlink()
    files = RunFiles(plain(workspace), workspace.arrays_folder, workspace.proposal)
    assert await files.stale() == [1]
    assert await files.write([1, 2]) == [1]
    with h5py.File(run_file(workspace, 1)) as file:
        assert file["trains/data"][()] == 1086


async def test_ten_replacements_leave_no_dead_bytes(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """The history keeps the results and says that their arrays are gone."""
    workspace = make_workspace(CONTEXT)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        for version in range(1, 11):
            await replaced(workspace, recorder, 1, version)
    database = plain(workspace)
    before = await named(database, 1)
    assert len(parts(workspace, 1)) == 11 * len(before)

    sweep = await swept(workspace, database)

    assert parts(workspace, 1) == {each.file for each in before.values()}
    assert sweep.freed > 10 * 1_400_000
    assert {why for _, why in sweep.swept} == {"replaced"}
    assert (read_array(workspace.arrays_folder, before["xgm_sa2/pulse_energy"]) == 10).all()
    history: Any = await database["knockoff.history"].find({"variable": "large"}).to_list(None)
    assert sum("swept_at" in each["arrays"]["large"] for each in history) == 10
    assert len(await versions(database, None)) == len(before)
    with h5py.File(run_file(workspace, 1)) as file:
        assert file["large/data"][0] == 10
    assert (await swept(workspace, database)).swept == ()


async def test_as_many_versions_stay_as_are_asked_for(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Somebody who changes a calibration wants to compare with the one before."""
    workspace = make_workspace(CONTEXT)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        for version in range(1, 4):
            await replaced(workspace, recorder, 1, version)
    database = plain(workspace)

    await swept(workspace, database, keep=2)

    kept = [each for each in await versions(database, [1]) if each.cell == "xgm_sa2/pulse_energy"]
    found: Any = await database["knockoff.history"].find({}).to_list(None)
    arrays = {each["_id"]: each.get("arrays", {}) for each in found}
    values = [
        read_array(
            workspace.arrays_folder, ArrayReference.from_json(arrays[each.entry][each.cell])
        ).values[0, 0]
        for each in kept
    ]
    assert values == [3, 2, 1]


async def test_what_may_still_be_on_its_way_is_left_alone(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """A part is there before the row names it; a sweep in between must not take it away."""
    workspace = make_workspace(CONTEXT)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        folder = workspace.arrays_folder
        coming = write_part(folder, f"p{workspace.proposal}_r0001/runs.hits.raw-9", np.ones(9))
        unfinished = folder / f"p{workspace.proposal}_r0001" / "runs.hits.raw-8.h5.tmp"
        unfinished.touch()
        other = folder / f"p{workspace.proposal}_r0001" / "notes.txt"
        other.touch()
        database = plain(workspace)

        sweep = await swept(workspace, database)
        assert sweep.swept == ()
        assert {each.file for each in sweep.waiting} == {
            coming.file,
            unfinished.relative_to(folder).as_posix(),
        }

        yesterday = time.time() - 86_400
        for path in (folder / coming.file, unfinished, other):
            os.utime(path, (yesterday, yesterday))
        await recorder.ask_again(RunKey(workspace.proposal, 1), force=True)
        job = await claim(database, ["runs"])
        assert job is not None
        await database.runs.update_one(
            {"run": 1}, {"$set": {f"knockoff.active.{job.cause}": {"state": "running"}}}
        )
        assert (await swept(workspace, database)).swept == ()

        await database["knockoff.jobs"].update_one({"_id": job.id}, {"$set": {"state": "done"}})
        sweep = await swept(workspace, database)
    assert {why for _, why in sweep.swept} == {"unknown", "unfinished"}
    assert other.exists()
    for reference in (await named(database, 1)).values():
        read_array(folder, reference)


async def test_no_row_names_what_is_not_there_whenever_a_sweep_comes(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """A sweep at every moment of the listener's work, with no time of grace at all but its own."""
    workspace = make_workspace(CONTEXT)
    database = plain(workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        working = asyncio.create_task(_replace_often(workspace, recorder))
        sweeps = 0
        while not working.done():
            sweeps += bool((await swept(workspace, database)).swept)
            for reference in (await named(database, 1)).values():
                try:
                    read_array(workspace.arrays_folder, reference)
                except ArrayMissingError:  # replaced and swept since the row was read
                    assert reference not in (await named(database, 1)).values()
        await working
    assert sweeps > 1


async def _replace_often(workspace: Workspace, recorder: Recorder) -> None:
    for version in range(1, 5):
        await replaced(workspace, recorder, 1, version)


async def test_files_of_a_run_whose_rows_were_deleted_go_after_a_while(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """A test run that somebody took out of the table."""
    workspace = make_workspace(CONTEXT)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        await fill(recorder, 2)
    database = plain(workspace)
    for table in (database.runs, database.other):
        await table.delete_one({"run": 1})
    assert (await swept(workspace, database)).swept == ()

    await swept(workspace, database, grace=timedelta(seconds=-1))

    assert not run_file(workspace, 1).exists()
    assert not (workspace.arrays_folder / f"p{workspace.proposal}_r0001").exists()
    assert run_file(workspace, 2).exists()


@pytest.mark.parametrize("place", ["array", "row"])
async def test_one_row_that_cannot_be_shown_does_not_stop_the_others(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database], place: str
) -> None:
    """Somebody wrote nonsense with mongosh."""
    workspace = make_workspace(CONTEXT)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
    database = plain(workspace)
    at, nonsense = ("knockoff.arrays.large", "hologram") if place == "array" else ("trains", "$a")
    literal = {"$literal": {"kind": nonsense, nonsense: float("nan")}}
    await database.runs.update_one({"run": 1}, [{"$set": {at: literal}}])
    assert await RunFiles(database, workspace.arrays_folder, workspace.proposal).write([1])
    with h5py.File(run_file(workspace, 1)) as file:
        assert (".errors/large" in file) == (place == "array")
        assert "beam/profile/data" in file
