"""A context file as type checkers see it: checked by mypy, and never filled."""

from __future__ import annotations

from typing import Annotated, assert_type

import numpy as np
import numpy.typing as npt
from extra_data import DataCollection

from knockoff import Cell, Editable, Group, Insert, Run, Variable, before_event


@Group(title="XGM")
class Xgm:
    device: str
    offset: float = 0.0

    @Variable(units="uJ", summary="mean")
    def pulse_energy(self, data: DataCollection) -> npt.NDArray[np.float32]:
        energies: npt.NDArray[np.float32] = data[
            f"{self.device}:output", "data.intensityTD"
        ].ndarray()
        return energies

    @Variable
    def corrected(self) -> float:
        assert_type(self.pulse_energy, npt.NDArray[np.float32])
        return float(self.pulse_energy.mean() + self.offset)


class Runs(Run):
    xgm = Xgm(device="SA2_XTD1_XGM/XGM/DOOCS")
    threshold: Annotated[float, Editable(title="Hit threshold")] = 0.5
    label: str

    @Variable(title="Early", event=Insert, direction=before_event)
    def early(self, data: DataCollection) -> str:
        return "early"

    @Variable
    def hits(self) -> int:
        assert_type(self.xgm.corrected, float)
        assert_type(self.threshold, float)
        return int(self.xgm.corrected > self.threshold)

    @Variable
    async def late(self) -> str:
        assert_type(self.hits, int)
        assert_type(self.label, str)
        return self.label

    @Variable
    def looks(self) -> Cell:
        assert_type(self.late, str)
        return Cell(self.hits, bold=True)


async def query() -> None:
    await Runs.find(Runs.hits > 10).to_list()
    await Runs.find(Runs.xgm.corrected > 900, Runs.hits == 3).sort(-Runs.hits).to_list()
    run = await Runs(proposal=1234, run=1).insert()
    assert_type(run.hits, int)
    assert_type(run.comment, str | None)
    found = await Runs.find_one(Runs.run == 1)
    if found is not None:
        assert_type(found.xgm.corrected, float)
        await found.set({Runs.threshold: 0.7})
