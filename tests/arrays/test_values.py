"""What becomes of a returned value: a plain field, or bulk; and JSON that keeps its type."""

import enum
import json
import math
import subprocess
import sys
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
import xarray as xr
from bson import BSON, CodecOptions
from hypothesis import given
from hypothesis import strategies as st

from knockoff.arrays.values import (
    LARGEST_FIELD,
    Bulk,
    UnsupportedValueError,
    exact_text,
    from_json,
    normalised,
    stored_size,
    to_json,
)
from knockoff.errors import ArrayError, VariableError

CEST = timezone(timedelta(hours=2))
TEN = datetime(2026, 5, 4, 10, tzinfo=UTC)


class Point(NamedTuple):
    x: Any
    y: Any


class Shutter(enum.Enum):
    OPEN = "open"
    CLOSED = 0


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters())
    | st.binary()
    | st.datetimes(timezones=st.just(UTC) | st.none())
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.builds(Path, st.text("abc/é.", min_size=1))
)
keys = st.text() | st.integers() | st.booleans() | st.dates()
everything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
        | st.sets(st.integers() | st.text(), max_size=4)
        | st.frozensets(st.integers(), max_size=4)
        | st.builds(Point, inner, inner)
    ),
    max_leaves=12,
)


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same types all the way down."""
    if isinstance(left, Point):
        return type(right).__name__ == "Point" and all(map(same, left, right))
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return all(map(same, left, right)) and all(map(same, left.values(), right.values()))
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


@given(everything)
def test_a_value_crosses_as_json_and_comes_back_with_its_type(value: object) -> None:
    """Results cross a process as text; a dependant must get what its dependency returned."""
    assert same(value, from_json(json.loads(json.dumps(to_json(value)))))


@given(everything)
def test_a_plain_field_is_what_mongodb_gives_back(value: object) -> None:
    """Nothing that is stored may be refused by MongoDB, nor read back otherwise."""
    try:
        plain = normalised(value)
    except UnsupportedValueError:  # keys that read the same, as the next test says
        return
    assert not isinstance(plain, Bulk)
    stored = BSON.encode({"": plain})
    assert plain == stored.decode(CodecOptions(tz_aware=True, tzinfo=UTC))[""]
    assert stored_size(plain) == len(stored) - 7  # document: length, type, empty name, end


@given(everything)
def test_the_exact_value_stands_beside_a_field_that_cannot_say_it(value: object) -> None:
    """A tuple is a list in the field, and is a tuple again for the variable that reads it."""
    try:
        exact = exact_text(value)
    except UnsupportedValueError:
        return
    back = normalised(value) if exact is None else from_json(json.loads(exact))
    assert same(value, back)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_nan_and_infinities_stay_floats(number: float) -> None:
    """A NaN is a result; null would say that there was none."""
    for value in (number, np.float32(number), from_json(json.loads(json.dumps(number)))):
        plain = normalised(value)
        assert type(plain) is float
        assert repr(plain) == repr(number)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.int16(3), 3),
        (np.bool_(True), True),
        (np.float32(0.5), 0.5),
        (np.str_("a"), "a"),
        (np.array(7), 7),
        (np.ma.masked, None),
        (xr.DataArray(2.5), 2.5),
        (np.datetime64("2026-05-04T10:00:00.123456"), TEN.replace(microsecond=123000)),
        (np.datetime64("NaT"), None),
        (pd.NaT, None),
        (pd.Timestamp("2026-05-04T10:00"), TEN),
        (datetime(2026, 5, 4, 12, tzinfo=CEST), TEN),
        (np.timedelta64(1500, "ms"), 1.5),
        (timedelta(minutes=1), 60.0),
        (date(2026, 5, 4), "2026-05-04"),
        (time(10, 30), "10:30:00"),
        (Shutter.OPEN, "open"),
        (Shutter.CLOSED, 0),
        (Decimal("1.5"), 1.5),
        (2**70, float(2**70)),
        (1 + 2j, {"real": 1.0, "imag": 2.0}),
        ((1, "a"), [1, "a"]),
        ({3, 1, 2}, [1, 2, 3]),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Path("/gpfs/a"), "/gpfs/a"),
        (uuid.UUID(int=1), str(uuid.UUID(int=1))),
        ([np.float64(1), np.arange(2)], [1.0, [0, 1]]),
        ({"data.x": 1, "$y": 2, "a\0b": 3, 4: 5}, {"data．x": 1, "＄y": 2, "a␀b": 3, "4": 5}),
        ("half \udcff", "half ?"),
    ],
)
def test_what_a_field_shows_of_a_value(value: object, plain: object) -> None:
    """Fields are sorted, filtered and indexed, so each has a type that MongoDB orders."""
    assert same(plain, normalised(value))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (np.zeros(1), "ndarray"),
        (np.ma.masked_array([1, 2], [False, True]), "masked"),
        (xr.DataArray([1]), "dataarray"),
        (xr.DataArray(1.0, attrs={"units": "uJ"}), "dataarray"),
        (xr.Dataset(), "dataset"),
        (pd.Series([1]), "series"),
        (pd.DataFrame({"a": [1]}), "dataframe"),
        ("x" * LARGEST_FIELD, "json"),
        (list(range(5000)), "json"),
        ({"a": b"\0" * 20000}, "json"),
    ],
)
def test_arrays_and_large_values_are_bulk(value: object, kind: str) -> None:
    """A table page must decode fast: no row may carry more than small values."""
    bulk = normalised(value)
    assert isinstance(bulk, Bulk)
    assert bulk.kind == kind
    assert bulk.value is value


def loop() -> list[Any]:
    inner: list[Any] = []
    inner.append(inner)
    return inner


@pytest.mark.parametrize(
    ("value", "type_", "remedy"),
    [
        (iter([1]), "list_iterator", "list(...)"),
        (object(), "object", "a number, text"),
        (len, "builtin_function_or_method", "Call it"),
        ({1: "a", "1": "b"}, "dict", "different texts"),
        (loop(), "list", "contains itself"),
        ([xr.DataArray([1])], "DataArray", "Dataset"),
        ({"a": object()}, "object", "a number, text"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_type_and_remedy(
    value: object, type_: str, remedy: str
) -> None:
    """The message stands in the cell: it must say what to change in the context file."""
    with pytest.raises(UnsupportedValueError) as caught:
        normalised(value)
    assert isinstance(caught.value, VariableError)
    assert type_ in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    "document",
    [
        {"$unheard": 1},
        {"$datetime": "yesterday"},
        {"$bytes": "é"},
        {"$complex": [1, 2, 3]},
        {"$ndarray": ["|O", [1], "AAAAAAAAAAA="]},
        {"$ndarray": ["<f8", [3], ""]},
        {"$namedtuple": ["x; import os", {"a": 1}]},
        {"$dict": [[{"$tuple": [[]]}, 1]]},
    ],
)
def test_json_from_a_stranger_is_an_error_and_nothing_else(document: object) -> None:
    """Workers run user code: what they send is read without trust."""
    with pytest.raises(ArrayError):
        from_json(document)


def test_reading_values_and_references_loads_no_numpy() -> None:
    """The recorder and the CLI start without NumPy; only the worker has arrays."""
    code = (
        "import sys, knockoff.arrays.values, knockoff.arrays.references, knockoff.arrays.previews,"
        "knockoff.arrays.summaries;"
        "print(sorted({'numpy', 'h5py', 'xarray', 'pandas', 'PIL'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
