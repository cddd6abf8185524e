"""The recorder on a real MongoDB, with user code in real worker processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from knockoff.arrays.reading import read_array
from knockoff.arrays.references import ArrayReference
from knockoff.contextfile.problems import ContextProblems
from knockoff.database.client import reworded
from knockoff.database.errors import UnreachableError
from knockoff.database.jobs import JOBS, ask, claim
from knockoff.database.server import status
from knockoff.errors import ContextFileError, EditError
from knockoff.recording.editing import Editing
from knockoff.recording.opening import open_editing, open_recorder
from knockoff.rundata.synthetic import write_proc, write_run
from knockoff.runkey import RunKey
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from knockoff.database.client import Database
    from knockoff.recording.recorder import Recorder

COUNTED = """
from pathlib import Path
from typing import Annotated
from knockoff import Editable, Run, Variable

def count(name):
    with Path(__file__).with_name("count.txt").open("a") as file:
        file.write(name + " ")

class Runs(Run):
    threshold: Annotated[float, Editable(title="Hit threshold")] = 0.5

    @Variable
    def level(self) -> int:
        count("level")
        return 10 * self.run

    @Variable
    def hits(self) -> float:
        count("hits")
        return self.level * self.threshold

    @Variable
    def flaky(self) -> int:
        count("flaky")
        if not Path(__file__).with_name("well").exists():
            raise RuntimeError("not well")
        return 1
"""


async def fill(recorder: Recorder, run: int, kind: Any = "raw") -> None:
    """Record data of a run and do the jobs that follow."""
    key = RunKey(proposal_of(recorder), run)
    await recorder.record(key, kind)
    await recorder.work_off([f"{name}/{run}/{kind}" for name in recorder.tables.classes])


def proposal_of(recorder: Recorder) -> int:
    return int(recorder.database.name[1:])


def counted(workspace: Workspace) -> list[str]:
    return (workspace.folder / "count.txt").read_text().split()


async def test_user_code_is_never_imported_by_the_recorder(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """What a context file does to its process, it must not be able to do to the service."""
    workspace = make_workspace(
        "import sys, types\nsys.modules['left_by_context'] = types.ModuleType('x')\n"
        "from knockoff import Variable\n\n@Variable\ndef where():\n"
        "    import os\n    return os.getpid()\n"
    )
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        row: Any = await plain(workspace).runs.find_one()

    assert row["where"] != os.getpid()
    assert "left_by_context" not in sys.modules
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    assert str(workspace.context_file) not in files


async def test_a_plain_beanie_document_of_the_first_days_is_filled(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """A field without default may be declared: its row is there before its hook has run."""
    workspace = make_workspace("""
from beanie import Document, Insert, before_event

class Foo(Document):
    foo: int | None
    bop: str

    class Settings:
        name = "foos"
        indexes = ["bop"]

    @before_event(Insert)
    def fill_bop(self):
        self.bop = f"run {self.run}"
        self.foo = 3
""")
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 4)
        row: Any = await plain(workspace).foos.find_one()
        indexes = await plain(workspace).foos.index_information()

    assert (row["foo"], row["bop"]) == (3, "run 4")
    assert "bop_1" in indexes


async def test_every_class_of_a_file_is_a_table(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """One file, two collections, a row of the run in each; a comment shows in both."""
    workspace = make_workspace("""
from knockoff import Run, Variable

class Runs(Run):
    @Variable
    def one(self) -> int:
        return 1

class SpectrumRuns(Run):
    @Variable
    def two(self) -> int:
        return 2
