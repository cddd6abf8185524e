"""What stopped a context file while it was run, each with the place of the word to change."""

from __future__ import annotations
import __future__

import ast
import copy
import linecache
import re
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from knockoff.contextfile.damnit import MODULES, unknown_word
from knockoff.contextfile.places import (
    Place,
    argument_of,
    is_call_of,
    names_given_by,
    place_of_class,
    place_of_node,
)
from knockoff.contextfile.problems import Problem, nearest
from knockoff.contextfile.sources import tree_of
from knockoff.errors import ContextFileError
from knockoff.language.variable import MisplacedError, Variable

if TYPE_CHECKING:
    import types
    from collections.abc import Iterable, Iterator

    from knockoff.contextfile.tables import TableSource

_HOMES: Final = ("knockoff", *MODULES)
"""Where `Variable` is imported from."""

_UNTYPED: Final = ("model-field-missing-annotation", "model-field-overridden")
"""Pydantic's codes for an attribute of a class that is given a value, but no type."""

_KEYWORD: Final = re.compile(r"unexpected keyword argument '(\w+)'")
_ARGUMENTS: Final = (
    "title", "description", "summary", "data", "cluster", "tags", "transient", "units",
    "event", "direction", "timeout", "retries", "cpus", "memory", "gpus",
)  # fmt: skip


def syntax_problem(path: Path, error: Exception) -> Problem:
    """What Python's parser says of the file."""
    line = getattr(error, "lineno", 0) or 0
    column = getattr(error, "offset", 0) or 0
    file = getattr(error, "filename", None) or str(path)
    return Problem(file, line, column, f"{type(error).__name__}: {_first_line(error)}.")


