"""What is read from HDF5 equals what was returned: every type, dtype and shape."""

import enum
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from knockoff.arrays.compression import Compression
from knockoff.arrays.parts import write_part
from knockoff.arrays.reading import read_array
from knockoff.arrays.references import ArrayReference
from knockoff.arrays.wire import UnsupportedValueError
from knockoff.errors import ArrayError

NAME = "p1234_r0042/runs.hits.1"
one_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)

dtypes = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes(endianness="?")
    | hnp.unsigned_integer_dtypes(endianness="?")
    | hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64, 128))
    | hnp.complex_number_dtypes(endianness="?")
    | hnp.datetime64_dtypes()
    | hnp.timedelta64_dtypes()
    | hnp.unicode_string_dtypes()
    | hnp.byte_string_dtypes()
)
shapes = hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)
any_dtype = dtypes | hnp.nested_dtypes(
    subtype_strategy=dtypes.filter(lambda dtype: dtype.itemsize > 0), max_itemsize=200
).filter(lambda dtype: "\\x00" not in repr(dtype))  # which no field of HDF5 can be called
arrays = hnp.arrays(any_dtype, shapes)
names = st.text(min_size=1, max_size=6) | st.sampled_from(
    ["a/b", ".", "..", "data", "é µJ", "index"]
)
attributes = st.dictionaries(
    names,
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.lists(st.text() | st.integers())
    | hnp.arrays(np.float32, 3, elements={"allow_nan": False})
    | st.just(datetime(2026, 5, 4, tzinfo=UTC)),
    max_size=3,
)
# of a kind that xarray keeps as it is: it makes nanoseconds, microseconds ... of other times
labelled_dtypes = st.sampled_from(
    ["?", "i2", "u8", "f4", "f8", "c8", "M8[s]", "M8[ns]", "m8[ms]", "m8[ns]", "U3", "S2"]
)


@st.composite
def data_arrays(draw: st.DrawFn) -> xr.DataArray:
    """DataArrays of 0 to 5 axes, with coordinates along one axis, two axes and none."""
    dims = draw(st.lists(names, max_size=5, unique=True))
    lengths = [draw(st.integers(0, 3 if len(dims) < 4 else 2)) for _ in dims]
    sizes = dict(zip(dims, lengths, strict=True))

    def numbers(over: list[str]) -> Any:
        shape = tuple(sizes[dim] for dim in over)
        return draw(hnp.arrays(draw(labelled_dtypes), shape))

    coordinates: dict[str, Any] = {}
    for dim in draw(st.sets(st.sampled_from(dims))) if dims else ():
        coordinates[dim] = (dim, numbers([dim]), draw(attributes))
    for name in draw(
        st.lists(names.filter(lambda name: name not in dims), max_size=3, unique=True)
    ):
        over = draw(st.lists(st.sampled_from(dims), unique=True)) if dims else []
        coordinates[name] = (over, numbers(over), draw(attributes))
    title = draw(st.none() | names)
    return xr.DataArray(numbers(dims), coordinates, dims, name=title, attrs=draw(attributes))


