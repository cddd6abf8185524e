"""What a method reads from and assigns to `self`, found in its source."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from knockoff.contextfile.sources import Node


@dataclass(frozen=True)
class Touch:
    """One place where a method touches an attribute of `self`."""

    chain: tuple[str, ...]
    """``self.xgm_sa2.corrected.mean()`` is ``("xgm_sa2", "corrected", "mean")``."""

    line: int
    column: int


@dataclass(frozen=True)
class Touches:
    """All of them, in the order of the source."""

    reads: tuple[Touch, ...] = ()
    assigns: tuple[Touch, ...] = ()
    supers: tuple[Touch, ...] = ()
    """What is reached by ``super()`` instead, as in ``super().hits()``."""


def touches_of(node: Node) -> Touches:
    """Find the attributes of the first parameter, whatever it is called."""
    arguments = [*node.args.posonlyargs, *node.args.args]
    if not arguments:
        return Touches()
    finder = _Finder(arguments[0].arg)
    body = node.body if isinstance(node.body, list) else [node.body]
    for statement in body:
        finder.visit(statement)
    return Touches(tuple(finder.reads), tuple(finder.assigns), tuple(finder.supers))


class _Finder(ast.NodeVisitor):
    def __init__(self, name: str) -> None:
        self._name = name
        self.reads: list[Touch] = []
        self.assigns: list[Touch] = []
        self.supers: list[Touch] = []

    def visit_Attribute(self, node: ast.Attribute) -> None:
        chain: list[str] = []
        here: ast.expr = node
        while isinstance(here, ast.Attribute):
            chain.append(here.attr)
            here = here.value
        touch = Touch(tuple(reversed(chain)), node.lineno, node.col_offset + 1)
        if not (isinstance(here, ast.Name) and here.id == self._name):
            if _is_super(here):
                self.supers.append(touch)
            self.generic_visit(node)
            return
        (self.reads if isinstance(node.ctx, ast.Load) else self.assigns).append(touch)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Attribute):  # self.x += 1 reads it too
            read = ast.copy_location(
                ast.Attribute(node.target.value, node.target.attr, ast.Load()), node.target
            )
            self.visit(read)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """``getattr(self, "x")`` and ``setattr(self, "x", …)`` with the name spelt out."""
        self.generic_visit(node)
        if not (isinstance(node.func, ast.Name) and len(node.args) >= 2):
            return
        of, name = node.args[0], node.args[1]
        if not (isinstance(of, ast.Name) and of.id == self._name):
            return
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            touch = Touch((name.value,), node.lineno, node.col_offset + 1)
            if node.func.id == "getattr":
                self.reads.append(touch)
            elif node.func.id == "setattr":
                self.assigns.append(touch)


def _is_super(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
    )