def table_problem(path: Path, source: TableSource, error: Exception) -> Problem:
    """A class that knockoff stumbles over."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = place_of_class(str(path), source.name)
    return Problem(
        place.file,
        place.line,
        place.column,
        f"{source.name} cannot be put together: {type(error).__name__}: {_first_line(error)}.",
        f"Take out what you added last; this is a fault of knockoff, too "
        f"({Path(where.filename).name}:{where.lineno}), so please tell its makers.",
    )


class Remainder:
    """Runs what is left of a file below a statement that failed, to hear of all its problems.

    What the failed statement would have given a name to is lost, and so is what
    needs that; of this nothing is said.
    """

    def __init__(self, path: Path, module: types.ModuleType, flags: int) -> None:
        self._path = path
        self._module = module
        self._flags = flags & __future__.annotations.compiler_flag
        self._lost: set[str] = set()
        self.problems: list[Problem] = []

    def run(self, error: BaseException) -> None:
        """Note what raised `error`, and go on behind it."""
        self.problems.extend(wrong_arguments(self._path))
        self._add(error)
        statements = tree_of(str(self._path)).body
        failed = _line_at_top(self._path, error)
        for statement in statements:
            if (statement.end_lineno or 0) < failed:
                continue
            first = min([statement.lineno, *(each.lineno for each in _decorators(statement))])
            if first <= failed:
                if isinstance(error, SystemExit):
                    self._lost |= names_given_by(statement)
                    return
                self._run_mended(statement)
                continue
            self._run(statement)

    def _run(self, statement: ast.stmt) -> None:
        try:
            self._execute(statement)
        except Exception as error:  # noqa: BLE001  # a problem of the file, whatever it is
            if not (isinstance(error, NameError) and error.name in self._lost):
                self._add(error)
            self._run_mended(statement)

    def _run_mended(self, statement: ast.stmt) -> None:
        """Once more, without what `Variable` refused in it: there may be more to be told."""
        mending = _Mending()
        mended = mending.visit(copy.deepcopy(statement))
        if mending.has_mended:
            with suppress(Exception):
                self._execute(mended)
                return
        self._lost |= names_given_by(statement)

    def _execute(self, statement: ast.stmt) -> None:
        code = compile(
            ast.Module([statement], []), str(self._path), "exec", self._flags, dont_inherit=True
        )
        exec(code, vars(self._module))  # noqa: S102  # as the loader has it

    def of_their_own(self, problems: Iterable[Problem]) -> Iterator[Problem]:
        """Those of the tables that do not follow from what was lost."""
        for problem in problems:
            words = set(re.findall(r"\w+", problem.message))
            if problem.line and not problem.is_note and not words & self._lost:
                yield problem

    def _add(self, error: BaseException) -> None:
        if isinstance(error, ContextFileError) and hasattr(error, "problems"):
            self.problems.extend(error.problems)
            return
        told = _problem_of(self._path, error)
        known = {each.message for each in self.problems}
        keyword = _KEYWORD.search(told.message)
        if told.message not in known and not (
            keyword and any(repr(keyword[1]) in each for each in known)
        ):
            self.problems.append(told)


def wrong_arguments(path: Path) -> list[Problem]:
    """What is wrong with arguments of `Variable` that are spelt out in a file, all of them."""
    tree = tree_of(str(path))
    if not any(isinstance(node, ast.ImportFrom) and node.module in _HOMES for node in tree.body):
        return []
    found: list[Problem] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and is_call_of(node, "Variable"):
            found.extend(_wrong_in(str(path), node))
    return found


def _wrong_in(file: str, call: ast.Call) -> Iterator[Problem]:
    for node, message, remedy in _refused(call):
        place = place_of_node(file, node)
        yield Problem(place.file, place.line, place.column, message, remedy)


def _refused(call: ast.Call) -> Iterator[tuple[ast.AST, str, str]]:
    """The arguments that `Variable` does not take, with message and remedy."""
    names = {keyword.arg for keyword in call.keywords if keyword.arg}
    for keyword in call.keywords:
        if keyword.arg and keyword.arg not in _ARGUMENTS:
            hint = nearest(keyword.arg, _ARGUMENTS) or f"It has {', '.join(_ARGUMENTS)}."
            yield keyword, f"Variable has no argument {keyword.arg!r}.", hint
    for name in _ARGUMENTS:
        given = argument_of(call, name)
        if given is None or (name not in names and not call.args):
            continue
        try:
            Variable(**{name: ast.literal_eval(given)})
        except (TypeError, ContextFileError) as error:
            yield given, _said(error), ""
        except ValueError as error:
            if "malformed node" not in str(error):  # no literal, so that only running it tells
                yield given, _said(error), ""


class _Mending(ast.NodeTransformer):
    """Takes the arguments out that `Variable` does not take, so that the rest can be looked at."""

    def __init__(self) -> None:
        self.has_mended = False

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if is_call_of(node, "Variable"):
            refused = {wrong for wrong, _, _ in _refused(node)}
            self.has_mended |= bool(refused)
            node.keywords = [
                each for each in node.keywords if each not in refused and each.value not in refused
            ]
            node.args = [
                ast.copy_location(ast.Constant(None), each) if each in refused else each
                for each in node.args
            ]
        return node


def _problem_of(path: Path, error: BaseException) -> Problem:
    if isinstance(error, MisplacedError):
        file = error.file or str(path)
        place = (
            Place(file, error.line, _first_column(file, error.line))
            if error.line
            else (_place_of(path, error))
        )
        return Problem(place.file, place.line, place.column, error.message, error.remedy)
    if getattr(error, "code", None) in _UNTYPED:
        return _untyped_problem(path, error)
    unknown = unknown_word(error)
    if unknown is not None:
        place = _place_of_import(_place_of(path, error), unknown.word)
        return Problem(place.file, place.line, place.column, unknown.message, unknown.remedy)
    if isinstance(error, SyntaxError) and error.filename and _is_beside(path, error.filename):
        return syntax_problem(path, error)
    if str(error).startswith("Source.__init__() missing"):
        place = _place_of(path, error)
        return Problem(
            place.file, place.line, place.column, "Source without a key.",
            'Write Source("DEVICE:output", "data.key"); it reads one key of one source.',
        )  # fmt: skip
    frames = traceback.extract_tb(error.__traceback__)
    place = _place_of(path, error)
    last = frames[-1] if frames else None
    message = _said(error)
    if last is not None and last.filename not in (place.file, str(path)):
        if not _is_ours(last.filename):
            message += f" (raised in {last.filename}:{last.lineno})"
    elif place.file != str(path):
        message += f" (imported in {path.name}:{_line_of_frame(path, error)})"
    return Problem(place.file, place.line, place.column, message, _remedy(error))


def _place_of(path: Path, error: BaseException) -> Place:
    """The last line of the user's files on the way to the error, and there the wrong argument."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename == str(path) or _is_beside(path, frame.filename):
            line, offset = frame.lineno or 0, getattr(frame, "colno", None)
            text = linecache.getline(frame.filename, line).encode()
            if offset is None:  # Python 3.10 does not say
                return Place(frame.filename, line, _first_column(frame.filename, line))
            wrong = _wrong_argument(frame.filename, line, offset, error)
            if wrong is not None:
                return place_of_node(frame.filename, wrong)
            column = len(text[:offset].decode("utf-8", "replace")) + 1
            return Place(frame.filename, line, column)
    return Place(str(path))


