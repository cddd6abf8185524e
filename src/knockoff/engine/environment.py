"""What a process that runs user code is given of ours: an environment without secrets."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from knockoff.engine.sandbox import Sandbox

HEAVY: Final = (
    "numpy",
    "h5py",
    "hdf5plugin",
    "pandas",
    "xarray",
    "extra_data",
    "yaml",
    "PIL.Image",
    "knockoff.arrays.reading",
    "knockoff.rundata.opening",
)
"""Loaded once in a zygote, so that no run has to; those that are missing are left out."""

_PASSED_ON: Final = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|VIRTUAL_ENV"
    r"|CONDA_PREFIX|XDG_\w+|MPLCONFIGDIR|HDF5_\w+|EXTRA_DATA_DATA_ROOT"
)
_SET: Final = {
    "MPLBACKEND": "Agg",
    # One thread before the fork; and runs, not the loops inside one, share the cores.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # pyarrow, which pandas imports
}


@dataclass(frozen=True)
class EngineSettings:
    """How user code is run on this machine."""

    logs: Path
    """Folder for what runs print: one file per run."""

    spool: Path
    """Folder for results that nobody listened to."""

    python: str = sys.executable
    """Interpreter that loads the context file; Python 3.10 or later with h5py and extra-data."""

    timeout: float = 3600.0
    """Seconds for a variable that has no limit of its own."""

    grace: float = 2.0
    """Seconds between asking a process to end and ending it."""

    loading: float = 120.0
    """Seconds that a context file may take to load."""

    silence: float = 30.0
    """Seconds after which a process that others are forked from is ended if it answers nothing."""

    memory: int | None = None
    """Bytes that the variables of one run may take together, and each that does not say how much
    it needs; never more than the machine has. None for all of that."""

    cpus: int = 4
    """Processors that the variables of one run may keep busy together."""

    processors: int | None = None
    """Processors that all runs may keep busy together; None for those of this machine."""

    retries: int = 0
    """How often a variable that does not say so itself is tried again when it fails."""

    parallel: int | None = None
    """Runs that are filled at the same time, whoever asks; None for as many as are asked for."""

    idle_memory: int = 2_000_000_000
    """Bytes that loaded context files may take while no run of theirs is filled."""

    largest_log: int = 100_000_000
    """Bytes after which a run's log is cut to half."""

    preload: tuple[str, ...] = HEAVY
    sandbox: Sandbox | None = None
    """What user code is shut in by; None to let it do whatever this user may."""

    environment: Mapping[str, str] = field(default_factory=dict)
    """Set for user code on top of what is passed on."""


def environment(settings: EngineSettings, package: Path | None) -> dict[str, str]:
    """What user code sees in ``os.environ``; never an address of a server, or a token.

    `package` is a folder from which another interpreter imports knockoff.
    """
    own = {} if package is None else {"PYTHONPATH": str(package)}
    return {**passed_on(), **_SET, **own, **settings.environment}


def passed_on() -> dict[str, str]:
    """What of our own environment any code of people's may see."""
    return {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}


@contextmanager
def package_for(python: str) -> Iterator[Path | None]:
    """A folder with nothing but a link to this package, for an interpreter that is not ours.

    With our site-packages on its path it would import libraries built for another Python.
    """
    if python == sys.executable:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="knockoff-") as folder:
        link = Path(folder) / "knockoff"
        link.symlink_to(Path(__file__).parents[1], target_is_directory=True)
        yield Path(folder)
