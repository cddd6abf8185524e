"""What becomes of a returned value: a plain field, or bulk; and JSON that keeps its type."""

import dataclasses
import enum
import json
import math
import subprocess
import sys
import uuid
from collections import OrderedDict, deque
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from ipaddress import ip_address
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
import xarray as xr
from bson import BSON, CodecOptions
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from knockoff.arrays.values import (
    LARGEST_FIELD,
    Bulk,
    UnsupportedValueError,
    exact_text,
    exact_value,
    from_json,
    normalised,
    stored_size,
    to_json,
)
from knockoff.errors import ArrayError, VariableError
from knockoff.language.cell import Cell, Skip

CEST = timezone(timedelta(hours=2))
BERLIN = ZoneInfo("Europe/Berlin")
EARLIEST, LATEST = (datetime(year, 1, 2, tzinfo=UTC).replace(tzinfo=None) for year in (2, 9998))
TEN = datetime(2026, 5, 4, 10, tzinfo=UTC)


class Point(NamedTuple):
    x: Any
    y: Any


class Shutter(enum.Enum):
    OPEN = "open"
    CLOSED = 0


class Order(enum.IntEnum):
    FIRST = 1
    HUGE = 2**70


class Flags(enum.Flag):
    VETO = enum.auto()
    DARK = enum.auto()


@dataclasses.dataclass(frozen=True)
class Peak:
    place: Any
    height: Any = None


@dataclasses.dataclass
class Slotted:
    __slots__ = ("inner",)
    inner: Any


class Fit(BaseModel):
    slope: Any = None
    name: str = ""


class Extended(BaseModel, extra="allow"):
    a: int


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
    | st.fractions()
    | st.ip_addresses()
    | st.binary().map(bytearray)
    | st.datetimes(EARLIEST, LATEST).map(lambda moment: moment.replace(tzinfo=BERLIN, fold=1))
    | st.builds(range, st.integers(), st.integers(), st.integers(min_value=1))
    | st.sampled_from([*Shutter, *Order, Flags.VETO, Flags.VETO | Flags.DARK, Flags(0)])
)
keys = st.text() | st.integers() | st.booleans() | st.dates()
everything: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
        | st.sets(st.integers() | st.text(), max_size=4)
        | st.frozensets(st.integers(), max_size=4)
        | st.builds(Point, inner, inner)
        | st.builds(Peak, inner, inner)
        | st.builds(Slotted, inner)
        | st.builds(Fit, slope=inner, name=st.text())
        | st.builds(deque, st.lists(inner, max_size=4), st.none() | st.just(5))
        | st.dictionaries(keys, inner, max_size=4).map(OrderedDict)
    ),
    max_leaves=12,
)


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same types all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, (Peak, Slotted, Fit)):
        names = [name for name in ("place", "height", "inner", "slope") if hasattr(left, name)]
        return all(same(getattr(left, name), getattr(right, name)) for name in names)
    if isinstance(left, deque) and left.maxlen != right.maxlen:
        return False
    if isinstance(left, datetime) and left.tzinfo is BERLIN:
        return right.tzinfo is BERLIN and left.isoformat() == right.isoformat()
    if isinstance(left, dict):
        return all(map(same, left, right)) and all(map(same, left.values(), right.values()))
    if isinstance(left, (list, tuple, deque)):
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
    back = normalised(value) if exact is None else exact_value(exact)
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
        (Peak(1, [Shutter.OPEN]), {"place": 1, "height": ["open"]}),
        (Fit(slope=1.5), {"slope": 1.5, "name": ""}),
        (Order.HUGE, float(2**70)),
        (Flags.VETO | Flags.DARK, 3),
        (Fraction(1, 4), 0.25),
        (ip_address("10.0.0.1"), "10.0.0.1"),
        (deque([1, 2]), [1, 2]),
        (range(3), {"start": 0, "stop": 3, "step": 1}),
        (bytearray(b"a"), b"a"),
        ([np.ma.masked, pd.NA], [None, None]),
        (np.longdouble("0.25"), 0.25),
        (np.timedelta64(3, "Y"), "3 years"),
        (np.datetime64(2**62, "Y"), str(2**62 + 1970)),
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
        ([Cell(1)], "Cell", "around the whole"),
        (Skip("no beam"), "Skip", "raise Skip(...)"),
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


