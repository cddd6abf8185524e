"""The one plain value that a table shows of a bulk value."""

from __future__ import annotations

import difflib
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, Union

from knockoff.arrays.kinds import kind_of
from knockoff.arrays.plainness import base_of, simplified
from knockoff.arrays.refusals import said, told
from knockoff.arrays.values import Bulk, Scalar, normalised
from knockoff.arrays.wire import UnsupportedValueError, type_name
from knockoff.errors import VariableError

if TYPE_CHECKING:
    from collections.abc import Callable

Reducer = Union[str, "Callable[[Any], object]", None]
"""Name of a NumPy function (``"mean"``, ``"nanmax"``) or a function of the returned value."""

_COMMON: Final = frozenset(
    {
        "mean", "median", "std", "var", "min", "max", "sum", "prod", "ptp", "size", "all", "any",
        "nanmean", "nanmedian", "nanstd", "nanvar", "nanmin", "nanmax", "nansum", "nanprod",
        "argmin", "argmax", "nanargmin", "nanargmax", "count_nonzero",
    }
)  # fmt: skip
"""What a misspelt name may have meant."""


_SINGLE: Final = frozenset(
    {bool, int, float, complex, str, Decimal, Fraction, datetime, date, timedelta}
)
"""Of what an array of objects may be, so that NumPy's functions are safe with it."""


class SummaryError(VariableError):
    """The summary of a value could not be computed; the value itself is not touched by that."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy}"


def summary_of(value: object, how: Reducer) -> Scalar:
    """Reduce a value to what its cell shows.

    A plain value without `how` is its own summary. An array without `how` has none, and an
    array of one number without axes has that. NaN is not left out unless `how` does (``nanmean``).

    Parameters
    ----------
    value:
        What the variable returned. A function gets it as it is; NumPy's get the bare numbers.

    how:
        NumPy's name, a function, or None.

    Returns
    -------
    :
        A plain field value; None is no summary.

    Raises
    ------
    SummaryError
        There is no such function, it failed, or what it gave is no plain value.
    UnsupportedValueError
        `value` itself cannot be stored.
    """
    if how is None or value is None:
        plain = normalised(value)
        return _number_without_axes(plain) if isinstance(plain, Bulk) else plain
    named = isinstance(how, str)
    called = f"summary={how!r}" if named else f"summary={getattr(how, '__qualname__', repr(how))}"
    reduce = _numpy_function(how) if isinstance(how, str) else how
    argument = _numbers(value, called) if named else value
    try:
        reduced = reduce(argument)
    except Exception as error:
        raise SummaryError(
            f"{called} of {described(value)} failed: {said(error)}",
            "Choose another summary, or return Cell(data, summary_value=...).",
        ) from error
    return _plain(reduced, f"{called} of {described(value)}")


def _plain(reduced: object, called: str) -> Scalar:
    remedy = "Choose a summary that gives one value, such as 'mean'."
    try:
        plain = normalised(reduced)
    except UnsupportedValueError as error:
        raise SummaryError(f"{called} gave {described(reduced)}", remedy) from error
    if isinstance(plain, Bulk):
        plain = _number_without_axes(plain)
        if plain is None:
            raise SummaryError(f"{called} gave {described(reduced)}", remedy)
    return plain


def described(value: object) -> str:
    """A value in a few words: ``an ndarray of float32 and shape (1086, 400)``."""
    name = type_name(value).rpartition(".")[2]
    article = "an" if name.startswith(tuple("aeion")) else "a"
    if kind_of(value) in (None, "dataset"):
        return f"{article} {name}"
    shape = f"shape {getattr(value, 'shape', ())}"
    dtype = getattr(value, "dtype", None)
    return (
        f"{article} {name} of {shape}" if dtype is None else f"{article} {name} of {dtype}, {shape}"
    )


def _number_without_axes(bulk: Bulk) -> Scalar:
    """The number of a DataArray that has coordinates or attributes, and no axes."""
    if bulk.kind != "dataarray" or bulk.value.ndim:
        return None
    number = normalised(bulk.value.values[()])
    return None if isinstance(number, Bulk) else number


def _numpy_function(name: str) -> Callable[[Any], object]:
    import numpy as np

    function = None if name.startswith("_") else getattr(np, name, None)
    if not callable(function) or isinstance(function, type):
        near = difflib.get_close_matches(name, _COMMON, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise SummaryError(
            f"summary={name!r}: NumPy has no such function",
            f"{hint}Any that reduces an array to one number will do, or a function of your own.",
        )
    found: Callable[[Any], object] = function
    return found


def _numbers(value: Any, called: str) -> Any:
    """The bare numbers of an array, so that NumPy's functions all take them; a mask is kept."""
    import numpy as np

    kind = kind_of(value)
    if kind in ("image", "plotly"):
        raise SummaryError(
            f"{called} of a figure", "Return Cell(figure, summary_value=...) with its number."
        )
    if kind == "dataset":
        raise SummaryError(
            f"{called} of a Dataset, which has several arrays",
            "Give a function: summary=lambda ds: float(ds.energy.mean()).",
        )
    with told(value):
        numbers = value if kind == "masked" else np.asarray(simplified(value))
    if numbers.dtype.hasobject and any(base_of(each) not in _SINGLE for each in numbers.flat):
        # NumPy would let each object do its part; one that contains itself ends the process
        raise SummaryError(f"{called} of {described(value)}", "Give a function of your own.")
    return numbers
