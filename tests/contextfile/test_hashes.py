"""A result is current as long as the code that made it does the same."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from knockoff.contextfile.loading import Context

    Loaded = Callable[[str], Context]
    Hashes = Callable[..., dict[str, str]]

CONTEXT = '''
from functools import lru_cache
from typing import Annotated
import beside
from beside_too import scaled
from knockoff import Group, Run, Source, Variable

FACTOR = 2.0
LIMITS = {"low": [1, 2]}
ENERGIES = Annotated[float, Source("A:output", "data.energy")]

def doubled(x):
    """Twice as much."""
    return FACTOR * x

@lru_cache
def remembered(x):
    return x + 1

class Geometry:
    distance = 5.0

    def angle(self, x):
        return x / self.distance

@Group
class Xgm:
    device: str

    @Variable
    def energy(self, data) -> float:
        return len(self.device)

class Runs(Run):
    xgm = Xgm(device="A")
    other = Xgm(device="A")

    @Variable(title="Title", units="mm")
    def a(self, data, energies: ENERGIES) -> float:
        """What it means."""
        x = doubled(1.0)  # a comment
        return scaled(x + LIMITS["low"][0]) + remembered(x) + self.shifted(x)

    @Variable(summary="mean")
    def b(self, data) -> float:
        return Geometry().angle(beside.offset())

    def shifted(self, x):
        return x + 3
'''

BESIDE = """
import deeper

def offset():
    return deeper.VALUE
"""

ALL = ("a", "b", "xgm.energy", "other.energy")


@pytest.fixture
def hashes(loaded: Loaded, folder: Path) -> Iterator[Hashes]:
    """The hashes of a file, each time as a new process would find them."""

    def hashes_of(
        text: str = CONTEXT, *, beside: str = BESIDE, too: str = "def scaled(x):\n    return 5 * x",
        deeper: str = "VALUE = 1",
    ) -> dict[str, str]:  # fmt: skip
        for name, source in {"beside": beside, "beside_too": too, "deeper": deeper}.items():
            sys.modules.pop(name, None)
            (folder / f"{name}.py").write_text(source)
        variables = loaded(text).tables["runs"].description.variables
        return {variable.name: variable.code for variable in variables}

    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    yield hashes_of
    sys.dont_write_bytecode = before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # a comment", ""),
        ('"""What it means."""', '"""Quite another text."""'),
        ('"""Twice as much."""', ""),
        ("x = doubled(1.0)", "x = (\n            doubled( 1.0 )\n        )"),
        ('title="Title", units="mm"', 'title="Another", units="m", tags="x"'),
        ("class Geometry:", "\n\n\nclass Geometry:"),
        ("energies: ENERGIES) -> float:", "energies: ENERGIES) -> 'float':"),
    ],
)  # fmt: skip
def test_what_changes_no_value_changes_no_hash(hashes: Hashes, old: str, new: str) -> None:
    """Nobody's night of computing is thrown away for a comment."""
    before = hashes()
    assert old in CONTEXT

    assert hashes(CONTEXT.replace(old, new)) == before


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("x = doubled(1.0)", "x = doubled(1.5)", {"a"}),
        ("return FACTOR * x", "return FACTOR * x + 1", {"a"}),
        ("FACTOR = 2.0", "FACTOR = 2.5", {"a"}),
        ('{"low": [1, 2]}', '{"low": [1, 3]}', {"a"}),
        ("return x + 1", "return x + 2", {"a"}),
        ("return x + 3", "return x + 4", {"a"}),
        ('Source("A:output", "data.energy")', 'Source("B:output", "data.energy")', {"a"}),
        ("distance = 5.0", "distance = 6.0", {"b"}),
        ("return x / self.distance", "return x // self.distance", {"b"}),
        ('summary="mean"', 'summary="median"', {"b"}),
        ('other = Xgm(device="A")', 'other = Xgm(device="B")', {"other.energy"}),
        ("return len(self.device)", "return 1 + len(self.device)", {"xgm.energy", "other.energy"}),
    ],
)  # fmt: skip
def test_what_may_change_a_value_changes_its_hash_and_no_other(
    hashes: Hashes, old: str, new: str, changed: set[str]
) -> None:
    """A function it calls, a constant, a source, a parameter: whatever it uses counts."""
    before = hashes()
    assert old in CONTEXT

    after = hashes(CONTEXT.replace(old, new))

    assert {name for name in ALL if after[name] != before[name]} == changed