@st.composite
def datasets(draw: st.DrawFn) -> xr.Dataset:
    """Datasets of DataArrays that share some of their axes."""
    dims = draw(st.lists(names, max_size=3, unique=True))
    sizes = {dim: draw(st.integers(0, 3)) for dim in dims}
    titles = draw(st.lists(names.filter(lambda name: name not in dims), max_size=4, unique=True))
    variables = {}
    for title in titles:
        over = draw(st.lists(st.sampled_from(dims), unique=True)) if dims else []
        shape = tuple(sizes[dim] for dim in over)
        variables[title] = (over, draw(hnp.arrays(draw(labelled_dtypes), shape)), draw(attributes))
    middle = draw(st.integers(0, len(titles)))
    coordinates = {title: variables.pop(title) for title in titles[:middle]}
    return xr.Dataset(variables, coordinates, draw(attributes))


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Tables with columns of every type, an index of any, and names that occur twice."""
    rows = draw(st.integers(0, 4))

    def column() -> Any:
        kind = draw(st.sampled_from(["numpy", "text", "objects", "zoned", "category", "nullable"]))
        if kind == "numpy":
            return draw(hnp.arrays(draw(labelled_dtypes.filter(lambda d: d[0] not in "US")), rows))
        if kind == "zoned":
            seconds = draw(st.lists(st.integers(0, 2**32), min_size=rows, max_size=rows))
            times = np.array(seconds, "M8[s]")
            return pd.DatetimeIndex(times, tz="UTC").tz_convert("Europe/Berlin")
        if kind == "nullable":
            return pd.array(draw(st.lists(st.none() | st.integers(0, 9), min_size=rows,
                                          max_size=rows)), dtype="Int16")  # fmt: skip
        words = draw(st.lists(st.none() | names, min_size=rows, max_size=rows))
        if kind == "category":
            return pd.Categorical(words)
        return pd.Series(words, dtype="str" if kind == "text" else object)

    labels = draw(st.lists(names | st.integers(0, 3), max_size=4))
    table = pd.DataFrame({place: column() for place in range(len(labels))}, index=range(rows))
    table.columns = pd.Index(labels, dtype=object)
    if draw(st.booleans()):
        table.index = pd.Index(column(), name=draw(st.none() | names))
    return table


def there_and_back(
    folder: Path, value: object, compression: Compression = "auto", selection: Any = None
) -> Any:
    reference = write_part(folder, NAME, value, compression=compression)
    stored = json.loads(json.dumps(reference.to_json()))
    return read_array(folder, ArrayReference.from_json(stored), selection)


def assert_same_array(left: Any, right: Any) -> None:
    assert type(left) is type(right)
    assert left.dtype == right.dtype
    assert left.shape == right.shape
    assert np.ascontiguousarray(left).tobytes() == np.ascontiguousarray(right).tobytes()


@one_folder
@given(arrays)
def test_an_ndarray_comes_back_bit_by_bit(tmp_path: Path, array: Any) -> None:
    """Every dtype and shape, NaN with its payload, NaT, text with NUL: no number may change."""
    if array.dtype.kind == "U" and array.dtype.itemsize == 0:
        array = array.astype("U1")
    assert_same_array(array, there_and_back(tmp_path, array))


@one_folder
@given(data_arrays())
def test_a_data_array_comes_back_identical(tmp_path: Path, array: xr.DataArray) -> None:
    """Names, coordinates, attributes and their types are part of the result."""
    back = there_and_back(tmp_path, array)
    xr.testing.assert_identical(array, back)
    for name, coordinate in array.coords.items():
        assert coordinate.dtype == back.coords[name].dtype
        assert coordinate.attrs.keys() == back.coords[name].attrs.keys()
    assert array.dtype == back.dtype
    for name, value in array.attrs.items():
        assert type(value) is type(back.attrs[name])


@one_folder
@given(datasets())
def test_a_dataset_comes_back_identical(tmp_path: Path, dataset: xr.Dataset) -> None:
    """Several arrays of one run belong together, and must stay so."""
    back = there_and_back(tmp_path, dataset)
    xr.testing.assert_identical(dataset, back)
    for name, variable in dataset.variables.items():
        assert variable.dtype == back.variables[name].dtype
    assert list(dataset.data_vars) == list(back.data_vars)


@one_folder
@given(tables())
def test_any_table_comes_back_equal(tmp_path: Path, table: pd.DataFrame) -> None:
    """Column by column, with what is missing in it, and with its index."""
    pd.testing.assert_frame_equal(table, there_and_back(tmp_path, table))


@one_folder
@given(hnp.arrays(any_dtype, shapes), st.data())
def test_a_mask_of_any_dtype_comes_back(tmp_path: Path, array: Any, data: st.DataObject) -> None:
    """Fields included, each of which has a mask of its own."""
    if array.dtype.itemsize == 0:
        array = array.astype("U1")
    with np.errstate(over="ignore"):
        masked = np.ma.masked_array(array)
    masked.mask = data.draw(hnp.arrays(masked.mask.dtype, masked.shape))
    back = there_and_back(tmp_path, masked)
    assert_same_array(array, back.data)
    assert_same_array(np.ma.getmaskarray(masked), np.ma.getmaskarray(back))


@one_folder
@given(hnp.arrays(hnp.floating_dtypes(), hnp.array_shapes(max_dims=3, max_side=4)), st.data())
def test_a_mask_is_kept_and_so_is_what_lies_under_it(
    tmp_path: Path, numbers: Any, data: st.DataObject
) -> None:
    """DAMNIT stores masked arrays without their mask; bad pixels then look like data."""
    mask = data.draw(hnp.arrays(bool, numbers.shape))
    back = there_and_back(tmp_path, np.ma.masked_array(numbers, mask, fill_value=9))
    assert_same_array(numbers, back.data)
    assert_same_array(mask, np.ma.getmaskarray(back))
    assert back.fill_value == 9
    untouched = there_and_back(tmp_path, np.ma.masked_array(numbers, mask))
    assert_same_array(mask, np.ma.getmaskarray(untouched))


@one_folder
@given(hnp.arrays(np.int32, hnp.array_shapes(max_dims=4, max_side=5)), st.data())
def test_a_selection_reads_what_numpy_would_select(
    tmp_path: Path, array: Any, data: st.DataObject
) -> None:
    """Looking at one frame of a large stack must not need another way of thinking."""
    selection = data.draw(hnp.basic_indices(array.shape, allow_ellipsis=False))
    selection = selection if isinstance(selection, tuple) else (selection,)
    expected = np.asarray(array[selection])
    assert_same_array(expected, there_and_back(tmp_path, array, selection=selection))


@pytest.mark.parametrize("selection", [{"t": slice(1, None)}, {"t": -1}, (slice(None), 2), 0])
def test_a_selected_data_array_keeps_its_coordinates(tmp_path: Path, selection: Any) -> None:
    """A slice without its axis is a row of numbers that nobody can plot."""
    array = xr.DataArray(
        np.arange(12).reshape(3, 4),
        {"t": [10, 11, 12], "mean": ("t", [0.5, 1, 2]), "grid": (("t", "x"), np.eye(3, 4))},
        ("t", "x"),
    )
    expected = array.isel(selection) if isinstance(selection, dict) else array[selection]
    xr.testing.assert_identical(expected, there_and_back(tmp_path, array, selection=selection))


LABELLED = {
    "dataset": xr.Dataset(
        {"a": ("x", [1.0, np.nan], {"units": "m"}), "b/c": (("x", "y"), np.ones((2, 2), "f2"))},
        {"x": [1, 2], "w": ("y", ["k", "lé"]), "scalar": np.datetime64("2026-05-04", "ns")},
        {"title": "T", "nested": {"a": [1, None]}},
    ),
    "empty dataset": xr.Dataset(),
    "stacked": xr.DataArray(np.eye(2), {"x": [1, 2], "y": ["a", "b"]}, ("x", "y")).stack(
        z=("x", "y")
    ),
    "text coordinate of objects": xr.DataArray([1], {"x": np.array(["a"], object)}, ("x",)),
}
TABLES = {
    "numbers": pd.Series([1.0, np.nan], name="energy", index=[3, 5]),
    "text": pd.Series(["a", None, "c"]),
    "objects that are text": pd.Series(["a", None, np.nan], dtype=object),
    "nullable": pd.Series([1, None, 3], dtype="Int64"),
    "nullable bool": pd.Series([True, None], dtype="boolean"),
    "zoned times": pd.Series(pd.date_range("2026-03-28", periods=3, tz="Europe/Berlin")),
    "categories": pd.Series(["a", "b", None], dtype="category"),
    "empty": pd.Series([], dtype=float),
    "frame": pd.DataFrame(
        {"n": [1, 2], "t": ["x", "y"], "w": pd.to_datetime(["2026-05-04", None])},
        index=pd.date_range("2026", periods=2, freq="D", name="day"),
    ),
    "frame of many indices": pd.DataFrame(
        {"a": [1, 2], "b": ["x", "y"], "c": [1.0, 2.0]}
    ).set_index(["a", "b"]),
    "columns of many levels": pd.DataFrame({("a", 1): [1.0], ("a", 2): [2.0]}),
    "columns by number": pd.DataFrame(np.eye(2)),
    "one name twice": pd.DataFrame([[1, "a"]], columns=["x", "x"]),
    "empty frame": pd.DataFrame(),
}


@pytest.mark.parametrize("name", LABELLED)
def test_what_xarray_labels_comes_back_identical(tmp_path: Path, name: str) -> None:
    """Datasets, stacked axes, times and text."""
    xr.testing.assert_identical(LABELLED[name], there_and_back(tmp_path, LABELLED[name]))


@pytest.mark.parametrize("name", TABLES)
def test_a_table_keeps_columns_index_and_dtypes(tmp_path: Path, name: str) -> None:
    """DAMNIT makes bare arrays of them, and the column names are gone."""
    table = TABLES[name]
    back = there_and_back(tmp_path, table)
    if isinstance(table, pd.DataFrame):
        pd.testing.assert_frame_equal(table, back)
    else:
        pd.testing.assert_series_equal(table, back)


@pytest.mark.parametrize(
    "value", ["é" * 20_000, b"\0\1" * 10_000, list(range(9000)), {"a": (1, {2, 3}), 4: None}]
)
def test_a_large_python_value_comes_back_with_its_type(tmp_path: Path, value: object) -> None:
    """Sixteen kilobytes is MongoDB's share; what is larger is no less a result."""
    back = there_and_back(tmp_path, value)
    assert type(back) is type(value)
    assert back == value


