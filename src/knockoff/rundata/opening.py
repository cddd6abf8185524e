"""A recorded run, opened with extra-data and read.

The proposal stays as it is, but for one thing that extra-data does: where the
folder of a run may be written to, it keeps a list of the run's sources and
trains there, ``karabo_data_map.json``, to open it faster the next time.

extra_data is imported where it is used: it costs 0.2 s, which a context check
or a command that never opens a run should not pay.
"""

from __future__ import annotations

import difflib
import logging
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from knockoff.rundata.errors import (
    DamagedFileError,
    DataDeniedError,
    SourceKeyMissingError,
    SourceMissingError,
)
from knockoff.rundata.finding import find_proposal, kinds_on_disk, run_files
from knockoff.rundata.readonly import bear_read_only_data

if TYPE_CHECKING:
    from collections.abc import Iterable

    from extra_data import DataCollection, FileAccess
    from xarray import DataArray

    from knockoff.runkey import DataKind, RunKey

log = logging.getLogger(__name__)


def open_run(key: RunKey, data: DataKind = "raw", root: Path | None = None) -> DataCollection:
    """Open what a variable with ``data="raw"`` or ``data="proc"`` is given.

    "raw" opens raw data only, so that its values stay the same when corrected
    data comes. "proc" needs corrected data and opens it together with the raw
    data, if that is still on disk; of a source in both the corrected one is
    taken, as in ``extra_data.open_run(data="all")`` and in DAMNIT.

    The proposal's ``usr/extra-data-aliases.yml`` is applied where it exists.
    ``extra_data.open_run`` would otherwise put the instrument's default there
    (extra-data 1.25, reader.py); a reader leaves the proposal as it is.

    Raises
    ------
    RunDataError
        As `knockoff.rundata.finding.run_files`.
    DamagedFileError
        A file of the run cannot be read. extra-data would leave it out and so
        change the number of trains without a word.
    """
    opened = _open_files(run_files(key, data, root))
    if data == "proc" and "raw" in kinds_on_disk(key, root):
        opened = _preferred(opened, _open_files(run_files(key, "raw", root)))
    return _with_aliases(opened, find_proposal(key.proposal, root))


def read_source(data: DataCollection, source: str, key: str) -> DataArray:
    """All values of one key, with the unit it was recorded with in ``attrs["units"]``.

    Dimensions are those of ``KeyData.xarray()``: ``trainId`` first. A train for
    which the source recorded nothing is left out, not filled.

    Raises
    ------
    SourceMissingError, SourceKeyMissingError
        It was not recorded; says which names come nearest.
    """
    if source not in data.all_sources:
        raise SourceMissingError(source, _nearest(source, data.all_sources))
    if key not in data[source]:
        near = _nearest(key, data[source].keys(inc_timestamps=False))
        raise SourceKeyMissingError(source, key, near)
    recorded = data[source, key]
    array: DataArray = recorded.xarray()
    if recorded.units:
        array.attrs["units"] = recorded.units
    return array


def start_time(data: DataCollection) -> datetime:
    """When the run began, in UTC: its first train, else its first file's modification.

    Files before format 1.0 have no time of a train.
    """
    from extra_data import by_index

    for stamp in data.select_trains(by_index[:1]).train_timestamps():
        began = stamp.astype("datetime64[us]").item()
        if began is not None:  # NaT
            return began.replace(tzinfo=timezone.utc)  # type: ignore[no-any-return]
    first = Path(min(file.filename for file in data.files))
    return datetime.fromtimestamp(first.stat().st_mtime, timezone.utc)


def _open_files(files: list[Path]) -> DataCollection:
    from extra_data import RunDirectory

    bear_read_only_data()
    # With no usable file at all extra-data raises a bare Exception: look at one first.
    _open_file(files[0]).close()
    data = RunDirectory(str(files[0].parent), parallelize=False)
    taken = {Path(file.filename).name for file in data.files}
    wanted = {path.name for path in files}
    if taken <= wanted:  # else it is an overview file, which extra-data compared with them all
        for path in files:
            if path.name not in taken:
                _open_file(path)
                raise DamagedFileError(path, "extra-data left it out")
    return data


def _open_file(path: Path) -> FileAccess:
    from extra_data import FileAccess
    from extra_data.exceptions import FileStructureError

    try:
        return FileAccess(str(path))
    except PermissionError as error:
        raise DataDeniedError(path) from error
    except (OSError, KeyError, ValueError, RuntimeError, FileStructureError) as error:
        raise DamagedFileError(path, str(error)) from error


def _preferred(proc: DataCollection, raw: DataCollection) -> DataCollection:
    """`proc`, and of `raw` the sources that `proc` does not have."""
    both = [(source, "*") for source in raw.all_sources & proc.all_sources]
    rest = raw.deselect(both) if both else raw
    if not rest.files:
        return proc
    united = proc.union(rest)
    united.is_single_run = True  # union cannot know; without it there are no run values
    return united


def _with_aliases(data: DataCollection, proposal: Path) -> DataCollection:
    """With the aliases that people wrote down for this proposal, if they did.

    A mistake in that file must not empty every column: it is logged, and only
    what uses an alias fails.
    """
    import yaml

    path = proposal / "usr" / "extra-data-aliases.yml"
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises where usr/ is closed
        return data
    try:
        return data.with_aliases(path)
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        log.warning("No aliases for this run: %s cannot be used: %s", path, error)
        return data


def _nearest(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """Up to three names that look like `name`, whatever its case."""
    known = {known.lower(): known for known in sorted(names)}
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    return tuple(known[match] for match in close)
