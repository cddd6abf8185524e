"""Line and column of the very word that is wrong, so that an editor can jump to it."""

from __future__ import annotations

import ast
import linecache
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from knockoff.contextfile.sources import file_of, line_of, node_of, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from knockoff.contextfile.sources import Node

_POSITIONS: Final = (
    "title", "description", "summary", "data", "cluster", "tags", "transient", "units",
)  # fmt: skip
"""Arguments of `Variable` that may be written without their names, in that order."""


@dataclass(frozen=True)
class Place:
    """Somewhere in a file; both numbers count from 1 and are 0 where nobody knows."""

    file: str
    line: int = 0
    column: int = 0


def place_of_node(file: str, node: ast.AST | None) -> Place:
    """Where a piece of syntax begins, its column counted in characters."""
    line, offset = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
    if not line:
        return Place(file)
    text = linecache.getline(file, line).encode()
    return Place(file, line, len(text[:offset].decode("utf-8", "replace")) + 1)


def place_of_function(function: Callable[..., Any]) -> Place:
    """The name behind ``def``, or the ``lambda``."""
    file, node = file_of(function), node_of(function)
    if node is None:
        line = line_of(function)
        return Place(file, line, 1 if line else 0)
    return _behind_keywords(file, node)


def place_of_parameter(function: Callable[..., Any], name: str) -> Place:
    """What a parameter is annotated with, else its name."""
    node = node_of(function)
    for argument in _arguments(node):
        if argument.arg == name:
            return place_of_node(file_of(function), argument.annotation or argument)
    return place_of_function(function)


def place_of_option(function: Callable[..., Any], name: str) -> Place:
    """What is given for an argument of `Variable`, above the method or in its return hint."""
    for call in _calls_about(node_of(function)):
        found = argument_of(call, name)
        if found is not None:
            return place_of_node(file_of(function), found)
    return place_of_function(function)


def place_of_return(function: Callable[..., Any]) -> Place:
    """The return hint, else the name."""
    returns = getattr(node_of(function), "returns", None)
    if returns is None:
        return place_of_function(function)
    return place_of_node(file_of(function), returns)


def place_of_class(file: str, name: str) -> Place:
    """The name behind ``class``."""
    node = _class(file, name)
    return Place(file) if node is None else _behind_keywords(file, node)


def place_of_attribute(file: str, cls: str, name: str, *, value: bool = False) -> Place:
    """Where a class body gives `name` a type or value: the name, or with `value` what it is given.

    A name of which nothing is written there has the place of the class.
    """
    node = _class(file, cls)
    for statement in node.body if node is not None else ():
        if name in names_given_by(statement):
            given = getattr(statement, "value", None) if value else None
            return place_of_node(file, given or statement)
    return place_of_class(file, cls)


def place_at_top(file: str, name: str) -> Place:
    """Where a file gives `name` a value, or defines a function or class of that name."""
    for statement in tree_of(file).body:
        if name in names_given_by(statement):
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                return _behind_keywords(file, statement)
            return place_of_node(file, statement)
    return Place(file)


def names_given_by(statement: ast.stmt) -> set[str]:
    """The names that a statement assigns, defines or imports, also inside of ``if`` and ``try``."""
    names: set[str] = set()
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
        waiting.extend(ast.iter_child_nodes(node))
    return names


def is_call_of(node: ast.AST, name: str) -> bool:
    """Whether it is ``Variable(...)`` or ``knockoff.Variable(...)``, for `name` "Variable"."""
    return isinstance(node, ast.Call) and name in (
        getattr(node.func, "id", None),
        getattr(node.func, "attr", None),
    )


def argument_of(call: ast.Call, name: str) -> ast.expr | None:
    """What a call of `Variable` gives for one of its arguments; None if nothing."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if name in _POSITIONS[: len(call.args)]:
        return call.args[_POSITIONS.index(name)]
    return None


def _calls_about(node: Node | None) -> Iterator[ast.Call]:
    decorators = [*getattr(node, "decorator_list", ()), getattr(node, "returns", None)]
    for decorator in decorators:
        for each in ast.walk(decorator) if decorator is not None else ():
            if isinstance(each, ast.Call):
                yield each


def _arguments(node: Node | None) -> list[ast.arg]:
    if node is None:
        return []
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]


def _behind_keywords(file: str, node: ast.AST) -> Place:
    """Of ``async def hits`` where ``hits`` is."""
    place = place_of_node(file, node)
    name = getattr(node, "name", "")
    text = linecache.getline(file, place.line)
    found = text.find(f" {name}", place.column) if name else -1
    return Place(file, place.line, found + 2) if found >= 0 else place


def _class(file: str, name: str) -> ast.ClassDef | None:
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node
    return None
