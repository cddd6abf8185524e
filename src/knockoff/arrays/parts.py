"""Part files: one value each, written once, never changed.

A part is written under a name that nobody reads, is flushed to the disk and only then gets its
own name, so that a process killed at any moment leaves either the whole value or nothing.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

import h5py

from knockoff.arrays.bundles import Bundle, bundled
from knockoff.arrays.fileerror import ArrayFileError
from knockoff.arrays.groups import refuse_unstorable, write_group
from knockoff.arrays.references import ArrayReference
from knockoff.errors import ArrayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from knockoff.arrays.compression import Compression
    from knockoff.runkey import RunKey

UNFINISHED: Final = ".tmp"
FILE_MODE: Final = 0o660
FOLDER_MODE: Final = 0o2770

_READABLE_FROM: Final = ("v108", "latest")
"""Every HDF5 since 1.8 (2008) reads it; older forms take three times the space for small files."""

_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class ArrayNotWrittenError(ArrayFileError):
    """A value could not be written; nothing of it is left behind."""

    def __str__(self) -> str:
        return f"{self.path} could not be written: {self.reason}. {self.remedy}"


def run_folder(key: RunKey) -> str:
    """Name of the folder of a run's parts in ``extracted_data``, as in ``p1234_r0042``."""
    return f"p{key.proposal}_r{key.run:04d}"


def part_name(key: RunKey, table: str, variable: str, attempt: int | str) -> str:
    """Name for `write_part`; `variable` is ``group/variable`` as in MongoDB.

    >>> from knockoff.runkey import RunKey
    >>> part_name(RunKey(1234, 42), "runs", "xgm_sa2/pulse_energy", 1)
    'p1234_r0042/runs.xgm_sa2.pulse_energy.1'
    """
    stem = f"{table}.{variable.replace('/', '.')}"
    if len(stem.encode()) > 200:  # a file's name has 255 bytes
        digest = blake2b(stem.encode(), digest_size=8).hexdigest()
        stem = f"{stem.encode()[:180].decode(errors='ignore')}~{digest}"
    return f"{run_folder(key)}/{stem}.{attempt}"


def refuse_unwritable(value: object) -> None:
    """Refuse what `write_part` would, where nothing is to be written.

    Raises
    ------
    UnsupportedValueError
        The value is of a type that cannot be stored; the message says what to return instead.
    """
    refuse_unstorable(bundled(value))


def write_part(
    folder: Path,
    name: str,
    value: object,
    *,
    attrs: Mapping[str, str | int | float] | None = None,
    compression: Compression = "auto",
) -> ArrayReference:
    """Write a bulk value to ``<folder>/<name>.h5`` and say where it lies.

    Parameters
    ----------
    folder:
        ``extracted_data`` of the workspace; made if it is missing.
    name:
        As `part_name` makes it. A part of that name is replaced as a whole.
    value:
        An array of NumPy, xarray or pandas, or any value that `normalised` calls bulk.
    compression:
        ``auto``, ``portable`` (readable without hdf5plugin) or ``none``.
    attrs:
        Attributes for the file, for people who open it: units, title, where it comes from.

    Raises
    ------
    UnsupportedValueError
        The value is of a type that cannot be stored; the message says what to return instead.
    ArrayNotWrittenError
        The disk is full or cannot be written; the message names it.
    """
    path = folder / f"{_checked(name)}.h5"
    bundle = bundled(value)
    main = ""

    def write(file: h5py.File) -> None:
        nonlocal main
        main = write_group(file, bundle, compression)
        for attribute, content in (attrs or {}).items():
            file.attrs[attribute] = content

    with told_when_writing(path):
        make_folders(path.parent, folder)
        write_whole(path, write)
    return _reference(f"{name}.h5", f"/{main}", bundle)


def write_whole(
    path: Path,
    write: Callable[[h5py.File], None],
    *,
    aside: Path | None = None,
    modified: int | None = None,
) -> None:
    """Write an HDF5 file aside, flush it to the disk, then give it its name at once.

    Parameters
    ----------
    aside:
        Its name until then, for a file that two processes may be writing at once.
    modified:
        What is to be seen as its time of modification, in nanoseconds since 1970. Such a file can
        be made again, so it does not matter if a power cut takes it back to what it was before.

    Raises
    ------
    OSError, RuntimeError
        What the system or HDF5 says; the unfinished file is gone by then.
    """
    aside = aside or path.with_name(path.name + UNFINISHED)
    with suppress(FileNotFoundError):  # of a killed process, perhaps of another user
        aside.unlink()
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(aside, flags, FILE_MODE)
    try:
        os.fchmod(descriptor, FILE_MODE)  # whatever the umask, colleagues may read it
        with h5py.File(aside, "w", libver=_READABLE_FROM) as file:
            write(file)
        if modified is not None:
            os.utime(descriptor, ns=(modified, modified))
        os.fsync(descriptor)
        aside.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            aside.unlink()
        raise
    finally:
        os.close(descriptor)
    if modified is None:
        flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make new names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(innermost: Path, outermost: Path) -> None:
    """Make the run's folder and ``extracted_data``, but never the workspace around it."""
    if innermost.is_dir():
        return
    for folder in (outermost, innermost):
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        folder.chmod(FOLDER_MODE)
        flush_folder(folder.parent)


def _checked(name: str) -> str:
    parts = PurePosixPath(name).parts
    if len(parts) != 2 or ".." in parts or name.startswith("/") or "\0" in name:
        raise ArrayError(
            f"A part is called like 'p1234_r0042/runs.hits.1', not {name!r}. Use part_name()."
        )
    return name


@contextmanager
def told_when_writing(path: Path) -> Iterator[None]:
    """Say of what HDF5 and the system raise which disk it was and what to do."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # the latter from HDF5, if closing fails
        number = getattr(error, "errno", None) or _number_in(str(error))
        if number in _FULL:
            remedy = "Make room there, then run `knockoff reprocess RUN --failed`."
            reason = f"the disk or quota is full ({os.strerror(number)})"
        elif number in (errno.EACCES, errno.EPERM, errno.EROFS):
            remedy = (
                f"Let this user write to {path.parent}, then `knockoff reprocess RUN --failed`."
            )
            reason = os.strerror(number)
        else:
            remedy = "Look at that folder and its disk, then `knockoff reprocess RUN --failed`."
            reason = os.strerror(number) if number else str(error)
        raise ArrayNotWrittenError(path, reason, remedy) from error


def _number_in(message: str) -> int:
    """HDF5 gives the system's error number in its text: ``errno = 28, error message = ...``."""
    _, _, rest = message.partition("errno = ")
    digits = rest.partition(",")[0]
    return int(digits) if digits.isdigit() else 0


def _reference(file: str, dataset: str, bundle: Bundle) -> ArrayReference:
    nbytes = sum(member.array.nbytes for member in bundle.members)
    dims: tuple[str, ...] | None
    if bundle.main:
        first = bundle.members[0]
        dtype, shape = str(first.array.dtype), first.array.shape
        labelled = bundle.kind in ("dataarray", "series")
        dims = tuple(map(str, first.dims)) if labelled else None
    else:
        sizes = {
            str(dim): length
            for member in bundle.members
            for dim, length in zip(member.dims, member.array.shape, strict=True)
        }
        dtype, shape, dims = "", tuple(sizes.values()), tuple(sizes)
    return ArrayReference(file, dataset, bundle.kind, dtype, shape, dims, nbytes)
