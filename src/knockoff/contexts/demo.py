"""The demo's context file: a powder at MID, scanned through the beam, one step per run.

Made to be read: most of what the language can do is in here once.
"""

from datetime import timedelta
from typing import Annotated

import numpy as np
import xarray as xr
from extra_data import DataCollection

from knockoff import (
    Cell,
    Editable,
    Group,
    Insert,
    Run,
    Skip,
    Source,
    Update,
    Variable,
    after_event,
)

SAMPLE = "MID_EXP_SAM/MOTOR"
DIODE = "MID_EXP_FASTADC/ADC/DIODE:channel_1.output"
IMAGES = "MID_EXP_EPIX-1/DET/RECEIVER:daqOutput"
PHOTONS = "MID_EXP_EPIX-1/CORR/RECEIVER:daqOutput"

SAMPLES_PER_US = 108  # the digitizer's clock, in MHz

GREEN, GREY = "#1f6f43", "#4a4a4a"

Images = Annotated[xr.DataArray, Source(IMAGES, "data.image.pixels")]
Photons = Annotated[xr.DataArray, Source(PHOTONS, "data.image.pixels")]
Positions = Annotated[
    xr.DataArray, Variable(title="Sample/Y range", units="mm", summary="ptp", tags="sample")
]


@Group(title="XGM", tags="beam")
class Xgm:
    """A gas monitor, which measures the energy of every pulse."""

    device: str
    lasing_above: float = 20.0
    """Mean pulse energy in µJ; spontaneous radiation alone stays below."""

    @Variable(title="Pulse energy", units="µJ", summary="mean")
    def pulse_energy(self, data: DataCollection) -> xr.DataArray:
        """Energy of every pulse of every train."""
        recorded = data[f"{self.device}:output", "data.intensityTD"]
        energies: xr.DataArray = recorded.xarray(extra_dims=["pulse"])
        return energies

    @Variable(title="Pulses")
    def pulses(self) -> int:
        """X-ray pulses per train."""
        return int(self.pulse_energy.sizes["pulse"])

    @Variable(title="Lasing")
    def lasing(self) -> bool:
        """Whether there was more than spontaneous radiation."""
        return bool(self.pulse_energy.mean() > self.lasing_above)

    @Variable(title="Jitter", units="%")
    def jitter(self) -> float:
        """How much the mean energy differs from train to train, as standard deviation."""
        if not self.lasing:
            raise Skip("dark run")
        trains = self.pulse_energy.mean("pulse")
        return float(100 * trains.std() / trains.mean())


class Runs(Run):
    """One row for each run of the simulated beamtime."""

    xgm = Xgm(device="SA2_XTD1_XGM/XGM/DOOCS")
    threshold: Annotated[
        float, Editable(title="Hits/Threshold", units="ph/px", tags="detector")
    ] = 0.25
    """Scattering from which on a train is a hit."""

    label: str
    """A hook writes it; nothing else has to be said of such a field."""

    @Variable(title="Trains")
    def trains(self, data: DataCollection) -> int:
        """How many trains were recorded."""
        return len(data.train_ids)

    @Variable(title="Duration", units="s")
    def duration(self, data: DataCollection) -> timedelta:
        """From the first train to the last, which come ten per second."""
        ticks = int(data.train_ids[-1] - data.train_ids[0]) + 1
        return timedelta(seconds=ticks / 10)

    @Variable(title="Sample/X", units="mm", tags="sample")
    def sample_x(
        self, position: Annotated[xr.DataArray, Source(f"{SAMPLE}/X", "actualPosition.value")]
    ) -> float:
        """Where the sample stands across the beam: the scan."""
        return round(float(position.mean()), 2) + 0.0  # and never -0.0

    def sample_y(
        self, position: Annotated[xr.DataArray, Source(f"{SAMPLE}/Y", "actualPosition.value")]
    ) -> Positions:
        """Where the sample is along its length: it moves on during the run."""
        return position

    @Variable(title="Diode/Trace", units="ADU", tags="beam")
    def diode(self, traces: Annotated[xr.DataArray, Source(DIODE, "data.rawData")]) -> xr.DataArray:
        """Mean trace of the photodiode behind the sample, one peak per pulse."""
        return traces.mean("trainId").rename({traces.dims[1]: "sample"})

    @Variable(title="Diode/Arrival", units="µs", tags="beam")
    def arrival(self) -> float:
        """When the first pulse arrives. It fails in the dark: there is none, and nobody asks."""
        above = self.diode - self.diode.median()
        first = np.flatnonzero(above > 100)[0]
        return float(first / SAMPLES_PER_US)

    @Variable(title="Diode/Decay", units="ns", tags="beam")
    def decay(self) -> float:
        """Until its peak has fallen to 1/e; blocked where there was no arrival."""
        peak = (self.diode - self.diode.median())[round(self.arrival * SAMPLES_PER_US) :]
        fallen = np.flatnonzero(peak < peak[0] / np.e)[0]
        return float(1000 * fallen / SAMPLES_PER_US)

    @Variable(title="Detector/Mean", units="ADU", tags="detector")
    def mean_image(self, images: Images) -> xr.DataArray:
        """Mean of all images as the detector sent them."""
        return upright(images.mean("trainId"))

    @Variable(
        title="Detector/Photons", units="photons", data="proc", summary="sum", tags="detector"
    )
    def photons(self, images: Photons) -> xr.DataArray:
        """Photons in each pixel, all trains together, after the facility's correction."""
        return upright(images.sum("trainId"))

    @Variable(
        title="Detector/Scattering",
        units="ph/px",
        data="proc",
        summary="mean",
        tags="detector",
    )
    def scattering(self, images: Photons) -> xr.DataArray:
        """Photons per pixel of every train that the detector saw."""
        return images.mean(images.dims[1:])

    @Variable(title="Hits/Number", tags="detector")
    def hits(self) -> int:
        """Trains that scattered more than the threshold, which is yours to type."""
        return int((self.scattering > self.threshold).sum())

    @Variable(title="Hits/Rate", units="%", tags="detector")
    def hit_rate(self) -> Cell:
        """Share of hits among the trains that the detector saw; good runs stand out."""
        if not self.xgm.lasing:
            raise Skip("dark run")
        rate = 100 * self.hits / len(self.scattering)
        return Cell(rate, bold=rate >= 50, background=GREEN if rate >= 50 else GREY)

    @after_event(Insert, Update)
    def describe(self) -> None:
        """A hook as Beanie has it: what it changes on the document is its result."""
        self.label = f"powder at {self.sample_x:+.1f} mm" if self.xgm.lasing else "dark"


def upright(image: xr.DataArray) -> xr.DataArray:
    """The image with names for its axes, which its file does not give."""
    rows, columns = image.dims
    return image.rename({rows: "row", columns: "column"})
