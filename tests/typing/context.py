"""A context file as type checkers see it: checked by mypy, and never filled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, assert_type

import numpy as np
import numpy.typing as npt
from extra_data import DataCollection

from knockoff import Cell, Editable, Group, Grouped, Insert, Run, Variable, before_event


@dataclass
class Beam:
    mean: float
    width: Annotated[float, Variable(units="mm")]


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


class Detector(Grouped):
    distance: float

    @Variable
    def half(self) -> float:
        return self.distance / 2


@Group(tags="detectors")
class Agipd(Detector):
    gain: int = 1


class Runs(Run):
    xgm = Xgm(device="SA2_XTD1_XGM/XGM/DOOCS")
    agipd = Agipd(title="AGIPD 1M", tags=["large"], sep=" | ", distance=0.5, gain=2)
    small = Detector(name="small.detector", title="Small", distance=0.1)
    threshold: Annotated[float, Editable(title="Hit threshold")] = 0.5
    label: str

    @Variable(title="Early", event=Insert, direction=before_event)
    def early(self, data: DataCollection) -> str:
        return "early"

    @Variable
    def hits(self) -> int:
        assert_type(self.xgm.corrected, float)
        assert_type(self.agipd.half, float)
        assert_type(self.small.half, float)
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

    @Variable
    def styled(self) -> Cell[float]:
        assert_type(self.looks, Any)
        return Cell(2.0, background="#ff0000")

    @Variable(title="Later")
    async def styled_later(self) -> Cell[str]:
        assert_type(self.styled, float)
        return Cell("late")

    @Variable
    def beam(self) -> Beam:
        assert_type(self.styled_later, str)
        return Beam(1.0, 0.5)

    @Variable
    def area(self) -> float:
        assert_type(self.beam, Beam)
        return self.beam.width**2


async def query() -> None:
    await Runs.find(Runs.beam.mean > 3).to_list()
    await Runs.find(Runs.hits > 10).to_list()
    await Runs.find(Runs.xgm.corrected > 900, Runs.hits == 3).sort(-Runs.hits).to_list()
    run = await Runs(proposal=1234, run=1).insert()
    assert_type(run.hits, int)
    assert_type(run.comment, str | None)
    found = await Runs.find_one(Runs.run == 1)
    if found is not None:
        assert_type(found.xgm.corrected, float)
        await found.set({Runs.threshold: 0.7})
