"""Where the inputs of variables come from: the recorded run, stored arrays, metadata."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from knockoff.arrays.reading import read_array
from knockoff.arrays.references import ArrayReference
from knockoff.arrays.wire import from_json
from knockoff.errors import RunDataError
from knockoff.language.cell import Skip

if TYPE_CHECKING:
    from datetime import datetime

    from knockoff.filling.messages import RunTask
    from knockoff.language.marks import Source
    from knockoff.runkey import DataKind, RunKey


class RunSources:
    """What one run offers; its files are opened when the first variable asks for them."""

    def __init__(self, key: RunKey, task: RunTask) -> None:
        self._key = key
        self._task = task
        self._root = Path(task.data_root) if task.data_root else None
        self._opened: dict[DataKind, Any] = {}

    def data(self, kind: DataKind) -> Any:
        """The run as extra-data opens it.

        Raises
        ------
        RunDataError
            The files are missing, damaged or not to be read; the message says which.
        """
        from knockoff.rundata.opening import open_run

        if kind not in self._opened:
            self._opened[kind] = open_run(self._key, kind, self._root)
        return self._opened[kind]

    def array(self, source: Source, kind: DataKind) -> Any:
        """One key of one source, as an `xarray.DataArray`.

        Raises
        ------
        Skip
            The run has no such source or key.
        """
        from knockoff.rundata.errors import SourceKeyMissingError, SourceMissingError
        from knockoff.rundata.opening import read_source

        try:
            return read_source(self.data(kind), source.source, source.key)
        except (SourceMissingError, SourceKeyMissingError) as error:
            raise Skip(str(error)) from error

    def start_time(self) -> datetime:
        """Time of the first train, UTC; of the raw data, or of the corrected where raw is gone.

        Raises
        ------
        RunDataError
            Neither can be read.
        """
        from knockoff.rundata.opening import start_time

        try:
            return start_time(self.data("raw"))
        except RunDataError:
            return start_time(self.data("proc"))

    def metadata(self, name: str) -> Any:
        """``meta#run_number``, ``meta#proposal`` or ``meta#proposal_path``."""
        from knockoff.rundata.finding import find_proposal

        if name == "run_number":
            return self._key.run
        if name == "proposal":
            return self._key.proposal
        return find_proposal(self._key.proposal, self._root)

    def stored(self, name: str) -> Any:
        """Full value of a variable that was stored before: its array, else its field."""
        reference = self._task.arrays.get(name)
        if reference is not None:
            folder = Path(self._task.extracted_data)
            return read_array(folder, ArrayReference.from_json(reference))
        return from_json(self._task.row.get(name))