def test_a_class_that_is_not_loaded_is_read_as_its_plain_contents() -> None:
    """The recorder never imports a context file; what people return must not need that."""
    value = {"a": Peak(1, Shutter.OPEN), "b": Point(1, 2), "c": Fit(slope=2)}
    text = exact_text(value)
    assert text is not None

    elsewhere = exact_value(text.replace(Peak.__module__, "nowhere"))

    assert elsewhere["a"] == {"place": 1, "height": "open"}
    assert elsewhere["b"] == (1, 2)
    assert elsewhere["b"]._fields == ("x", "y")
    assert elsewhere["c"] == {"slope": 2, "name": ""}


@pytest.mark.parametrize(
    ("place", "fields"),
    [("Peak", {"place": 1}), ("Peak", {"place": 1, "height": 2, "new": 3}), ("Shutter", {"a": 1})],
)
def test_a_class_that_has_changed_is_read_as_its_plain_contents(
    place: str, fields: dict[str, Any]
) -> None:
    """A context file is edited during a beamtime; an object half made would be worse."""
    text = json.dumps({"$record": [f"{Peak.__module__}:{place}", fields]})
    assert exact_value(text) == fields


def test_reading_a_value_imports_nothing_and_calls_nothing() -> None:
    """A text from a stranger is harmless."""
    for place in ("antigravity:Any", "subprocess:Popen", "os:system", "builtins:object"):
        document = {"$record": [place, {"args": "true"}]}
        assert from_json(document) == {"args": "true"}
    assert "antigravity" not in sys.modules


def test_no_validator_or_initialiser_runs_when_a_value_is_read() -> None:
    """It may be slow, and it has run when the value was made."""
    text = exact_text(Peak(1, 2))
    assert text is not None
    before = Peak.__init__
    try:
        Peak.__init__ = lambda *_: pytest.fail("was called")  # type: ignore[method-assign]
        assert exact_value(text).height == 2
    finally:
        Peak.__init__ = before  # type: ignore[method-assign]


def test_extra_fields_of_a_model_come_back() -> None:
    """A Pydantic model that allows them has them on purpose."""
    text = exact_text(Extended(a=1, b=2))  # type: ignore[call-arg]
    assert text is not None
    assert exact_value(text).model_dump() == {"a": 1, "b": 2}


def test_a_longdouble_keeps_all_its_digits() -> None:
    """Python's float has fewer."""
    number = np.longdouble("0.1")
    text = exact_text(number)
    assert text is not None
    assert exact_value(text) == number
    both = exact_text([np.clongdouble(number)])
    assert both is not None
    assert exact_value(both)[0].real == number


def test_a_path_of_another_system_stays_one() -> None:
    """A detector's server may run Windows."""
    text = exact_text(PureWindowsPath("c:/data"))
    assert text is not None
    assert exact_value(text) == PureWindowsPath("c:/data")


def test_a_set_has_the_same_order_in_every_process() -> None:
    """Its text is part of what an input is known by."""
    code = (
        "from knockoff.arrays.values import exact_text, normalised\n"
        "value = {frozenset({'a', 'b'}), frozenset({'c'}), 'x', 2, 1.5, None}\n"
        "print(exact_text(value), normalised(value))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1


@pytest.mark.parametrize("text", ["", "nonsense", "{", "[" * 100_000, '{"$unheard": 1}'])
def test_a_text_that_is_no_value_is_an_error_that_says_so(text: str) -> None:
    """Rows can be edited with mongosh."""
    with pytest.raises(ArrayError):
        exact_value(text)
