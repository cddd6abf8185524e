"""The small picture of a value."""

import io
import json
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from knockoff.arrays.colours import VIRIDIS
from knockoff.arrays.previews import Thumbnail, Trend, preview_from_json, preview_of
from knockoff.errors import ArrayError

FIRST, LAST = tuple(VIRIDIS[3:6]), tuple(VIRIDIS[-3:])


def trend(value: object) -> Trend:
    preview = preview_of(value)
    assert isinstance(preview, Trend)
    return preview


def pixels(value: object) -> Any:
    """Shape (height, width, 4)."""
    preview = preview_of(value)
    assert isinstance(preview, Thumbnail)
    image = Image.open(io.BytesIO(preview.data))
    assert image.size == (preview.width, preview.height)
    return np.asarray(image.convert("RGBA"))


@given(hnp.arrays(np.float64, st.integers(2, 2000)))
def test_a_trend_keeps_the_extremes_in_few_points(array: Any) -> None:
    """A spike of one train is what people look for, and it must not be averaged away."""
    line = trend(array)
    assert len(line.x) == len(line.y) <= 150
    assert list(line.x) == sorted(line.x)
    drawn = [value for value in line.y if value is not None]
    finite = array[np.isfinite(array)]
    assert bool(drawn) == bool(finite.size)
    if drawn:
        assert (min(drawn), max(drawn)) == (finite.min(), finite.max())
    for x, y in zip(line.x, line.y, strict=True):
        assert y is None or y == array[int(x)]


@given(
    hnp.arrays(hnp.array_dtypes() | hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_dims=4))
)
def test_no_array_is_too_odd_to_be_looked_at(array: Any) -> None:
    """A preview that fails would cost a result that is perfectly good."""
    masked = [] if array.dtype.names else [np.ma.masked_array(array, np.zeros(array.shape, bool))]
    for value in (array, *masked):
        preview = preview_of(value)
        assert preview is None or preview_from_json(preview.to_json()) == preview


def test_missing_values_are_gaps() -> None:
    """A line drawn through them would show what was never measured."""
    array = np.arange(3000.0)
    array[1000:2000] = np.nan
    line = trend(array)
    gaps = [x for x, y in zip(line.x, line.y, strict=True) if y is None]
    assert gaps
    assert all(1000 <= x < 2000 for x in gaps)
    assert trend(np.ma.masked_array([1, 2, 3], [False, True, False])).y == (1.0, None, 3.0)
    assert trend(np.array([1.0, np.inf])).y == (1.0, None)


def test_a_line_is_drawn_along_its_coordinate_if_that_only_rises_or_falls() -> None:
    """A scan's axis is a motor position, not a count; a zigzag would draw a tangle."""
    for along, expected in [([1.5, 2, 4], (1.5, 2.0, 4.0)), ([4, 2, 1], (4.0, 2.0, 1.0))]:
        assert trend(xr.DataArray([1, 2, 3], {"x": along}, ("x",))).x == expected
    for along in ([1, 3, 2], ["a", "b", "c"], [1, np.nan, 2]):
        assert trend(xr.DataArray([1, 2, 3], {"x": along}, ("x",))).x == (0.0, 1.0, 2.0)
    assert trend(pd.Series([1, 2], index=[10, 20])).x == (10.0, 20.0)
    times = trend(pd.Series([1, 2], index=pd.to_datetime(["1970-01-01", "1970-01-02"])))
    assert (times.x, times.x_is_time) == ((0.0, 86400.0), True)


@pytest.mark.parametrize(
    ("shape", "width", "height"),
    [
        ((2000, 2000), 286, 286),
        ((512, 1024), 256, 128),
        ((20, 30), 30, 20),
        ((5000, 20), 20, 295),
        ((3, 4, 50, 60), 60, 50),
        ((300, 301), 151, 150),
        ((1, 10_000_000), 300, 1),
    ],
)
def test_a_thumbnail_is_small_and_keeps_its_shape(
    shape: tuple[int, ...], width: int, height: int
) -> None:
    """Thousands of them are in one table."""
    image = pixels(np.arange(np.prod(shape), dtype=np.float32).reshape(shape))
    assert image.shape == (height, width, 4)
    assert (image[..., 3] == 255).all()


