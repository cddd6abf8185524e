"""Whatever DAMNIT stores is stored, and what it refuses or degrades is stored as well."""

from __future__ import annotations

import enum
from collections import namedtuple
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
import xarray as xr

from knockoff.arrays.parts import write_part
from knockoff.arrays.previews import Thumbnail, Trend, preview_of
from knockoff.arrays.reading import read_array
from knockoff.arrays.summaries import summary_of
from knockoff.arrays.values import Bulk, exact_text, exact_value, normalised
from knockoff.arrays.variation import max_diff

RUN = Path("p1234_r0042")
TEN = datetime(2026, 5, 4, 10, tzinfo=timezone.utc)


class Shutter(enum.Enum):
    OPEN = "open"


Spot = namedtuple("Spot", "x y")  # noqa: PYI024  # as people write it


def stored(folder: Path, value: object) -> tuple[Any, Any]:
    """What the field shows, and what a variable reads back that asks for the whole."""
    plain = normalised(value)
    if isinstance(plain, Bulk):
        reference = write_part(folder, f"{RUN}/runs.a.1", plain.value)
        return summary_of(value, None), read_array(folder, reference)
    text = exact_text(value)
    return plain, plain if text is None else exact_value(text)


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (3, 3),
        (2.5, 2.5),
        (True, True),
        (1 + 2j, {"real": 1.0, "imag": 2.0}),
        (np.int32(3), 3),
        (np.float64(2.5), 2.5),
        (np.array(2.5), 2.5),
        (np.bool_(True), True),
        (np.complex64(1j), {"real": 0.0, "imag": 1.0}),
        ("text", "text"),
        (None, None),
    ],
)
def test_one_number_or_word_is_its_own_summary(tmp_path: Path, value: object, field: Any) -> None:
    """DAMNIT keeps a complex number as sixteen bytes, which nothing can sort or read."""
    shown, back = stored(tmp_path, value)
    assert shown == field
    assert back == value
    assert type(shown) is type(field)


@pytest.mark.parametrize(
    "numbers", [np.arange(1000.0), xr.DataArray(np.arange(1000.0)), pd.Series(np.arange(1000.0))]
)
def test_a_line_of_numbers_has_a_trend_of_few_points(tmp_path: Path, numbers: Any) -> None:
    """As large as the table can show."""
    shown, back = stored(tmp_path, numbers)
    assert shown is None
    assert type(back) is type(numbers)
    trend = preview_of(numbers)
    assert isinstance(trend, Trend)
    assert len(trend.x) <= 150


def test_a_line_along_times_is_drawn_in_seconds() -> None:
    """A datetime is no number, and a plot needs one."""
    times = np.array(["2026-05-04T10:00:00", "2026-05-04T10:00:01"], "M8[ns]")
    trend = preview_of(xr.DataArray([1.0, 2.0], {"time": times}, ("time",)))
    assert isinstance(trend, Trend)
    assert trend.x_is_time
    assert trend.x == (TEN.timestamp(), TEN.timestamp() + 1)


def test_a_list_of_numbers_stays_a_list_and_has_a_trend(tmp_path: Path) -> None:
    """DAMNIT makes an array of it; then ``values + [1]`` means something else on the next day."""
    shown, back = stored(tmp_path, [3, 1.5, 2])
    assert shown == back == [3, 1.5, 2]
    assert [type(number) for number in back] == [int, float, int]
    assert isinstance(preview_of([3, 1.5, 2]), Trend)


@pytest.mark.parametrize("shape", [(400, 600), (3, 400, 600), (2, 2, 400, 600)])
def test_an_image_or_a_stack_has_a_thumbnail(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """DAMNIT shows of a stack its dtype and shape; ours is the mean over its frames."""
    images = np.zeros(shape, np.uint16)
    shown, back = stored(tmp_path, images)
    assert shown is None
    assert back.shape == shape
    thumbnail = preview_of(images)
    assert isinstance(thumbnail, Thumbnail)
    assert max(thumbnail.width, thumbnail.height) <= 300


def test_a_data_array_and_a_dataset_are_what_they_were(tmp_path: Path) -> None:
    """With a slash in a name, which DAMNIT makes an underscore."""
    array = xr.DataArray(
        [1.0, 2.0], {"a/b": ("t", [1, 2])}, ("t",), "raw/energy", attrs={"units": "uJ"}
    )
    for value in (array, array.to_dataset()):
        shown, back = stored(tmp_path, value)
        assert shown is None
        xr.testing.assert_identical(value, back)


@pytest.mark.parametrize(
    "value",
    [
        ["a", "b"],
        np.array(["a", "bé"]),
        np.datetime64("2026-05-04T10:00:00", "ns"),
        TEN,
        {"a": 1, 2: "b"},
        {1, 2},
        frozenset({"a"}),
        Path("/gpfs"),
        Decimal("1.50"),
        2**80,
        UUID(int=5),
        b"bytes",
        Shutter.OPEN,
        Spot(1, 2),
        (1, "a"),
        [Shutter.OPEN, {"at": TEN, "spots": (Spot(2**80, {Path("a")}), None)}],
    ],
    ids=str,
)
def test_what_damnit_refuses_is_stored(tmp_path: Path, value: object) -> None:
    """It fails there with a TypeError, and people turn it into text by hand."""
    _, back = stored(tmp_path, value)
    assert type(back) is type(value)
    assert np.all(back == value)


def test_what_damnit_degrades_is_kept_whole(tmp_path: Path) -> None:
    """Columns, index, mask, every one of several byte strings, and fields."""
    table = pd.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]}, index=pd.Index([7, 8], name="trainId"))
    pd.testing.assert_frame_equal(stored(tmp_path, table)[1], table)
    column = table["a"]
    pd.testing.assert_series_equal(stored(tmp_path, column)[1], column)

    masked = np.ma.masked_array([1, 2, 3], [False, True, False])
    back = stored(tmp_path, masked)[1]
    assert back.tolist() == [1, None, 3]

    words = np.array([b"first", b"second"])
    assert stored(tmp_path, words)[1].tolist() == [b"first", b"second"]

    fields = np.array([(1, 2.5)], [("n", "i4"), ("x", "f8")])
    assert stored(tmp_path, fields)[1].dtype == fields.dtype
    assert preview_of(fields) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array([1.0, 1.5]), 0.5),
        (np.array([np.nan, 2.0, 2.0]), 0.0),
        (np.array([np.nan, np.nan]), None),
        (np.array([1.0, np.inf]), np.inf),
        (np.array([np.inf, np.inf]), 0.0),
        (np.array([[0, 0], [0, 255]], np.uint8), 255.0),
        (np.array([True, False]), 1.0),
        (np.ma.masked_array([1, 9, 1], [False, True, False]), 0.0),
        (xr.DataArray([5, 5, 6]), 1.0),
        (pd.Series([5, 5, 5]), 0.0),
        (np.array([-(2**63), 2**63 - 1]), 2.0**64),
        (np.repeat([1.0, 3.0], 2**21), 2.0),
        (np.array([1.0]), None),
        (np.array(["a", "b"]), None),
        ([1, 2], None),
        (3.0, None),
        (xr.Dataset(), None),
    ],
)
def test_an_array_says_how_far_its_numbers_differ(value: Any, expected: float | None) -> None:
    """A motor that moved during the run is seen at a glance, and by how much."""
    assert max_diff(value) == expected