def test_modules_beside_the_file_count(hashes: Hashes) -> None:
    """Of a module all of it, of a function imported from one what it uses; and what they import."""
    before = hashes()

    module = hashes(beside=BESIDE.replace("deeper.VALUE", "deeper.VALUE + 1"))
    function = hashes(too="def scaled(x):\n    return 6 * x")
    comment = hashes(too="def scaled(x):\n    # five\n    return 5 * x")
    deeper = hashes(deeper="VALUE = 2")

    assert [name for name in ALL if module[name] != before[name]] == ["b"]
    assert [name for name in ALL if function[name] != before[name]] == ["a"]
    assert comment == before
    assert [name for name in ALL if deeper[name] != before[name]] == ["b"]


def test_a_summary_that_is_a_function_counts(loaded: Loaded) -> None:
    """The cell shows what it makes of the value."""
    text = """
from knockoff import Run, Variable

class Runs(Run):
    @Variable(summary=lambda value: value[0])
    def a(self, data) -> list[int]:
        return [1, 2]
"""
    first = loaded(text).tables["runs"].description.variable("a").code
    second = (
        loaded(text.replace("value[0]", "value[1]")).tables["runs"].description.variable("a").code
    )

    assert first != second


def test_what_a_summary_is_given_beforehand_counts(loaded: Loaded) -> None:
    """Another percentile is another number in the cell."""
    text = """
from functools import partial
import numpy as np
from knockoff import Run, Variable

class Runs(Run):
    @Variable(summary=partial(np.percentile, q=5))
    def a(self, data) -> np.ndarray:
        return np.arange(101.0)
"""
    first = loaded(text).tables["runs"].description.variable("a")
    again = loaded(text).tables["runs"].description.variable("a")
    second = loaded(text.replace("q=5", "q=95")).tables["runs"].description.variable("a")

    assert first.code == again.code != second.code
    assert first.summary == second.summary == "percentile"


