"""A value out of a file that some other program has written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np

from knockoff.arrays.figures import Chart
from knockoff.arrays.fileerror import ArrayFileError
from knockoff.errors import ArrayError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LARGEST_TEXT: Final = 10_000_000
"""Bytes of a text or JSON file, which is read whole to be a value."""


class FileUnreadableError(ArrayFileError):
    """A file holds no value that could be taken from it."""

    def __str__(self) -> str:
        return f"{self.path} cannot be taken: {self.reason}. {self.remedy}"


class Archive(dict[str, Any]):
    """The named arrays of one ``.npz``: outputs of one method, or a Dataset."""

    def dataset(self) -> Any:
        """The same as a Dataset, each array with axes of its own, since nothing says otherwise."""
        import xarray as xr

        return xr.Dataset(
            {
                name: ([f"{name}_{axis}" for axis in range(array.ndim)], array)
                for name, array in self.items()
            }
        )


def read_foreign(path: Path, dataset: str = "") -> Any:
    """The value in a file, by what its name ends in.

    ``.npy`` is an array; ``.npz`` an array, or an `Archive` of several; ``.json`` what JSON
    says, or a figure of Plotly; ``.h5``, ``.hdf5`` and ``.nc`` an array, DataArray or
    Dataset; ``.csv`` and ``.tsv`` a DataFrame; ``.png`` and ``.jpg`` an image; ``.txt`` a text.

    Parameters
    ----------
    dataset:
        What to take of an HDF5 file: a dataset, or a group in NetCDF's layout.

    Raises
    ------
    FileUnreadableError
        It is not there, or damaged, or of another kind.
    """
    suffix = path.suffix.lower()
    read = _READERS.get(suffix)
    if read is None:
        known = ", ".join(sorted(_READERS))
        raise FileUnreadableError(
            path, f"{suffix or 'no suffix'} says nothing of its kind", f"Known are {known}."
        )
    if dataset and read is not _hdf5:
        raise FileUnreadableError(path, "only HDF5 files have datasets", "Leave out --dataset.")
    try:
        return _hdf5(path, dataset) if read is _hdf5 else read(path)
    except FileNotFoundError as error:
        raise FileUnreadableError(path, "it is not there", "Name a file that is.") from error
    except PermissionError as error:
        remedy = "Ask its owner to open it for your group."
        raise FileUnreadableError(path, "permission denied", remedy) from error
    except ArrayError:
        raise
    except ImportError as error:
        remedy = "Install it, or take one array with --dataset."
        raise FileUnreadableError(path, f"{error.name} is not installed", remedy) from error
    except (OSError, ValueError, KeyError, TypeError, SyntaxError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise FileUnreadableError(path, reason, "Write it once more, and complete.") from error


def _npy(path: Path) -> Any:
    return np.load(path, allow_pickle=False)


def _npz(path: Path) -> Any:
    with np.load(path, allow_pickle=False) as file:
        arrays = Archive({name: file[name] for name in file.files})
    if not arrays:
        raise FileUnreadableError(path, "there is no array in it", "Write one with np.savez.")
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def _text(path: Path) -> str:
    size = path.stat().st_size
    if size > LARGEST_TEXT:
        remedy = "Write numbers as .npy or HDF5."
        raise FileUnreadableError(path, f"{size} bytes are too long for a text", remedy)
    return path.read_text(encoding="utf-8")


def _plain_text(path: Path) -> str:
    return _text(path).removesuffix("\n")


def _json(path: Path) -> Any:
    value = json.loads(_text(path))
    if isinstance(value, dict) and isinstance(value.get("data"), list) and "layout" in value:
        return Chart(json.dumps(value, separators=(",", ":"), allow_nan=False))
    return value


def _table(path: Path) -> Any:
    import pandas as pd  # type: ignore[import-untyped]

    return pd.read_csv(path, sep="\t" if path.suffix.lower() == ".tsv" else ",")


def _image(path: Path) -> Any:
    from PIL import Image

    with Image.open(path) as image:
        image.load()
        return image.copy()


def _hdf5(path: Path, dataset: str = "") -> Any:
    """An array as it is; what has axes with names as xarray reads it."""
    path.stat()  # HDF5's own words for a file that is not there are long
    with h5py.File(path, "r") as file:
        if dataset and dataset not in file:
            known = ", ".join(_datasets(file)[:12]) or "none"
            raise FileUnreadableError(path, f"it has no {dataset!r}", f"Datasets in it: {known}.")
        found: Any = file[dataset] if dataset else file
        if isinstance(found, h5py.Dataset):
            return found[()] if not _has_axes(found) else _labelled(path, dataset)
        members = _datasets(found)
        axes = any(_has_axes(found[name]) for name in members)
        if len(members) == 1 and not axes:
            return found[members[0]][()]
        if not members:
            raise FileUnreadableError(path, "there is no dataset in it", "Write one.")
    return _labelled(path, dataset)


def _has_axes(dataset: h5py.Dataset) -> bool:
    return any(len(dimension) for dimension in dataset.dims)


def _datasets(group: h5py.Group) -> list[str]:
    found: list[str] = []

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found.append(name)

    group.visititems(look)
    return found


def _labelled(path: Path, name: str) -> Any:
    """A group, or one variable of it, as xarray reads NetCDF."""
    import h5netcdf  # type: ignore[import-untyped]  # noqa: F401  # xarray would not name it
    import xarray as xr

    with h5py.File(path, "r") as file:
        is_variable = bool(name) and isinstance(file[name], h5py.Dataset)
    group, _, variable = name.strip("/").rpartition("/") if is_variable else (name, "", "")
    with xr.open_dataset(path, group=group or None, engine="h5netcdf") as opened:
        loaded = opened.load()
    if variable:
        return loaded[variable]
    if len(loaded.data_vars) == 1:
        (only,) = loaded.data_vars
        array = loaded[only]
        return array.rename(None) if str(only).startswith("__xarray") else array
    return loaded


_READERS: Final[dict[str, Callable[[Path], Any]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".json": _json,
    ".txt": _plain_text,
    ".csv": _table,
    ".tsv": _table,
    ".png": _image,
    ".jpg": _image,
    ".jpeg": _image,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".nc": _hdf5,
}
