"""Where a function stands in its file, and the syntax tree of it."""

from __future__ import annotations

import ast
import inspect
import linecache
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import types
    from collections.abc import Callable
    from typing import Any

Node = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def code_of(function: Callable[..., Any]) -> types.CodeType | None:
    """Its byte code; of what ``functools.cache`` makes that of the function below."""
    below = function if hasattr(function, "__code__") else inspect.unwrap(function)
    return getattr(below, "__code__", None)


def globals_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The names of the file that defines `function`."""
    below = function if hasattr(function, "__globals__") else inspect.unwrap(function)
    return getattr(below, "__globals__", {})


def file_of(function: Callable[..., Any]) -> str:
    """The file that defines `function`; for code typed at a prompt its cell's name."""
    code = code_of(function)
    return code.co_filename if code is not None else "<unknown>"


def line_of(function: Callable[..., Any]) -> int:
    """The line of the ``def``, counted from 1; 0 if nobody knows."""
    node = node_of(function)
    if node is not None:
        return node.lineno
    code = code_of(function)
    return code.co_firstlineno if code is not None else 0


def node_of(function: Callable[..., Any]) -> Node | None:
    """The syntax tree of a function; None where its source cannot be found."""
    code = code_of(function)
    if code is None:
        return None
    found = _functions("".join(linecache.getlines(code.co_filename)))
    candidates = found.get(code.co_firstlineno, ())
    for node in candidates:
        if getattr(node, "name", "<lambda>") == code.co_name:
            return node
    return None


def line_in_class(file: str, cls: str, name: str) -> int:
    """The line where a class body gives `name` a value or type; that of the class, or 0."""
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.ClassDef) and node.name == cls:
            for statement in node.body:
                targets = getattr(statement, "targets", [getattr(statement, "target", None)])
                if any(isinstance(each, ast.Name) and each.id == name for each in targets):
                    return statement.lineno
            return node.lineno
    return 0


def tree_of(file: str) -> ast.Module:
    """The syntax tree of a file; empty where it cannot be read."""
    return _tree("".join(linecache.getlines(file)))


@lru_cache(maxsize=8)
def _tree(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.Module([], [])


@lru_cache(maxsize=64)
def _functions(source: str) -> dict[int, tuple[Node, ...]]:
    """All functions of a file by their first line, decorators included."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return {}
    found: dict[int, tuple[Node, ...]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            decorators = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(each.lineno for each in decorators)])
            found[first] = (*found.get(first, ()), node)
    return found
