"""What a method returns as it lies in MongoDB and HDF5, and as it is read back from there."""

from __future__ import annotations

import importlib.util
import socket
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from beanie import init_beanie

import knockoff
from knockoff.arrays.reading import ArrayMissingError
from knockoff.errors import ArrayError, EditError
from knockoff.filling.messages import RunTask
from knockoff.filling.spool import SpoolWriter, spool_path
from knockoff.recording.opening import open_editing, open_recorder
from knockoff.runkey import RunKey
from knockoff.runs.values import ColumnMissingError, ValueMissingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.database.client import Database
    from knockoff.recording.recorder import Recorder
    from knockoff.workspace import Workspace

    Plain = Callable[[Workspace], Database]
    MakeWorkspace = Callable[[str], Workspace]

BEAM = """
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple, TypedDict
import numpy as np
from knockoff import Cell, Run, Skip, Variable

OFFSET = 0

def is_well():
    return not Path(__file__).with_name("ill").exists()

@dataclass(frozen=True)
class Beam:
    mean: float
    width: Annotated[
        float, Variable(title="Width", units="mm", tags="shape", description="At half maximum.")
    ]
    image: Annotated[np.ndarray, Variable(summary="max")]
"""

CLASS = (
    BEAM
    + '''
class Runs(Run):
    @Variable(tags="beam")
    def beam(self) -> Beam:
        """The beam on the screen."""
        if not is_well():
            raise Skip("the shutter was closed")
        return Beam(12.5, Cell(0.25, bold=True), np.arange(12.0).reshape(3, 4))

    @Variable
    def area(self) -> float:
        return self.beam.width ** 2 + OFFSET

    @Variable
    def whole(self) -> str:
        beam = self.beam
        return f"{type(beam).__name__} {beam.mean} {beam.width} {beam.image.shape} {OFFSET}"

    @Variable
    def gathered(self, them: Annotated[dict, "var#beam.*"]) -> str:
        return f"{sorted(them)} {OFFSET}"
'''
)

FUNCTIONS = (
    BEAM
    + '''
@Variable(tags="beam")
def beam() -> Beam:
    """The beam on the screen."""
    if not is_well():
        raise Skip("the shutter was closed")
    return Beam(12.5, Cell(0.25, bold=True), np.arange(12.0).reshape(3, 4))

@Variable
def area(width: "var#beam.width") -> float:
    return width ** 2 + OFFSET

@Variable
def whole(beam: "var#beam") -> str:
    return f"{type(beam).__name__} {beam.mean} {beam.width} {beam.image.shape} {OFFSET}"

@Variable
def gathered(them: "var#beam.*") -> str:
    return f"{sorted(them)} {OFFSET}"
'''
)

STYLES = {"class": CLASS, "functions": FUNCTIONS}


async def process(recorder: Recorder, run: int = 1, *, force: bool = False) -> None:
    """What `knockoff process` does."""
    key = RunKey(int(recorder.database.name[1:]), run)
    await recorder.work_off(await recorder.ask_again(key, force=force))


async def fill(recorder: Recorder, run: int = 1) -> None:
    """Record raw data of a run and do the job that follows."""
    key = RunKey(int(recorder.database.name[1:]), run)
    await recorder.record(key, "raw")
    await recorder.work_off([f"runs/{run}/raw"])


async def row_of(database: Database, run: int = 1) -> dict[str, Any]:
    """The row as any client of MongoDB sees it."""
    row: dict[str, Any] | None = await database.runs.find_one({"run": run})
    assert row is not None
    return row


def check_beam(row: dict[str, Any], workspace: Workspace) -> None:
    """Nested as a group is, and each output with all that a cell has."""
    assert row["beam"] == {"mean": 12.5, "width": 0.25, "image": 11.0}
    ours = row["knockoff"]
    assert ours["style"]["beam/width"] == {"bold": True}
    assert "beam/mean" not in ours["style"]
    assert ours["arrays"].keys() == {"beam/image"}
    reference = ours["arrays"]["beam/image"]
    assert reference["shape"] == [3, 4]
    with h5py.File(workspace.arrays_folder / reference["file"]) as file:
        assert np.array_equal(file[reference["dataset"]][()], np.arange(12.0).reshape(3, 4))
    assert {"beam", "beam/mean", "beam/width", "beam/image"} <= ours["code"].keys()
    assert not {"problems", "active", "states", "exact"} & ours.keys()


