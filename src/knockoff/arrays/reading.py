"""Reading a value back from its part file, of the kind that was returned."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import h5py

from knockoff.arrays.bundles import unbundled
from knockoff.arrays.fileerror import ArrayFileError
from knockoff.arrays.groups import is_hard_link, read_group, read_plain
from knockoff.errors import ArrayError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from knockoff.arrays.references import ArrayReference
    from knockoff.arrays.selection import Selection


def _without_locks() -> h5py.h5p.PropFAID:
    """How parts are opened; made once, since h5py spends more on it than on opening."""
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    access.set_file_locking(False, True)  # not use it; ignore where it cannot be used
    return access


_UNLOCKED: Final = _without_locks()


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


class ArrayUnreadableError(ArrayFileError):
    """A part file is there and cannot be read."""

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
    by_row = reference.kind in ("series", "dataframe")
    with opened_part(folder, reference) as group:
        if reference.kind == "json" and selection is not None:
            raise ArrayError(
                f"{group.file.filename} holds no array. Read it whole and select from that."
            )
        if reference.kind == "ndarray" and selection is None:
            plain = read_plain(group, reference.dtype)
            if plain is not None:
                return plain
        value = unbundled(read_group(group, None if by_row else selection))
    return value if not by_row or selection is None else value.iloc[selection]


@contextmanager
def opened_part(folder: Path, reference: ArrayReference) -> Iterator[h5py.Group]:
    """The group that holds a value, read without a lock, as long as the body runs.

    Raises
    ------
    ArrayError
        As of `read_array`; what HDF5 raises in the body, too, is told as one.
    """
    path = part_path(folder, reference.file)
    _find_filters()
    with _told(path):
        file = h5py.File(h5py.h5f.open(str(path).encode(), h5py.h5f.ACC_RDONLY, _UNLOCKED))
        with file:
            yield _group(file, reference.group)


def part_path(folder: Path, file: str) -> Path:
    """Where a reference's file lies.

    Raises
    ------
    ArrayError
        It is absolute, climbs out of `folder` or follows a symbolic link out of it.
    """
    parts = file.split("/")
    if file.startswith("/") or "\0" in file or not {"", ".", ".."}.isdisjoint(parts):
        raise _led_out(folder, file)
    path = str(folder)
    for part in parts:
        path = f"{path}/{part}"
        is_link = os.path.islink(path)  # noqa: PTH114  # three times as fast, once for every array
        if is_link and not Path(path).resolve().is_relative_to(folder.resolve()):
            raise _led_out(folder, file)
    return Path(path)


def _led_out(folder: Path, file: str) -> ArrayError:
    return ArrayError(
        f"The reference {file!r} leads out of {folder}, where nothing is read. "
        "Reprocess the variable to write it anew."
    )


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
