"""What Beanie's calls do on a run document: what ran, what was stored, what the instance shows."""

from __future__ import annotations

import itertools
import os
import sys
import types
from typing import TYPE_CHECKING, Any

import pytest
from beanie import init_beanie

from knockoff.contextfile.loading import load
from knockoff.errors import DatabaseError, EditError
from knockoff.runs.building import build
from knockoff.runs.documents import RunDocument
from knockoff.runs.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from knockoff.database.client import Database

PROPOSAL = 4321

HOOKED = """
from beanie import Insert, Update, after_event, before_event
from knockoff import Run

RAN = []

class Runs(Run):
    note: str | None = None
    mirror: str | None = None

    @{side}_event(Insert, Update)
    {maybe_async}def fill(self):
        RAN.append(self.note)
        self.mirror = f"{{self.note}}!"
"""


async def _insert(document: Any) -> None:
    await document.insert()


async def _save_new(document: Any) -> None:
    await document.save()


async def _edit_and(document: Any, call: Callable[[Any], Awaitable[Any]]) -> None:
    await document.insert()
    await call(document)


async def _save(document: Any) -> None:
    document.note = "b"
    await document.save()


async def _save_changes(document: Any) -> None:
    document.note = "b"
    await document.save_changes()


async def _replace(document: Any) -> None:
    document.note = "b"
    await document.replace()


async def _set(document: Any) -> None:
    await document.set({type(document).note: "b"})


async def _set_by_name(document: Any) -> None:
    await document.update({"$set": {"note": "b"}})


FIRST_WRITES = {"insert": _insert, "save": _save_new}
EDITS = {
    "save": _save,
    "save_changes": _save_changes,
    "replace": _replace,
    "set": _set,
    "update": _set_by_name,
}
HOOKS = list(itertools.product(["before", "after"], ["", "async "]))


@pytest.fixture
def in_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Run source as a notebook would, with an empty data root, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EXTRA_DATA_DATA_ROOT", str(tmp_path))

    def run(source: str) -> Any:
        name = f"notebook_{os.urandom(4).hex()}"
        file = tmp_path / f"{name}.py"
        file.write_text(source)
        module = types.ModuleType(name)
        module.__file__ = str(file)
        sys.modules[name] = module
        exec(compile(source, str(file), "exec"), vars(module))
        return module

    return run


@pytest.mark.parametrize(("side", "maybe_async"), HOOKS)
@pytest.mark.parametrize("write", FIRST_WRITES)
async def test_the_first_write_fills_the_document(
    write: str, side: str, maybe_async: str, in_a_notebook: Callable[[str], Any], database: Database
) -> None:
    """The instance has the fields when the call returns, and so has MongoDB."""
    module = in_a_notebook(HOOKED.format(side=side, maybe_async=maybe_async))
    await init_beanie(database=database, document_models=[module.Runs])
    document = module.Runs(proposal=PROPOSAL, run=1, note="a")

    await FIRST_WRITES[write](document)

    assert module.RAN == ["a"]
    assert document.mirror == "a!"
    stored: Any = await database.runs.find_one({"run": 1})
    assert (stored["note"], stored["mirror"]) == ("a", "a!")


@pytest.mark.parametrize(("side", "maybe_async"), HOOKS)
@pytest.mark.parametrize("edit", EDITS)
async def test_an_edit_fills_what_depends_on_it(
    edit: str, side: str, maybe_async: str, in_a_notebook: Callable[[str], Any], database: Database
) -> None:
    """In plain Beanie 1.30 a value set before an Update is lost; here it is stored."""
    module = in_a_notebook(HOOKED.format(side=side, maybe_async=maybe_async))
    await init_beanie(database=database, document_models=[module.Runs])
    document = module.Runs(proposal=PROPOSAL, run=1, note="a")

    await _edit_and(document, EDITS[edit])

    assert module.RAN == ["a", "b"]
    assert (document.note, document.mirror) == ("b", "b!")
    stored: Any = await database.runs.find_one({"run": 1})
    assert (stored["note"], stored["mirror"]) == ("b", "b!")


