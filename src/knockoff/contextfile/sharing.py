"""Variables that leave something for others in the globals of the file.

Such a value is in no row, and gone when the process ends. So whoever uses it cannot be computed
alone: what leaves it there is computed once more, before.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from knockoff.contextfile.sources import node_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from knockoff.contextfile.drafts import Draft
    from knockoff.contextfile.sources import Node

_CHANGING: Final = frozenset(
    {
        "add", "append", "appendleft", "extend", "insert", "pop", "popitem", "remove",
        "setdefault", "update",
    }
)  # fmt: skip
"""Methods by which a list, dict or set is changed."""

_NOTHING: Final[tuple[frozenset[str], frozenset[str]]] = (frozenset(), frozenset())


def tell_sharing(drafts: Mapping[str, Draft], ordered: Sequence[str]) -> None:
    """Tell each variable which of those before it leave something in a global that it uses."""
    writers: dict[tuple[int, str], list[str]] = {}
    for name in ordered:
        function = drafts[name].function
        module = id(getattr(function, "__globals__", None))
        used, left = shared_globals(function)
        before = [writer for each in used for writer in writers.get((module, each), ())]
        drafts[name].computed_with = tuple(each for each in ordered if each in before)
        for each in left:
            writers.setdefault((module, each), []).append(name)


def shared_globals(function: Callable[..., Any]) -> tuple[frozenset[str], frozenset[str]]:
    """The globals whose value a function uses, and those in which it leaves something.

    Found in its own source: a ``global`` statement, ``RESULTS["a"] = …``, ``RESULTS.append(…)``.
    What it calls is not followed, for there a global is most often a cache.
    """
    node = node_of(function)
    return _NOTHING if node is None else _shared(node)


@lru_cache(maxsize=1024)
def _shared(node: Node) -> tuple[frozenset[str], frozenset[str]]:
    declared = {
        name for each in ast.walk(node) if isinstance(each, ast.Global) for name in each.names
    }
    names = [each for each in ast.walk(node) if isinstance(each, ast.Name)]
    stored = {each.id for each in names if isinstance(each.ctx, ast.Store)}
    own = (stored - declared) | {each.arg for each in ast.walk(node) if isinstance(each, ast.arg)}
    changed = [each for each in _changed(node) if each.id not in own]
    left = (stored & declared) | {each.id for each in changed}
    used = {
        each.id
        for each in names
        if isinstance(each.ctx, ast.Load) and each.id not in own and each not in changed
    }
    return frozenset(used), frozenset(left)


def _changed(node: Node) -> Iterator[ast.Name]:
    """The names of what is changed in place."""
    for each in ast.walk(node):
        if isinstance(each, ast.Subscript | ast.Attribute) and isinstance(each.ctx, ast.Store):
            yield from _root(each)
        elif isinstance(each, ast.Call):
            method = each.func
            if isinstance(method, ast.Attribute) and method.attr in _CHANGING:
                yield from _root(method.value)


def _root(node: ast.expr) -> Iterator[ast.Name]:
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    if isinstance(node, ast.Name):
        yield node
