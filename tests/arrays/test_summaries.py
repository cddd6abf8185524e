"""What a cell shows of an array."""

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from knockoff.arrays.summaries import SummaryError, summary_of
from knockoff.arrays.values import Bulk, normalised

numbers = hnp.arrays(
    np.float64, hnp.array_shapes(max_dims=3), elements=st.floats(-1e6, 1e6, allow_nan=False)
)


@given(numbers, st.sampled_from(["mean", "max", "nanmax", "std", "size", "argmin"]))
def test_a_summary_by_name_is_numpys(array: Any, how: str) -> None:
    """Whatever wraps the numbers, the same name gives the same number."""
    expected = getattr(np, how)(array)
    wrapped: list[Any] = [array, xr.DataArray(array), np.ma.masked_array(array)]
    if array.ndim == 1:
        wrapped += [pd.Series(array), array.tolist()]
    for value in wrapped:
        assert summary_of(value, how) == pytest.approx(expected)
        assert type(summary_of(value, how)) in (int, float)


def test_an_array_without_a_summary_shows_none() -> None:
    """Its cell has the preview; an invented number would be worse than none."""
    for value in (np.arange(3), xr.DataArray([1]), xr.Dataset(), pd.Series([1]), ["x" * 20_000]):
        assert summary_of(value, None) is None


@pytest.mark.parametrize("array", [xr.DataArray(2.5), xr.DataArray(2.5, name="a/b")])
def test_a_data_array_without_axes_shows_its_number_and_is_kept(array: xr.DataArray) -> None:
    """What ``mean()`` gives; its name, and that it is a DataArray, come back."""
    assert summary_of(array, None) == 2.5
    assert isinstance(normalised(array), Bulk)


def test_a_plain_value_is_its_own_summary() -> None:
    """Scalars stand in their field as they are, also those that xarray wraps."""
    assert summary_of(np.float32(1.5), None) == 1.5
    assert summary_of((1, "a"), None) == [1, "a"]
    assert summary_of(xr.DataArray(2.5, {"device": "XGM"}, attrs={"units": "uJ"}), None) == 2.5
    assert summary_of(None, "mean") is None


def test_nan_is_shown_unless_it_is_asked_to_be_left_out() -> None:
    """A mean without the missing trains is another number; the author decides."""
    array = np.array([1.0, np.nan, 3.0])
    mean = summary_of(array, "mean")
    assert isinstance(mean, float)
    assert math.isnan(mean)
    assert summary_of(array, "nanmean") == 2.0
    assert summary_of(np.ma.masked_invalid(array), "mean") == 2.0


def test_a_function_gets_the_value_as_it_was_returned() -> None:
    """A function of one's own may use labels, columns and names."""
    array = xr.DataArray([1, 2], {"t": ["a", "b"]}, ("t",))
    assert summary_of(array, lambda da: da.sel(t="b")) == 2
    assert summary_of(xr.Dataset({"e": ("t", [1.0, 3.0])}), lambda ds: ds.e.mean()) == 2.0
    assert summary_of(pd.DataFrame({"a": [1, 2]}), lambda table: table["a"].max()) == 2
    assert summary_of([3, 4], lambda values: {"first": values[0]}) == {"first": 3}


def raising(array: Any) -> float:
    raise KeyError("device")


@pytest.mark.parametrize(
    ("value", "how", "words"),
    [
        (np.arange(3), "meen", ["'meen'", "'mean'"]),
        (np.arange(3), "_core", ["no such function"]),
        (np.arange(3), "float64", ["no such function"]),
        (np.arange(3), "sort", ["'sort'", "shape (3,)", "one value"]),
        (np.zeros(0), "max", ["'max'", "shape (0,)", "ValueError"]),
        (np.arange(3), raising, ["raising", "KeyError", "device"]),
        (np.arange(3), lambda array: object(), ["gave an object"]),
        (xr.Dataset(), "mean", ["Dataset", "lambda"]),
        ("text", "mean", ["'mean'", "str"]),
        ([{"a": 1}], "mean", ["'mean'", "list", "function of your own"]),
        (np.array([[1], [2, 3]], object), "size", ["'size'", "function of your own"]),
    ],
)
def test_a_summary_that_fails_says_so(value: object, how: Any, words: list[str]) -> None:
    """Silence would look like a variable without a summary; DAMNIT shows nothing at all."""
    with pytest.raises(SummaryError) as caught:
        summary_of(value, how)
    for word in words:
        assert word in str(caught.value)


def test_numbers_that_numpy_keeps_as_objects_are_reduced_too() -> None:
    """Decimals and large integers are numbers; what is no number never gets that far."""
    assert summary_of([Decimal("1.5"), Decimal("2.5")], "mean") == 2.0
    assert summary_of([2**80, 2**80], "max") == float(2**80)


def test_what_offers_an_array_is_reduced_as_one() -> None:
    """A tensor's mean is asked for in the same words as an array's."""
    assert summary_of(memoryview(b"\1\3"), "mean") == 2.0
