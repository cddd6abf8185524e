"""Run a context file and find the tables in it."""

from __future__ import annotations

import hashlib
import importlib
import linecache
import re
import sys
import traceback
import types
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from knockoff.contextfile.description import ContextDescription
from knockoff.contextfile.linking import table_of
from knockoff.contextfile.problems import ContextProblems, Problem
from knockoff.contextfile.sources import line_in_class
from knockoff.contextfile.tables import TableSource
from knockoff.language.members import Members, is_group, split_class, variable_from
from knockoff.language.plain import Run as PlainRun
from knockoff.language.variable import MisplacedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from knockoff.contextfile.tables import Table

FUNCTION_TABLE: Final = "Runs"
"""The class name, as it were, of the one table that a file of functions is."""


@dataclass(frozen=True)
class Context:
    """A context file that has been run and found good."""

    description: ContextDescription
    tables: dict[str, Table]
    """By collection."""


def load(path: Path) -> Context:
    """Run the context file at `path` in this process and put its tables together.

    Modules beside the file can be imported by it, and ``__file__`` is set.

    Raises
    ------
    ContextProblems
        The file cannot be read or run, or something in it is wrong; all of it is listed.
    """
    path = path.absolute()
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ContextProblems(
            [Problem(str(path), 0, 0, f"cannot be read: {error.strerror}.")]
        ) from error
    module = _executed(path, source)
    tables, problems = _tables(module, path)
    if problems:
        raise ContextProblems(problems)
    description = ContextDescription(
        path=str(path),
        source_hash=hashlib.sha256(source).hexdigest()[:16],
        source=source.decode("utf-8", "replace"),
        tables=tuple(table.description for table in tables.values()),
    )
    return Context(description, tables)


_PREFIX: Final = "knockoff_context_"


def is_being_loaded(module: str) -> bool:
    """Whether `module` is a context file that `load` runs, and not a notebook or script."""
    return module.startswith(_PREFIX)


def _executed(path: Path, source: bytes) -> types.ModuleType:
    name = f"{_PREFIX}{hashlib.sha256(bytes(path)).hexdigest()[:8]}"
    module = types.ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    linecache.checkcache()  # modules beside the file may have changed, too
    try:
        code = compile(source, str(path), "exec")
    except (SyntaxError, ValueError) as error:
        raise ContextProblems([_syntax_problem(path, error)]) from None
    with _importing_from(path.parent), _damnit_words():
        try:
            exec(code, vars(module))  # noqa: S102  # this is what a context file is for
        except ContextProblems:
            raise
        except BaseException as error:  # sys.exit() at the top, too, is a problem
            raise ContextProblems([_run_problem(path, error)]) from error
    return module


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Let modules beside the context file be imported, also later, inside methods."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield


@contextmanager
def _damnit_words() -> Iterator[None]:
    """Answer ``from damnit_ctx import Variable`` with our words of the same meaning."""
    from knockoff.language import cell, group, variable

    module = types.ModuleType("damnit_ctx")
    vars(module).update(
        Variable=variable.Variable, Group=group.Group, Cell=cell.Cell, Skip=cell.Skip
    )
    before = sys.modules.get("damnit_ctx")
    sys.modules["damnit_ctx"] = module
    try:
        yield
    finally:
        if before is None:
            del sys.modules["damnit_ctx"]
        else:
            sys.modules["damnit_ctx"] = before


def _tables(module: types.ModuleType, path: Path) -> tuple[dict[str, Table], list[Problem]]:
    names = vars(module)
    classes = [
        value
        for value in names.values()
        if isinstance(value, type) and value.__module__ == module.__name__ and is_run_class(value)
    ]
    sources = [source_of_class(each, str(path)) for each in dict.fromkeys(classes)]
    functions = functions_in(names, module.__name__)
    if not sources:
        sources = [TableSource(FUNCTION_TABLE, functions, str(path), names)]
    elif functions.variables:
        first = next(iter(functions.variables))
        return {}, [
            Problem(
                str(path),
                0,
                0,
                f"{first!r} is a variable outside of a class, in a file that has classes.",
                f"Move it into {sources[0].name}, with self as its first parameter.",
            )
        ]
    tables: dict[str, Table] = {}
    problems: list[Problem] = []
    for source in sources:
        try:
            table, found = table_of(source)
        except Exception as error:  # noqa: BLE001  # user code has more shapes than we know
            problems.append(_table_problem(path, source, error))
            continue
        problems.extend(found)
        if source.collection in tables or source.collection.startswith("knockoff"):
            problems.append(
                Problem(
                    str(path),
                    source.line,
                    1,
                    f"the collection {source.collection!r} of {source.name} is taken.",
                    "Give the class a Settings.name of its own.",
                )
            )
        if table is not None:
            tables[source.collection] = table
    if not any((source.members.variables or source.members.hooks) for source in sources):
        groups = any(source.members.groups for source in sources)
        if not groups:
            problems.append(
                Problem(
                    str(path),
                    0,
                    0,
                    "there is no variable in it.",
                    "Write a class that derives from knockoff.Run; see `knockoff context new`.",
                )
            )
    return tables, problems


