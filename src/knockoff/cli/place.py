"""Which workspace a command works on, as the global options say it."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from knockoff.errors import WorkspaceError

if TYPE_CHECKING:
    from pathlib import Path

    import typer

    from knockoff.settings import Settings
    from knockoff.workspace import Workspace


@dataclass(frozen=True)
class Place:
    """What the operator said of where to work, and of how much to hear of it."""

    proposal: int | None = None
    folder: Path | None = None
    verbosity: int = 0

    def find(self) -> Workspace:
        """The workspace that is meant: the folder's, the proposal's, else the one we are in.

        Raises
        ------
        WorkspaceError
            There is none, or it is another proposal's.
        SettingsError
            Its settings cannot be read.
        """
        from knockoff.settings import read_settings
        from knockoff.workspace import Workspace

        if self.folder is not None:
            found = Workspace.open(self.folder)
            if self.proposal not in (None, found.proposal):
                raise WorkspaceError(
                    f"{found.folder} is the workspace of proposal {found.proposal}, not of "
                    f"{self.proposal}. Leave out -w or -p."
                )
            return found
        if self.proposal is None:
            return Workspace.find()
        try:
            here = Workspace.find()
        except WorkspaceError:
            here = None
        if here is not None and here.proposal == self.proposal:
            return here
        return Workspace.of_proposal(self.proposal, read_settings().data_root)

    def open(self) -> tuple[Workspace, Settings]:
        """The workspace and its settings; errors as of `find`."""
        workspace = self.find()
        return workspace, workspace.settings()

    def configure_logs(
        self, level: str = "warning", file: Path | None = None, *, on_stderr: bool = True
    ) -> None:
        """Write log lines from `level` on, or from where ``-v`` says.

        Parameters
        ----------
        on_stderr:
            Whether there; not where a full-screen table would be written over.
        """
        from knockoff.logs import configure

        stream = None if on_stderr else StringIO()
        configure({0: level, 1: "info"}.get(self.verbosity, "debug"), file=file, stream=stream)


def place_of(context: typer.Context) -> Place:
    """What the global options of this command line say."""
    place = context.obj
    return place if isinstance(place, Place) else Place()
