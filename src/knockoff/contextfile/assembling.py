"""A table put together by hand: variables, groups and a run class, from wherever they stand."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from knockoff.contextfile.description import ContextDescription
from knockoff.contextfile.loading import FUNCTION_TABLE, Context, is_run_class, source_of_class
from knockoff.contextfile.sources import file_of, globals_of
from knockoff.contextfile.tables import TableSource
from knockoff.contextfile.versions import versions_here
from knockoff.errors import ContextFileError
from knockoff.language.group import name_of_group
from knockoff.language.members import Field, Members, is_group, variable_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from knockoff.contextfile.tables import Table

OnConflict = Literal["error", "left", "right"]
"""Whose variable stays, where two have the same name."""

NOTHING: Final = TableSource(FUNCTION_TABLE, Members(), "", {})
"""A table without a column."""


class PipelineError(ContextFileError, ValueError):
    """A pipeline that cannot be put together, or not be executed as it is."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return " ".join(part for part in (self.message, self.remedy) if part)


def context_of(*tables: Table, file: str = "") -> Context:
    """Tables that were written in this process, as if a context file had been loaded.

    `file` is where their source is; a failing variable names its line there.
    """
    descriptions = tuple(table.description for table in tables)
    return Context(
        ContextDescription(
            path=file, source_hash="", tables=descriptions, versions=versions_here()
        ),
        {table.description.collection: table for table in tables},
    )


def pieces_in(items: Iterable[object]) -> Iterator[tuple[str, object]]:
    """Each variable, group and run class in `items`, with the name that a dict gives it, or ""."""
    for item in items:
        if isinstance(item, Mapping):
            yield from item.items()
        elif isinstance(item, Sequence) and not isinstance(item, str | bytes | bytearray):
            yield from pieces_in(item)
        else:
            yield "", item


def source_of_piece(name: str, piece: Any, names: Mapping[str, Any]) -> TableSource | None:
    """A table of one variable, one group, or all of a run class.

    Parameters
    ----------
    name:
        What to call it; if empty, it is called as it is called where it stands.
    names:
        Those of the file in which a group without a name may have one.

    Returns
    -------
    :
        None for a group that has no name so far.

    Raises
    ------
    TypeError
        `piece` is nothing that fills a column.
    """
    if isinstance(piece, type) and is_run_class(piece):
        body = getattr(piece, "__knockoff_body__", piece)
        is_typed = body.__module__ == "__main__"  # which a notebook has, too, and has no file
        return source_of_class(body, "" if is_typed else inspect.getsourcefile(body) or "")
    if is_group(piece):
        name = name or name_of_group(piece) or _name_in({**_module_of(type(piece)), **names}, piece)
        if not name:
            return None
        return replace(
            NOTHING,
            members=Members(groups={name: piece}, names=(name,)),
            file=_file_of_group(piece),
            module=_module_of(type(piece)),
        )
    variable = variable_from(piece, getattr(piece, "__globals__", {}))
    if variable is None or variable.function is None:
        raise TypeError(
            f"Pipeline.add accepts variables, groups, run classes, and lists or dicts of them, "
            f"not {_shown(piece)}. {_remedy(piece)}".rstrip()
        )
    name = name or variable.name or variable.function.__name__
    if name == "<lambda>":
        name = _name_in(globals_of(variable.function), piece) or name
    return replace(
        NOTHING,
        members=Members(variables={name: variable}, names=(name,)),
        file=file_of(variable.function),
        module=getattr(variable.function, "__globals__", {}),
        functions=frozenset({name}),
    )


def source_of_table(table: Table, file: str) -> TableSource:
    """The way back: from a table that has been put together to its pieces."""
    scope = table.scope
    known = {
        each.dotted(name)
        for each in scope.everything()
        for name in (*each.members.variables, *each.members.hooks)
    }
    functions = {name for name, each in table.formulas.items() if not each.method}
    owner = scope.owner if isinstance(scope.owner, type) else None
    return TableSource(
        name=table.description.name,
        members=_spelt(scope.members),
        file=file,
        module=_module_of(owner) if owner is not None else {},
        owner=owner,
        body=table.body,
        functions=frozenset(functions),
        left_out=frozenset(known - table.formulas.keys()),
    )


