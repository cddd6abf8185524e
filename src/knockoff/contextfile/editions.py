"""What was edited in a context file: the parts that differ between two of its sources."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from knockoff.contextfile.description import VariableDescription


@dataclass(frozen=True)
class Part:
    """One definition: a function, a constant, an import, or what stands in a class."""

    name: str
    """As in ``Runs.hits`` or ``THRESHOLD``."""

    line: int
    end: int
    content: str
    """What it does, not how it is written down: comments and places do not count."""

    uses: frozenset[str]
    """Names that it mentions, by themselves or behind a dot."""

    @property
    def last(self) -> str:
        """Its own name, without that of its class."""
        return self.name.rpartition(".")[2]


def parts_of(source: str) -> dict[str, Part]:
    """The parts of a source by name; of a name that is defined again, all of them as one.

    A source that is no Python has none.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return {}
    parts: dict[str, Part] = {}
    for part in _parts(tree.body, ""):
        known = parts.get(part.name)
        parts[part.name] = part if known is None else _both(known, part)
    return parts


def edited_parts(
    old: str, new: str, variable: VariableDescription, variables: Collection[str] = ()
) -> tuple[Part, ...]:
    """The parts that a variable uses and that differ, as they are in the new source.

    Parameters
    ----------
    variable:
        As the new source describes it.
    variables:
        Names of all variables: to read another one is not to use its code.
    """
    before, after = parts_of(old), parts_of(new)
    used = _used(after, _method(after, variable), variables)
    if variable.name.count("."):  # the parameters of its group
        used |= {each for each in after if after[each].last == variable.name.partition(".")[0]}
    return tuple(
        part
        for name, part in after.items()
        if name in used and (name not in before or before[name].content != part.content)
    )


def _method(parts: Mapping[str, Part], variable: VariableDescription) -> str:
    """The innermost part in which a variable's line is; the first of its name else."""
    inside = [each for each in parts.values() if each.line <= variable.line <= each.end]
    named = [each for each in parts.values() if each.last == variable.name.rpartition(".")[2]]
    found = sorted(inside, key=lambda each: each.end - each.line) or named
    return found[0].name if found else ""


def _used(parts: Mapping[str, Part], start: str, variables: Collection[str]) -> set[str]:
    others = {each.rpartition(".")[2] for each in variables}
    by_name: dict[str, list[str]] = {}
    for name, part in parts.items():
        by_name.setdefault(part.last, []).append(name)
    used: set[str] = set()
    waiting = [start] if start else []
    while waiting:
        name = waiting.pop()
        if name in used:
            continue
        used.add(name)
        for each in parts[name].uses - others:
            waiting.extend(by_name.get(each, ()))
    return used


def _parts(body: Iterable[ast.stmt], within: str) -> Iterator[Part]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _parts(node.body, f"{within}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            yield _part(f"{within}{node.name}", node, first)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            for name in _bound(node):
                yield _part(f"{within}{name}", node, node.lineno)


def _both(first: Part, again: Part) -> Part:
    content = f"{first.content}\n{again.content}"
    return Part(first.name, first.line, again.end, content, first.uses | again.uses)


def _part(name: str, node: ast.stmt, line: int) -> Part:
    uses = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    uses |= {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
    return Part(name, line, node.end_lineno or line, _content(node), frozenset(uses))


def _content(node: ast.stmt) -> str:
    """The tree as text, without a docstring."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return ast.dump(node)
    said = ast.get_docstring(node, clean=False) is not None
    return "\n".join(
        [ast.dump(node.args), *map(ast.dump, node.decorator_list)]
        + [ast.dump(each) for each in node.body[said:]]
    )


def _bound(node: ast.stmt) -> list[str]:
    """The names that a statement gives something to."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [each.asname or each.name.partition(".")[0] for each in node.names]
    return [
        each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    ]
