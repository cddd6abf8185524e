"""`Run`: the class that a context file or a notebook derives its tables from."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any, ClassVar, Union

from pydantic import BaseModel, PydanticUserError

from knockoff.contextfile.failing import is_untyped, untyped_name, words_for_untyped
from knockoff.contextfile.functions import functions_in
from knockoff.contextfile.linking import table_of, tables_of
from knockoff.contextfile.loading import (
    FUNCTION_TABLE,
    is_being_loaded,
    is_run_class,
    source_of_class,
)
from knockoff.contextfile.problems import ContextProblems
from knockoff.contextfile.tables import TableSource
from knockoff.language.members import MISSING, OWN_MARK, Members, members_of_class, split
from knockoff.language.variable import MisplacedError
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
        plain_bases = tuple(getattr(base, "__knockoff_body__", base) for base in bases)
        kept = _without_variables(body, own)
        try:
            plain: Any = super().__new__(mcs, name, plain_bases, kept, **options)
        except PydanticUserError as error:
            if is_being_loaded(body["__module__"]) or not is_untyped(error):
                raise  # the loader knows the line as well
            raise MisplacedError(*words_for_untyped(untyped_name(error))) from None
        setattr(plain, OWN_MARK, own)
        plain.__knockoff_members__ = members_of_class(plain)
        plain.__knockoff_body__ = plain
        if is_being_loaded(plain.__module__) or not is_run_class(plain):
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
    others = [_source_of(each) for each in _classes_beside(body)]
    table, problems = table_of(source_of_class(body, file or ""), others, is_complete=False)
    if table is None:
        raise ContextProblems(problems)
    document: Any = build(table.description, body=body)
    document.__knockoff_members__ = body.__knockoff_members__
    document.__knockoff_body__ = body
    document.__knockoff_formulas__ = table
    made: type[RunDocument] = document
    return made


def _source_of(cls: Any) -> TableSource:
    body = getattr(cls, "__knockoff_body__", cls)
    file = inspect.getsourcefile(body) if body.__module__ != "__main__" else None
    return source_of_class(body, file or "")


def _classes_beside(cls: type) -> tuple[type, ...]:
    """The other run classes of the same notebook or script, as they were written last."""
    module = sys.modules.get(cls.__module__)
    found = {
        value.__name__: value
        for value in (vars(module).values() if module else ())
        if isinstance(value, type)
        and value.__module__ == cls.__module__
        and hasattr(value, "__knockoff_body__")
        and is_run_class(value)
        and value.__name__ != cls.__name__
    }
    return tuple(found.values())


def tables_beside(document_class: type) -> tuple[Table, ...]:
    """The table of a class, and after it those that stand in the same notebook now.

    A cell may have been run again since the class was written, so names in other
    tables are looked up anew.

    Raises
    ------
    ContextProblems
        The class reads a table or column that is not there.
    """
    known = formulas_of(document_class)
    body = getattr(document_class, "__knockoff_body__", None)
    others = _classes_beside(document_class)
    if body is None or not (others or _is_open(known)):
        return (known,)
    found = tables_of([_source_of(document_class), *map(_source_of, others)])
    table, problems = found[0]
    if table is None:
        raise ContextProblems(problems)
    return (table, *(each for each, _ in found[1:] if each is not None))


def _is_open(table: Table) -> bool:
    """Whether a name was left for a class that was not written yet."""
    return any(
        given.kind == "var" and not given.optional and given.parameter not in formula.chosen
        for formula in table.formulas.values()
        for given in formula.inputs
    )


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
