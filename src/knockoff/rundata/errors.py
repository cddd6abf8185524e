"""Why the data of a run cannot be had, told so that a reader knows what to do.

RunDataError
├── DataRootMissingError     there is no data folder at all
├── ProposalMissingError     no such proposal under the data root
├── RunMissingError          the proposal has no such run, or not (yet) this kind
├── RunFolderEmptyError      the run's folder holds no data file
├── DataDeniedError          a file or folder exists, but this user may not read it
├── DataUnreachableError     the file system does not answer for a folder
├── DamagedFileError         a data file that is not a readable EuXFEL HDF5 file
├── SourceMissingError       the run has no such source
├── SourceKeyMissingError    the source has no such key
└── SyntheticRunError        a run that cannot be written as asked for (also a ValueError)
"""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from knockoff.errors import RunDataError

if TYPE_CHECKING:
    from pathlib import Path

    from knockoff.runkey import DataKind, RunKey


class DataRootMissingError(RunDataError):
    """The folder under which all proposals should lie does not exist."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.root = root

    def __str__(self) -> str:
        return (
            f"The data root {self.root} does not exist. Set data_root in "
            "knockoff.toml, or EXTRA_DATA_DATA_ROOT where that is not set, to the folder that "
            "holds <INSTRUMENT>/<CYCLE>/p001234."
        )


class ProposalMissingError(RunDataError):
    """No folder of this proposal lies under the data root."""

    def __init__(self, proposal: int, root: Path, closed: tuple[Path, ...] = ()) -> None:
        super().__init__(proposal, root, closed)
        self.proposal = proposal
        self.root = root
        self.closed = closed

    def __str__(self) -> str:
        text = (
            f"No such proposal here: nothing matches {self.root}/*/*/p{self.proposal:06d}. "
            "Check the number, or set data_root in knockoff.toml (EXTRA_DATA_DATA_ROOT where that "
            "is not set) to where its data is."
        )
        if self.closed:
            hidden = ", ".join(str(folder) for folder in self.closed)
            text += f" User {current_user()} may not look into {hidden}."
        return text


class RunMissingError(RunDataError):
    """The proposal is there, but this run is not, or not this kind of its data."""

    def __init__(
        self,
        key: RunKey,
        kind: DataKind,
        folder: Path,
        near: tuple[int, ...] = (),
        others: tuple[DataKind, ...] = (),
    ) -> None:
        super().__init__(key, kind, folder, near, others)
        self.key = key
        self.kind = kind
        self.folder = folder
        self.near = near
        self.others = others

    def __str__(self) -> str:
        text = f"{self.key} has no {self.kind} data: {self.folder} does not exist."
        if self.others:
            return f"{text} Its {' and '.join(self.others)} data is there; {_awaited(self.kind)}."
        if self.near:
            runs = ", ".join(str(run) for run in self.near)
            return f"{text} The nearest runs with {self.kind} data are {runs}."
        return f"{text} The proposal has no {self.kind} data at all yet."


class RunFolderEmptyError(RunDataError):
    """The folder of the run exists and holds no data file."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder

    def __str__(self) -> str:
        return (
            f"{self.folder} holds no HDF5 file. Either the data is still on its way, "
            "then process the run again later, or it was moved away."
        )


class DataDeniedError(RunDataError):
    """Something exists which the user of this process may not read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path
        self.user = current_user()

    def __str__(self) -> str:
        return (
            f"User {self.user} may not read {self.path}. Ask the owner or the facility "
            "to give this user access to the proposal."
        )


class DataUnreachableError(RunDataError):
    """The file system answers a look into a folder with an error of its own."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder = folder
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.folder} cannot be reached: {self.reason}. Try again when the disk is back."


class DamagedFileError(RunDataError):
    """A data file exists, but cannot be read as HDF5 in the EuXFEL format."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"{self.path} cannot be read: {self.reason}. The file is cut off or damaged; "
            "have the run copied again and process it then."
        )


class SourceMissingError(RunDataError):
    """The run was recorded without this source."""

    def __init__(self, source: str, near: tuple[str, ...] = ()) -> None:
        super().__init__(source, near)
        self.source = source
        self.near = near

    def __str__(self) -> str:
        return f"The run has no source {self.source!r}.{_meant(self.near)}"


class SourceKeyMissingError(RunDataError):
    """The source was recorded, but without this key."""

    def __init__(self, source: str, key: str, near: tuple[str, ...] = ()) -> None:
        super().__init__(source, key, near)
        self.source = source
        self.key = key
        self.near = near

    def __str__(self) -> str:
        return f"Source {self.source!r} has no key {self.key!r}.{_meant(self.near)}"


class SyntheticRunError(RunDataError, ValueError):
    """A synthetic run cannot be written as it was asked for."""


def current_user() -> str:
    """The name of the user whose rights count, or its number where it has no name."""
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"number {uid}"


def _awaited(kind: DataKind) -> str:
    if kind == "proc":
        return "proc data comes when the facility has corrected the run"
    return "raw data may have been moved to the archive"


def _meant(near: tuple[str, ...]) -> str:
    if not near:
        return ""
    return f" Nearest: {', '.join(repr(name) for name in near)}."