@pytest.mark.parametrize("style", STYLES)
async def test_each_output_of_a_method_is_a_column(
    style: str, make_workspace: MakeWorkspace, plain: Plain
) -> None:
    """By the road of the service: row, array, preview, history and the registry of columns."""
    workspace = make_workspace(STYLES[style])
    database = plain(workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder)

    row = await row_of(database)
    check_beam(row, workspace)
    assert row["area"] == 0.0625
    assert row["whole"] == "Beam 12.5 0.25 (3, 4) 0"
    assert row["gathered"] == "['beam.image', 'beam.mean', 'beam.width'] 0"
    found = database["knockoff.previews"].find({"_id": {"$regex": "^runs/1/beam"}})
    assert [each["_id"] async for each in found] == ["runs/1/beam/image/png"]
    history = [each async for each in database["knockoff.history"].find({"variable": "beam"})]
    assert len(history) == 1
    assert history[0]["fields"] == {"beam/mean": 12.5, "beam/width": 0.25, "beam/image": 11.0}
    assert history[0]["arrays"].keys() == {"beam/image"}
    columns = {
        each["name"]: each
        async for each in database["knockoff.variables"].find({"name": {"$regex": "^beam"}})
    }
    assert {name: each["title"] for name, each in columns.items()} == {
        "beam.mean": "Beam/Mean", "beam.width": "Beam/Width", "beam.image": "Beam/Image",
    }  # fmt: skip
    width = columns["beam.width"]
    assert (width["units"], width["tags"], width["type"]) == ("mm", ["beam", "shape"], "float")
    assert width["description"] == "At half maximum."
    assert columns["beam.mean"]["description"] == "The beam on the screen."


@pytest.mark.parametrize("style", STYLES)
async def test_an_object_of_an_earlier_attempt_is_the_same_for_a_dependant(
    style: str, make_workspace: MakeWorkspace, plain: Plain
) -> None:
    """Only the dependants are due; what they read was stored, and is of its class again."""
    workspace = make_workspace(STYLES[style])
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder)
    before = await row_of(plain(workspace))
    workspace.context_file.write_text(STYLES[style].replace("OFFSET = 0", "OFFSET = 1"))
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await process(recorder)

    row = await row_of(plain(workspace))
    assert row["area"] == 1.0625
    assert row["whole"] == "Beam 12.5 0.25 (3, 4) 1"
    assert row["gathered"] == "['beam.image', 'beam.mean', 'beam.width'] 1"
    assert row["knockoff"]["arrays"] == before["knockoff"]["arrays"]  # it was not computed again


@pytest.mark.parametrize("style", STYLES)
async def test_a_skip_empties_every_output_and_says_why_in_each(
    style: str, make_workspace: MakeWorkspace, plain: Plain
) -> None:
    """No old number, array or picture stands beside the new reason."""
    workspace = make_workspace(STYLES[style])
    database = plain(workspace)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder)
        (workspace.folder / "ill").touch()
        await process(recorder, force=True)

    row = await row_of(database)
    ours = row["knockoff"]
    assert "beam" not in row
    assert not {"arrays", "style"} & ours.keys()
    for output in ("beam/mean", "beam/width", "beam/image", "area", "whole"):
        assert ours["problems"][output]["state"] == "skipped"
        assert ours["problems"][output]["message"] == "the shutter was closed"
    assert ours["problems"]["whole"]["cause"] == ["beam"]
    assert await database["knockoff.previews"].count_documents({"_id": {"$regex": "beam"}}) == 0


