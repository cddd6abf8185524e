"""Where the data of a proposal and its runs lies on disk.

The layout is the facility's, and the one that ``extra_data.open_run`` knows:
``<root>/<INSTRUMENT>/<CYCLE>/p001234/{raw,proc}/r0042/*.h5``. A path is always
made from checked numbers and names found on disk, never from a message.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Final, get_args

from knockoff.rundata.errors import (
    DataDeniedError,
    DataRootMissingError,
    DataUnreachableError,
    ProposalMissingError,
    RunFolderEmptyError,
    RunMissingError,
)
from knockoff.runkey import DataKind, RunKey, proposal_number

KINDS: Final[tuple[DataKind, ...]] = get_args(DataKind)
FACILITY_ROOT: Final = Path("/gpfs/exfel/exp")

_RUN_FOLDER = re.compile(r"r([0-9]{4,5})", re.ASCII)


def data_root() -> Path:
    """The folder of all proposals: ``EXTRA_DATA_DATA_ROOT``, else the facility's."""
    return Path(os.environ.get("EXTRA_DATA_DATA_ROOT") or FACILITY_ROOT)


def find_proposal(proposal: int, root: Path | None = None) -> Path:
    """The folder of a proposal under `root` (default: `data_root`).

    Raises
    ------
    DataRootMissingError
        `root` does not exist.
    ProposalMissingError
        No instrument and cycle under `root` has this proposal.
    DataDeniedError
        `root` or the proposal may not be read by this user.
    """
    name = f"p{proposal_number(proposal):06d}"
    root = root or data_root()
    if not _is_folder(root):
        raise DataRootMissingError(root)
    closed: list[Path] = []
    for instrument in _children(root):
        try:
            for cycle in _children(instrument):
                if _is_folder(cycle / name):
                    return cycle / name
        except DataDeniedError as denied:  # noqa: PERF203 - another instrument may have it
            closed.append(denied.path)
    raise ProposalMissingError(proposal, root, tuple(closed))


def run_folder(key: RunKey, kind: DataKind, root: Path | None = None) -> Path:
    """The folder with the files of one kind of one run.

    Raises
    ------
    RunMissingError
        It does not exist; says which kinds of this run, or which runs near it, do.
    RunDataError
        As `find_proposal`.
    """
    proposal = find_proposal(key.proposal, root)
    folder = _run_folder(proposal, key, kind)
    if _is_folder(folder):
        return folder
    others = tuple(other for other in KINDS if _data_names(_run_folder(proposal, key, other)))
    near = sorted(_runs(proposal / kind), key=lambda run: abs(run - key.run))[:4]
    raise RunMissingError(key, kind, folder, tuple(sorted(near)), others)


def run_files(key: RunKey, kind: DataKind, root: Path | None = None) -> list[Path]:
    """The data files of one kind of one run, sorted by name; at least one.

    Raises
    ------
    RunFolderEmptyError
        The folder is there without a data file.
    RunDataError
        As `run_folder`.
    """
    folder = run_folder(key, kind, root)
    names = _data_names(folder)
    if not names:
        raise RunFolderEmptyError(folder)
    return [folder / name for name in names]


def kinds_on_disk(key: RunKey, root: Path | None = None) -> frozenset[DataKind]:
    """Which kinds of this run have at least one data file; may be none.

    Raises
    ------
    RunDataError
        As `find_proposal`.
    """
    proposal = find_proposal(key.proposal, root)
    return frozenset(kind for kind in KINDS if _data_names(_run_folder(proposal, key, kind)))


def runs_on_disk(proposal: int, root: Path | None = None) -> dict[DataKind, list[int]]:
    """The sorted numbers of the runs that have a folder, for each kind.

    Folders are not opened, since a proposal has hundreds of them on a slow disk;
    `kinds_on_disk` tells for one run whether files are in it.

    Raises
    ------
    RunDataError
        As `find_proposal`.
    """
    folder = find_proposal(proposal, root)
    return {kind: _runs(folder / kind) for kind in KINDS}


def fingerprint(key: RunKey, kind: DataKind, root: Path | None = None) -> str:
    """16 hexadecimal digits that change when a data file comes, goes or is rewritten.

    Made of names, sizes and modification times, so that it costs no read. Files
    beside the data, such as extra-data's own cache, do not count.

    Raises
    ------
    RunDataError
        As `run_files`.
    """
    digest = hashlib.sha256()
    for path in run_files(key, kind, root):
        status = path.stat()
        digest.update(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _run_folder(proposal: Path, key: RunKey, kind: DataKind) -> Path:
    return proposal / kind / f"r{key.run:04d}"


def _runs(folder: Path) -> list[int]:
    matches = (_RUN_FOLDER.fullmatch(child.name) for child in _children(folder))
    return sorted(int(match[1]) for match in matches if match and int(match[1]))


def _data_names(folder: Path) -> list[str]:
    """What extra-data opens: every HDF5 file but the overview."""
    names = (child.name for child in _children(folder))
    return [name for name in names if name.endswith(".h5") and name.lower() != "overview.h5"]


def _children(folder: Path) -> list[Path]:
    """What is in a folder, sorted, without hidden names; nothing if it is no folder."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - iterdir is lazy, errors must come here
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as error:
        raise DataDeniedError(folder) from error
    except OSError as error:
        raise DataUnreachableError(folder, error.strerror or str(error)) from error
    return [folder / name for name in sorted(names) if not name.startswith(".")]


def _is_folder(path: Path) -> bool:
    """`Path.is_dir`, which either hides or leaks a refusal, depending on Python's version."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError as error:
        raise DataDeniedError(_closed(path)) from error
    except OSError as error:
        raise DataUnreachableError(path, error.strerror or str(error)) from error


def _closed(path: Path) -> Path:
    """The topmost folder above `path` that this user may not enter."""
    for folder in reversed(path.parents):
        try:
            os.stat(f"{folder}/.")  # noqa: PTH116 - a Path drops the dot
        except PermissionError:  # noqa: PERF203 - the first refusal is the answer
            return folder
    return path