def united(left: TableSource, right: TableSource, on_conflict: OnConflict = "error") -> TableSource:
    """One table of the columns of both.

    Raises
    ------
    PipelineError
        Both have a run class, or columns of the same name and nothing says which to take.
    """
    owner = _owner_of_both(left, right)
    doubled = [name for name in _pieces(left) if _is_another(name, left, right)]
    if doubled and on_conflict == "error":
        raise PipelineError(
            f"There are two columns called {', '.join(map(repr, doubled))}.",
            "Rename one, add it as {'another_name': …}, "
            "or unite two pipelines with on_conflict='left' or 'right'.",
        )
    first, second = left.members, right.members
    if on_conflict == "left":
        second = _without(second, doubled)
    else:
        first = _without(first, doubled)
    losing, winning = (right, left) if on_conflict == "left" else (left, right)
    return TableSource(
        name=owner.name,
        members=first.joined(second),
        file=owner.file,
        module=owner.module,
        owner=owner.owner,
        body=owner.body,
        line=owner.line,
        functions=(losing.functions - set(doubled)) | winning.functions,
        left_out=_left_out(left, right) | _left_out(right, left),
    )


def _owner_of_both(left: TableSource, right: TableSource) -> TableSource:
    if left.owner is None or right.owner is None or left.owner is right.owner:
        if left.owner is None and (right.owner is not None or not _pieces(left)):
            return right
        return left
    if issubclass(left.owner, right.owner):
        return left
    if issubclass(right.owner, left.owner):
        return right
    raise PipelineError(
        f"{left.name} and {right.name} are two run classes, and self can be only one of them.",
        "Execute one pipeline for each.",
    )


def _pieces(source: TableSource) -> dict[str, Any]:
    members = source.members
    return {**members.fields, **members.groups, **members.hooks, **members.variables}


def _is_another(name: str, left: TableSource, right: TableSource) -> bool:
    """Whether both have something of this name, and not the same."""
    one, other = _pieces(left)[name], _pieces(right).get(name)
    if other is None or one is other or (isinstance(one, Field) and left.owner is right.owner):
        return False
    function = getattr(one, "function", None)
    return function is None or function is not getattr(other, "function", None)


def _without(members: Members, names: Iterable[str]) -> Members:
    def kept(pieces: dict[str, Any]) -> dict[str, Any]:
        return {name: piece for name, piece in pieces.items() if name not in names}

    return Members(
        variables=kept(members.variables),
        hooks=kept(members.hooks),
        groups=kept(members.groups),
        fields=kept(members.fields),
        names=tuple(name for name in members.names if name not in names),
    )


def _spelt(members: Members) -> Members:
    """The same variables under the names of their functions, where they are stored otherwise."""
    spelt = members.spelt
    return replace(
        members,
        variables={spelt.get(name, name): each for name, each in members.variables.items()},
        names=tuple(spelt.get(name, name) for name in members.names),
        spelt={},
    )


def _left_out(source: TableSource, other: TableSource) -> frozenset[str]:
    """What `source` leaves out and `other` does not bring back."""
    known = _pieces(other)
    return frozenset(
        name
        for name in source.left_out
        if name.partition(".")[0] not in known or name in other.left_out
    )


def _module_of(cls: type) -> dict[str, Any]:
    return vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {}


def _name_in(names: Mapping[str, Any], piece: object) -> str:
    """What a file calls `piece` at its top; empty if it does not."""
    return next((name for name, value in names.items() if value is piece and name[0] != "_"), "")


def _file_of_group(group: object) -> str:
    return next(
        (
            file_of(each.function)
            for each in getattr(type(group), "__knockoff_group__").variables.values()  # noqa: B009
            if each.function is not None
        ),
        "",
    )


def _remedy(piece: object) -> str:
    if inspect.isfunction(piece):
        return f"Write @Variable above {piece.__name__}."
    if isinstance(piece, type) and piece.__name__.startswith("_"):
        return f"Derive a class from {piece.__name__}, whose underscore says that it is no table."
    if isinstance(piece, type):
        return f"Make it a group's instance, {piece.__name__}(…), or derive it from knockoff.Run."
    return ""


def _shown(piece: object) -> str:
    text = repr(piece)
    return text if len(text) <= 60 else f"{text[:57]}..."
