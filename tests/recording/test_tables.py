"""Tables of one context file that read each other, and that have columns in common."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import sys
import types
from typing import TYPE_CHECKING, Any

import pytest
from beanie import Document, init_beanie

from knockoff.contextfile.problems import ContextProblems
from knockoff.database.jobs import JOBS, claim
from knockoff.filling.messages import CellResult, Result, RunTask
from knockoff.filling.spool import SpoolWriter, spool_path
from knockoff.recording.editing import Editing
from knockoff.recording.neighbours import neighbours_of
from knockoff.recording.opening import open_recorder
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from knockoff.database.client import Database
    from knockoff.recording.recorder import Recorder
    from knockoff.workspace import Workspace

WORDS = """
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
import numpy as np
from knockoff import Editable, Group, Insert, Run, Update, Variable, after_event, before_event

def count(name):
    with Path(__file__).with_name("count.txt").open("a") as file:
        file.write(name + " ")
"""

TWO = (
    WORDS
    + """
class Runs(Run):
    factor: Annotated[float, Editable] = 1.0

    @Variable
    def number(self) -> int:
        count("number")
        return self.run

    @Variable
    def scaled(self, energy: Annotated[Any, "var#SpectrumRuns.energy"]) -> float:
        count("scaled")
        return float(energy.sum()) * self.factor

    @Variable
    def twice(self) -> float:
        count("twice")
        return 2 * self.scaled

class SpectrumRuns(Run):
    gain: Annotated[float, Editable] = 1.0

    @Variable(summary="max")
    def energy(self) -> Any:
        count("energy")
        return np.arange(2000.0) * self.gain