async def test_saving_what_has_not_changed_runs_and_writes_nothing(
    in_a_notebook: Callable[[str], Any], database: Database
) -> None:
    """A notebook that saves in a loop must not compute in one."""
    module = in_a_notebook(HOOKED.format(side="after", maybe_async=""))
    await init_beanie(database=database, document_models=[module.Runs])
    document = await module.Runs(proposal=PROPOSAL, run=1, note="a").insert()
    before = await database.runs.find_one({"run": 1})

    await document.save()
    await document.replace()

    assert module.RAN == ["a"]
    assert await database.runs.find_one({"run": 1}) == before


async def test_a_stale_save_keeps_newer_values_of_others(
    in_a_notebook: Callable[[str], Any], database: Database
) -> None:
    """Whoever has an old row in a notebook must not wipe a result that came since."""
    module = in_a_notebook(HOOKED.format(side="after", maybe_async=""))
    await init_beanie(database=database, document_models=[module.Runs])
    stale = await module.Runs(proposal=PROPOSAL, run=1, note="a").insert()
    await database.runs.update_one({"run": 1}, {"$set": {"mirror": "newer", "other": 5}})

    stale.comment = "mine"
    await stale.save()

    stored: Any = await database.runs.find_one({"run": 1})
    assert (stored["comment"], stored["mirror"], stored["other"]) == ("mine", "newer", 5)


async def test_deleting_a_document_runs_nothing_and_removes_the_row(
    in_a_notebook: Callable[[str], Any], database: Database
) -> None:
    """A Delete has nothing to fill."""
    module = in_a_notebook(HOOKED.format(side="after", maybe_async=""))
    await init_beanie(database=database, document_models=[module.Runs])
    document = await module.Runs(proposal=PROPOSAL, run=1, note="a").insert()

    await document.delete()

    assert module.RAN == ["a"]
    assert await database.runs.count_documents({}) == 0


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("validates", [True, False])
async def test_validate_on_save_checks_what_a_hook_assigned(
    validates: bool, side: str, in_a_notebook: Callable[[str], Any], database: Database
) -> None:
    """As in plain Beanie: only a class that asks for it has its values converted."""
    source = f"""
from beanie import Insert, {side}_event
from knockoff import Run

class Runs(Run):
    size: int

    class Settings:
        validate_on_save = {validates}

    @{side}_event(Insert)
    def measure(self):
        self.size = "12"
"""
    module = in_a_notebook(source)
    await init_beanie(database=database, document_models=[module.Runs])

    document = await module.Runs(proposal=PROPOSAL, run=1).insert()

    stored: Any = await database.runs.find_one({"run": 1})
    assert stored["size"] == document.size == (12 if validates else "12")


async def test_a_computed_field_cannot_be_set_by_hand(
    in_a_notebook: Callable[[str], Any], database: Database
) -> None:
    """People and variables never overwrite each other."""
    module = in_a_notebook("""
from knockoff import Run, Variable

class Runs(Run):
    @Variable
    def hits(self) -> int:
        return 3
""")
    await init_beanie(database=database, document_models=[module.Runs])
    document = await module.Runs(proposal=PROPOSAL, run=1).insert()

    with pytest.raises(EditError, match="hits of Runs is computed by line 6"):
        await document.set({"hits": 5})
    with pytest.raises(EditError, match="no field 'hitz'"):
        await document.set({"hitz": 5})


async def test_columns_are_queries_and_bad_rows_hide_no_others(
    in_a_notebook: Callable[[str], Any], database: Database
) -> None:
    """`Runs.xgm.energy > 2` is the same as the query that people type in mongosh."""
    module = in_a_notebook("""
from knockoff import Group, Run, Variable

@Group
class Xgm:
    scale: float

    @Variable
    def energy(self) -> float:
        return self.scale * self_run

class Runs(Run):
    size: int | None
    xgm = Xgm(scale=1.5)

self_run = 2
""")
    runs = module.Runs
    await init_beanie(database=database, document_models=[runs])
    for run in (1, 2):
        await runs(proposal=PROPOSAL, run=run, size=run).insert()
    await database.runs.update_one({"run": 1}, {"$set": {"size": "large", "run": "?"}})

    found = await runs.find(runs.xgm.energy > 2).sort(+runs.id).to_list()

    assert (runs.xgm.energy > 2) == {"xgm.energy": {"$gt": 2}}
    assert [(row.run, row.size, row.xgm.energy) for row in found] == [(1, "large", 3), (2, 2, 3)]


