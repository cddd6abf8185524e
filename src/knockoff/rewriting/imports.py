"""What a rewritten file imports: our words instead of DAMNIT's, and types for its parameters."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import libcst as cst
from libcst import matchers as m

from knockoff.contextfile.damnit import MODULES
from knockoff.rewriting.outline import dotted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from knockoff.rewriting.signatures import Needs

Statement = cst.SimpleStatementLine | cst.BaseCompoundStatement

OURS: Final = ("Cell", "Group", "Pipeline", "Skip", "Variable")
"""Words that are called alike in both."""

_HOMES: Final = {
    "Path": "pathlib",
    "Annotated": "typing",
    "Any": "typing",
    "DataCollection": "extra_data",
}


def with_imports(module: cst.Module, needs: Needs) -> cst.Module:
    """The file with ``from knockoff import Run`` and all that `needs` names, each once."""
    changed = module.visit(_Words())
    assert isinstance(changed, cst.Module)
    bound = _bound_at_top(changed)
    wanted = _by_home(needs.names - bound)
    body = list(changed.body)
    if "Run" not in bound:
        _insert(body, _place_for_imports(body), ["from knockoff import Run"])
    if "extra_data" in wanted:
        _insert(body, _place_of_knockoff(body), [_line("extra_data", wanted.pop("extra_data"))])
    _insert(body, _place_for_imports(body), [_line(*each) for each in wanted.items()])
    return changed.with_changes(body=body)


def _line(home: str, names: Iterable[str]) -> str:
    return f"from {home} import {', '.join(names)}"


def _insert(body: list[Statement], place: int, lines: list[str]) -> None:
    """Put imports in front of a statement, which keeps its distance from what stands above."""
    if not lines:
        return
    new = [cst.parse_statement(line) for line in lines]
    if place < len(body) and _is_import(body[place]):
        below = body[place]
        first = new[0].with_changes(leading_lines=getattr(below, "leading_lines", ()))
        gap = [cst.EmptyLine(indent=False)]
        is_apart = _is_stdlib(first) and not _is_stdlib(below)
        body[place] = below.with_changes(leading_lines=gap if is_apart else [])
        new[0] = first
    body[place:place] = new


def _is_stdlib(statement: cst.CSTNode) -> bool:
    for each in m.findall(statement, m.ImportFrom() | m.ImportAlias()):
        name = each.module if isinstance(each, cst.ImportFrom) else getattr(each, "name", None)
        return dotted(name).partition(".")[0] in sys.stdlib_module_names
    return False


def _place_of_knockoff(body: Sequence[Statement]) -> int:
    """The import of our words, which what else is not Python's own stands in front of."""
    ours = m.SimpleStatementLine([m.ImportFrom(module=m.Name("knockoff"))])
    found = (number for number, each in enumerate(body) if m.matches(each, ours))
    return next(found, _place_for_imports(body))


def _by_home(names: Iterable[str]) -> dict[str, list[str]]:
    homes: dict[str, list[str]] = {}
    for name in sorted(names):
        homes.setdefault(_HOMES[name], []).append(name)
    return {home: homes[home] for home in dict.fromkeys(_HOMES.values()) if home in homes}


def _bound_at_top(module: cst.Module) -> set[str]:
    names = set()
    for statement in module.body:
        for each in m.findall(statement, m.ImportFrom() | m.Import()):
            if isinstance(each, cst.ImportFrom | cst.Import) and not isinstance(
                each.names, cst.ImportStar
            ):
                names |= {alias.evaluated_alias or alias.evaluated_name for alias in each.names}
    return names


def _place_for_imports(body: Sequence[Statement]) -> int:
    """Behind docstring and future imports, in front of the first other statement."""
    for number, statement in enumerate(body):
        is_docstring = number == 0 and m.matches(
            statement, m.SimpleStatementLine([m.Expr(m.SimpleString() | m.ConcatenatedString())])
        )
        is_future = m.matches(
            statement, m.SimpleStatementLine([m.ImportFrom(module=m.Name("__future__"))])
        )
        if not (is_docstring or is_future):
            return number
    return len(body)


def _is_import(statement: cst.CSTNode) -> bool:
    return m.matches(statement, m.SimpleStatementLine([m.ImportFrom() | m.Import()]))


class _Words(cst.CSTTransformer):
    """DAMNIT's module replaced by ours, for the words that we have; `Run` comes with them."""

    def __init__(self) -> None:
        super().__init__()
        self._has_run = False

    def leave_ImportFrom(
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom:
        if dotted(updated_node.module) not in MODULES:
            return updated_node
        names = updated_node.names
        if isinstance(names, cst.ImportStar) or not all(
            each.evaluated_name in OURS for each in names
        ):
            return updated_node  # the loader answers to the old name, too
        if not self._has_run:
            self._has_run = True
            comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
            old = sorted(names, key=lambda each: each.evaluated_name)
            new = sorted(
                [*old, cst.ImportAlias(cst.Name("Run"))], key=lambda each: each.evaluated_name
            )
            names = [each.with_changes(comma=comma) for each in new[:-1]]
            names.append(new[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT))
        return updated_node.with_changes(module=cst.Name("knockoff"), names=names)
