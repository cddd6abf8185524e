"""Inputs handed over in this process: a run of any kind, or one from disk, and plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from knockoff.filling.sources import RunSources, array_of
from knockoff.language.cell import Skip
from knockoff.language.members import MISSING
from knockoff.rundata.finding import find_proposal
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from knockoff.filling.messages import RunTask
    from knockoff.language.marks import Source
    from knockoff.runkey import DataKind


@dataclass(frozen=True)
class Given:
    """What somebody hands to the variables of a pipeline."""

    proposal: int | None = None
    run: int | None = None
    data_root: Path | None = None
    data: Any = None
    """What stands for the run, whatever kind of data is asked for; None to open one on disk."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Values of ``param#name``."""

    mymdc: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What people have typed into the row."""


class GivenSources:
    """Hands on what was given, as it is; a run on disk is opened when a variable asks for it.

    `elsewhere` has values of other tables of the file, as ``spectrum_runs/energy``.
    """

    def __init__(self, given: Given, task: RunTask, elsewhere: Mapping[str, Any]) -> None:
        self._given = given
        self._elsewhere = elsewhere
        self._root = Path(task.data_root) if task.data_root else None
        self._run: RunSources | None = None
        if given.proposal is not None and given.run is not None:
            self._run = RunSources(RunKey(given.proposal, given.run), task)

    def data(self, kind: DataKind) -> Any:
        """What was given, else the run from disk.

        Raises
        ------
        RunDataError
            As `RunSources.data`.
        Skip
            There is neither.
        """
        return self._on_disk().data(kind) if self._given.data is None else self._given.data

    def array(self, source: Source, kind: DataKind) -> Any:
        """One key of one source: of a recorded run, or by ``data[source, key]`` of what was given.

        Raises
        ------
        Skip
            It is not there.
        """
        data = self._given.data
        if data is None:
            return self._on_disk().array(source, kind)
        if hasattr(data, "all_sources"):
            return array_of(data, source)
        try:
            found = data[source.source, source.key]
        except LookupError as error:
            raise Skip(f"the data that was given has no {source.source}, {source.key}") from error
        return found.xarray() if hasattr(found, "xarray") else found

    def start_time(self) -> datetime:
        """As `RunSources.start_time`.

        Raises
        ------
        RunDataError
            It cannot be read.
        Skip
            There is no run on disk.
        """
        return self._on_disk().start_time()

    def metadata(self, name: str) -> Any:
        """As `RunSources.metadata`; MISSING where the numbers do not say it."""
        number = self._given.run if name == "run_number" else self._given.proposal
        if number is None:
            return MISSING
        return find_proposal(number, self._root) if name == "proposal_path" else number

    def known(self, kind: Literal["mymdc", "param"], name: str) -> Any:
        """The value given for ``param#name`` or ``mymdc#name``; MISSING if there is none."""
        told = self._given.mymdc if kind == "mymdc" else self._given.parameters
        return told.get(name, MISSING)

    def know(self, task: RunTask) -> None:
        """There is no other process that finds out anything."""

    def stored(self, name: str) -> Any:
        """The value of another table's column; those of one's own are all computed here."""
        return self._elsewhere[name]

    def _on_disk(self) -> RunSources:
        if self._run is None:
            raise Skip("no run was given")
        return self._run
