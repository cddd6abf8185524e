"""Reading a value back from its part file, of the kind that was returned."""

from __future__ import annotations

import errno
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import h5py

from knockoff.arrays.bundles import unbundled
from knockoff.arrays.groups import is_hard_link, read_group
from knockoff.errors import ArrayError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from knockoff.arrays.references import ArrayReference
    from knockoff.arrays.selection import Selection


class ArrayMissingError(ArrayError, FileNotFoundError):
    """A reference points at a file that is not there."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return (
            f"{self.path} is missing: it was deleted, or the workspace was copied without it. "
            "Reprocess the run's variable, or bring the file back."
        )


class ArrayUnreadableError(ArrayError):
    """A part file is there and cannot be read."""

    def __init__(self, path: Path, reason: str, remedy: str) -> None:
        super().__init__(path, reason, remedy)
        self.path = path
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.path} cannot be read: {self.reason}. {self.remedy}"


def read_array(folder: Path, reference: ArrayReference, selection: Selection | None = None) -> Any:
    """Read a value, or the selected part of it: a DataArray stays one, with its coordinates.

    No lock is taken, so that a reader never keeps a writer waiting: parts never change.

    Parameters
    ----------
    folder:
        ``extracted_data`` of the workspace. Nothing outside of it is ever read.
    reference:
        As MongoDB has it.
    selection:
        An int or slice per axis, by position or by name: ``(slice(0, 10), 5)``,
        ``{"trainId": -1}``. Only these bytes are read. Tables (pandas) are selected by row.

    Raises
    ------
    ArrayMissingError
        The file is not there.
    ArrayUnreadableError
        The file is damaged, needs a filter or a permission that this process does not have.
    ArrayError
        The reference leaves `folder`, or the selection does not fit the array.
    """
    path = part_path(folder, reference.file)
    _find_filters()
    with _told(path), h5py.File(path, "r", locking=False) as file:
        group = _group(file, reference.group)
        by_row = reference.kind in ("series", "dataframe")
        if reference.kind == "json" and selection is not None:
            raise ArrayError(f"{path} holds no array. Read it whole and select from that.")
        value = unbundled(read_group(group, None if by_row else selection))
    return value if not by_row or selection is None else value.iloc[selection]


def part_path(folder: Path, file: str) -> Path:
    """Where a reference's file lies.

    Raises
    ------
    ArrayError
        It is absolute, climbs out of `folder` or follows a symbolic link out of it.
    """
    parts = PurePosixPath(file).parts
    path = folder / file
    outside = not parts or ".." in parts or file.startswith("/") or "\0" in file
    if outside or _is_led_out(folder, path):
        raise ArrayError(
            f"The reference {file!r} leads out of {folder}, where nothing is read. "
            "Reprocess the variable to write it anew."
        )
    return path


def _is_led_out(folder: Path, path: Path) -> bool:
    within = path
    while within != folder:
        if within.is_symlink():
            return not path.resolve().is_relative_to(folder.resolve())
        within = within.parent
    return False


def _find_filters() -> None:
    """Let HDF5 know the filters of hdf5plugin, where it is installed."""
    with suppress(ImportError):
        import hdf5plugin  # noqa: F401


def _group(file: h5py.File, path: str) -> Any:
    """Walk to a group through hard links alone: others lead out of the file."""
    group: Any = file
    for name in filter(None, path.split("/")):
        group = group[name] if is_hard_link(group, name) else None
        if not isinstance(group, h5py.Group):
            raise ArrayError(
                f"{file.filename} has no group {path!r} of its own. "
                "Reprocess the variable to write it anew."
            )
    return group


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say of what HDF5 and the system raise which file it was and what to do."""
    try:
        yield
    except FileNotFoundError as error:
        raise ArrayMissingError(path) from error
    except PermissionError as error:
        raise ArrayUnreadableError(
            path, "permission denied", "Ask its owner, or join the proposal's group."
        ) from error
    except OSError as error:
        if "filter" in str(error) or "plugin" in str(error):
            remedy = "Install hdf5plugin in this Python (pip install hdf5plugin)."
            raise ArrayUnreadableError(path, "its compression is unknown here", remedy) from error
        remedy = "Reprocess the variable to write it anew."
        reason = "the disk fails" if error.errno == errno.EIO else f"it is damaged ({error})"
        raise ArrayUnreadableError(path, reason, remedy) from error
    except (KeyError, TypeError, ValueError, IndexError) as error:
        if isinstance(error, ArrayError):
            raise
        raise ArrayUnreadableError(
            path, f"it is damaged ({error!r})", "Reprocess the variable to write it anew."
        ) from error
