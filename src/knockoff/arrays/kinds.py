"""Which library's type a value has, told without importing that library."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from knockoff.arrays.references import Kind


def kind_of(value: object) -> Kind | None:
    """The kind of array that `value` is, or None if it is none."""
    if is_numpy(value, "ndarray"):
        return "masked" if is_numpy(value, "ma", "MaskedArray") else "ndarray"
    if is_numpy(value, "void"):  # one row of a structured array
        return "ndarray"
    if is_xarray(value, "DataArray"):
        return "dataarray"
    if is_xarray(value, "Dataset"):
        return "dataset"
    if is_pandas(value, "Series"):
        return "series"
    if is_pandas(value, "DataFrame"):
        return "dataframe"
    return None


def is_numpy(value: object, *names: str) -> bool:
    """Whether `value` is of this NumPy type: ``is_numpy(value, "ma", "MaskedArray")``."""
    return _is(value, "numpy", names)


def is_xarray(value: object, name: str) -> bool:
    """Whether `value` is of this xarray type."""
    return _is(value, "xarray", (name,))


def is_pandas(value: object, name: str) -> bool:
    """Whether `value` is of this pandas type."""
    return _is(value, "pandas", (name,))


def _is(value: object, module: str, names: tuple[str, ...]) -> bool:
    found: Any = sys.modules.get(module)  # not imported yet: nobody can have made a value of it
    for name in names:
        found = getattr(found, name, None)
    return isinstance(found, type) and isinstance(value, found)