def _members_of(cls: type) -> Members:
    """What a run class consists of, with what it takes from classes that are no tables."""
    own: Members = getattr(cls, "__knockoff_members__", None) or split_class(cls)
    members = Members()
    for base in reversed(cls.__mro__[1:-1]):
        if not hasattr(base, "__knockoff_members__"):
            found = split_class(base)
            if found.variables or found.hooks or found.groups:
                members = members.joined(found)
    return members.joined(own)


def is_run_class(cls: type) -> bool:
    """Whether a class is a table: derived from `Run`, or from Beanie's `Document` itself."""
    if hasattr(cls, "__knockoff_members__"):
        return cls is not PlainRun
    return any(
        base.__name__ == "Document" and base.__module__.startswith("beanie")
        for base in cls.__mro__[1:]
    )


def source_of_class(cls: type, file: str = "") -> TableSource:
    """Where the table of a run class comes from."""
    module = sys.modules.get(cls.__module__)
    names = vars(module) if module else {}
    file = file or getattr(module, "__file__", None) or f"<{cls.__module__}>"
    return TableSource(
        name=cls.__name__,
        members=_members_of(cls),
        file=file,
        module=names,
        owner=cls,
        body=getattr(cls, "__knockoff_body__", cls),
        line=line_in_class(file, cls.__name__, ""),
    )


def functions_in(names: dict[str, Any], module: str) -> Members:
    """The variables and groups at the top of a file or notebook, imported ones left out."""
    members = Members()
    for name, value in names.items():
        if is_group(value):
            members.groups[name] = value
            continue
        variable = variable_from(value, names)
        function = variable.function if variable else None
        if variable is not None and getattr(function, "__module__", None) == module:
            members.variables[name] = variable
    members.names = tuple(
        name for name in names if name in members.variables or name in members.groups
    )
    return members


def _syntax_problem(path: Path, error: Exception) -> Problem:
    line = getattr(error, "lineno", 0) or 0
    column = getattr(error, "offset", 0) or 0
    return Problem(str(path), line, column, f"{type(error).__name__}: {_first_line(error)}.")


def _table_problem(path: Path, source: TableSource, error: Exception) -> Problem:
    where = traceback.extract_tb(error.__traceback__)[-1]
    return Problem(
        str(path),
        source.line,
        1,
        f"{source.name} cannot be put together: {type(error).__name__}: {_first_line(error)}.",
        f"Take out what you added last; this is a fault of knockoff, too "
        f"({Path(where.filename).name}:{where.lineno}), so please tell its makers.",
    )


def _run_problem(path: Path, error: BaseException) -> Problem:
    if isinstance(error, MisplacedError) and error.file in ("", str(path)):
        place = error.line or _line_of_frame(path, error)
        return Problem(str(path), place, 1 if place else 0, error.message, error.remedy)
    if getattr(error, "code", None) in _UNTYPED:
        return _untyped_problem(path, error)
    frames = traceback.extract_tb(error.__traceback__)
    line = _line_of_frame(path, error)
    where = frames[-1] if frames else None
    message = f"{type(error).__name__}: {_first_line(error)}"
    if where is not None and where.filename != str(path) and not _is_ours(where.filename):
        message += f" (raised in {where.filename}:{where.lineno})"
    return Problem(str(path), line, 1 if line else 0, message, _remedy(error))


def _line_of_frame(path: Path, error: BaseException) -> int:
    """The last line of the context file on the way to the error."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    return next((each.lineno or 0 for each in frames if each.filename == str(path)), 0)


def _line_below(path: Path, line: int, name: str) -> int:
    """Where `name` is given a value in the class that starts at `line`."""
    match = re.compile(rf"\s+{name}\s*=")
    lines = linecache.getlines(str(path))
    below = (number for number in range(line, len(lines)) if match.match(lines[number]))
    return next(below, line - 1) + 1


_UNTYPED: Final = ("model-field-missing-annotation", "model-field-overridden")
"""Pydantic's codes for an attribute of a class that is given a value, but no type."""


def _untyped_problem(path: Path, error: BaseException) -> Problem:
    """In our words: Pydantic's speak of settings that a context file does not have."""
    line = _line_of_frame(path, error)
    named = re.search(r"`(\w+) = |[Ff]ield '(\w+)'", str(error))
    name = next(filter(None, named.groups()), "x") if named else "x"
    return Problem(
        str(path),
        _line_below(path, line, name),
        1,
        f"{name} = … has no type, so it is neither a field nor a constant.",
        f"Write {name}: float = … for a field, whatever its type is, "
        f"or {name}: ClassVar = … for a constant.",
    )


def _remedy(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        if error.name == "beanie":
            return "Beanie is not in this Python; import Insert, Update … from knockoff instead."
        return f"Install {error.name!r} into this Python, or put it beside the context file."
    return ""


def _first_line(error: BaseException) -> str:
    text = getattr(error, "msg", None) or str(error)
    return str(text).splitlines()[0].rstrip(".") if str(text) else "no message"


def _is_ours(file: str) -> bool:
    return Path(file).is_relative_to(Path(__file__).parents[1])