@pytest.mark.parametrize("style", STYLES)
async def test_an_object_returned_in_a_notebook_fills_nested_fields(
    style: str, make_workspace: MakeWorkspace, plain: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the instance, in MongoDB, in a query, and read back as an object of its class."""
    workspace = make_workspace(STYLES[style])
    monkeypatch.chdir(workspace.folder)
    runs = await notebook(workspace, plain)
    document = await runs(proposal=workspace.proposal, run=3).insert()

    assert (document.beam.mean, document.beam.width, document.beam.image) == (12.5, 0.25, 11.0)
    check_beam(await row_of(plain(workspace), 3), workspace)
    found = await runs.find_one(runs.beam.mean > 12)
    beam = await found.value("beam")
    assert type(beam).__name__ == "Beam"
    assert (beam.mean, beam.width, beam.image.shape) == (12.5, 0.25, (3, 4))
    assert np.array_equal(await found.value(runs.beam.image, (1, slice(0, 2))), [4.0, 5.0])


async def notebook(workspace: Workspace, plain: Plain) -> Any:
    """The table of a context file that is run in this process, connected."""
    name = f"notebook_of_outputs_{workspace.proposal}"
    spec = importlib.util.spec_from_file_location(name, workspace.context_file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    names = vars(module)
    runs = names["Runs"] if "Runs" in names else knockoff.table(names)
    await init_beanie(database=plain(workspace), document_models=[runs])
    return runs


# Values that a field cannot show as they are

EXACT = """
import datetime as dt
import enum
from decimal import Decimal
from pathlib import Path
from typing import Annotated
from knockoff import Cell, Run, Variable

OFFSET = 0

class Colour(enum.Enum):
    RED = 1

class Runs(Run):
    @Variable
    def pair(self) -> tuple[int, str]:
        return (3, "up") if not Path(__file__).with_name("ill").exists() else [3, "up"]

    @Variable
    def price(self) -> Decimal:
        return Decimal("1.10")

    @Variable
    def colour(self) -> Colour:
        return Colour.RED

    @Variable
    def day(self) -> dt.date:
        return dt.date(2026, 5, 4)

    @Variable
    def moment(self) -> dt.datetime:
        return dt.datetime(2026, 5, 4, 10, 30, 0, 123456, dt.timezone(dt.timedelta(hours=2)))

    @Variable
    def known(self) -> int:
        return 7

    @Variable
    def words(self) -> frozenset[str]:
        return frozenset(f"word {number}" for number in range(500))

    @Variable
    def long(self) -> tuple[str, ...]:
        return tuple("x" * 10 for _ in range(3000))

    @Variable
    def shown(self) -> Cell[float]:
        return Cell(2.5, summary_value="two and a half")

    @Variable
    def absent(self) -> Cell:
        return Cell(None, summary_value="nothing")

    @Variable
    def seen(self) -> str:
        read = (
            self.pair, self.price, self.colour, self.day, self.moment, self.known, self.shown,
            self.absent, len(self.words), type(self.words).__name__, len(self.long),
            type(self.long).__name__,
        )
        return f"{read!r} {OFFSET}"
"""


async def test_what_is_read_back_is_what_was_returned(
    make_workspace: MakeWorkspace, plain: Plain
) -> None:
    """In another attempt, from a row in which a tuple is a list and a Decimal a number."""
    workspace = make_workspace(EXACT)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder)
    first = await row_of(plain(workspace))
    workspace.context_file.write_text(EXACT.replace("OFFSET = 0", "OFFSET = 1"))
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await process(recorder)
    second = await row_of(plain(workspace))

    assert first["pair"] == [3, "up"]
    assert first["price"] == 1.1
    assert first["day"] == "2026-05-04"
    assert first["moment"].replace(tzinfo=UTC) == datetime(2026, 5, 4, 8, 30, 0, 123000, tzinfo=UTC)
    assert first["shown"] == "two and a half"
    exact = first["knockoff"]["exact"]
    assert exact.keys() == {"pair", "price", "colour", "day", "moment", "words", "absent"}
    assert first["knockoff"]["arrays"].keys() == {"long", "shown"}
    assert first["knockoff"]["arrays"]["long"]["dtype"] == "tuple, 3000 items"
    assert first["knockoff"]["arrays"]["long"]["shape"] == []
    assert second["knockoff"]["exact"] == exact
    assert first["seen"].endswith(" 0")
    assert second["seen"] == first["seen"][:-1] + "1"
    assert "(3, 'up'), Decimal('1.10'), <Colour.RED: 1>, datetime.date(2026, 5, 4)" in first["seen"]
    history = await plain(workspace)["knockoff.history"].find_one({"variable": "pair"})
    assert history is not None
    assert history["exact"] == {"pair": exact["pair"]}


async def test_what_a_value_was_goes_when_the_value_changes(
    make_workspace: MakeWorkspace, plain: Plain
) -> None:
    """Else a list would be read back as the tuple that it replaced."""
    workspace = make_workspace(EXACT)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder)
        assert "pair" in (await row_of(plain(workspace)))["knockoff"]["exact"]
        (workspace.folder / "ill").touch()
        await process(recorder, force=True)

    row = await row_of(plain(workspace))
    assert row["pair"] == [3, "up"]
    assert "pair" not in row["knockoff"]["exact"]


async def test_a_value_is_read_back_in_python_from_a_description_alone(
    make_workspace: MakeWorkspace, plain: Plain
) -> None:
    """Whoever has the table but not its code gets what was returned, and objects as dicts."""
    workspace = make_workspace(CLASS + "\n" + EXACT.partition("class Runs(Run):")[2])
    text = workspace.context_file.read_text()
    workspace.context_file.write_text(
        text.replace("from typing import Annotated, N", "import datetime as dt\n"
                     "from decimal import Decimal\nimport enum\nfrom typing import Annotated, N", 1)
        .replace("class Runs", "class Colour(enum.Enum):\n    RED = 1\n\nclass Runs", 1)
    )  # fmt: skip
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder)

    async with open_editing(workspace, workspace.settings()) as editing:
        runs: Any = editing.tables.classes["runs"]
        run = await runs.find_one(runs.run == 1)
        assert await run.value("pair") == (3, "up")
        assert await run.value("day") == date(2026, 5, 4)
        moment = await run.value("moment")
        assert moment.microsecond == 123456
        assert moment.utcoffset() == timedelta(hours=2)
        assert await run.value("price") == Decimal("1.10")
        assert len(await run.value("long")) == 3000
        assert await run.value("known") == 7
        beam = await run.value("beam")
        assert beam.keys() == {"mean", "width", "image"}
        assert np.array_equal(beam["image"], np.arange(12.0).reshape(3, 4))
        assert np.array_equal(await run.value("beam.image", slice(0, 1)), [[0, 1, 2, 3]])
        assert await run.value("run") == 1


async def test_a_value_that_cannot_be_read_back_says_why(
    make_workspace: MakeWorkspace, plain: Plain
) -> None:
    """A wrong name, a cell without value, a lost file, a selection of what is no array."""
    workspace = make_workspace(CLASS)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder)
        (workspace.folder / "ill").touch()
        await recorder.record(RunKey(workspace.proposal, 2), "raw")
        await recorder.work_off(["runs/2/raw"])
    array = (await row_of(plain(workspace)))["knockoff"]["arrays"]["beam/image"]["file"]
    (workspace.arrays_folder / array).unlink()

    async with open_editing(workspace, workspace.settings()) as editing:
        runs: Any = editing.tables.classes["runs"]
        run, closed = (
            await runs.get(f"p{workspace.proposal:06d}r0001"),
            await runs.find_one(runs.run == 2),
        )
        with pytest.raises(ColumnMissingError, match=r"no column 'beam.with'.*'beam.width'"):
            await run.value("beam.with")
        with pytest.raises(ValueMissingError, match="skipped: the shutter was closed"):
            await closed.value("beam.mean")
        with pytest.raises(ArrayMissingError, match="is missing"):
            await run.value("beam.image")
        with pytest.raises(ArrayError, match="area holds no array"):
            await run.value("area", 3)
        await run.delete()
        with pytest.raises(EditError, match="no row"):
            await run.value("area")


# One bad output, and the other ways to return several

OTHERS = """
from typing import Annotated, NamedTuple, Optional, TypedDict
import numpy as np
from pydantic import BaseModel
from knockoff import Cell, Group, Run, Variable

OFFSET = 0

class Peak(NamedTuple):
    place: float
    height: int = 3

class Spot(TypedDict):
    x: float
    y: Annotated[float, Variable(units="mm")]

class Maybe(TypedDict, total=False):
    a: int
    b: int

class Model(BaseModel):
    gain: float
    shape: tuple[int, int]

@Group(title="Cam", tags="camera")
class Camera:
    @Variable
    def peak(self) -> Peak:
        return Peak(1.5)

    @Variable
    def twice(self) -> float:
        return 2 * self.peak.place + OFFSET

class Runs(Run):
    cam = Camera()

    def spot(self) -> Annotated[Spot, Variable(title="Spot")]:
        return {"x": 1.0, "z": 3.0}

    @Variable
    def model(self) -> Model | None:
        return Model(gain=2.0, shape=(3, 4))

    @Variable
    def nothing(self) -> Optional[Peak]:
        return None

    @Variable
    def maybe(self) -> Maybe:
        return {"a": 1}

    @Variable
    def keys(self) -> list:
        return [*self.maybe, OFFSET]

    @Variable
    def odd(self) -> Peak:
        return Cell(Peak(np.array([object()]), 4), background="#ff0000")

    @Variable
    def wrong(self) -> Peak:
        return 5

    @Variable
    def good(self) -> int:
        return self.odd.height + OFFSET

    @Variable
    def bad(self) -> int:
        odd = self.odd
        return odd.height + OFFSET

    @Variable
    def shape(self) -> str:
        return f"{self.model!r} {self.cam.peak!r} {self.nothing!r} {OFFSET}"

    @Variable
    def free(self) -> dict:
        return {"x": 1}
"""


async def test_an_output_that_cannot_be_stored_costs_only_its_own_cell(
    make_workspace: MakeWorkspace, plain: Plain
) -> None:
    """Of the same method the other outputs are there, and so is who reads only those."""
    workspace = make_workspace(OTHERS)
    rows: list[dict[str, Any]] = []
    for text in (OTHERS, OTHERS.replace("OFFSET = 0", "OFFSET = 1")):
        workspace.context_file.write_text(text)
        async with open_recorder(workspace, workspace.settings()) as recorder:
            await (process(recorder) if rows else fill(recorder))
        rows.append(await row_of(plain(workspace)))

    first, second = rows
    for row, offset in ((first, 0), (second, 1)):
        problems = row["knockoff"]["problems"]
        assert row["odd"] == {"height": 4}
        assert problems["odd/place"]["kind"] == "UnsupportedValueError"
        assert problems["odd/place"]["variable"] == "odd"
        assert row["knockoff"]["style"] == {"odd/height": {"background": "#ff0000"}}
        assert row["good"] == 4 + offset
        assert problems["bad"]["state"] == "blocked"
        assert problems["bad"]["cause"] == ["odd.place"]
        assert row["spot"] == {"x": 1.0}
        assert "without 'y'" in problems["spot/y"]["message"]
        for output in ("wrong/place", "wrong/height"):
            assert "its hint says Peak" in problems[output]["message"]
        assert row["model"] == {"gain": 2.0, "shape": [3, 4]}
        assert row["cam"] == {"peak": {"place": 1.5, "height": 3}, "twice": 3.0 + offset}
        assert row["nothing"] == {"place": None, "height": None}
        assert row["free"] == {"x": 1}
        assert row["maybe"] == {"a": 1}
        assert problems["maybe/b"]["state"] == "skipped"
        assert row["keys"] == ["a", offset]
        assert row["shape"].startswith("Model(gain=2.0, shape=(3, 4)) Peak(place=1.5, height=3) ")
    assert "None 0" in first["shape"]


async def test_a_key_that_no_class_declares_is_told_in_the_log_of_the_run(
    make_workspace: MakeWorkspace, plain: Plain
) -> None:
    """It costs nothing else, and nobody has to wonder where it went."""
    workspace = make_workspace(OTHERS)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder)

    assert "z" not in (await row_of(plain(workspace)))["spot"]
    logs = "".join(path.read_text() for path in workspace.logs_folder.rglob("*") if path.is_file())
    assert "Spot does not declare 'z'" in logs


# Around it


async def test_a_spool_of_an_older_layout_is_left_out_and_its_variables_computed_again(
    make_workspace: MakeWorkspace, plain: Plain, caplog: pytest.LogCaptureFixture
) -> None:
    """What an update finds on disk must neither stop the service nor empty a cell."""
    workspace = make_workspace(CLASS)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.record(RunKey(workspace.proposal, 1), "raw")
    await plain(workspace)["knockoff.jobs"].update_one(
        {"_id": "runs/1/raw"},
        {
            "$set": {
                "state": "running",
                "attempt": 1,
                "owner": f"{socket.gethostname()}:1:never",  # a process that is gone
                "lease_until": datetime(2020, 1, 1, tzinfo=UTC),
            }
        },
    )
    workspace.spool_folder.mkdir(exist_ok=True)
    task = RunTask(workspace.proposal, 1, "runs", "raw-1", str(workspace.arrays_folder))
    path = spool_path(workspace.spool_folder, task)
    writer = SpoolWriter(path, task)
    writer.asked(("area",))
    writer._write(  # what an older version wrote
        {"kind": "Result", "variable": "area", "outcome": "done", "code": "c0de",
         "fields": {"area": 99.0}, "array": None, "preview": None, "style": None, "units": None,
         "problem": None, "started_at": 0.0, "seconds": 0.0, "peak_memory": 0}
    )  # fmt: skip
    writer.forget()

    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.work_off(["runs/1/raw"])

    assert "another version" in caplog.text
    assert (await row_of(plain(workspace)))["area"] == 0.0625
    assert not path.exists()


async def test_a_deleted_document_that_is_saved_is_a_row_again(
    make_workspace: MakeWorkspace, plain: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in Beanie; silence would leave the row missing."""
    workspace = make_workspace(CLASS)
    monkeypatch.chdir(workspace.folder)
    runs = await notebook(workspace, plain)
    document = await runs(proposal=workspace.proposal, run=3).insert()
    await document.delete()
    assert await plain(workspace).runs.count_documents({}) == 0
    await document.save()

    row = await row_of(plain(workspace), 3)
    assert (row["area"], row["beam"]["mean"]) == (0.0625, 12.5)


@pytest.mark.parametrize(
    ("call", "options"),
    [
        ("save", {"session": object()}),
        ("save", {"ignore_revision": True}),
        ("save_changes", {"bulk_writer": object()}),
        ("replace", {"session": object()}),
        ("delete", {"session": object()}),
        ("insert", {"session": object()}),
    ],
)
async def test_an_option_that_cannot_be_followed_is_refused(
    call: str, options: dict[str, Any], make_workspace: MakeWorkspace, plain: Plain
) -> None:
    """A transaction that is none, for instance, would be found out when it is too late."""
    workspace = make_workspace(CLASS)
    runs = await notebook(workspace, plain)
    document = runs(proposal=workspace.proposal, run=3)
    with pytest.raises(EditError, match=next(iter(options))):
        await getattr(document, call)(**options)
    with pytest.raises(EditError, match="upsert"):
        await document.update({"$set": {"comment": "x"}}, upsert=True)
    assert await plain(workspace).runs.count_documents({}) == 0


SUMMARY = """
from typing import Annotated
import numpy as np
from knockoff import Run, Variable

OFFSET = 0

class Runs(Run):
    @Variable(summary=lambda array: array[100])
    def trace(self) -> np.ndarray:
        return np.arange(10.0)

    @Variable
    def last(self) -> float:
        return self.trace[-1] + OFFSET
"""


async def test_a_summary_that_fails_hides_no_value_from_a_dependant(
    make_workspace: MakeWorkspace, plain: Plain
) -> None:
    """Neither in the attempt that computed the value, nor in a later one, nor in Python."""
    workspace = make_workspace(SUMMARY)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await fill(recorder)
    first = await row_of(plain(workspace))
    workspace.context_file.write_text(SUMMARY.replace("OFFSET = 0", "OFFSET = 1"))
    async with open_recorder(workspace, workspace.settings()) as recorder:
        key = RunKey(workspace.proposal, 1)
        await recorder.work_off(await recorder.ask_again(key, retry=False))
    second = await row_of(plain(workspace))

    assert (first["last"], second["last"]) == (9.0, 10.0)
    assert "IndexError" in second["knockoff"]["problems"]["trace"]["message"]
    assert second["knockoff"]["arrays"] == first["knockoff"]["arrays"]
    async with open_editing(workspace, workspace.settings()) as editing:
        run: Any = await editing.tables.classes["runs"].get(key.document_id)
        assert np.array_equal(await run.value("trace"), np.arange(10.0))


async def test_a_row_that_somebody_else_deleted_cannot_be_changed(
    make_workspace: MakeWorkspace, plain: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an error that says so, and not as if it had been written."""
    workspace = make_workspace(CLASS)
    monkeypatch.chdir(workspace.folder)
    runs = await notebook(workspace, plain)
    document = await runs(proposal=workspace.proposal, run=3).insert()
    await plain(workspace).runs.delete_one({"run": 3})

    with pytest.raises(EditError, match=r"no row of p\d+ r0003"):
        await document.set({"comment": "too late"})
