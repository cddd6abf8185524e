"""Where the inputs of variables come from: the recorded run, stored arrays, metadata."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from knockoff.arrays.reading import read_array
from knockoff.arrays.references import ArrayReference
from knockoff.arrays.values import exact_value
from knockoff.arrays.wire import from_json
from knockoff.errors import RunDataError
from knockoff.language.cell import Skip
from knockoff.language.members import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from knockoff.filling.messages import RunTask
    from knockoff.language.marks import Source
    from knockoff.runkey import DataKind, RunKey


class Sources(Protocol):
    """What the inputs of variables are taken from."""

    def data(self, kind: DataKind) -> Any: ...  # noqa: D102
    def array(self, source: Source, kind: DataKind) -> Any: ...  # noqa: D102
    def start_time(self) -> datetime: ...  # noqa: D102
    def metadata(self, name: str) -> Any: ...  # noqa: D102
    def known(self, kind: Literal["mymdc", "param"], name: str) -> Any: ...  # noqa: D102
    def stored(self, name: str) -> Any: ...  # noqa: D102
    def know(self, task: RunTask) -> None: ...  # noqa: D102


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
        return array_of(self.data(kind), source)

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

    def known(self, kind: Literal["mymdc", "param"], name: str) -> Any:
        """What the recorder has sent for ``mymdc#name`` or ``param#name``; MISSING if nothing."""
        told = self._task.mymdc if kind == "mymdc" else self._task.parameters
        return from_json(told[name]) if name in told else MISSING

    def know(self, task: RunTask) -> None:
        """Another process of the run has stored more than was known at first."""
        self._task = task

    def stored(self, name: str) -> Any:
        """Full value of a column that was stored before: its array, else its field, exactly."""
        reference = self._task.arrays.get(name)
        if reference is not None:
            folder = Path(self._task.extracted_data)
            return read_array(folder, ArrayReference.from_json(reference))
        exact = self._task.exact.get(name)
        return from_json(self._task.row.get(name)) if exact is None else exact_value(exact)


def array_of(data: Any, source: Source) -> Any:
    """One key of one source of an opened run, as an `xarray.DataArray`.

    Raises
    ------
    Skip
        The run has no such source or key.
    """
    from knockoff.rundata.errors import SourceKeyMissingError, SourceMissingError
    from knockoff.rundata.opening import read_source

    try:
        return read_source(data, source.source, source.key)
    except (SourceMissingError, SourceKeyMissingError) as error:
        raise Skip(str(error)) from error


_ROOT: Final[ContextVar[Path | None]] = ContextVar("knockoff_data_root", default=None)


@contextmanager
def within_root(root: str | None) -> Iterator[None]:
    """Tell whoever opens another run, meanwhile, in which folder the proposals are."""
    token = _ROOT.set(Path(root) if root else None)
    try:
        yield
    finally:
        _ROOT.reset(token)


def surrounding_root() -> Path | None:
    """The folder of proposals of the run that is being filled; None outside of that."""
    return _ROOT.get()
