"""The one file per run that people open: links to its parts, summaries and errors.

It is made from what MongoDB says and can always be made again. Links are relative, so that the
folder can be moved; the file is replaced whole, so that a reader never sees half of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from knockoff.arrays.parts import run_folder, told_when_writing, write_whole
from knockoff.errors import ArrayError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from knockoff.arrays.references import ArrayReference
    from knockoff.arrays.values import Scalar
    from knockoff.runkey import RunKey


@dataclass(frozen=True)
class CellError:
    """Why a variable has no value."""

    kind: str
    """Name of the exception's class, as in ``KeyError``; ``Skip`` for a skipped one."""
    message: str


def write_index(
    folder: Path,
    key: RunKey,
    references: Mapping[str, ArrayReference],
    summaries: Mapping[str, Scalar] | None = None,
    errors: Mapping[str, CellError] | None = None,
) -> Path:
    """Write ``<folder>/p1234_r0042.h5`` anew.

    A variable ``group/name`` is the group of that name, with its array in it as ``data`` and its
    coordinates beside; ``.reduced/group/name`` is its summary (times and what HDF5 has no type
    for as text), ``.errors/group/name`` the text of its error with the class as ``type``.

    Raises
    ------
    ArrayNotWrittenError
        The disk is full or cannot be written.
    ArrayError
        A variable's name begins with a dot or is a group and a variable at once.
    """

    def write(file: h5py.File) -> None:
        for name, reference in references.items():
            file[_checked(name)] = h5py.ExternalLink(reference.file, reference.group)
        for name, value in (summaries or {}).items():
            if value is not None:
                file[f".reduced/{_checked(name)}"] = _storable(value)
        for name, error in (errors or {}).items():
            dataset = file.create_dataset(f".errors/{_checked(name)}", data=_text(error.message))
            dataset.attrs["type"] = _text(error.kind)
        file.attrs["proposal"] = key.proposal
        file.attrs["run"] = key.run

    path = folder / f"{run_folder(key)}.h5"
    with told_when_writing(path):
        write_whole(path, write)
    return path


def _checked(name: str) -> str:
    if not name or name.startswith((".", "/")) or "\0" in name or "//" in name:
        raise ArrayError(f"{name!r} is no name of a variable; one looks like 'xgm_sa2/energy'.")
    return name


def _storable(value: Scalar) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, bytes):
        return np.void(value) if value else _text("")
    if isinstance(value, datetime):
        return value.isoformat()
    return _text(repr(value))


def _text(value: str) -> str:
    """HDF5's text ends at the first NUL."""
    return value.replace("\0", "␀").encode("utf-8", "replace").decode()
