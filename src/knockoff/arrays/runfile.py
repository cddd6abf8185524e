"""The one file per run that people open: ``p1234_r0042.h5``, all that is known of the run.

It is made from what MongoDB and the parts say and can always be made again; nothing of knockoff
reads from it. It is replaced as a whole, so that nobody sees half of it, and its time of
modification is that of the newest thing it shows, so that one can tell whether it is current.

A variable ``group/name`` is the group of that name: its value as ``data``, an array with its
coordinates beside it as NetCDF-4 has them. ``.reduced/group/name`` is what the table shows,
``.preview/group/name`` its trendline ``(2, points)`` or the bytes of a PNG, ``.errors/group/name``
why there is no value, with the class of the error as ``type``.
"""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np

from knockoff.arrays.adopting import adopt
from knockoff.arrays.netcdf import Names
from knockoff.arrays.parts import (
    UNFINISHED,
    make_folders,
    run_folder,
    told_when_writing,
    write_whole,
)
from knockoff.arrays.reading import opened_part
from knockoff.errors import ArrayError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from knockoff.arrays.references import ArrayReference
    from knockoff.arrays.values import Scalar
    from knockoff.runkey import RunKey

REDUCED: Final = ".reduced"
PREVIEW: Final = ".preview"
ERRORS: Final = ".errors"

_SCALAR: Final = h5py.h5s.create(h5py.h5s.SCALAR)
_TEXT: Final = h5py.string_dtype()
_STORED_TEXT: Final = h5py.h5t.py_create(_TEXT, logical=True)
_TYPES: Final = {
    kind: (np.dtype(dtype), h5py.h5t.py_create(np.dtype(dtype), logical=True))
    for kind, dtype in ((float, "f8"), (int, "i8"), (bool, "?"))
}


def _with_groups() -> h5py.h5p.PropLCID:
    """Links in UTF-8, with the groups that their names ask for."""
    wish = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    wish.set_create_intermediate_group(True)
    wish.set_char_encoding(h5py.h5t.CSET_UTF8)
    return wish


_WITH_GROUPS: Final = _with_groups()


@dataclass(frozen=True)
class CellError:
    """Why a variable has no value."""

    kind: str
    """Name of the exception's class, as in ``KeyError``; ``Skip`` for a skipped one."""
    message: str


@dataclass(frozen=True)
class RunCell:
    """What is known of one variable of one run."""

    name: str
    """As in MongoDB: ``xgm_sa2/pulse_energy``."""
    value: Scalar = None
    """What the table shows: the value itself, or the summary of `array`."""
    array: ArrayReference | None = None
    preview: Mapping[str, Any] | None = None
    """As in ``knockoff.previews``: a ``trend`` or the bytes of a ``png``."""
    error: CellError | None = None
    about: Mapping[str, str | bool | float] = field(default_factory=dict)
    """Units, title, bold ...: attributes of what the table shows."""


def run_file(folder: Path, key: RunKey) -> Path:
    """Where the file of a run lies in ``extracted_data``."""
    return folder / f"{run_folder(key)}.h5"


def is_current(path: Path, changed: datetime) -> bool:
    """Whether a run's file shows what has changed until then."""
    try:
        return path.stat().st_mtime_ns // 1_000_000 == _milliseconds(changed)
    except FileNotFoundError:
        return False


def write_run_file(
    folder: Path, key: RunKey, cells: Iterable[RunCell], changed: datetime | None = None
) -> Path:
    """Write the file of a run anew.

    An array that cannot be read does not keep the others out: it has an error instead.

    Parameters
    ----------
    folder:
        ``extracted_data`` of the workspace.
    changed:
        When the newest of `cells` has changed; MongoDB's time, in whole milliseconds.

    Raises
    ------
    ArrayNotWrittenError
        The disk is full or cannot be written.
    ArrayError
        A variable's name begins with a dot.
    """
    kept = sorted(cells, key=lambda cell: cell.name)
    names = [_checked(cell.name) for cell in kept]
    path = run_file(folder, key)
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}{UNFINISHED}")

    def write(file: h5py.File) -> None:
        file.attrs["proposal"] = key.proposal
        file.attrs["run"] = key.run
        run = _RunFile(file, folder, names)
        for cell in kept:
            run.show(cell)

    modified = None if changed is None else _milliseconds(changed) * 1_000_000
    with told_when_writing(path):
        make_folders(folder, folder)
        write_whole(path, write, aside=aside, modified=modified)
    return path