def test_a_constant_that_is_an_object_counts_with_what_is_in_it(loaded: Loaded) -> None:
    """Geometries and calibrations are often dataclasses, enums or arrays."""
    text = """
from dataclasses import dataclass
from enum import Enum
import numpy as np
from knockoff import Run, Variable

@dataclass
class Geometry:
    distance: float

class Mode(Enum):
    FAST = 1

GEOMETRY, MODE, MASK = Geometry(5.0), Mode.FAST, np.zeros(3)

class Runs(Run):
    @Variable
    def a(self, data) -> float:
        return GEOMETRY.distance

    @Variable
    def b(self, data) -> str:
        return str(MODE)

    @Variable
    def c(self, data) -> float:
        return MASK.sum()
"""

    def hashed(text: str) -> list[str]:
        return [each.code for each in loaded(text).tables["runs"].description.variables]

    before = hashed(text)
    a, _, _ = hashed(text.replace("Geometry(5.0)", "Geometry(6.0)"))
    _, b, _ = hashed(text.replace("FAST = 1", "FAST = 2"))
    _, _, c = hashed(text.replace("zeros(3)", "ones(3)"))

    assert all(new != old for new, old in zip([a, b, c], before, strict=True))
    assert hashed(text) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("slice(0, 10)", "slice(0, 50)"),
        ("range(3)", "range(4)"),
        ("Cal(1)", "Cal(42)"),
        ("[Cal(1)]", "[Cal(2)]"),
        ("Slotted(1)", "Slotted(2)"),
        ("Unit(1)", "Unit(2)"),
        ("partial(pow, 2)", "partial(pow, 3)"),
        ("partial(own)", "partial(other)"),
        ("timedelta(1)", "timedelta(2)"),
        ("datetime(2026, 1, 1)", "datetime(2026, 1, 2)"),
        ("re.compile('a')", "re.compile('a', re.I)"),
        ("re.compile('b' * 300 + 'c')", "re.compile('b' * 300 + 'd')"),
        ("Decimal('1')", "Decimal('2')"),
        ("np.zeros((2, 3))", "np.zeros((3, 2))"),
        ("np.zeros(2, 'f4')", "np.zeros(2, 'i4')"),
        ("np.array(['a'], object)", "np.array(['b'], object)"),
        ("xr.DataArray([1, 2], dims='x')", "xr.DataArray([1, 3], dims='x')"),
        ("xr.DataArray([1], {'x': [1]}, ['x'])", "xr.DataArray([1], {'x': [2]}, ['x'])"),
        ("xr.Dataset({'x': [1]})", "xr.Dataset({'x': [2]})"),
        ("pd.Series([1, 2])", "pd.Series([1, 3])"),
        ("SimpleNamespace(x=1)", "SimpleNamespace(x=2)"),
    ],
)
def test_a_constant_of_any_kind_counts_by_its_value(loaded: Loaded, old: str, new: str) -> None:
    """A stale result that passes as current is the worst there is; so is a night for nothing."""
    text = """
import re
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from types import SimpleNamespace
from dataclasses import dataclass
import numpy as np, pandas as pd, xarray as xr
from knockoff import Run, Variable

class Cal:
    def __init__(self, gain):
        self.gain, self.myself, self.lock = gain, self, object()

class Slotted:
    __slots__ = ("gain", "unset")
    def __init__(self, gain):
        self.gain = gain

@dataclass(frozen=True)
class Unit:
    __slots__ = ("gain",)
    gain: int

def own(x):
    return x

def other(x):
    return -x

CONSTANT = VALUE

class Runs(Run):
    @Variable
    def a(self, data) -> float:
        return CONSTANT
"""

    def hashed(value: str) -> str:
        loaded_text = loaded(text.replace("VALUE", value))
        return loaded_text.tables["runs"].description.variable("a").code

    assert hashed(old) == hashed(old)
    assert hashed(old) != hashed(new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT: ClassVar = 1", "LIMIT: ClassVar = 2"),
        ("_hidden: int = 1", "_hidden: int = 2"),
        ("FACTOR = 1", "FACTOR = 2"),
        ("return 3 * x", "return 4 * x"),
        ("return 5", "return 6"),
    ],
)
def test_what_a_method_reads_of_its_class_counts(loaded: Loaded, old: str, new: str) -> None:
    """A constant of the class is no less a constant than one of the file."""
    text = """
from functools import cached_property
from typing import ClassVar
from knockoff import Group, Run, Variable

@Group
class Xgm:
    FACTOR = 1

    @Variable
    def energy(self, data) -> float:
        return self.FACTOR

class Runs(Run):
    LIMIT: ClassVar = 1
    UNREAD: ClassVar = 1
    _hidden: int = 1
    xgm = Xgm()

    @staticmethod
    def tripled(x):
        return 3 * x

    @cached_property
    def five(self):
        return 5

    @Variable
    def a(self, data) -> float:
        return self.tripled(self.LIMIT) + self._hidden + self.five
"""

    def hashed(text: str) -> list[str]:
        return [each.code for each in loaded(text).tables["runs"].description.variables]

    assert old in text
    assert hashed(text) != hashed(text.replace(old, new))
    assert hashed(text) == hashed(text.replace("UNREAD: ClassVar = 1", "UNREAD: ClassVar = 2"))