""")
    database = plain(workspace)
    key = RunKey(workspace.proposal, 6)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await Editing(recorder.database, recorder.tables).comment(key, "said before")
        await fill(recorder, 6)
        runs: Any = await database.runs.find_one()
        spectra: Any = await database.spectrum_runs.find_one()

    assert (runs["one"], spectra["two"]) == (1, 2)
    assert runs["comment"] == spectra["comment"] == "said before"


async def test_nothing_is_computed_twice_unless_asked(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Events repeat, people press a key twice; failed ones are tried again on request only."""
    workspace = make_workspace(COUNTED)
    key = RunKey(workspace.proposal, 2)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 2)
        await fill(recorder, 2)
        await fill(recorder, 2, "proc")
        assert sorted(counted(workspace)) == ["flaky", "hits", "level"]

        await recorder.work_off(await recorder.ask_again(key, retry=True))
        assert counted(workspace)[3:] == ["flaky"]

        (workspace.folder / "well").touch()
        await recorder.work_off(await recorder.ask_again(key, retry=True))
        assert counted(workspace)[4:] == ["flaky"]
        row: Any = await plain(workspace).runs.find_one()
        assert row["flaky"] == 1
        assert "problems" not in row["knockoff"]

        await recorder.work_off(await recorder.ask_again(key, force=True))
        assert sorted(counted(workspace)[5:]) == ["flaky", "hits", "level"]

    history = plain(workspace)["knockoff.history"]
    assert await history.count_documents({"variable": "flaky"}) == 4
    assert await history.count_documents({"variable": "flaky", "outcome": "failed"}) == 2


