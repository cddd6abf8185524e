"""`Run`: the class that a context file or a notebook derives its tables from."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any, ClassVar, Union

from pydantic import BaseModel

from knockoff.contextfile.linking import table_of
from knockoff.contextfile.loading import (
    FUNCTION_TABLE,
    functions_in,
    is_being_loaded,
    source_of_class,
)
from knockoff.contextfile.problems import ContextProblems
from knockoff.contextfile.tables import TableSource
from knockoff.language.members import MISSING, Members, split
from knockoff.runs.building import build
from knockoff.runs.rows import RowFields

if TYPE_CHECKING:
    from knockoff.contextfile.tables import Table
    from knockoff.runs.documents import RunDocument


class RunClass(type(BaseModel)):  # type: ignore[misc]  # pydantic does not type its metaclass
    """Takes the variables out of a class body before Pydantic sees it, and builds the table.

    While a context file is being loaded to compute, the plain body is enough and
    Beanie stays out of it; in a notebook the class that comes out is a Beanie document.
    """

    def __new__(
        mcs, name: str, bases: tuple[type, ...], body: dict[str, Any], **options: Any
    ) -> Any:
        """Make the class that ``class Runs(Run)`` stands for."""
        parents = [base for base in bases if hasattr(base, "__knockoff_members__")]
        if not parents or "__knockoff_built__" in body:
            return super().__new__(mcs, name, bases, body, **options)
        module = vars(sys.modules[body["__module__"]]) if body["__module__"] in sys.modules else {}
        own = split(body, module)
        plain: Any = super().__new__(
            mcs,
            name,
            tuple(getattr(base, "__knockoff_body__", base) for base in bases),
            _without_variables(body, own),
            **options,
        )
        members = Members()
        for parent in reversed(parents):
            members = members.joined(parent.__knockoff_members__)
        plain.__knockoff_members__ = members.joined(own)
        plain.__knockoff_body__ = plain
        if is_being_loaded(plain.__module__):
            return plain
        return _document(plain)


def _without_variables(body: dict[str, Any], members: Members) -> dict[str, Any]:
    taken = {*members.variables, *members.groups, *members.hooks}
    kept = {name: value for name, value in body.items() if name not in taken}
    annotations = kept.get("__annotations__", {})
    kept["__annotations__"] = {
        name: kind for name, kind in annotations.items() if name not in members.groups
    }
    for name, field in members.fields.items():
        if field.default is MISSING:  # a row is there before its hooks have filled it
            kept[name] = None
            annotations = kept["__annotations__"]
            annotations[name] = _or_none(annotations[name], field.type)
    return kept


def _or_none(annotation: Any, kind: Any) -> Any:
    return f"({annotation}) | None" if isinstance(kind, str) else Union[kind, None]  # noqa: UP007


def _document(body: Any) -> type[RunDocument]:
    file = inspect.getsourcefile(body) if body.__module__ != "__main__" else None
    table, problems = table_of(source_of_class(body, file or ""))
    if table is None:
        raise ContextProblems(problems)
    document: Any = build(table.description, body=body)
    document.__knockoff_members__ = body.__knockoff_members__
    document.__knockoff_body__ = body
    document.__knockoff_formulas__ = table
    made: type[RunDocument] = document
    return made


def table(names: dict[str, Any]) -> type[RunDocument]:
    """Make a table of the functions of a notebook or script, given its ``globals()``.

    Raises
    ------
    ContextProblems
        Something is wrong with the functions.
    """
    members = functions_in(names, names["__name__"])
    file = names.get("__file__") or f"<{names['__name__']}>"
    made, problems = table_of(TableSource(FUNCTION_TABLE, members, file, names))
    if made is None:
        raise ContextProblems(problems)
    document: Any = build(made.description)
    document.__knockoff_formulas__ = made
    document_class: type[RunDocument] = document
    return document_class


def formulas_of(document_class: type) -> Table:
    """The functions of a class that was written in this process.

    Raises
    ------
    AttributeError
        It was built from a description, and its functions are elsewhere.
    """
    table: Table = document_class.__knockoff_formulas__  # type: ignore[attr-defined]
    return table


if TYPE_CHECKING:

    class Run(RunDocument, metaclass=RunClass):
        """A table of runs: derive from it, and write a method for each column."""

else:

    class Run(RowFields, metaclass=RunClass):
        """A table of runs: derive from it, and write a method for each column."""

        __knockoff_members__: ClassVar[Members] = Members()


Run.__knockoff_body__ = Run
