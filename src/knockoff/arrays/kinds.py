"""Which library's type a value has, told without importing that library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from knockoff.arrays.figures import figure_kind
from knockoff.arrays.loaded import is_of

if TYPE_CHECKING:
    from knockoff.arrays.references import Kind


def kind_of(value: object) -> Kind | None:
    """The kind of array or figure that `value` is, or None if it is none."""
    if is_numpy(value, "ndarray"):
        figure = figure_kind(value)
        if figure is not None:
            return figure
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
    return figure_kind(value)


def is_numpy(value: object, *names: str) -> bool:
    """Whether `value` is of this NumPy type: ``is_numpy(value, "ma", "MaskedArray")``."""
    return is_of(value, "numpy", *names)


def is_xarray(value: object, name: str) -> bool:
    """Whether `value` is of this xarray type."""
    return is_of(value, "xarray", name)


def is_pandas(value: object, name: str) -> bool:
    """Whether `value` is of this pandas type."""
    return is_of(value, "pandas", name)