@pytest.mark.parametrize("compression", ["auto", "portable", "none"])
@pytest.mark.parametrize("array", [np.zeros((40, 100, 200)), np.arange(400_000) % 50, np.eye(700)])
def test_compression_changes_no_number(
    tmp_path: Path, array: Any, compression: Compression
) -> None:
    """Large enough for chunks, which small arrays do not have."""
    assert_same_array(array, there_and_back(tmp_path, array, compression))
    assert_same_array(
        np.asarray(array[3]), there_and_back(tmp_path, array, compression, selection=3)
    )


def test_zeros_take_next_to_no_room(tmp_path: Path) -> None:
    """A dark run's 32 MB took 32 MB in DAMNIT."""
    reference = write_part(tmp_path, NAME, np.zeros((2000, 2000)))
    assert reference.nbytes == 32_000_000
    assert (tmp_path / reference.file).stat().st_size <= 200_000


@pytest.mark.parametrize(
    ("value", "found", "remedy"),
    [
        (np.array([1, None], object), "int", "astype(float)"),
        (np.array([[1], [2, 3]], object), "list", "pad them"),
        (np.array([b"a"], object), "bytes", "Decode"),
        (np.array([(1, None)], [("a", "i4"), ("b", "O")]), "objects", "each field"),
        (xr.DataArray(np.array([1.0, None], object)), "float", "astype(float)"),
        (xr.DataArray([1], {"x": np.array([None], object)}, ("x",)), "'x'", "astype(float)"),
        (xr.DataArray([1], attrs={"made by": print}), "builtin_function", "Call it"),
        (pd.DataFrame({"p": pd.period_range("2026", periods=2, freq="D")}), "'p'", "astype"),
        (pd.Series(["a", 1], dtype=object), "int", "astype"),
    ],
)
def test_an_array_of_objects_is_refused_with_a_remedy_and_leaves_no_file(
    tmp_path: Path, value: object, found: str, remedy: str
) -> None:
    """It must cost its own cell and nothing else; DAMNIT lost every variable of the run."""
    with pytest.raises(UnsupportedValueError) as caught:
        write_part(tmp_path, NAME, value)
    assert found in str(caught.value)
    assert remedy in str(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (5, "no element 5"),
        ((0, 0, 0), "3 axes"),
        ({"z": 0}, "no axis 'z'"),
        (([0, 1],), "int or a"),
    ],
)
def test_a_selection_that_does_not_fit_says_why(tmp_path: Path, selection: Any, words: str) -> None:
    """Typed by people in scripts and the terminal."""
    with pytest.raises(ArrayError, match=words):
        there_and_back(tmp_path, np.eye(3), selection=selection)


