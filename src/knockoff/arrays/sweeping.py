"""Which files in ``extracted_data`` are ours, and taking away those that nobody needs any more."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from knockoff.arrays.parts import UNFINISHED, flush_folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_RUN: Final = re.compile(r"p([0-9]+)_r([0-9]+)")


@dataclass(frozen=True)
class StoredFile:
    """One file as it was when somebody looked."""

    file: str
    """Relative to ``extracted_data``, as references have it."""
    run: int
    nbytes: int
    """That it takes on the disk."""
    written_at: float
    """Seconds since 1970."""

    @property
    def is_unfinished(self) -> bool:
        """Whether somebody is writing it, or was killed while doing so."""
        return self.file.endswith(UNFINISHED)

    @property
    def is_part(self) -> bool:
        """Whether it holds a value that references may name."""
        return "/" in self.file and not self.is_unfinished


def files_in(folder: Path, proposal: int) -> list[StoredFile]:
    """Parts, runs' files and unfinished ones of either, by name; other people's files are not."""
    patterns = ("*_r*/*.h5", f"*_r*/*.h5{UNFINISHED}", "*_r*.h5", f"*_r*.h5.*{UNFINISHED}")
    found = []
    for pattern in patterns:
        for path in folder.glob(pattern):
            file = path.relative_to(folder).as_posix()
            match = _RUN.fullmatch(file.partition("/")[0].partition(".")[0])
            if match is None or int(match[1]) != proposal:
                continue
            if path.is_symlink() or (path.parent != folder and path.parent.is_symlink()):
                continue
            try:
                status = path.stat()
            except FileNotFoundError:  # an unfinished file that has its name by now
                continue
            nbytes = status.st_blocks * 512
            found.append(StoredFile(file, int(match[2]), nbytes, status.st_mtime))
    return sorted(found, key=lambda each: each.file)


def remove(folder: Path, files: Iterable[StoredFile]) -> list[tuple[StoredFile, str]]:
    """Delete files, and folders that are empty then.

    Returns
    -------
    :
        Those that could not be deleted, and why.
    """
    failed = []
    touched = set()
    for each in files:
        path = folder / each.file
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            failed.append((each, error.strerror or str(error)))
        else:
            touched.add(path.parent)
    for within in sorted(touched, reverse=True):
        if within != folder:
            with suppress(OSError):  # there is still something in it
                within.rmdir()
                continue
        flush_folder(within)
    return failed
