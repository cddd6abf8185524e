"""The components of EXtra, the facility's own package, work in a context file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from knockoff.arrays.reading import read_array
from knockoff.arrays.references import ArrayReference
from knockoff.contextfile.loading import load
from knockoff.filling.filling import Filling
from knockoff.filling.messages import Result, RunTask
from knockoff.rundata.synthetic import write_run
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from pathlib import Path

TRAINS, PULSES = 40, 20
CONTEXT = """
from typing import Annotated

import xarray as xr
from extra.components import XGM, Scan, Scantool, XrayPulses
from extra_data import DataCollection
from knockoff import Run, Variable

class Runs(Run):
    @Variable(transient=True)
    def gas_monitor(self, data: DataCollection) -> XGM:
        return XGM(data)

    @Variable(summary="mean")
    def pulse_energy(self) -> xr.DataArray:
        return self.gas_monitor.pulse_energy()

    @Variable
    def photon_energy(self):
        return self.gas_monitor.photon_energy()

    @Variable
    def pulses(self, data: DataCollection) -> int:
        return int(XrayPulses(data).pulse_counts().iloc[0])

    @Variable
    def first_pulse(self, data: DataCollection) -> int:
        return int(XrayPulses(data).pulse_ids().min())

    @Variable
    def scanned(self, data: DataCollection) -> dict:
        scan = Scantool(data)
        return {"type": scan.scan_type, "motors": scan.motor_devices, "active": scan.active}

    @Variable
    def steps(self, data: DataCollection) -> int:
        (motor,) = Scantool(data).motor_devices.values()
        return len(Scan(data[motor, "actualPosition"]).steps)
"""


@pytest.mark.parametrize("instrument", ["SPB", "MID", "SQS"])
def test_gas_monitor_pulses_and_scan_tool_are_read(tmp_path: Path, instrument: str) -> None:
    """What people at the facility write every day, at each of its undulators."""
    key = RunKey(1234, 1)
    write_run(tmp_path, key, instrument=instrument, trains=TRAINS, pulses=PULSES, slots=1000)
    file = tmp_path / "context.py"
    file.write_text(CONTEXT)
    context = load(file)
    task = RunTask(1234, 1, "runs", "1", str(tmp_path / "extracted"), str(tmp_path))
    heard: list[Any] = []

    Filling(context, task).fill(context.tables["runs"].formulas, heard.append)

    results = {each.variable: each for each in heard if isinstance(each, Result)}
    assert {name: each.problem for name, each in results.items() if each.problem} == {}
    row = {name: value for each in results.values() for name, value in each.fields.items()}
    reference = ArrayReference.from_json(results["pulse_energy"].cell.array or {})
    energies = read_array(tmp_path / "extracted", reference)
    assert energies.shape == (TRAINS, PULSES)
    assert row["pulse_energy"] == pytest.approx(float(np.mean(energies.values)))
    assert 500 < row["pulse_energy"] < 2500
    assert row["photon_energy"] == pytest.approx(9.0, abs=0.01)
    assert results["photon_energy"].cell.units == "keV"
    assert (row["pulses"], row["first_pulse"]) == (PULSES, 1000)
    motor = f"{instrument}_EXP_SAM/MOTOR/Y"
    assert row["scanned"] == {"type": "ascan", "motors": {"Y": motor}, "active": True}
    assert row["steps"] == 5