def test_plain_h5py_reads_the_array_where_the_reference_says(tmp_path: Path) -> None:
    """Data must outlive this program: a reference is all that another one needs."""
    array = np.arange(6.0).reshape(2, 3)
    reference = write_part(tmp_path, NAME, xr.DataArray(array, {"x": [1, 2]}, ("x", "y")))
    with h5py.File(tmp_path / reference.file) as file:
        dataset = file[reference.dataset]
        assert np.array_equal(dataset[()], array)
        assert [axis[0].name for axis in dataset.dims] == ["/x", "/y"]
        assert np.array_equal(dataset.dims[0][0], [1, 2])
    assert reference.dims == ("x", "y")
    assert reference.shape == (2, 3)
    assert reference.dtype == "float64"


def test_xarray_opens_a_part_as_netcdf(tmp_path: Path) -> None:
    """People have their own tools; a DataArray's file is NetCDF 4 for them."""
    pytest.importorskip("h5netcdf", reason="h5netcdf is not installed")
    array = xr.DataArray(
        np.arange(6.0).reshape(2, 3),
        {
            "trainId": [10, 11],
            "time": ("trainId", np.array(["2026-05-04", "2026-05-05"], "M8[ns]")),
            "good": ("trainId", [True, False]),
            "grid": (("trainId", "pulse"), np.ones((2, 3))),
            "name": ("pulse", ["a", "b", "é"]),
        },
        ("trainId", "pulse"),
        attrs={"units": "uJ"},
    )
    reference = write_part(tmp_path, NAME, array)
    with xr.open_dataset(tmp_path / reference.file, engine="h5netcdf") as opened:
        xr.testing.assert_equal(array, opened["data"])
        assert opened["data"].attrs["units"] == "uJ"


