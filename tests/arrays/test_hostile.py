"""Objects that misbehave when they are looked at cost their own cell, and nothing else."""

from __future__ import annotations

import ctypes
import io
import re
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn
from unittest.mock import MagicMock, Mock

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
import xarray as xr
from extra_data import KeyData

from knockoff.arrays.parts import write_part
from knockoff.arrays.previews import preview_of
from knockoff.arrays.summaries import summary_of
from knockoff.arrays.values import exact_text, normalised
from knockoff.arrays.variation import max_diff
from knockoff.errors import ArrayError, VariableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Unequal:
    def __eq__(self, other: object) -> NoReturn:
        raise RuntimeError("no comparison")

    __hash__ = object.__hash__


class Unshown:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


class NoArray:
    def __array__(self, *_: object, **__: object) -> NoReturn:
        raise RuntimeError("no array")


class WordForArray:
    def __array__(self, *_: object, **__: object) -> str:
        return "no array"


class ObjectsForArray:
    def __array__(self, *_: object, **__: object) -> Any:
        return np.array([object()])


class WordlessError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Wordless:
    def __array__(self, *_: object, **__: object) -> NoReturn:
        raise WordlessError


class Liar:
    def __init__(self, pretended: type) -> None:
        self.pretended = pretended

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return self.pretended


class Silent:
    def __getattribute__(self, name: str) -> NoReturn:
        raise RuntimeError(f"no {name}")


class Endless:
    def __iter__(self) -> Iterator[int]:
        while True:
            yield 1


class WrongMeta(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in ("__module__", "__qualname__"):
            raise RuntimeError("no name")
        return super().__getattribute__(name)


def of_a_wrong_metaclass() -> Any:
    return WrongMeta("Nameless", (), {})


def nested(depth: int, wrap: Callable[[Any], Any]) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = wrap(value)
    return value


def in_itself() -> list[Any]:
    inner: list[Any] = []
    inner.append({"x": (inner,)})
    return inner


def array_in_itself() -> Any:
    array = np.array(None, dtype=object)
    array[()] = array
    return array


HOSTILE: dict[str, Callable[[], Any]] = {
    "unequal": Unequal,
    "unequal in a list": lambda: [Unequal()],
    "unshown": Unshown,
    "unshown among others in a set": lambda: {1, Unshown()},
    "raising as an array": NoArray,
    "word as an array": WordForArray,
    "objects as an array": ObjectsForArray,
    "error without words": Wordless,
    "liar of int": lambda: Liar(int),
    "liar of str": lambda: Liar(str),
    "liar of ndarray": lambda: Liar(np.ndarray),
    "liar of DataArray": lambda: Liar(xr.DataArray),
    "liar of DataFrame in a dict": lambda: {"a": Liar(pd.DataFrame)},
    "silent": Silent,
    "endless": Endless,
    "wrong metaclass": of_a_wrong_metaclass(),
    "class with a wrong metaclass": of_a_wrong_metaclass,
    "deep list": lambda: nested(100_000, lambda inner: [inner]),
    "deep dict": lambda: nested(100_000, lambda inner: {"a": inner}),
    "deep tuple": lambda: nested(100_000, lambda inner: (inner,)),
    "list in itself": in_itself,
    "array in itself": array_in_itself,
    "arrays of arrays in themselves": lambda: np.array([array_in_itself(), 1], dtype=object),
    "mock": Mock,
    "magic mock": MagicMock,
    "mock of an array": lambda: Mock(spec=np.ndarray),
    "mock of a DataArray": lambda: MagicMock(spec=xr.DataArray),
    "open file": io.BytesIO,
    "module": lambda: np,
    "function": lambda: len,
    "class": lambda: Path,
    "pattern": lambda: re.compile("a"),
    "generator": lambda: (number for number in range(3)),
    "from C": ctypes.c_int * 3,
    "exception": lambda: ValueError("x"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_misbehaves_is_refused_in_words(tmp_path: Path, name: str) -> None:
    """A worker that ends, hangs or is confused loses the other variables of the run."""
    value = HOSTILE[name]()
    with pytest.raises((VariableError, ArrayError)) as caught:
        write_part(tmp_path, "p1234_r0042/runs.a.1", value)
    assert "cannot be stored" in str(caught.value)
    ways: list[Callable[[], object]] = [
        lambda: normalised(value),
        lambda: exact_text(value),
        lambda: preview_of(value),
        lambda: max_diff(value),
        lambda: summary_of(value, None),
        lambda: summary_of(value, "mean"),
    ]
    for way in ways:
        with suppress(VariableError, ArrayError):  # or there is nothing to be shown
            way()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_subclass_with_methods_of_its_own_is_taken_by_what_it_holds() -> None:
    """What a list prints, counts or iterates is its own affair; what is in it is the value."""

    class Text(str):
        __slots__ = ()

        def __str__(self) -> str:
            raise RuntimeError("no text")

    class Number(int):
        def __int__(self) -> int:
            return 7

    class Items(list[int]):
        def __iter__(self) -> Iterator[int]:
            while True:
                yield 1

        def __len__(self) -> int:
            raise RuntimeError("no length")

    assert normalised([Text("a"), Number(5), Items([1, 2])]) == ["a", 5, [1, 2]]


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (SimpleNamespace(toarray=1), "a number, text"),
        (object.__new__(KeyData), ".xarray() keeps the trains, .ndarray() does not"),
        ([object.__new__(KeyData)], ".ndarray()"),
        ({}.keys(), "list(...)"),
        (type("Column", (), {"to_pandas": len, "__array__": len})(), ".to_pandas()"),
        (type("Sparse", (), {"toarray": len})(), ".toarray()"),
        (int, "an instance"),
    ],
)
def test_a_refusal_names_what_to_return_instead(value: object, remedy: str) -> None:
    """It stands in the cell, and whoever reads it has a minute."""
    with pytest.raises(VariableError) as caught:
        normalised(value)
    assert remedy in str(caught.value)