class _RunFile:
    """A run's file while it is written."""

    def __init__(self, file: h5py.File, folder: Path, names: Sequence[str]) -> None:
        self._file = file
        self._folder = folder
        self._within: dict[str, set[str]] = {}
        """What lies below a name: variables in a group, outputs below a variable."""
        for name in names:
            above, _, own = name.rpartition("/")
            while above:
                self._within.setdefault(above, set()).add(own)
                above, _, own = above.rpartition("/")
        self._sections: dict[str, h5py.Group] = {}
        self._axes = count()

    def show(self, cell: RunCell) -> None:
        """Write all that is known of a variable."""
        error = cell.error
        shown: h5py.h5d.DatasetID | None = None
        if cell.array is not None:
            error = self._show_array(cell, cell.array) or error
            if cell.value is not None:
                shown = _new(self._section(REDUCED), self._leaf(cell.name), cell.value)
        elif cell.value is not None:
            own = self._names_below(cell.name).free("data")
            shown = _new(self._file, f"{cell.name}/{own}", cell.value)
            _link(shown, self._section(REDUCED), self._leaf(cell.name))
        if shown is not None:
            _describe(shown, cell.about)
        if cell.preview is not None:
            with suppress(KeyError, TypeError, ValueError):  # somebody wrote nonsense there
                self._show_preview(cell, cell.preview)
        if error is not None:
            dataset = _new(self._section(ERRORS), self._leaf(cell.name), error.message)
            _describe(dataset, {"type": error.kind})

    def _show_array(self, cell: RunCell, reference: ArrayReference) -> CellError | None:
        """Bring an array in, small ones as copies; why not, if that cannot be done."""
        try:
            with opened_part(self._folder, reference) as source:
                group = self._file.require_group(cell.name)
                adopt(source, group, reference.file, self._names_below(cell.name), self._axes)
        except ArrayError as error:
            return CellError(type(error).__name__, str(error))
        if reference.kind != "dataset":  # the group's attributes are its own
            of_array = {name: each for name, each in cell.about.items() if name in _OF_ARRAYS}
            _describe(group.id, {"kind": reference.kind, **of_array})
        return None

    def _show_preview(self, cell: RunCell, preview: Mapping[str, Any]) -> None:
        if "png" in preview:
            values = np.frombuffer(preview["png"], np.uint8)
            about: dict[str, str | bool | float] = {"format": "png"}
        else:
            trend = preview["trend"]
            values = np.array([trend["x"], trend["y"]], np.float64)  # a gap is NaN
            about = {"format": "trend", "x_is_time": bool(trend.get("x_is_time"))}
        dataset = self._section(PREVIEW).create_dataset(self._leaf(cell.name), data=values)
        _describe(dataset.id, about)

    def _names_below(self, name: str) -> Names:
        """Names for what belongs to a variable, free of those of its outputs."""
        names = Names()
        for taken in self._within.get(name, ()):
            names.free(taken)
        return names

    def _leaf(self, name: str) -> str:
        """The path for one dataset: a variable that others lie below is the ``data`` beside."""
        if name not in self._within:
            return name
        return f"{name}/{self._names_below(name).free('data')}"

    def _section(self, name: str) -> h5py.Group:
        if name not in self._sections:
            self._sections[name] = self._file.create_group(name)
        return self._sections[name]


_OF_ARRAYS: Final = frozenset({"title", "description", "units"})


def _checked(name: str) -> str:
    parts = name.split("/")
    if any(not part or part.startswith(".") or "\0" in part for part in parts):
        raise ArrayError(f"{name!r} is no name of a variable; one looks like 'xgm_sa2/energy'.")
    return name


def _new(group: h5py.Group, name: str, value: Scalar) -> h5py.h5d.DatasetID:
    """Write one value; by HDF5's own functions, since a run has hundreds of them."""
    found = _TYPES.get(type(value))  # type: ignore[arg-type]
    if found is None or (type(value) is int and not -(2**63) <= value < 2**63):
        content = _storable(value)
        if not isinstance(content, str):
            return group.create_dataset(name, **content).id
        dtype, stored, value = _TEXT, _STORED_TEXT, content
    else:
        dtype, stored = found
    dataset = h5py.h5d.create(group.id, None, stored, _SCALAR)
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array(value, dtype))
    _link(dataset, group, name)
    return dataset


def _link(dataset: h5py.h5d.DatasetID, group: h5py.Group, name: str) -> None:
    """Give a dataset a name; groups on the way to it are made."""
    h5py.h5o.link(dataset, group.id, name.encode(), lcpl=_WITH_GROUPS)


def _storable(value: Scalar) -> dict[str, Any] | str:
    """A value as `h5py.Group.create_dataset` takes it; what HDF5 has no type for as text."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bytes):
        return {"data": np.void(value) if value else h5py.Empty("V1")}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict) and value.keys() == {"real", "imag"}:
        return {"data": complex(value["real"], value["imag"])}
    if isinstance(value, list) and value:
        if all(type(item) is str for item in value):
            return {"data": [_text(item) for item in value], "dtype": _TEXT}
        if len({type(item) for item in value}) == 1 and type(value[0]) in (int, float, bool):
            return {"data": np.array(value)}
    return _text(json.dumps(value, ensure_ascii=False, default=str))


def _describe(target: Any, about: Mapping[str, str | bool | float]) -> None:
    """Write attributes of the group or dataset with this id."""
    for name, content in about.items():
        if isinstance(content, str):
            dtype, stored, content = _TEXT, _STORED_TEXT, _text(content)  # noqa: PLW2901
        else:
            dtype, stored = _TYPES[type(content)]
        if h5py.h5a.exists(target, name.encode()):  # the value brings it itself
            continue
        attribute = h5py.h5a.create(target, name.encode(), stored, _SCALAR)
        attribute.write(np.array(content, dtype))


def _text(value: str) -> str:
    """HDF5's text ends at the first NUL."""
    return value.replace("\0", "␀").encode("utf-8", "replace").decode()


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
