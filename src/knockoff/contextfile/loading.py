"""Run a context file and find the tables in it."""

from __future__ import annotations

import hashlib
import importlib
import io
import linecache
import sys
import tokenize
import types
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from knockoff.contextfile.choice import choosing
from knockoff.contextfile.damnit import damnit_words
from knockoff.contextfile.description import ContextDescription, source_hash
from knockoff.contextfile.failing import Remainder, syntax_problem, table_problem
from knockoff.contextfile.functions import functions_in
from knockoff.contextfile.linking import tables_of
from knockoff.contextfile.places import place_at_top, place_of_class
from knockoff.contextfile.problems import ContextProblems, Problem
from knockoff.contextfile.repetitions import repeated_variables
from knockoff.contextfile.sources import line_in_class
from knockoff.contextfile.tables import TableSource
from knockoff.contextfile.unused import unused_groups
from knockoff.contextfile.versions import versions_here
from knockoff.errors import ContextFileError
from knockoff.language.members import members_of_class
from knockoff.language.plain import Run as PlainRun

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from knockoff.contextfile.choice import Choice
    from knockoff.contextfile.places import Place
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
    return load_source(path, source)


def load_source(path: Path, source: bytes) -> Context:
    """Run the text of a context file as if it were at `path`, an absolute path.

    Raises
    ------
    ContextProblems
        As `load`.
    """
    with choosing() as choice:
        module, failure = _executed(path, source)
    tables, problems = _tables(module, path, choice)
    if failure is not None:
        raise ContextProblems([*failure.problems, *failure.of_their_own(problems)])
    if any(not problem.is_note for problem in problems):
        raise ContextProblems(problems)
    description = ContextDescription(
        path=str(path),
        source_hash=source_hash(source),
        source=source.decode("utf-8", "replace"),
        tables=tuple(table.description for table in tables.values()),
        notes=tuple(sorted(set(problems))),
        versions=versions_here(),
    )
    return Context(description, tables)


_PREFIX: Final = "knockoff_context_"


def is_being_loaded(module: str) -> bool:
    """Whether `module` is a context file that `load` runs, and not a notebook or script."""
    return module.startswith(_PREFIX)


def _executed(path: Path, source: bytes) -> tuple[types.ModuleType, Remainder | None]:
    """Run the file; with what is wrong where it could not be run to its end."""
    name = f"{_PREFIX}{hashlib.sha256(bytes(path)).hexdigest()[:8]}"
    module = types.ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    linecache.checkcache()  # modules beside the file may have changed, too
    _show_as_source(path, source)
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise ContextProblems([syntax_problem(path, error)]) from None
    with _importing_from(path.parent), damnit_words():
        try:
            exec(code, vars(module))  # noqa: S102  # this is what a context file is for
        except BaseException as error:  # noqa: BLE001  # sys.exit() at the top, too, is a problem
            failure = Remainder(path, module, code.co_flags)
            failure.run(error)
            return module, failure
    return module, None


def _show_as_source(path: Path, source: bytes) -> None:
    """Have tracebacks and hashes see the text that is run, whatever is in the file meanwhile."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        text = io.TextIOWrapper(io.BytesIO(source), encoding).read()  # newlines as Python has them
    except (SyntaxError, UnicodeDecodeError):  # what `compile` says of it is told
        return
    linecache.cache[str(path)] = (len(source), None, text.splitlines(keepends=True), str(path))


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Let modules beside the context file be imported, also later, inside methods."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield


def _tables(
    module: types.ModuleType, path: Path, choice: Choice
) -> tuple[dict[str, Table], list[Problem]]:
    names = vars(module)
    classes = [
        value
        for value in names.values()
        if isinstance(value, type) and value.__module__ == module.__name__ and is_run_class(value)
    ]
    problems = repeated_variables(str(path))
    sources = [source_of_class(each, str(path)) for each in dict.fromkeys(classes)]
    functions = functions_in(names, module.__name__)
    if not sources:
        functions = functions_in(names, module.__name__, with_imported=True)
        sources = [TableSource(FUNCTION_TABLE, functions, str(path), names)]
    elif not choice.alone:
        problems.extend(
            _problem_at(
                place_at_top(str(path), name),
                f"{name!r} is a variable outside of a class, in a file that has classes.",
                f"Move it into {sources[0].name}, with self as its first parameter.",
            )
            for name in functions.variables
        )
    try:
        sources = choice.of(sources, names)
    except ContextFileError as error:
        return {}, [Problem(str(path), 0, 0, str(error))]
    tables: dict[str, Table] = {}
    linked = tables_of(sources, told=partial(table_problem, path))
    for source, (table, found) in zip(sources, linked, strict=True):
        problems.extend(found)
        if source.collection in tables or source.collection.startswith("knockoff"):
            problems.append(
                _problem_at(
                    place_of_class(str(path), source.name),
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
    if choice.chosen is None and all(problem.is_note for problem in problems):
        problems.extend(unused_groups(str(path), module.__name__, names, sources))
    return tables, problems


def _problem_at(place: Place, message: str, remedy: str) -> Problem:
    return Problem(place.file, place.line, place.column, message, remedy)


def is_run_class(cls: type) -> bool:
    """Whether a class is a table: derived from `Run`, or from Beanie's `Document` itself.

    One whose name begins with an underscore is none: it is there to derive tables from.
    """
    if cls.__name__.startswith("_"):
        return False
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
        members=members_of_class(cls),
        file=file,
        module=names,
        owner=cls,
        body=getattr(cls, "__knockoff_body__", cls),
        line=line_in_class(file, cls.__name__, ""),
    )
