"""The folder in which a proposal's tables live: its context file, settings and results."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from knockoff.errors import RunKeyError, WorkspaceError
from knockoff.rundata.finding import find_proposal
from knockoff.runkey import proposal_number
from knockoff.settings import Settings, read_settings, read_toml

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTINGS_FILE: Final = "knockoff.toml"
PLACE_IN_PROPOSAL: Final = Path("usr", "Shared", "knockoff")

# The group of the proposal works in it, nobody else; new files inherit the group.
FOLDER_MODE: Final = 0o2770
FILE_MODE: Final = 0o660

_HEAD = """\
# Settings of this workspace; `knockoff config` lists what there is to set, and sets it.
# Others of the proposal can read this file: passwords belong into the environment.
"""


@dataclass(frozen=True)
class Workspace:
    """One proposal's workspace; its folders are known by name and need not exist yet."""

    folder: Path
    proposal: int

    @property
    def context_file(self) -> Path:
        """What people write: the classes whose methods are the columns."""
        return self.folder / "context.py"

    @property
    def settings_file(self) -> Path:
        """The proposal's number and whatever differs from the defaults."""
        return self.folder / SETTINGS_FILE

    @property
    def arrays_folder(self) -> Path:
        """Bulk values, as HDF5."""
        return self.folder / "extracted_data"

    @property
    def logs_folder(self) -> Path:
        """What variables printed, a file per run."""
        return self.folder / "process_logs"

    @property
    def spool_folder(self) -> Path:
        """Results that wait for a recorder."""
        return self.folder / "spool"

    @property
    def database_folder(self) -> Path:
        """The embedded MongoDB's files, lock and socket."""
        return self.folder / "db"

    def settings(self, flags: Mapping[str, object] | None = None) -> Settings:
        """Read this workspace's settings; see `read_settings`.

        Raises
        ------
        SettingsError
            A setting does not exist or has a value that cannot be used.
        """
        return read_settings(self.settings_file, flags)

    @classmethod
    def open(cls, folder: Path) -> Workspace:
        """Take `folder` as a workspace.

        Raises
        ------
        WorkspaceError
            There is no ``knockoff.toml`` in it, or it does not say whose it is.
        SettingsError
            ``knockoff.toml`` cannot be read.
        """
        folder = folder.absolute()
        file = folder / SETTINGS_FILE
        if not _is_file(file):
            raise WorkspaceError(
                f"{folder} is not a workspace: there is no {SETTINGS_FILE} in it. "
                f"Make one with: knockoff init 1234 (your proposal's number)"
            )
        number = read_toml(file).get("proposal")
        try:
            return cls(folder, proposal_number(number))
        except RunKeyError as error:
            raise WorkspaceError(
                f"{file} does not say whose workspace this is ({error}) "
                f"Write the number into its first line, as in: proposal = 1234"
            ) from error

    @classmethod
    def find(cls, start: Path | None = None) -> Workspace:
        """Find the workspace that `start` (else the current folder) is in.

        Raises
        ------
        WorkspaceError
            Neither `start` nor any folder above it is one.
        SettingsError
            The ``knockoff.toml`` that was found cannot be read.
        """
        start = (start or Path()).absolute()
        for folder in (start, *start.parents):
            if _is_file(folder / SETTINGS_FILE):
                return cls.open(folder)
        raise WorkspaceError(
            f"No workspace in {start} or above it. Go to one, name your proposal "
            f"(knockoff -p 1234 ...), or make one with: knockoff init 1234"
        )

    @classmethod
    def of_proposal(cls, proposal: int, data_root: Path | None = None) -> Workspace:
        """Find the workspace of a proposal, wherever one is.

        Raises
        ------
        WorkspaceError
            The proposal has none.
        RunDataError
            There is no such proposal under `data_root`, or it may not be read.
        """
        folder = cls.place_of(proposal, data_root)
        if not _is_file(folder / SETTINGS_FILE):
            raise WorkspaceError(
                f"Proposal {proposal} has no workspace: there is no {folder / SETTINGS_FILE}. "
                f"Make one with: knockoff init {proposal}"
            )
        return cls.open(folder)

    @staticmethod
    def place_of(proposal: int, data_root: Path | None = None) -> Path:
        """Say where the workspace of a proposal is by convention, made or not.

        Raises
        ------
        RunDataError
            There is no such proposal under `data_root`, or it may not be read.
        """
        return find_proposal(proposal, data_root) / PLACE_IN_PROPOSAL

    @classmethod
    def create(
        cls,
        folder: Path,
        proposal: int,
        *,
        context: str | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> Workspace:
        """Make a workspace; what is already in the folder stays as it is.

        Parameters
        ----------
        context:
            Text of the context file, if there is none yet.
        settings:
            What to write into ``knockoff.toml``, by key as in ``{"data_root": "data"}``.

        Raises
        ------
        WorkspaceError
            It is a workspace already, or may not be written.
        """
        workspace = cls(folder.absolute(), proposal_number(proposal))
        if _is_file(workspace.settings_file):
            raise WorkspaceError(
                f"{workspace.folder} is a workspace already. To start anew, move it away first."
            )
        try:
            for place in workspace._folders():
                _make_folder(place)
            if context is not None and not workspace.context_file.exists():
                _write(workspace.context_file, context)
            _write(workspace.settings_file, _toml({"proposal": proposal, **(settings or {})}))
        except OSError as error:
            raise WorkspaceError(
                f"{error.filename} cannot be made ({error.strerror}). "
                f"Ask the proposal's main proposer for access, or choose a folder of your own."
            ) from error
        return workspace

    def _folders(self) -> tuple[Path, ...]:
        return (self.folder, self.arrays_folder, self.logs_folder, self.spool_folder)


def _is_file(path: Path) -> bool:
    """Tell whether `path` is a file that we may know of; `Path.is_file` may raise instead."""
    return os.path.isfile(path)  # noqa: PTH113


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(FOLDER_MODE)  # mkdir's own mode is cut by the umask and has no setgid


def _write(file: Path, text: str) -> None:
    """Write a new file that appears complete and is never somebody else's."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    new.write_text(text, encoding="utf-8")
    try:
        new.chmod(FILE_MODE)
        os.link(new, file)  # unlike a rename, this refuses to replace
    finally:
        new.unlink()


def _toml(settings: Mapping[str, object]) -> str:
    lines = [
        f"{key} = {json.dumps(value, ensure_ascii=False, default=str)}"
        for key, value in settings.items()
    ]
    return _HEAD + "\n".join(lines) + "\n"