async def test_an_edit_makes_its_dependants_due_and_only_them(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Typing a threshold recomputes the hits, not the level they are counted from."""
    workspace = make_workspace(COUNTED)
    key = RunKey(workspace.proposal, 2)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 2)
        async with open_editing(workspace, workspace.settings()) as editing:
            assert await editing.set_field(key, "threshold", "0.75") == 0.75
        await recorder.work_off(["runs/2/edit"])
        row: Any = await plain(workspace).runs.find_one()

    assert row["hits"] == 15
    assert counted(workspace)[3:] == ["hits"]
    edit: Any = await plain(workspace)["knockoff.edits"].find_one()
    assert (edit["field"], edit["old"], edit["new"]) == ("threshold", 0.5, 0.75)


async def test_what_does_not_fit_is_refused_with_the_way_on(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """At 3 a.m. people mistype; the message says what would do."""
    workspace = make_workspace(COUNTED)
    plain(workspace)
    key = RunKey(workspace.proposal, 2)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 2)
        editing = Editing(recorder.database, recorder.tables)
        with pytest.raises(EditError, match=r"threshold cannot be 'high'.*It takes a number"):
            await editing.set_field(key, "threshold", "high")
        with pytest.raises(EditError, match="Did you mean 'threshold'"):
            await editing.set_field(key, "treshold", "1")
        with pytest.raises(EditError, match="hits is computed"):
            await editing.set_field(key, "hits", "1")
        with pytest.raises(EditError, match=r"no row of p\d+ r0099.*process 99"):
            await editing.set_field(RunKey(workspace.proposal, 99), "threshold", "1")


async def test_arrays_lie_in_files_and_their_summaries_in_the_row(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Raw data first, corrected data later; a plain client and h5py find everything."""
    workspace = make_workspace("""
from typing import Annotated
import numpy as np
from knockoff import Group, Run, Source, Variable

@Group(tags="XGM")
class Xgm:
    device: str
    offset: float = 0.0

    @Variable(units="uJ", summary="mean")
    def energy(self, data):
        return data[f"{self.device}:output", "data.intensityTD"].xarray()

    @Variable(summary="nanmax")
    def peak(self):
        return self.energy.max(axis=0) + self.offset

@Group
class Beam:
    sa2: Xgm = Xgm(title="SA2", device="SA2_XTD1_XGM/XGM/DOOCS", offset=1000.0)

class Runs(Run):
    beam = Beam()

    @Variable
    def image(self, pixels: Annotated[object, Source(
            "MID_EXP_EPIX-1/DET/RECEIVER:daqOutput", "data.image.pixels")]) -> np.ndarray:
        return pixels.mean("trainId").values

    @Variable(data="proc")
    def photons(self, data) -> float:
        pixels = data["MID_EXP_EPIX-1/CORR/RECEIVER:daqOutput", "data.image.pixels"].ndarray()
        return float(np.nansum(pixels))
""")
    key = RunKey(workspace.proposal, 1)
    root = workspace.settings().data_root
    write_run(root, key, trains=20)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        early: Any = await plain(workspace).runs.find_one()
        write_proc(root, key)
        await fill(recorder, 1, "proc")
        row: Any = await plain(workspace).runs.find_one()

    assert "photons" not in early
    assert "states" not in early["knockoff"]
    assert row["photons"] > 0
    assert row["start_time"] is not None
    reference = ArrayReference.from_json(row["knockoff"]["arrays"]["beam/sa2/energy"])
    energy = read_array(workspace.arrays_folder, reference)
    assert row["beam"]["sa2"]["energy"] == pytest.approx(float(energy.mean()))
    assert energy.attrs["units"] == "μJ"
    assert row["beam"]["sa2"]["peak"] > 1000
    assert row["image"] is None
    assert row["knockoff"]["arrays"]["image"]["shape"] == [96, 128]
    preview: Any = await plain(workspace)["knockoff.previews"].find_one({"_id": "runs/1/image/png"})
    assert preview["png"].startswith(b"\x89PNG")
    trend: Any = await plain(workspace)["knockoff.previews"].find_one(
        {"_id": "runs/1/beam/sa2/peak/trend"}
    )
    assert 2 < len(trend["trend"]["y"]) <= 150


async def test_a_run_whose_files_are_missing_says_so_in_its_cells(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Kafka may announce what is not on disk yet; other variables are not concerned."""
    workspace = make_workspace("""
from knockoff import Run, Variable

class Runs(Run):
    @Variable
    def trains(self, data) -> int:
        return len(data.train_ids)

    @Variable
    def number(self) -> int:
        return self.run
""")
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 5)
        row: Any = await plain(workspace).runs.find_one()

    assert row["number"] == 5
    problem = row["knockoff"]["problems"]["trains"]
    assert problem["state"] == "failed"
    assert str(workspace.proposal) in problem["message"]


async def test_columns_of_groups_within_groups_may_all_fail(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """A detector in a hutch has its reasons kept like any column, and leaves no empty group."""
    workspace = make_workspace("""
from damnit_ctx import Group, Variable

@Group
class Detector:
    @Variable
    def photons(self):
        raise ValueError("no photons")

@Group
class Hutch:
    detector: Detector

    @Variable
    def ratio(self, photons: "self#detector.photons"):
        return 1 / photons

hutch = Hutch(detector=Detector())

@Variable
def number(run: "meta#run_number"):
    return run
""")
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 5)
        row: Any = await plain(workspace).runs.find_one()

    assert row["number"] == 5
    problems = row["knockoff"]["problems"]
    assert problems["hutch/detector/photons"]["message"] == "no photons"
    assert problems["hutch/ratio"]["state"] == "blocked"
    assert "hutch" not in row


async def test_a_context_file_with_a_syntax_error_is_refused_with_its_place(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """Nothing is recorded under a table that nobody could describe."""
    workspace = make_workspace("from knockoff import Run\n\nclass Runs(Run:\n    pass\n")

    with pytest.raises(ContextProblems, match=r"context\.py:3:\d+: SyntaxError"):
        async with open_recorder(workspace, workspace.settings()):
            pass


async def test_two_recorders_share_the_work_and_do_none_of_it_twice(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """A second listener, started by mistake, must be harmless."""
    workspace = make_workspace(COUNTED)
    settings = workspace.settings()
    keys = [RunKey(workspace.proposal, run) for run in range(1, 13)]
    async with open_recorder(workspace, settings) as one, open_recorder(workspace, settings) as two:
        work = [asyncio.create_task(each.work(2)) for each in (one, two)]
        for key in keys:
            await asyncio.gather(
                one.record(key, "raw"), two.record(key, "raw"), two.record(key, "proc")
            )
        while await one.database[JOBS].count_documents({"state": {"$ne": "done"}}):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        for each in work:
            each.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        rows = await plain(workspace).runs.find().to_list(None)

    assert sorted(row["level"] for row in rows) == [10 * key.run for key in keys]
    assert sorted(counted(workspace)) == sorted(["level", "hits", "flaky"] * len(keys))


async def test_a_late_result_of_an_older_attempt_is_not_written(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """A worker that was thought dead must not overwrite what its successor found."""
    workspace = make_workspace("""
import time
from pathlib import Path
from knockoff import Run, Variable

class Runs(Run):
    @Variable
    def slow(self) -> str:
        Path(__file__).with_name("begun").touch()
        while not Path(__file__).with_name("go on").exists():
            time.sleep(0.02)
        return "late"
""")
    key = RunKey(workspace.proposal, 1)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.record(key, "raw")
        job = await claim(recorder.database, ["runs"])
        assert job is not None
        doing = asyncio.create_task(recorder.do(job))
        while not (workspace.folder / "begun").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await plain(workspace).runs.update_one(
            {}, {"$set": {"slow": "newer", "knockoff.attempt.raw": 2}}
        )
        (workspace.folder / "go on").touch()
        await doing
        row: Any = await plain(workspace).runs.find_one()

    assert row["slow"] == "newer"


async def test_a_saved_context_file_is_used_and_a_broken_one_is_not(
    make_workspace: Callable[[str], Workspace],
    plain: Callable[[Workspace], Database],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """People edit while it listens; a slip of the finger must not stop the night shift."""
    caplog.set_level("INFO", logger="knockoff")
    good = "from knockoff import Variable\n\n@Variable\ndef one():\n    return {}\n"
    workspace = make_workspace(good.format(1))
    database = plain(workspace)

    async def value_of(recorder: Recorder, run: int) -> Any:
        await recorder.record(RunKey(workspace.proposal, run), "raw")
        query = {"run": run, "one": {"$ne": None}}
        while (row := await database.runs.find_one(query)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return row["one"]

    async with open_recorder(workspace, workspace.settings()) as recorder:
        work = asyncio.create_task(recorder.work(1, sweep=0.05))
        assert await value_of(recorder, 1) == 1

        workspace.context_file.write_text("def broken(:\n")
        while "SyntaxError" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        assert await value_of(recorder, 2) == 1

        workspace.context_file.write_text(good.format(22))
        while "used from now on" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        assert await value_of(recorder, 3) == 22
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def test_a_row_that_would_grow_too_large_says_so_in_one_cell(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """A table of huge rows is slow for everybody; the neighbours keep their values."""
    methods = "".join(
        f"    @Variable\n    def v{n}(self) -> list:\n        return ['x' * 100] * 130\n\n"
        for n in range(80)
    )
    workspace = make_workspace(f"from knockoff import Run, Variable\n\nclass Runs(Run):\n{methods}")
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        row: Any = await plain(workspace).runs.find_one()

    stored = [name for name in row if name.startswith("v") and row[name]]
    problems = row["knockoff"]["problems"]
    assert len(stored) + len(problems) == 80
    assert len(stored) > 60
    assert "1 MB is the limit" in next(iter(problems.values()))["message"]


async def found(recorder: Recorder, query: dict[str, Any]) -> Any:
    """A row, or None also while MongoDB is away."""
    try:
        with reworded("MongoDB"):
            return await recorder.database.runs.find_one(query)
    except UnreachableError:
        return None


async def test_results_wait_in_hand_while_mongodb_is_away(
    tmp_path: Path, make_workspace: Callable[[str], Workspace]
) -> None:
    """A database that is killed is started again, costs no result, and nothing runs twice."""
    template = make_workspace(COUNTED.replace('count("hits")', 'count("hits"); time.sleep(1.5)'))
    source = "import time\n" + template.context_file.read_text()
    workspace = Workspace.create(
        tmp_path / "own", template.proposal, context=source, settings={"data_root": str(tmp_path)}
    )
    settings = workspace.settings()
    async with open_recorder(workspace, settings) as recorder:
        await recorder.record(RunKey(workspace.proposal, 1), "raw")
        work = asyncio.create_task(recorder.work(1))
        count = workspace.folder / "count.txt"
        while not (count.exists() and "hits" in count.read_text()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        os.kill(status(workspace.database_folder).holder.pid, signal.SIGKILL)
        await asyncio.sleep(2.5)
        while not status(workspace.database_folder).running:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        query = {"run": 1, "hits": {"$ne": None}}
        while await found(recorder, query) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        row: Any = await recorder.database.runs.find_one()

    assert (row["level"], row["hits"]) == (10, 5)
    assert sorted(counted(workspace)) == ["flaky", "hits", "level"]


async def test_a_deleted_row_is_made_and_filled_again(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Somebody cleans up in mongosh, and then wants the run back."""
    workspace = make_workspace(COUNTED)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        await plain(workspace).runs.delete_many({})
        await fill(recorder, 1)
        row: Any = await plain(workspace).runs.find_one()

    assert (row["level"], row["hits"]) == (10, 5)


async def test_files_that_came_late_are_read_when_they_are_announced_again(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """A message may be faster than the file system."""
    workspace = make_workspace(
        "from knockoff import Variable\n\n@Variable\n"
        "def trains(run):\n    return len(run.train_ids)\n"
    )
    key = RunKey(workspace.proposal, 8)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 8)
        early: Any = await plain(workspace).runs.find_one()
        write_run(workspace.settings().data_root, key, trains=5)
        await recorder.record(key, "raw")
        await recorder.work_off(["runs/8/asked"])
        row: Any = await plain(workspace).runs.find_one()

    assert early["knockoff"]["states"] == ["failed"]
    assert row["trains"] == 5
    assert "states" not in row["knockoff"]


async def test_what_was_asked_for_before_is_not_forgotten(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Two people ask at once: one for all of a run, the other for one variable anew."""
    workspace = make_workspace(COUNTED)
    key = RunKey(workspace.proposal, 3)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await ask(recorder.database, "runs", key, "asked", force=True, variables=["level"])
        await ask(recorder.database, "runs", key, "asked", variables=["hits"])
        narrow = await claim(recorder.database, ["runs"])
        await ask(recorder.database, "runs", key, "asked", retry=True)
        job: Any = await plain(workspace)[JOBS].find_one()

    assert narrow is not None
    assert (narrow.force, set(narrow.variables)) == (True, {"level", "hits"})
    assert (job["force"], job["retry"], job["variables"], job["again"]) == (True, True, [], True)


async def test_jobs_of_a_class_that_was_renamed_wait_and_stop_nobody(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """The context file is edited while jobs of its former tables are queued."""
    workspace = make_workspace(COUNTED)
    key = RunKey(workspace.proposal, 3)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await ask(recorder.database, "former_runs", key, "asked")
        assert await claim(recorder.database, [*recorder.tables.classes]) is None
        await fill(recorder, 3)
        row: Any = await plain(workspace).runs.find_one()

    assert row["level"] == 30


async def test_a_failing_hook_keeps_what_somebody_typed(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """A default that a hook proposes must not cost a person's own value."""
    workspace = make_workspace("""
from pathlib import Path
from typing import Annotated
from beanie import Insert, Update, after_event
from knockoff import Editable, Run

class Runs(Run):
    level: Annotated[float | None, Editable] = None
    factor: Annotated[float, Editable] = 1.0

    @after_event(Insert, Update)
    def propose(self):
        self.level = 5.0 / (self.factor - 2)
""")
    key = RunKey(workspace.proposal, 1)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        editing = Editing(recorder.database, recorder.tables)
        await editing.set_field(key, "level", "1.5")
        await editing.set_field(key, "factor", "2")
        await recorder.work_off(["runs/1/edit"])
        row: Any = await plain(workspace).runs.find_one()

    assert row["level"] == 1.5
    assert row["knockoff"]["problems"]["level"]["kind"] == "ZeroDivisionError"


async def test_a_listener_can_be_stopped_while_mongodb_is_away(
    tmp_path: Path, make_workspace: Callable[[str], Workspace]
) -> None:
    """Whoever stops it at 3 a.m. must not have to kill it."""
    source = make_workspace(COUNTED).context_file.read_text()
    source = "import time\n" + source.replace('count("level")', 'count("level"); time.sleep(60)')
    workspace = Workspace.create(
        tmp_path / "own", 1234, context=source, settings={"data_root": str(tmp_path)}
    )
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.record(RunKey(1234, 1), "raw")
        work = asyncio.create_task(recorder.work(1, sweep=3600))
        count = workspace.folder / "count.txt"
        while not count.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        os.kill(status(workspace.database_folder).holder.pid, signal.SIGKILL)
        await asyncio.sleep(0.5)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work


async def test_an_index_that_cannot_be_is_a_problem_of_the_context_file(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Rows are there before their values, so that nothing of them can be unique."""
    workspace = make_workspace(
        COUNTED.replace("    @Variable", "    class Settings:\n        indexes = [INDEX]\n\n"
                        "    @Variable", 1)
        .replace("def count", "from pymongo import IndexModel\n"
                 "INDEX = IndexModel([('level', 1)], unique=True)\n\ndef count", 1)
    )  # fmt: skip
    plain(workspace)

    with pytest.raises(ContextFileError, match="cannot be unique"):
        async with open_recorder(workspace, workspace.settings()):
            pass


async def test_a_plain_document_keeps_the_defaults_of_its_fields(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Pydantic takes defaults out of the class body before anybody else can look."""
    workspace = make_workspace("""
from beanie import Document, Insert, before_event

class Shots(Document):
    foo: int | None
    n: int = 5
    notes: list[str] = []

    @before_event(Insert)
    def fill(self):
        self.foo = self.n + 1
        self.notes.append("seen")
""")
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 1)
        row: Any = await plain(workspace).shots.find_one()

    assert (row["foo"], row["n"], row["notes"]) == (6, 5, ["seen"])


ONCE = """
from pathlib import Path
from typing import Annotated, TypedDict
from knockoff import Editable, Insert, Run, Update, Variable
from typing_extensions import NotRequired

class Fit(TypedDict):
    center: float
    width: NotRequired[float]

def count(name):
    with Path(__file__).with_name("count.txt").open("a") as file:
        file.write(name + " ")

class Runs(Run):
    threshold: Annotated[float, Editable] | None = None

    @Variable
    def fit(self) -> Fit:
        count("fit")
        return {"center": 1.5}

    @Variable(event=Insert)
    def first(self) -> float | None:
        count("first")
        return self.threshold

    @Variable(event=[Insert, Update])
    def always(self) -> float | None:
        count("always")
        return self.threshold

    @Variable
    def large(self) -> list[int]:
        return [2**40, -(2**63)]
"""


async def test_who_asks_again_gets_what_may_be_otherwise_and_no_more(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """An output that was left out is no failure, and who runs on Insert does not see an edit."""
    workspace = make_workspace(ONCE)
    key = RunKey(workspace.proposal, 2)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder, 2)
        assert sorted(counted(workspace)) == ["always", "first", "fit"]
        await recorder.work_off(await recorder.ask_again(key, retry=True))
        assert counted(workspace)[3:] == []

        async with open_editing(workspace, workspace.settings()) as editing:
            await editing.set_field(key, "threshold", "0.75")
        await recorder.work_off(["runs/2/edit", *await recorder.ask_again(key, retry=True)])
        assert counted(workspace)[3:] == ["always"]
    workspace.context_file.write_text(
        ONCE.replace("class Runs", "LIMIT = 3\n\nclass Runs").replace(
            'count("first")', 'count("first") or LIMIT'
        )
    )
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.work_off(await recorder.ask_again(key, retry=True))
        run: Any = await recorder.tables.classes["runs"].find_one()
        assert [type(each) for each in await run.value("large")] == [int, int]

    assert counted(workspace)[4:] == ["first"]
    row: Any = await plain(workspace).runs.find_one()
    assert (row["first"], row["always"]) == (0.75, 0.75)