async def test_without_the_generated_action_rows_stay_empty(
    tmp_path: Path, database: Database
) -> None:
    """The action that `build` generates is the only way in for a filler."""
    file = tmp_path / "context.py"
    file.write_text("from knockoff import Run, Variable\n\nclass Runs(Run):\n"
                    "    @Variable\n    def one(self) -> int:\n        return 1\n")  # fmt: skip
    description = load(file).description.tables[0]
    filled: list[str] = []

    class Notes:
        arrays_folder = tmp_path

        async def as_of(self, document_class: Any, moment: Any) -> list[dict[str, Any]]:
            raise NotImplementedError

        async def fill(self, document: Any, event: str, direction: str) -> None:
            filled.append(f"{direction} {event}")

    with_actions = build(description, filler=Notes())
    await init_beanie(database=database, document_models=[with_actions])
    await with_actions(proposal=PROPOSAL, run=1).insert()
    assert filled == ["before Insert", "after Insert"]

    filled.clear()
    without: Any = build(description, filler=Notes())
    for name in dir(RunDocument):
        if getattr(getattr(RunDocument, name), "has_action", False):
            setattr(without, name, None)
    await init_beanie(database=database, document_models=[without])
    await without(proposal=PROPOSAL, run=2).insert()
    assert filled == []


async def test_a_document_that_nobody_fills_says_so(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty row without a word would look like a run without data."""
    file = tmp_path / "context.py"
    file.write_text("from knockoff import Variable\n\n@Variable\ndef one():\n    return 1\n")
    runs = build(load(file).description.tables[0])
    monkeypatch.setattr(Slot, "filler", None)
    monkeypatch.setattr(Slot, "make", None)
    await init_beanie(database=database, document_models=[runs])

    with pytest.raises(DatabaseError, match="Nothing fills Runs"):
        await runs(proposal=PROPOSAL, run=1).insert()


async def test_a_class_can_be_built_again_and_again(tmp_path: Path, database: Database) -> None:
    """Beanie turns attributes of a shared base into queries; ours must not be one."""
    file = tmp_path / "context.py"
    file.write_text("from knockoff import Variable\n\n@Variable\ndef one():\n    return 1\n")
    description = load(file).description.tables[0]

    class Silent:
        arrays_folder = tmp_path

        async def as_of(self, document_class: Any, moment: Any) -> list[dict[str, Any]]:
            raise NotImplementedError

        async def fill(self, document: Any, event: str, direction: str) -> None:
            return

    for run in (1, 2, 3):
        runs = build(description, filler=Silent())
        await init_beanie(database=database, document_models=[runs])
        await runs(proposal=PROPOSAL, run=run).insert()

    rows = await database.runs.find({}, {"_id": 0, "proposal": 1, "run": 1}).to_list(None)
    assert rows == [{"proposal": PROPOSAL, "run": run} for run in (1, 2, 3)]


async def test_an_output_called_like_a_method_keeps_its_name_in_storage(
    tmp_path: Path, database: Database
) -> None:
    """Its attribute ends with an underscore, as that of a column does; the value is found there."""
    file = tmp_path / "context.py"
    file.write_text(
        "from typing import NamedTuple\nfrom knockoff import Variable\n\n"
        "class Beam(NamedTuple):\n    copy: int\n    mean: float\n\n"
        "@Variable\ndef beam() -> Beam:\n    return Beam(1, 2.0)\n"
    )

    class Silent:
        arrays_folder = tmp_path

        async def as_of(self, document_class: Any, moment: Any) -> list[dict[str, Any]]:
            raise NotImplementedError

        async def fill(self, document: Any, event: str, direction: str) -> None:
            return

    runs: Any = build(load(file).description.tables[0], filler=Silent())
    await init_beanie(database=database, document_models=[runs])
    await runs(proposal=PROPOSAL, run=1).insert()
    await database.runs.update_one({"run": 1}, {"$set": {"beam": {"copy": 1, "mean": 2.0}}})

    found = await runs.find_one(runs.beam.mean > 1)
    assert (found.beam.copy_, found.beam.mean) == (1, 2.0)
    await found.set({"comment": "as it was"})
    row: Any = await database.runs.find_one()
    assert row["beam"] == {"copy": 1, "mean": 2.0}
