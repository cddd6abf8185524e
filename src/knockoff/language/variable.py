"""`Variable`: one method that fills one column, as decorator or in the return hint."""

from __future__ import annotations

import inspect
import re
from copy import copy
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar, overload

from knockoff.errors import ContextFileError
from knockoff.language.occasions import Direction, Event, direction_of, events_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from knockoff.language.cell import Cell
    from knockoff.runkey import DataKind

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)B?", re.ASCII | re.IGNORECASE)
_FACTORS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


class Expression(Protocol):  # noqa: PLW1641  # a query is never a key
    """A column in a query, as `Runs.hits` in ``Runs.find(Runs.hits > 10)``."""

    def __gt__(self, other: object) -> Mapping[str, Any]: ...
    def __ge__(self, other: object) -> Mapping[str, Any]: ...
    def __lt__(self, other: object) -> Mapping[str, Any]: ...
    def __le__(self, other: object) -> Mapping[str, Any]: ...
    def __eq__(self, other: object) -> Mapping[str, Any]: ...  # type: ignore[override]
    def __ne__(self, other: object) -> Mapping[str, Any]: ...  # type: ignore[override]
    def __getattr__(self, output: str) -> Expression: ...  # of several, as Runs.beam.mean
    def __pos__(self) -> Any: ...
    def __neg__(self) -> Any: ...


class Variable(Generic[T_co]):
    """One column, and how the method below it is run.

    Three ways to write the same column::

        @Variable
        def trains(self, data: DataCollection) -> int: ...

        @Variable(title="Trains", units="1")
        def trains(self, data: DataCollection) -> int: ...

        def trains(self, data: DataCollection) -> Annotated[int, Variable(units="1")]: ...

    Parameters
    ----------
    title:
        Column header; ``/`` makes groups of columns. Default: the name in words.
    description:
        Tooltip of the header. Default: the method's docstring.
    summary:
        What the cell shows of an array: a NumPy function's name such as ``"nanmean"``,
        or a callable of the value. Default: an array shows its preview.
    units:
        As written behind the number.
    tags:
        One word or several, to find columns by.
    data:
        ``"raw"``: due as soon as recorded data is there. ``"proc"``: due when the
        facility's corrected data is. Default: raw, or proc if it reads a proc variable.
    cluster:
        It is heavy: it runs after all others. A cluster to send it to cannot be set up yet.
    transient:
        Hand the result to dependants, but store nothing.
    event, direction:
        Which document events run it and on which side, in Beanie's words.
        Default: after Insert and Update.
    timeout:
        Seconds after which it is stopped.
    retries:
        How often it is tried again when it raises, dies or takes too long. Skip is no failure.
    cpus:
        Processors that it keeps busy; meanwhile others of the run have so many fewer.
    memory:
        Bytes that it may use, as a number or as ``"4 GB"``; what needs more is stopped.
    gpus:
        What it needs of a cluster; kept with the column, not acted upon yet.

    Raises
    ------
    TypeError, ValueError
        An argument is of the wrong kind; the message names it.
    """

    @overload
    def __init__(self: Variable[T], title: Callable[..., Awaitable[Cell[T]]], /) -> None: ...
    @overload
    def __init__(self: Variable[T], title: Callable[..., Cell[T]], /) -> None: ...
    @overload
    def __init__(self: Variable[T], title: Callable[..., Awaitable[T]], /) -> None: ...
    @overload
    def __init__(self: Variable[T], title: Callable[..., T], /) -> None: ...
    @overload
    def __init__(
        self: Variable[Any],
        title: str | None = None,
        description: str | None = None,
        summary: str | Callable[[Any], Any] | None = None,
        data: DataKind | None = None,
        cluster: bool = False,
        tags: str | Iterable[str] | None = None,
        transient: bool = False,
        units: str | None = None,
        *,
        event: object = ...,
        direction: object = ...,
        timeout: float | None = None,
        retries: int | None = None,
        cpus: int | None = None,
        memory: str | int | None = None,
        gpus: int | None = None,
    ) -> None: ...
    def __init__(  # DAMNIT's order, so that its files load
        self,
        title: Any = None,
        description: str | None = None,
        summary: str | Callable[[Any], Any] | None = None,
        data: DataKind | None = None,
        cluster: bool = False,
        tags: str | Iterable[str] | None = None,
        transient: bool = False,
        units: str | None = None,
        *,
        event: object = None,
        direction: object = None,
        timeout: float | None = None,
        retries: int | None = None,
        cpus: int | None = None,
        memory: str | int | None = None,
        gpus: int | None = None,
    ) -> None:
        self.function: Callable[..., Any] | None = None
        refuse_wrapped(title)
        if inspect.isroutine(title):
            self.function, title = title, None
        self.title: str | None = _text("title", title or None)
        self.description = _text("description", description or None)
        self.units = _text("units", units)
        self.summary = summary
        if summary is not None and not isinstance(summary, str) and not callable(summary):
            raise TypeError("summary must be a NumPy function's name or a callable.")
        if data not in (None, "raw", "proc"):
            data = getattr(data, "value", data)  # DAMNIT's RunData enum
        if data not in (None, "raw", "proc"):
            raise ValueError(f"data must be 'raw' or 'proc', not {data!r}.")
        self.data: DataKind | None = data
        self.cluster = bool(cluster)
        self.transient = bool(transient)
        self.tags = words(tags)
        self.event: tuple[Event, ...] | None = None if event is None else events_of(event)
        self.direction: Direction | None = None if direction is None else direction_of(direction)
        self.timeout = _positive("timeout", timeout)
        if retries is not None and retries < 0:
            raise ValueError("retries must be 0 or more.")
        self.retries = retries
        self.cpus = _positive("cpus", cpus)
        self.gpus = _positive("gpus", gpus)
        self.memory = None if memory is None else memory_in_bytes(memory)
        self.name: str | None = None

    @overload
    def __call__(self, function: Callable[..., Awaitable[Cell[T]]], /) -> Variable[T]: ...
    @overload
    def __call__(self, function: Callable[..., Cell[T]], /) -> Variable[T]: ...
    @overload
    def __call__(self, function: Callable[..., Awaitable[T]], /) -> Variable[T]: ...
    @overload
    def __call__(self, function: Callable[..., T], /) -> Variable[T]: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Decorate a function; once decorated, call that function."""
        if self.function is not None:
            return self.function(*args, **kwargs)
        (function,) = args
        return self.of(function)

    def of(self, function: Callable[..., T]) -> Variable[T]:
        """The same column, filled by `function`; one `Variable(...)` serves many methods.

        Raises
        ------
        TypeError
            `function` is none, or a property, static method or class method.
        """
        refuse_wrapped(function)
        if not inspect.isroutine(function):
            raise TypeError(f"@Variable(...) belongs above a function, not above {function!r}.")
        bound: Variable[Any] = copy(self)
        bound.function = function
        bound.name = function.__name__
        return bound

    @property
    def func(self) -> Callable[..., Any] | None:
        """The function, under the name that it has in DAMNIT's files."""
        return self.function

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Expression: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T_co: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        """Stand in for the value where none was handed over: an undeclared read."""
        if instance is None:
            return self
        name = self.name or "?"
        raise AttributeError(undeclared(name))

    def __repr__(self) -> str:
        return f"Variable({self.name or self.title or ''!r})"