"""
)
TOTAL = sum(range(2000))


async def fill(recorder: Recorder, run: int, kind: Any = "raw") -> None:
    """Record data of a run and do the jobs that follow."""
    await recorder.record(RunKey(proposal_of(recorder), run), kind)
    await recorder.work_off([f"{name}/{run}/{kind}" for name in recorder.tables.classes])


def proposal_of(recorder: Recorder) -> int:
    return int(recorder.database.name[1:])


def counted(workspace: Workspace) -> list[str]:
    file = workspace.folder / "count.txt"
    found = file.read_text().split() if file.exists() else []
    file.unlink(missing_ok=True)
    return sorted(found)


async def test_a_variable_reads_a_column_of_another_table(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """In full, an array too, of the same run; each is computed once, whichever comes first."""
    workspace = make_workspace(TWO)
    database = plain(workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 3)
        row: Any = await database.runs.find_one()
        other: Any = await database.spectrum_runs.find_one()
        jobs = [job["_id"] async for job in database[JOBS].find()]

    assert (row["scaled"], row["twice"], row["number"]) == (TOTAL, 2 * TOTAL, 3)
    assert other["energy"] == 1999.0
    assert not row["knockoff"].get("states")
    assert not other["knockoff"].get("states")
    assert counted(workspace) == ["energy", "number", "scaled", "twice"]
    assert sorted(jobs) == ["runs/3/raw", "spectrum_runs/3/raw"]


async def test_an_edit_over_there_is_followed_here(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """From the typed number through the other table to whoever reads it; nothing else runs."""
    workspace = make_workspace(TWO)
    key = RunKey(workspace.proposal, 3)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 3)
        counted(workspace)
        await Editing(recorder.database, recorder.tables).set_field(key, "gain", "2")
        await recorder.work_off(["spectrum_runs/3/edit"])
        row: Any = await plain(workspace).runs.find_one()

        assert (row["scaled"], row["twice"]) == (2 * TOTAL, 4 * TOTAL)
        assert counted(workspace) == ["energy", "scaled", "twice"]

        await Editing(recorder.database, recorder.tables).set_field(key, "factor", "10")
        await recorder.work_off(["runs/3/edit"])
        assert counted(workspace) == ["scaled", "twice"]
        await recorder.work_off(await recorder.ask_again(key))
        assert counted(workspace) == []


SLOW = TWO.replace(
    'count("energy")',
    """count("energy")
        while not Path(__file__).with_name("go on").exists():
            time.sleep(0.02)""",
)


async def test_what_is_not_there_yet_is_waited_for_and_never_failed(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Two workers take both tables at once; the cell says what it waits for, and is filled."""
    workspace = make_workspace(SLOW)
    database = plain(workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        work = asyncio.create_task(recorder.work(2))
        await recorder.record(RunKey(workspace.proposal, 4), "raw")
        query = {"knockoff.problems.scaled": {"$exists": True}}
        while (early := await database.runs.find_one(query)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        (workspace.folder / "go on").touch()
        while (row := await database.runs.find_one({"twice": {"$ne": None}})) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    told = early["knockoff"]["problems"]
    assert told["scaled"]["state"] == told["twice"]["state"] == "waiting"
    assert told["scaled"]["message"] == "for SpectrumRuns.energy"
    assert (early["number"], row["scaled"]) == (4, TOTAL)
    assert not row["knockoff"].get("problems")
    assert counted(workspace) == ["energy", "number", "scaled", "twice"]


@pytest.mark.parametrize("workers", [1, 3])
async def test_what_is_forced_is_computed_once_more_and_not_twice(
    workers: int,
    make_workspace: Callable[[str], Workspace],
    plain: Callable[[Workspace], Database],
) -> None:
    """The reader waits for the new value, although the old one is there."""
    workspace = make_workspace(TWO)
    key = RunKey(workspace.proposal, 3)
    database = plain(workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 3)
        counted(workspace)
        jobs = await recorder.ask_again(key, force=True)
        await asyncio.gather(*(recorder.work_off(jobs) for _ in range(workers)))
        row: Any = await database.runs.find_one()

    assert (row["scaled"], row["twice"]) == (TOTAL, 2 * TOTAL)
    assert not row["knockoff"].get("problems")
    assert counted(workspace) == ["energy", "number", "scaled", "twice"]


async def test_one_variable_brings_what_it_needs_from_another_table(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """`knockoff process --variables scaled` after the other table's code has changed."""
    workspace = make_workspace(TWO)
    key = RunKey(workspace.proposal, 3)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 3)
    counted(workspace)
    workspace.context_file.write_text(TWO.replace("np.arange(2000.0)", "3 * np.arange(2000.0)"))
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.work_off(await recorder.ask_again(key, variables=["scaled"]))
        row: Any = await plain(workspace).runs.find_one()

    assert (row["scaled"], row["twice"]) == (3 * TOTAL, 6 * TOTAL)
    assert counted(workspace) == ["energy", "scaled", "twice"]


async def test_a_failure_over_there_blocks_here_with_the_way_to_it(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """And when it is mended, what it blocked is computed."""
    broken = TWO.replace(
        'count("energy")', 'count("energy"); Path(__file__).with_name("well").read_text()'
    )
    workspace = make_workspace(broken)
    key = RunKey(workspace.proposal, 3)
    database = plain(workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 3)
        row: Any = await database.runs.find_one()
        problems = row["knockoff"]["problems"]
        assert problems["scaled"]["state"] == problems["twice"]["state"] == "blocked"
        assert problems["scaled"]["cause"] == ["SpectrumRuns.energy"]
        assert problems["twice"]["cause"] == ["scaled", "SpectrumRuns.energy"]
        assert "SpectrumRuns.energy" in problems["scaled"]["message"]
        assert "FileNotFoundError" in problems["scaled"]["message"]
        counted(workspace)

        (workspace.folder / "well").touch()
        await recorder.work_off(await recorder.ask_again(key, retry=True))
        row = await database.runs.find_one()

    assert (row["scaled"], row["twice"]) == (TOTAL, 2 * TOTAL)
    assert counted(workspace) == ["energy", "scaled", "twice"]


MUTUAL = (
    WORDS
    + """
@dataclass
class Beam:
    mean: float
    peak: float

@Group
class Monitor:
    offset: float = 0.0

    @Variable
    def energy(self) -> float:
        count("monitor")
        return 5.0 + self.offset

    @Variable(data="proc")
    def corrected(self) -> float:
        count("corrected")
        return 7.0

class Left(Run):
    limit: Annotated[float, Editable] = 2.0

    @Variable
    def first(self) -> float:
        count("first")
        return 1.0

    @Variable
    def third(self, beam: Annotated[float, "var#Right.beam.mean"]) -> float:
        count("third")
        return beam + 1

    @Variable
    def all_of_it(self, found: Annotated[dict, "var#Right.xgm.*"]) -> str:
        count("all_of_it")
        return " ".join(f"{name}={value:g}" for name, value in found.items())

    @Variable
    def own(self, first: Annotated[float, "var#Left.first"]) -> float:
        count("own")
        return first

class Right(Run):
    xgm = Monitor(offset=1.0)

    @Variable
    def beam(self, first: Annotated[float, "var#Left.first"]) -> Beam:
        count("beam")
        return Beam(first + 1, 10.0)

    @Variable
    def fourth(
        self,
        third: Annotated[float, "var#Left.third"],
        limit: Annotated[float, "var#Left.limit"],
        nothing: Annotated[float, "var#Left.nowhere"] = 100.0,
    ) -> float:
        count("fourth")
        return third + limit + nothing
"""
)


@pytest.mark.parametrize("workers", [1, 4])
async def test_two_tables_may_read_each_other(
    workers: int,
    make_workspace: Callable[[str], Workspace],
    plain: Callable[[Workspace], Database],
) -> None:
    """As long as no two variables do: back and forth, each variable once, and then it ends."""
    workspace = make_workspace(MUTUAL)
    database = plain(workspace)
    key = RunKey(workspace.proposal, 1)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.record(key, "raw")
        jobs = ["left/1/raw", "right/1/raw"]
        await asyncio.gather(*(recorder.work_off(jobs) for _ in range(workers)))
        left: Any = await database.left.find_one()
        right: Any = await database.right.find_one()
        once = ["beam", "first", "fourth", "monitor", "own", "third"]
        assert (left["third"], right["fourth"], right["beam"]["mean"]) == (3, 105, 2)
        assert "all_of_it" not in left  # one that it needs waits for corrected data
        assert counted(workspace) == once

        await fill(recorder, 1, "proc")
        left = await database.left.find_one()
        assert left["all_of_it"] == "Right.xgm.energy=6 Right.xgm.corrected=7"
        assert counted(workspace) == ["all_of_it", "corrected"]

        await Editing(recorder.database, recorder.tables).set_field(key, "limit", "3")
        await recorder.work_off(["left/1/edit"])
        right = await database.right.find_one()
        assert right["fourth"] == 106
        assert counted(workspace) == ["fourth"]

        jobs = await recorder.ask_again(key, force=True)
        await asyncio.gather(*(recorder.work_off(jobs) for _ in range(workers)))
        assert counted(workspace) == sorted([*once, "all_of_it", "corrected"])
        await recorder.work_off(await recorder.ask_again(key))
        assert counted(workspace) == []
        assert not await database[JOBS].count_documents({"state": {"$ne": "done"}})


async def test_two_recorders_compute_tables_that_read_each_other_once(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """A second listener, started by mistake, must be harmless here, too."""
    workspace = make_workspace(MUTUAL)
    settings = workspace.settings()
    keys = [RunKey(workspace.proposal, run) for run in range(1, 7)]
    async with open_recorder(workspace, settings) as one, open_recorder(workspace, settings) as two:
        work = [asyncio.create_task(each.work(2)) for each in (one, two)]
        for key in keys:
            await asyncio.gather(one.record(key, "raw"), two.record(key, "raw"))
        while await one.database[JOBS].count_documents({"state": {"$ne": "done"}}):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        for each in work:
            each.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        rows = await plain(workspace).right.find().to_list(None)

    assert [row["fourth"] for row in rows] == [105] * len(keys)
    once = ["beam", "first", "fourth", "monitor", "own", "third"]
    assert counted(workspace) == sorted(once * len(keys))


@pytest.mark.parametrize(("is_newest", "expected"), [(True, 1234.0), (False, TOTAL)])
async def test_what_a_killed_recorder_left_counts_for_what_it_was_made_from(
    is_newest: bool,
    expected: float,
    make_workspace: Callable[[str], Workspace],
    plain: Callable[[Workspace], Database],
) -> None:
    """Its worker has finished; the other table may or may not have changed since it began."""
    workspace = make_workspace(TWO)
    database = plain(workspace)
    key = RunKey(workspace.proposal, 3)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.record(key, "raw")
        while (job := await claim(database, ["spectrum_runs"])) is not None:
            await recorder.do(job)
        described = {each.collection: each for each in recorder.tables.context.tables}
        around = await neighbours_of(database, described, "runs", key)
    began = around.snapshot() if is_newest else {}
    await database.runs.update_one(
        {}, {"$set": {"knockoff.elsewhere": began, "knockoff.attempt.raw": 1}}
    )
    dead = {"attempt": 1, "owner": f"{socket.gethostname()}:1:never", "state": "running"}
    await database[JOBS].update_one({"_id": "runs/3/raw"}, {"$set": dead})
    workspace.spool_folder.mkdir(exist_ok=True)
    task = RunTask(workspace.proposal, 3, "runs", "raw-1", str(workspace.arrays_folder))
    writer = SpoolWriter(spool_path(workspace.spool_folder, task), task)
    writer.asked(("scaled",))
    code = described["runs"].variable("scaled").code
    writer.add(Result("scaled", "done", code, cells={"scaled": CellResult(1234.0)}))
    writer.sync()
    writer.forget()
    counted(workspace)

    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.work_off(["runs/3/raw"])

    row: Any = await database.runs.find_one()
    assert (row["scaled"], row["twice"]) == (expected, 2 * expected)
    assert counted(workspace) == ["number", *([] if is_newest else ["scaled"]), "twice"]


# Columns in common


FAMILY = (
    WORDS
    + """
@Group
class Monitor:
    factor: float = 1.0

    @Variable
    def energy(self) -> float:
        return 2.0 * self.factor

class Base(Run):
    \"\"\"What every table has.\"\"\"

    threshold: Annotated[float, Editable(title="Threshold")] = 0.5
    label: str | None = None
    xgm = Monitor(factor=3.0)

    class Settings:
        name = "everything"
        validate_on_save = True

    @Variable(title="Number of trains")
    def trains(self) -> int:
        return self.run

    @Variable
    def rate(self) -> float:
        return self.scale() * self.trains

    @after_event(Insert)
    def tell(self):
        self.label = f"{type(self).__name__} {self.trains} {self.xgm.energy} {self.threshold}"

    def scale(self):
        return 1

class Timing:
    @Variable
    def delay(self) -> float:
        return 0.25

class Imaging(Base):
    @Variable
    def frames(self) -> int:
        return self.trains * 2

class Spectra(Timing, Base):
    xgm = Monitor(factor=5.0)

    class Settings:
        name = "spectra_of_2026"

    @Variable(title="Trains seen")
    def trains(self) -> int:
        return 100 * self.run

    def scale(self):
        return 10

class _Unseen(Run):
    @Variable
    def shared(self) -> str:
        return "lent"

class Darks(_Unseen):
    pass
"""
)


async def test_tables_share_columns_and_each_has_its_own_rows(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Variables, groups, hooks and typed fields are inherited; the name of a collection is not."""
    workspace = make_workspace(FAMILY)
    database = plain(workspace)
    key = RunKey(workspace.proposal, 2)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 2)
        await Editing(recorder.database, recorder.tables).set_field(
            key, "threshold", "7", "imaging"
        )
        names = ("everything", "imaging", "spectra_of_2026", "darks")
        rows: Any = {name: await database[name].find_one() for name in names}
        tables = set(recorder.tables.classes)

    assert tables == set(names)  # a class with an underscore in front is no table
    base, imaging, spectra = (rows[name] for name in names[:3])
    assert (base["trains"], base["rate"], base["xgm"]["energy"]) == (2, 2.0, 6.0)
    assert (imaging["trains"], imaging["rate"], imaging["frames"]) == (2, 2.0, 4)
    assert (spectra["trains"], spectra["rate"], spectra["delay"]) == (200, 2000.0, 0.25)
    assert "frames" not in spectra
    assert base["label"] == "Base 2 6.0 0.5"
    assert spectra["label"] == "Spectra 200 10.0 0.5"
    assert (base["threshold"], imaging["threshold"], spectra["threshold"]) == (0.5, 7, 0.5)
    assert rows["darks"]["shared"] == "lent"
    code = {name: rows[name]["knockoff"]["code"] for name in names[:3]}
    assert code["everything"]["rate"] == code["imaging"]["rate"] != code["spectra_of_2026"]["rate"]
    assert code["everything"]["trains"] == code["imaging"]["trains"]
    assert code["everything"]["xgm/energy"] == code["imaging"]["xgm/energy"]


async def test_a_group_in_two_tables_is_two_columns(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """The tables may be filled by different workers at different times, so each has its own."""
    workspace = make_workspace(
        WORDS
        + """
@Group
class Monitor:
    @Variable
    def energy(self) -> float:
        count("energy")
        return 2.0

shared = Monitor()

class One(Run):
    xgm = shared

class Two(Run):
    monitor = shared
"""
    )
    database = plain(workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        one: Any = await database.one.find_one()
        two: Any = await database.two.find_one()

    assert one["xgm"]["energy"] == two["monitor"]["energy"] == 2.0
    assert counted(workspace) == ["energy", "energy"]


# In a notebook


NOTEBOOK = """
from typing import Annotated
from knockoff import Editable, Group, Run, Variable

RAN = []

class Runs(Run):
    @Variable
    def scaled(self, energy: Annotated[float, "var#SpectrumRuns.energy"]) -> float:
        RAN.append("scaled")
        return energy * 2

    @Variable
    def twice(self) -> float:
        RAN.append("twice")
        return 2 * self.scaled

class SpectrumRuns(Run):
    gain: Annotated[float, Editable] = 1.0

    @Variable
    def energy(self) -> float:
        RAN.append("energy")
        return 3.0 * self.gain
"""


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Run source as one cell of a notebook after another; gives its module."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EXTRA_DATA_DATA_ROOT", str(tmp_path))
    module = types.ModuleType(f"notebook_{os.urandom(4).hex()}")
    cells = itertools.count()

    def run(source: str) -> Any:
        file = tmp_path / f"{module.__name__}_{next(cells)}.py"
        file.write_text(source)
        module.__file__ = str(file)
        sys.modules[module.__name__] = module
        exec(compile(source, str(file), "exec"), vars(module))
        return module

    return run


async def test_a_notebook_has_tables_that_read_each_other(
    notebook: Callable[[str], Any], database: Database
) -> None:
    """Whichever row comes first: the one that reads says what it waits for, and is then filled."""
    module = notebook(NOTEBOOK)
    await init_beanie(database=database, document_models=[module.Runs, module.SpectrumRuns])

    reader = await module.Runs(proposal=1234, run=1).insert()
    problem = reader.knockoff["problems"]["scaled"]
    assert problem["state"] == "waiting"
    assert problem["message"] == (
        "for SpectrumRuns.energy (this run has no row in spectrum_runs yet)"
    )
    assert module.RAN == []

    other = await module.SpectrumRuns(proposal=1234, run=1).insert()
    row: Any = await database.runs.find_one({"run": 1})
    assert (other.energy, row["scaled"], row["twice"]) == (3.0, 6.0, 12.0)
    assert not row["knockoff"].get("problems")
    assert module.RAN == ["energy", "scaled", "twice"]

    await other.set({"gain": 10.0})
    row = await database.runs.find_one({"run": 1})
    assert row["twice"] == 120.0
    assert module.RAN[3:] == ["energy", "scaled", "twice"]

    await module.SpectrumRuns(proposal=1234, run=2).insert()
    second = await module.Runs(proposal=1234, run=2).insert()
    assert (second.scaled, second.twice) == (6.0, 12.0)


async def test_a_class_may_be_written_anew_in_a_cell(
    notebook: Callable[[str], Any], database: Database
) -> None:
    """Whoever reads it reads the new one, and is told if a column has gone."""
    module = notebook(NOTEBOOK)
    notebook("""
class SpectrumRuns(Run):
    @Variable
    def energy(self) -> float:
        RAN.append("new energy")
        return 50.0

    @Variable
    def back(self, twice: Annotated[float, "var#Runs.twice"]) -> float:
        return twice + 1
""")
    await init_beanie(database=database, document_models=[module.Runs, module.SpectrumRuns])
    await module.SpectrumRuns(proposal=1234, run=1).insert()
    reader = await module.Runs(proposal=1234, run=1).insert()
    row: Any = await database.spectrum_runs.find_one({"run": 1})
    assert (reader.scaled, row["back"]) == (100.0, 201.0)

    notebook("""
class SpectrumRuns(Run):
    @Variable
    def power(self) -> float:
        return 1.0
""")
    await init_beanie(database=database, document_models=[module.SpectrumRuns])
    with pytest.raises(ContextProblems, match="energy', which SpectrumRuns does not have"):
        await module.Runs(proposal=1234, run=2).insert()


async def test_notebook_tables_inherit(notebook: Callable[[str], Any], database: Database) -> None:
    """From a table, from a class that is none, and from one that was connected already."""
    module = notebook(FAMILY.replace('Path(__file__).with_name("count.txt")', "Path('c')"))
    await init_beanie(database=database, document_models=[module.Base])
    notebook("""
class Later(Base):
    @Variable
    def more(self) -> int:
        return self.trains + 1
""")
    models = [module.Imaging, module.Spectra, module.Darks, module.Later]
    await init_beanie(database=database, document_models=models)
    for model in (module.Base, *models):
        await model(proposal=1234, run=2).insert()

    names = ("everything", "imaging", "spectra_of_2026", "darks", "later")
    rows: Any = {name: await database[name].find_one({"run": 2}) for name in names}
    assert rows["everything"]["rate"] == rows["imaging"]["rate"] == rows["later"]["rate"] == 2.0
    assert (rows["spectra_of_2026"]["rate"], rows["spectra_of_2026"]["delay"]) == (2000.0, 0.25)
    assert (rows["darks"]["shared"], rows["later"]["more"]) == ("lent", 3)
    assert [each.trains async for each in module.Later.find(module.Later.more == 3)] == [2]
    assert not issubclass(module._Unseen, Document)
