"""What is wrong with a method although every name in it is known: it would fail in every run."""

from __future__ import annotations

import ast
import collections.abc
import inspect
import re
import sys
import types
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args, get_origin

from knockoff.contextfile.places import (
    Place,
    place_of_function,
    place_of_node,
    place_of_option,
    place_of_parameter,
    place_of_return,
)
from knockoff.contextfile.problems import Problem, nearest
from knockoff.contextfile.schemas import name_of
from knockoff.contextfile.sources import file_of, globals_of, node_of
from knockoff.language.members import evaluated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from knockoff.contextfile.drafts import Draft
    from knockoff.contextfile.problems import Severity

_REDUCERS: Final = (
    "mean", "median", "std", "var", "min", "max", "sum", "prod", "ptp", "size", "all", "any",
    "nanmean", "nanmedian", "nanstd", "nanvar", "nanmin", "nanmax", "nansum", "nanprod",
    "argmin", "argmax", "nanargmin", "nanargmax", "count_nonzero",
)  # fmt: skip

_MARKED: Final = re.compile(r"^(?!\s*\w+#).*(\[.*#|\bSource\()", re.DOTALL)
"""An annotation as source text that has one of our marks in it."""

_NEVER_STORED: Final[tuple[Any, ...]] = (
    collections.abc.Iterator,
    collections.abc.AsyncIterator,
    collections.abc.Callable,
    types.ModuleType,
    types.FunctionType,
    type,
)
"""Types of which no value can be kept."""


def problems_of_methods(drafts: Iterable[Draft]) -> list[Problem]:
    """All that is wrong with how each method is written, and what is worth a note."""
    found: list[Problem] = []
    for draft in drafts:
        for place, message, remedy, severity in _wrong_with(draft):
            found.append(Problem(place.file, place.line, place.column, message, remedy, severity))
    return found


_Found = tuple[Place, str, str, "Severity"]


def _wrong_with(draft: Draft) -> Iterator[_Found]:
    yield from _summary(draft)
    yield from _returned(draft)
    yield from _marks(draft)
    yield from _sources(draft)
    yield from _dynamic_reads(draft)


def _summary(draft: Draft) -> Iterator[_Found]:
    name = draft.variable.summary if draft.variable else None
    if not isinstance(name, str):
        return
    numpy = _numpy()
    function = None if name.startswith("_") else getattr(numpy, name, None)
    if numpy is None or (callable(function) and not isinstance(function, type)):
        return
    yield (
        place_of_option(draft.function, "summary"),
        f"{draft.name} has summary={name!r}, and NumPy has no such function.",
        _meant(name) or "Give the name of one that reduces an array, or a function of your own.",
        # another column is none the worse for it, and a DAMNIT file always loads
        "error" if draft.method else "note",
    )


def _meant(name: str) -> str:
    hint = nearest(name, _REDUCERS)
    return hint if hint.startswith("Did you mean") else ""


def _numpy() -> Any:
    """NumPy, where it is installed: a file can be described without."""
    try:
        import numpy as np
    except ImportError:
        return sys.modules.get("numpy")
    return np


def _returned(draft: Draft) -> Iterator[_Found]:
    if draft.variable is None or draft.variable.transient:
        return
    severity: Severity = "error" if draft.method else "note"
    if inspect.isgeneratorfunction(draft.function) or inspect.isasyncgenfunction(draft.function):
        yield (
            place_of_function(draft.function),
            f"{draft.name} has a yield in it, so it returns a generator, which cannot be stored.",
            "Return a list or an array.",
            severity,
        )
        return
    hint = getattr(draft.function, "__annotations__", {}).get("return")
    kind = evaluated(hint, globals_of(draft.function), {})
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    bare = get_origin(kind) or kind
    if inspect.isclass(bare) and bare is not object and issubclass(bare, _NEVER_STORED):
        yield (
            place_of_return(draft.function),
            f"{draft.name} returns {name_of(kind)}, which cannot be stored.",
            "Return a number, text, a list or an array; or set transient=True, if only other "
            "variables read it.",
            severity,
        )


def _marks(draft: Draft) -> Iterator[_Found]:
    """Annotations that mean something to us and, kept as text, cannot be evaluated."""
    for name, hint in getattr(draft.function, "__annotations__", {}).items():
        if name == "return" or not (isinstance(hint, str) and _MARKED.search(hint)):
            continue
        try:
            eval(hint, dict(globals_of(draft.function)))  # noqa: S307  # the user's own file
        except Exception as error:  # noqa: BLE001  # whatever it raises, the mark is lost
            yield (
                place_of_parameter(draft.function, name),
                f"what parameter {name!r} of {draft.name} is annotated with cannot be evaluated: "
                f"{type(error).__name__}: {error}.",
                "Import or define what it names at the top of the file.",
                "error",
            )


def _sources(draft: Draft) -> Iterator[_Found]:
    for given in draft.inputs:
        source = given.source
        if source is None or (_is_text(source.source) and _is_text(source.key)):
            continue
        what = "key" if _is_text(source.source) else "source"
        yield (
            place_of_parameter(draft.function, given.parameter),
            f"parameter {given.parameter!r} of {draft.name} has a Source without a {what}.",
            'Write Source("DEVICE:output", "data.key"), as `lsxfel` lists them.',
            "error",
        )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _dynamic_reads(draft: Draft) -> Iterator[_Found]:
    """``getattr(self, name)``, of which nobody can tell what it reads."""
    node = node_of(draft.function) if draft.method else None
    arguments = [*node.args.posonlyargs, *node.args.args] if node is not None else []
    if node is None or not arguments:
        return
    for each in ast.walk(node):
        if _is_dynamic_read(each, arguments[0].arg):
            yield (
                place_of_node(file_of(draft.function), each),
                f"{draft.name} reads an attribute of {arguments[0].arg} by a name that is not "
                "spelt out, so what it depends on is not known.",
                f'Write {arguments[0].arg}.x, or add a parameter x: Annotated[Any, "var#x"].',
                "note",
            )


def _is_dynamic_read(node: ast.AST, owner: str) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
        return False
    first = node.args[0]
    return (
        node.func.id == "getattr"
        and isinstance(first, ast.Name)
        and first.id == owner
        and not (
            len(node.args) > 1
            and isinstance(node.args[1], ast.Constant)
            and isinstance(node.args[1].value, str)
        )
    )