class Gain(enum.IntEnum):
    HIGH = 2


class Tensor:
    """As PyTorch and JAX have them: no array, but one to be had."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.arange(6, dtype="f4").reshape(2, 3)


@pytest.mark.parametrize(
    "value", [Tensor(), np.arange(6, dtype="f4").reshape(2, 3).data], ids=["tensor", "view"]
)
def test_what_offers_an_array_is_stored_as_one(tmp_path: Path, value: object) -> None:
    """People should not have to convert what NumPy converts by itself."""
    assert_same_array(np.arange(6, dtype="f4").reshape(2, 3), there_and_back(tmp_path, value))


def test_a_field_without_a_name_is_refused(tmp_path: Path) -> None:
    """HDF5 cannot say it, and would fail in words that nobody understands."""
    for name in ("", "a\0b"):
        array = np.zeros(2, np.dtype({"names": [name], "formats": ["f4"]}))
        with pytest.raises(UnsupportedValueError, match="another name"):
            write_part(tmp_path, NAME, array)


def test_a_member_of_an_enum_is_an_attribute_like_any_other(tmp_path: Path) -> None:
    """It comes back as itself; a search of all integers for it would last for centuries."""
    array = xr.DataArray([1], attrs={"gain": Gain.HIGH})
    back = there_and_back(tmp_path, array)
    assert back.attrs["gain"] is Gain.HIGH