def _place_of_import(statement: Place, word: str) -> Place:
    """Where a statement that imports several words has this one."""
    for node in ast.walk(tree_of(statement.file)):
        if isinstance(node, ast.alias) and node.name == word and node.lineno >= statement.line:
            return place_of_node(statement.file, node)
    return statement


def _wrong_argument(file: str, line: int, offset: int, error: BaseException) -> ast.AST | None:
    """Of a call that refuses one of its arguments, that argument."""
    text = str(error)
    named = _KEYWORD.search(text)
    name = named[1] if named else text.partition(" ")[0]
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Call) and (node.lineno, node.col_offset) == (line, offset):
            for keyword in node.keywords:
                if keyword.arg == name:
                    return keyword if named else keyword.value
            if is_call_of(node, "Variable"):
                return argument_of(node, name)
    return None


def _line_at_top(path: Path, error: BaseException) -> int:
    """The line of the statement at the top of the file that was run when it happened."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((each.lineno or 0 for each in frames if each.filename == str(path)), 0)


def _line_of_frame(path: Path, error: BaseException) -> int:
    """The last line of the context file on the way to the error."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    return next((each.lineno or 0 for each in frames if each.filename == str(path)), 0)


def _untyped_problem(path: Path, error: BaseException) -> Problem:
    """In our words: Pydantic's speak of settings that a context file does not have."""
    line = _line_of_frame(path, error)
    name = untyped_name(error)
    match = re.compile(rf"\s+{name}\s*=")
    lines = linecache.getlines(str(path))
    below = (number for number in range(line, len(lines)) if match.match(lines[number]))
    place = next(below, line - 1) + 1
    message, remedy = words_for_untyped(name)
    return Problem(str(path), place, _first_column(str(path), place), message, remedy)


def is_untyped(error: BaseException) -> bool:
    """Whether Pydantic complains of an attribute that has a value, but no type."""
    return getattr(error, "code", None) in _UNTYPED


def untyped_name(error: BaseException) -> str:
    """The attribute that Pydantic's message is about."""
    named = re.search(r"`(\w+) = |[Ff]ield '(\w+)'", str(error))
    return next(filter(None, named.groups()), "x") if named else "x"


def words_for_untyped(name: str) -> tuple[str, str]:
    """What we say of it: what is wrong, and what to write instead."""
    return (
        f"{name} = … has no type, so it is neither a field nor a constant.",
        f"Write {name}: float = … for a field, whatever its type is, "
        f"or {name}: ClassVar = … for a constant.",
    )


def _first_column(file: str, line: int) -> int:
    text = linecache.getline(file, line)
    return len(text) - len(text.lstrip()) + 1 if line else 0


def _decorators(statement: ast.stmt) -> list[Any]:
    return list(getattr(statement, "decorator_list", ()))


def _remedy(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        if error.name == "beanie":
            return "Beanie is not in this Python; import Insert, Update … from knockoff instead."
        return f"Install {error.name!r} into this Python, or put it beside the context file."
    return ""


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {_first_line(error)}"


def _first_line(error: BaseException) -> str:
    text = getattr(error, "msg", None) or str(error)
    return str(text).splitlines()[0].rstrip(".") if str(text) else "no message"


def _is_beside(path: Path, file: str) -> bool:
    other = Path(file)
    return (
        other != path
        and other.is_relative_to(path.parent)
        and "site-packages" not in other.parts
        and not _is_ours(file)
    )


def _is_ours(file: str) -> bool:
    return Path(file).is_relative_to(Path(__file__).parents[1])