class MisplacedError(ContextFileError, TypeError):
    """Words of the language in a place where they mean nothing."""

    def __init__(self, message: str, remedy: str, line: int = 0, file: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy
        self.line = line
        self.file = file

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"


def refuse_wrapped(value: object) -> None:
    """Refuse what is no plain method.

    Raises
    ------
    MisplacedError
        It is a property, static method or class method.
    """
    inner: Any
    if isinstance(value, property):
        inner, word, remedy = value.fget, "property", "reading self.x gives the value anyway."
    elif isinstance(value, staticmethod | classmethod):
        inner, word = value.__func__, type(value).__name__
        remedy = "a variable is a plain method, whose first parameter is self."
    else:
        return
    function = inner.function if isinstance(inner, Variable) else inner
    code = getattr(function, "__code__", None)
    raise MisplacedError(
        f"{getattr(function, '__name__', 'a method')} is both a variable and a {word}.",
        f"Remove @{word}; {remedy}",
        code.co_firstlineno if code else 0,
        code.co_filename if code else "",
    )


def undeclared(name: str) -> str:
    """What to tell somebody whose method reads a variable that its source does not name."""
    return (
        f"The value of {name!r} was not computed before, because nothing in this method's "
        f"source says that it is needed. Write self.{name} in the method itself, or add the "
        f'parameter {name.rpartition(".")[2]}: Annotated[Any, "var#{name}"].'
    )


def words(tags: str | Iterable[str] | None) -> tuple[str, ...]:
    """One tag or several, as a sorted tuple without repetition.

    Raises
    ------
    ValueError
        A tag is empty or no string.
    """
    given = (tags,) if isinstance(tags, str) else tuple(tags or ())
    for tag in given:
        if not isinstance(tag, str) or not tag.strip():
            raise ValueError(f"tags must be words, not {tag!r}.")
    return tuple(sorted(set(given)))


def memory_in_bytes(memory: str | int) -> int:
    """Read ``"25 GB"``, ``"500M"`` or a number of bytes; the factors are powers of 1000.

    Raises
    ------
    ValueError
        `memory` is neither.
    """
    if isinstance(memory, str):
        match = _MEMORY.fullmatch(memory.strip())
        if match is not None:
            memory = int(float(match[1]) * _FACTORS[match[2].upper()])
    if isinstance(memory, bool) or not isinstance(memory, int) or memory <= 0:
        raise ValueError(f"memory must be bytes or text such as '25 GB', not {memory!r}.")
    return memory


def _text(what: str, value: object) -> str | None:
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    raise TypeError(f"{what} must be text that is not empty, not {value!r}.")


N = TypeVar("N", int, float)


def _positive(what: str, value: N | None) -> N | None:
    if value is not None and not value > 0:
        raise ValueError(f"{what} must be more than 0, not {value!r}.")
    return value