def test_dark_is_low_and_bright_is_high_and_a_hot_pixel_changes_neither() -> None:
    """One pixel of ten thousand times the rest must not turn the image dark."""
    ramp = np.tile(np.linspace(0, 100, 200), (100, 1))
    ramp[50, 100] = 1e6
    image = pixels(ramp)
    assert tuple(image[0, 0, :3]) == FIRST
    assert tuple(image[0, -1, :3]) == LAST
    brightness = image[0, :, :3].sum(axis=1, dtype=int)
    assert (np.diff(brightness) >= -2).all()


@pytest.mark.parametrize("size", [100, 900])
def test_missing_pixels_are_transparent(size: int) -> None:
    """DAMNIT makes zeros of them, and gaps between modules look like data."""
    array = np.random.default_rng(1).random((size, size))
    array[: size // 3] = np.nan
    array[-size // 3 :, : size // 2] = np.inf
    alpha = pixels(array)[..., 3]
    height, width = alpha.shape
    assert not alpha[: height // 3 - 1].any()
    assert not alpha[-height // 3 + 1 :, : width // 2 - 1].any()
    assert alpha[height // 3 + 1 : height // 2].all()
    masked = np.ma.masked_array(np.eye(20), np.arange(400).reshape(20, 20) < 40)
    assert not pixels(masked)[:2, :, 3].any()


def test_the_mean_over_a_stack_is_shown_without_what_is_missing() -> None:
    """Of a thousand frames one picture, in which a dead frame leaves no trace."""
    frame = np.tile(np.arange(40.0), (30, 1))
    stack = np.stack([frame, np.full_like(frame, np.nan), frame])
    assert np.array_equal(pixels(stack), pixels(frame))


@pytest.mark.parametrize("dtype", ["?", "u1", "u2", "i8", "f2", "f4", "c8", "g"])
def test_numbers_of_every_kind_have_a_picture(dtype: str) -> None:
    """Counts, masks, and complex numbers by their magnitude."""
    image = pixels((np.arange(4000).reshape(50, 80) % 2).astype(dtype))
    assert tuple(image[0, 0, :3]) == FIRST
    assert tuple(image[0, 1, :3]) == LAST


def test_small_integers_do_not_overflow_in_a_large_image() -> None:
    """A pixel is the mean of many, and their sum is larger than their type."""
    preview = preview_of(np.full((3000, 3000), 255, np.uint8))
    assert isinstance(preview, Thumbnail)
    assert preview.low == preview.high == 255


def test_a_picture_in_colour_stays_one() -> None:
    """Figures come as bytes of red, green and blue."""
    picture = np.zeros((600, 900, 3), np.uint8)
    picture[..., 0] = 200
    image = pixels(picture)
    assert image.shape == (200, 300, 4)
    assert tuple(image[10, 10]) == (200, 0, 0, 255)


@pytest.mark.parametrize(
    "value",
    [
        None, 5, "text", {"a": 1}, ["a", "b"], [], np.array(["a", "b"]), np.zeros(0), np.zeros(1),
        np.zeros((0, 5)), np.full((3, 3), np.nan), pd.DataFrame({"a": [1]}), xr.Dataset(),
        np.zeros((2, 2), "M8[s]"), pd.Series(["a", "b"]), xr.DataArray(5.0), [1, None],
    ],
)  # fmt: skip
def test_what_has_no_picture_has_none(value: object) -> None:
    """An empty picture would look like a broken one."""
    assert preview_of(value) is None


@pytest.mark.parametrize("value", [np.array([1.0, np.nan]), np.eye(4), [3, 1, 2]])
def test_a_preview_crosses_as_json(value: object) -> None:
    """The worker makes it, the recorder stores it."""
    preview = preview_of(value)
    assert preview is not None
    document = json.loads(json.dumps(preview.to_json(), allow_nan=False))
    assert preview_from_json(document) == preview


@pytest.mark.parametrize("document", [{}, {"kind": "film"}, {"kind": "png", "data": 5}])
def test_what_is_no_preview_is_an_error_that_says_so(document: dict[str, object]) -> None:
    """It comes from another process."""
    with pytest.raises(ArrayError, match="preview cannot be read"):
        preview_from_json(document)
