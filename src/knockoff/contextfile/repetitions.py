"""Methods and functions that are written twice, of which Python keeps the last without a word."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from knockoff.contextfile.places import place_of_node
from knockoff.contextfile.problems import Problem
from knockoff.contextfile.sources import tree_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Definition = ast.FunctionDef | ast.AsyncFunctionDef


def repeated_variables(file: str) -> list[Problem]:
    """A note for each variable of a file that a later one of the same name replaces."""
    tree = tree_of(file)
    bodies = [tree.body, *(node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]
    notes = []
    for body in bodies:
        for first, last in _replaced(body):
            place = place_of_node(file, first)
            notes.append(
                Problem(
                    file,
                    place.line,
                    place.column,
                    f"{first.name} is written again in line {last.lineno}, and only that counts.",
                    "Rename one of them, or take this one out.",
                    "note",
                )
            )
    return notes


def _replaced(body: Iterable[ast.stmt]) -> Iterator[tuple[Definition, Definition]]:
    written: dict[str, Definition] = {}
    for statement in body:
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        before = written.get(statement.name)
        if before is not None and _is_variable(before):
            yield before, statement
        written[statement.name] = statement


def _is_variable(function: Definition) -> bool:
    about = [*function.decorator_list, *([function.returns] if function.returns else [])]
    return any(
        "Variable" in (getattr(node, "id", None), getattr(node, "attr", None))
        for each in about
        for node in ast.walk(each)
    )
