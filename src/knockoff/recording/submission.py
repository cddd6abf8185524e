"""What somebody submits: which columns it is for, and whether it fits them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from knockoff.arrays.foreign import Archive
from knockoff.arrays.wire import type_name
from knockoff.contextfile.problems import nearest
from knockoff.engine.launching import launched_for
from knockoff.errors import EditError
from knockoff.language.cell import Cell

if TYPE_CHECKING:
    from knockoff.contextfile.description import (
        ColumnDescription,
        ContextDescription,
        TableDescription,
        VariableDescription,
    )


class SubmitError(EditError):
    """A value that was submitted cannot be taken; nothing of the submission is stored."""


@dataclass(frozen=True)
class Submission:
    """What somebody brings for one run."""

    values: Mapping[str, Any] = field(default_factory=dict)
    """By column, dotted; a `Cell` also says how it looks."""

    errors: Mapping[str, str] = field(default_factory=dict)
    """Why there is no value, by column."""

    source: str = ""
    """Where it comes from, as people are told: a file, a program."""

    table: str | None = None
    launch: str = ""
    """The launch that the program belongs to which submits; empty for a person."""


@dataclass(frozen=True)
class Submitted:
    """What became of a submission."""

    label: str
    """Which attempt the results are, as in ``submit-3``."""

    columns: tuple[str, ...]
    dependants: tuple[str, ...]
    """Variables that are computed now, because they read what was submitted."""

    stale: tuple[str, ...]
    """Columns whose code or inputs have changed since their program was launched."""


@dataclass(frozen=True)
class Share:
    """What a submission has for one variable."""

    table: TableDescription
    variable: VariableDescription
    values: Mapping[str, Any]
    errors: Mapping[str, str]

    @property
    def columns(self) -> tuple[str, ...]:
        """All of the variable's that something is submitted for."""
        return (*self.values, *self.errors)

    def is_of(self, launch: str) -> bool:
        """Whether this is what the program of a launch was launched for."""
        return bool(launch) and launched_for(launch) == (self.table.collection, self.variable.name)


def shares(context: ContextDescription, submission: Submission) -> list[Share]:
    """What there is for each variable.

    Raises
    ------
    SubmitError
        A name means nothing, or too much; or there is nothing at all.
    """
    values: dict[str, Any] = {}
    found: dict[tuple[str, str], tuple[TableDescription, VariableDescription]] = {}
    where: dict[str, tuple[str, str]] = {}
    both = sorted(submission.values.keys() & submission.errors.keys())
    if both:
        raise SubmitError(f"{both[0]} is given a value and an error. Submit one of the two.")
    errors: dict[str, str] = {}
    for name in (*submission.values, *submission.errors):
        table, variable = _found(context, name, submission)
        found[table.collection, variable.name] = (table, variable)
        parts: Mapping[str, Any]
        if name in submission.errors:
            columns = variable.columns if name == variable.name else ()
            parts = dict.fromkeys([each.name for each in columns] or [name], None)
            errors |= dict.fromkeys(parts, submission.errors[name])
        else:
            parts = _parts(variable, name, submission.values[name])
            for column, value in parts.items():
                values[column] = _fitting(column_of(variable, column), value)
        where |= dict.fromkeys(parts, (table.collection, variable.name))
    if not found:
        raise SubmitError("There is nothing to submit: give a value, or an error.")
    return [
        Share(
            table,
            variable,
            {name: each for name, each in values.items() if where[name] == of},
            {name: each for name, each in errors.items() if where[name] == of},
        )
        for of, (table, variable) in found.items()
    ]


def _found(
    context: ContextDescription, name: str, submission: Submission
) -> tuple[TableDescription, VariableDescription]:
    places: list[tuple[TableDescription, VariableDescription]] = []
    launched, variable_of = launched_for(submission.launch)
    own = launched if name == variable_of or name.startswith(f"{variable_of}.") else None
    for table in context.tables:
        if submission.table not in (None, table.collection, table.name):
            continue
        if own and submission.table is None and table.collection != own:
            continue
        for variable in table.variables:
            if name == variable.name or name in variable.outputs:
                places.append((table, variable))
                break
        else:
            if name in {each.name for each in table.fields}:
                raise SubmitError(
                    f"{name} of {table.collection} is typed by people. "
                    f"`knockoff set RUN {name} VALUE` does that."
                )
    if len(places) > 1:
        tables = ", ".join(table.collection for table, _ in places)
        raise SubmitError(f"{name} is in {tables}. Say which: --table {places[0][0].collection}.")
    if not places:
        known = [
            column.name
            for table in context.tables
            for variable in table.variables
            for column in variable.columns
            if not (variable.hook or variable.transient)
        ]
        raise SubmitError(
            f"The context file has no variable {name!r}, so there is no column for it. "
            f"{nearest(name, known)} To have one, add a method of that name.".replace("  ", " ")
        )
    table, variable = places[0]
    if variable.hook or variable.transient:
        what = "a hook" if variable.hook else "transient, and never stored"
        raise SubmitError(f"{name} cannot be submitted: its method is {what}.")
    return table, variable


def _parts(variable: VariableDescription, name: str, value: Any) -> Mapping[str, Any]:
    """The columns that a value is for: all outputs of a method where a dict has several."""
    if name != variable.name or not variable.parts:
        return {name: _without_archive(value)}
    columns = [column.name for column in variable.columns]
    short = [column.removeprefix(f"{name}.") for column in columns]
    if isinstance(value, Mapping) and value and set(map(str, value)) <= set(short):
        return {f"{name}.{part}": each for part, each in value.items()}
    raise SubmitError(
        f"{name} has several outputs: submit {' or '.join(columns)}, or a dict with "
        f"{', '.join(short)}."
    )


def _without_archive(value: Any) -> Any:
    """Named arrays in one cell are a Dataset."""
    if isinstance(value, Cell):
        return replace(value, data=_without_archive(value.data))
    return value.dataset() if isinstance(value, Archive) else value


def column_of(variable: VariableDescription, name: str) -> ColumnDescription:
    """The one of this name, dotted."""
    return next(each for each in variable.columns if each.name == name)


_PLAIN: Final = {"int": int, "float": float, "str": str, "bool": bool}


def _fitting(column: ColumnDescription, value: Any) -> Any:
    """A value for a column whose return hint is a plain type; of other hints any value is taken.

    Raises
    ------
    SubmitError
        It is not of that type.
    """
    wanted = _PLAIN.get(column.type)
    data = value.data if isinstance(value, Cell) else value
    if wanted is None or data is None:
        return value
    plain = data.item() if getattr(data, "shape", None) == () and hasattr(data, "item") else data
    fits = isinstance(plain, wanted) and not (wanted is int and isinstance(plain, bool))
    if wanted is float and isinstance(plain, int) and not isinstance(plain, bool):
        fits = True
    if wanted is int and isinstance(plain, float) and plain.is_integer():
        plain, fits = int(plain), True
    if not fits:
        raise SubmitError(
            f"{column.name} is declared as {column.type} in the context file, and this is "
            f"{type_name(data)}. Submit {_article(column.type)}, or change the return hint."
        )
    return replace(value, data=plain) if isinstance(value, Cell) else plain


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
