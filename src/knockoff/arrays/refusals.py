"""What cannot be stored, said so that people know what to return instead."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from knockoff.arrays.loaded import has_method
from knockoff.errors import KnockoffError, VariableError

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEPEST: Final = 64
"""Levels of lists in lists; MongoDB refuses more than 100."""

_LONGEST: Final = 300

_EXTRA_DATA: Final = {
    "KeyData": "Return its numbers: .xarray() keeps the trains, .ndarray() does not.",
    "SourceData": "Return one key of it: data[source, key].xarray().",
    "DataCollection": "Return one key of it: data[source, key].xarray().",
    "MultimodKeyData": "Return its numbers: .xarray() keeps the trains, .ndarray() does not.",
}


_FIGURES: Final = {
    "matplotlib": "Return the Figure or its Axes alone.",
    "plotly": "Return plotly.graph_objects.Figure(...) of it, alone.",
}


class UnsupportedValueError(VariableError):
    """A variable returned something of a type that cannot be stored."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what} cannot be stored. {self.remedy}"


def type_name(value: object) -> str:
    """The type as people write it: ``list``, ``torch.Tensor``."""
    type_ = type(value)
    module = str(type.__getattribute__(type_, "__module__"))  # a metaclass may have its own
    name = str(type.__getattribute__(type_, "__qualname__"))
    return name if module in ("builtins", "__main__") else f"{module.partition('.')[0]}.{name}"


def too_deep(value: object) -> UnsupportedValueError:
    """The error for a list that is in itself, or nearly so."""
    return UnsupportedValueError(
        f"A value nested deeper than {DEEPEST} levels (the innermost seen: "
        f"{type_name(value)}), or one that contains itself,",
        "Return the inner values, or one flat list.",
    )


def unsupported(value: object) -> UnsupportedValueError:
    """The error for a type that is not known, with the way to one that is."""
    if isinstance(value, type):
        what = f"The class {value.__qualname__} itself"
        return UnsupportedValueError(what, "Return an instance of it, or its name.")
    return UnsupportedValueError(f"A value of type {type_name(value)}", _remedy(value))


@contextmanager
def told(value: object, what: str = "") -> Iterator[None]:
    """Say of what `value` itself raises, when it is looked at, whose doing it was.

    Raises
    ------
    UnsupportedValueError
        In place of whatever is none of knockoff's own errors.
    """
    try:
        yield
    except KnockoffError:
        raise
    except Exception as error:
        raise UnsupportedValueError(
            what or f"A value of type {type_name(value)}",
            f"Reading it raised {said(error)}. Return its plain contents.",
        ) from error


def said(error: BaseException) -> str:
    """An exception in one short line; one whose text cannot be made is told by its class."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  # it is the user's exception, and raises another
        text = ""
    name = type(error).__name__
    return f"{name}: {' '.join(text.split())[:_LONGEST]}" if text else name


def _remedy(value: Any) -> str:
    type_ = type(value)
    library = str(type_.__module__).partition(".")[0]
    if library == "extra_data" and type_.__name__ in _EXTRA_DATA:
        return _EXTRA_DATA[type_.__name__]
    if library in _FIGURES:
        return _FIGURES[library]
    if issubclass(type_, BaseException):
        return f"Raise it: raise {type_.__name__}(...)."
    if inspect.isawaitable(value) or inspect.isasyncgen(value):
        return "Await it in an async method, and return what it gives."
    for method, words in _CONVERSIONS.items():
        if has_method(type_, method):
            return words
    if has_method(type_, "__call__"):
        return "Call it, and return what it gives."
    return (
        "Return a number, text, a datetime, a list or dict of these, "
        "or an array (NumPy, xarray, pandas)."
    )


_CONVERSIONS: Final = {
    "to_pandas": "Return .to_pandas() of it.",
    "toarray": "Return .toarray() of it.",
    "to_dataset": "Return .to_dataset() of it.",
    "__array__": "Return numpy.asarray(...) of it.",
    "keys": "Return dict(...) of it.",
    "__next__": "It can be read only once: return list(...) of it.",
    "__iter__": "Return list(...) of it.",
}
"""What a type can be turned into, the best first."""
