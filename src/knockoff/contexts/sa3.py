"""A context file for the instruments behind SASE3: SCS, SQS and SXP."""

from pathlib import Path
from typing import Annotated

import xarray as xr
from extra_data import DataCollection

from knockoff import Run, Skip, Source, Variable

TRAINS_PER_SECOND = 10
NO_PULSE = 1.0
"""What the gas monitor writes where no pulse was."""

PulseEnergies = Annotated[
    xr.DataArray, Source("SA3_XTD10_XGM/XGM/DOOCS:output", "data.intensitySa3TD")
]


class Runs(Run):
    """One row for each run of the proposal."""

    @Variable(title="Trains")
    def trains(self, data: DataCollection) -> int:
        """How many trains were recorded."""
        return len(data.train_ids)

    @Variable(title="Run length", units="s")
    def run_length(self, data: DataCollection) -> float:
        """From the first train to the last; gaps in the recording are part of it."""
        first, last = data.train_ids[0], data.train_ids[-1]
        return float(last - first + 1) / TRAINS_PER_SECOND

    @Variable(title="Size/Raw", units="TB")
    def raw_size(
        self,
        proposal: Annotated[Path, "meta#proposal_path"],
        run: Annotated[int, "meta#run_number"],
    ) -> float:
        """What the recorded files of the run take on disk."""
        return size_in_tb(proposal / "raw" / f"r{run:04d}")

    @Variable(title="Size/Proc", units="TB", data="proc")
    def proc_size(
        self,
        proposal: Annotated[Path, "meta#proposal_path"],
        run: Annotated[int, "meta#run_number"],
    ) -> float:
        """What the corrected files of the run take on disk."""
        return size_in_tb(proposal / "proc" / f"r{run:04d}")

    @Variable(title="XGM/Pulses")
    def pulses(self, energies: PulseEnergies) -> int:
        """X-ray pulses in a train; where trains differ, in the fullest one."""
        return int((energies != NO_PULSE).sum(energies.dims[1:]).max())

    @Variable(title="XGM/Intensity", units="µJ", summary="nanmean")
    def xgm_intensity(self, energies: PulseEnergies) -> xr.DataArray:
        """Mean pulse energy of every train; a train without a pulse has none."""
        if self.pulses == 0:
            raise Skip("no X-ray pulses in this run")
        return energies.where(energies != NO_PULSE).mean(energies.dims[1:])


def size_in_tb(folder: Path) -> float:
    """Size of all HDF5 files in a folder, in units of 10¹² bytes."""
    return sum(file.stat().st_size for file in folder.glob("*.h5")) / 1e12
