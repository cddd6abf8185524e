"""What is due in many rows is found without touching any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knockoff.recording.dueness import Wish, plan
from knockoff.recording.opening import open_recorder
from knockoff.rundata.synthetic import write_run
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.database.client import Database
    from knockoff.recording.dueness import Plan
    from knockoff.recording.recorder import Recorder
    from knockoff.workspace import Workspace

TWO = """
from typing import Annotated, Any
from knockoff import Editable, Run, Variable

class Runs(Run):
    @Variable
    def scaled(self, energy: Annotated[Any, "var#SpectrumRuns.energy"]) -> float:
        return 2 * energy

    @Variable
    def number(self) -> int:
        return self.run

class SpectrumRuns(Run):
    gain: Annotated[float, Editable] = 1.0

    @Variable
    def energy(self) -> float:
        return 10 * self.gain
"""


async def planned(recorder: Recorder, workspace: Workspace, wish: Wish | None = None) -> Plan:
    root = workspace.settings().data_root
    context = recorder.tables.context
    wish = wish or Wish()
    return await plan(recorder.database, context, workspace.proposal, None, wish, root)


def named(found: Plan) -> list[tuple[str, tuple[str, ...]]]:
    return [(row.collection, row.variables) for row in found.rows]


async def test_what_reads_a_stale_value_of_another_table_is_due_with_it(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Else the two tables would tell of one run what does not fit together."""
    workspace = make_workspace(TWO)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        key = RunKey(workspace.proposal, 4)
        await recorder.record(key, "raw")
        await recorder.work_off(["runs/4/raw", "spectrum_runs/4/raw"])
        database = plain(workspace)
        assert named(await planned(recorder, workspace)) == []

        await database.spectrum_runs.update_one({}, {"$set": {"gain": 3.0}})
        found = await planned(recorder, workspace)
        assert sorted(named(found)) == [("runs", ("scaled",)), ("spectrum_runs", ("energy",))]

        jobs: list[str] = []
        for row in found.rows:
            jobs += await recorder.ask_again(
                key, retry=False, variables=row.variables, collections=[row.collection]
            )
        await recorder.work_off(jobs)
        stored: Any = await database.runs.find_one()
        assert stored["scaled"] == 60.0
        assert named(await planned(recorder, workspace)) == []


async def test_other_files_on_the_disk_and_new_ones_are_seen(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Data that was transferred again holds other values; a message may never have come."""
    workspace = make_workspace(TWO)
    root = workspace.settings().data_root
    async with open_recorder(workspace, workspace.settings()) as recorder:
        key = RunKey(workspace.proposal, 4)
        await recorder.record(key, "raw")
        await recorder.work_off(["runs/4/raw", "spectrum_runs/4/raw"])
        assert named(await planned(recorder, workspace)) == []
        write_run(root, key, trains=2, pulses=2)
        found = await planned(recorder, workspace)
        assert sorted(named(found)) == [
            ("runs", ("scaled", "number")),
            ("spectrum_runs", ("energy",)),
        ]
        before: Any = await plain(workspace).runs.find_one()
        assert "identity" not in before["knockoff"]  # looking has written nothing
        some = await planned(recorder, workspace, Wish(variables=("number",)))
        assert named(some) == [("runs", ("number",))]
