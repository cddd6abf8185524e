"""What the data acquisition of a synthetic beamline records: its sources, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from knockoff.rundata import simulation
from knockoff.rundata.errors import SyntheticRunError
from knockoff.rundata.sequencefile import FastSource, SlowSource, Source, Trains, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from knockoff.rundata.sequencefile import Setting
    from knockoff.rundata.simulation import Conditions
    from knockoff.runkey import RunKey

MICROJOULE: Final = Unit("micro", "u", "joule", "J")
MILLIMETRE: Final = Unit("milli", "m", "meter", "m")
NANOMETRE: Final = Unit("nano", "n", "meter", "m")

_SASES: Final[Mapping[str, int]] = {
    "FXE": 1, "SPB": 1, "HED": 2, "MID": 2, "SCS": 3, "SQS": 3, "SXP": 3,
}  # fmt: skip
_XGMS: Final[Mapping[int, str]] = {
    1: "SA1_XTD2_XGM/XGM/DOOCS",
    2: "SA2_XTD1_XGM/XGM/DOOCS",
    3: "SA3_XTD10_XGM/XGM/DOOCS",
}
_SCAN_RANGE: Final = (-0.5, 0.5)
"""Where the scan along the beam starts and stops, in mm."""

_SCAN_STEPS: Final = 4


@dataclass(frozen=True)
class Beamline:
    """The sources of one instrument; which gas monitor it has follows from its undulator."""

    instrument: str

    def __post_init__(self) -> None:
        if self.instrument not in _SASES:
            raise SyntheticRunError(
                f"There is no instrument {self.instrument!r}; choose one of {', '.join(_SASES)}."
            )

    @property
    def xgm(self) -> str:
        """The gas monitor, which measures the energy of every pulse."""
        return _XGMS[_SASES[self.instrument]]

    @property
    def motors(self) -> tuple[str, str]:
        """The sample's motors: across the beam (one step per run), and along it."""
        stage = f"{self.instrument}_EXP_SAM/MOTOR"
        return f"{stage}/X", f"{stage}/Y"

    @property
    def scantool(self) -> str:
        """The device that moves a motor step by step while the run is taken."""
        return f"{self.instrument}_EXP_SYS/MDL/KARABACON"

    @property
    def timeserver(self) -> str:
        """The device that knows for every train which bunches went where."""
        return f"{self.instrument}_RR_SYS/TSYS/TIMESERVER"

    @property
    def digitizer(self) -> str:
        """One channel of a fast digitizer behind a photodiode: long traces."""
        return f"{self.instrument}_EXP_FASTADC/ADC/DIODE:channel_1.output"

    @property
    def detector(self) -> str:
        """The raw images: one per train."""
        return f"{self.instrument}_EXP_EPIX-1/DET/RECEIVER:daqOutput"

    @property
    def corrected_detector(self) -> str:
        """The images as the facility's calibration writes them."""
        return f"{self.instrument}_EXP_EPIX-1/CORR/RECEIVER:daqOutput"

    def record(
        self,
        key: RunKey,
        conditions: Conditions,
        trains: Trains,
        *,
        pulses: int,
        slots: int,
        recorded: Mapping[str, NDArray[np.bool_]],
        rng: np.random.Generator,
    ) -> dict[str, list[Source]]:
        """All sources of a run, by the aggregator that writes them.

        `slots` is the width of the gas monitor's arrays; `recorded` says for
        digitizer and detector which trains they got.
        """
        energies = simulation.pulse_energies(conditions, len(trains), pulses, rng)
        images = simulation.images(conditions, energies, key.proposal, rng)
        return {
            "DA01": [
                *self._gas_monitor(conditions, energies, slots, rng),
                *self._sample_stage(conditions, len(trains), rng),
                *self._time_server(len(trains), pulses),
            ],
            "DA02": [_digitizer(self.digitizer, energies, recorded[self.digitizer], rng)],
            "EPIX01": [
                FastSource(self.detector, {"image.pixels": images}, recorded[self.detector])
            ],
        }

    def correct(
        self, key: RunKey, raw: NDArray[np.uint16], recorded: NDArray[np.bool_]
    ) -> FastSource:
        """The corrected detector for raw images, shape ``(trains, rows, columns)``, in photons."""
        mask = simulation.bad_pixels(key.proposal).astype(np.uint32)
        return FastSource(
            self.corrected_detector,
            {
                "image.pixels": simulation.corrected(raw, key.proposal),
                "image.mask": np.broadcast_to(mask, raw.shape),
            },
            recorded,
            compressed=("image.mask",),
        )

    def _gas_monitor(
        self,
        conditions: Conditions,
        energies: NDArray[np.float32],
        slots: int,
        rng: np.random.Generator,
    ) -> tuple[SlowSource, FastSource]:
        trains, pulses = energies.shape
        bunches = np.full(trains, pulses, np.int32)
        intensity = _in_slots(energies, slots, filler=1)
        slow: dict[str, NDArray[Any]] = {
            "state": np.full(trains, "ON", object),
            "pulseEnergy.photonFlux": energies.mean(axis=1),
            "pulseEnergy.wavelengthUsed": np.full(trains, conditions.wavelength, np.float32),
            "pulseEnergy.numberOfBunchesActual": bunches,
            "controlData.slowTrain": energies.mean(axis=1),
            "beamPosition.ixPos": 0.2 + _jitter((trains,), rng),
            "beamPosition.iyPos": -0.1 + _jitter((trains,), rng),
            "pressure.pressureFiltered": np.full(trains, 2.5e-4, np.float32),
        }
        fast = {
            "intensityTD": intensity,
            "intensitySigmaTD": _in_slots(np.float32(0.02) * energies, slots, filler=1),
            "xTD": _in_slots(_jitter(energies.shape, rng), slots, filler=0),
            "yTD": _in_slots(_jitter(energies.shape, rng), slots, filler=0),
        }
        sase = _SASES[self.instrument]
        if sase in {1, 3}:  # one undulator after the other: these monitors tell their pulses apart
            slow[f"pulseEnergy.numberOfSa{sase}BunchesActual"] = bunches
            slow[f"controlData.slowTrainSa{sase}"] = energies.mean(axis=1)
            fast[f"intensitySa{sase}TD"] = intensity
        units = {"pulseEnergy.photonFlux": MICROJOULE, "pulseEnergy.wavelengthUsed": NANOMETRE}
        units |= {key: MICROJOULE for key in slow if key.startswith("controlData.")}
        units |= dict.fromkeys(("beamPosition.ixPos", "beamPosition.iyPos"), MILLIMETRE)
        return (
            SlowSource(self.xgm, slow, units, {"classId": "DoocsXGM"}),
            FastSource(
                f"{self.xgm}:output",
                fast,
                np.ones(trains, np.bool_),
                units=dict.fromkeys(("intensityTD", f"intensitySa{sase}TD"), MICROJOULE)
                | dict.fromkeys(("xTD", "yTD"), MILLIMETRE),
            ),
        )

    def _sample_stage(
        self, conditions: Conditions, trains: int, rng: np.random.Generator
    ) -> tuple[SlowSource, SlowSource, SlowSource]:
        across, along = self.motors
        step = np.arange(trains) * (_SCAN_STEPS + 1) // max(1, trains)
        positions = np.round(np.linspace(*_SCAN_RANGE, _SCAN_STEPS + 1)[step], 3)
        return (
            _motor(across, np.full(trains, conditions.sample_x), rng),
            _motor(along, positions, rng),
            self._scantool(np.diff(step, prepend=0) > 0),
        )

    def _scantool(self, moving: NDArray[np.bool_]) -> SlowSource:
        """The scan along the beam, in the words of Karabacon, the facility's scan tool."""
        start, stop = _SCAN_RANGE
        settings: dict[str, Setting] = {
            "classId": "Karabacon",
            "scanEnv.scanType": "ascan",
            "scanEnv.steps": [_SCAN_STEPS],
            "scanEnv.startPoints": [start],
            "scanEnv.stopPoints": [stop],
            "deviceEnv.activeMotors": ["Y"],
            "deviceEnv.acquisitionTime": 1.0,
            "actualConfiguration": f"--- Motors: ['{self.motors[1]}:default'] --- Sources: []",
        }
        return SlowSource(self.scantool, {"isMoving": moving}, settings=settings)

    def _time_server(self, trains: int, pulses: int) -> tuple[SlowSource, FastSource]:
        table = np.broadcast_to(
            simulation.bunch_pattern(_SASES[self.instrument], pulses), (trains, simulation.BUCKETS)
        )
        state = {"state": np.full(trains, "ON", object)}
        return (
            SlowSource(self.timeserver, state, settings={"classId": "TimeServer"}),
            FastSource(
                f"{self.timeserver}:outputBunchPattern",
                {"bunchPatternTable": table},
                np.ones(trains, np.bool_),
                compressed=("bunchPatternTable",),
            ),
        )


def _motor(name: str, target: NDArray[np.float64], rng: np.random.Generator) -> SlowSource:
    actual = target + rng.normal(0, 0.0005, len(target))
    positions = {"targetPosition": target, "actualPosition": actual, "encoderPosition": actual}
    return SlowSource(
        name,
        {"state": np.full(len(target), "ON", object), **positions},
        units=dict.fromkeys(positions, MILLIMETRE),
        settings={"classId": "BeckhoffMotor"},
    )


def _digitizer(
    name: str,
    energies: NDArray[np.float32],
    recorded: NDArray[np.bool_],
    rng: np.random.Generator,
) -> FastSource:
    trace = simulation.traces(energies, rng)
    keys = {
        "rawData": trace,
        "baseline": np.median(trace[:, :200], axis=1),
        "peaks": (4.0 * energies).astype(np.float32),
    }
    return FastSource(name, keys, recorded)


def _in_slots(values: NDArray[np.float32], slots: int, filler: float) -> NDArray[np.float32]:
    """One column per slot of the monitor; what no pulse filled holds the filler."""
    padded = np.full((len(values), slots), filler, np.float32)
    padded[:, : values.shape[1]] = values
    return padded


def _jitter(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """How far from the middle the beam passes, in mm."""
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(0.05)
