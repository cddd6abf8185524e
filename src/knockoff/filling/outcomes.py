"""What a method returned, made ready to be stored: summary, array, preview, style."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knockoff.arrays.parts import part_name, write_part
from knockoff.arrays.previews import preview_of
from knockoff.arrays.summaries import summary_of
from knockoff.arrays.values import Bulk, normalised
from knockoff.arrays.wire import UnsupportedValueError, to_json
from knockoff.language.cell import Cell
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from knockoff.contextfile.tables import Formula
    from knockoff.filling.messages import RunTask


@dataclass
class Output:
    """One result on its way to the recorder."""

    value: Any = None
    """In full, for the variables that read it."""

    fields: dict[str, Any] = field(default_factory=dict)
    array: dict[str, Any] | None = None
    preview: dict[str, Any] | None = None
    style: dict[str, Any] | None = None
    units: str | None = None

    @classmethod
    def of_fields(cls, values: dict[str, Any]) -> Output:
        """What a plain hook assigned.

        Raises
        ------
        UnsupportedValueError
            A value cannot be stored in a field.
        """
        return cls(fields={name: to_json(_of_field(name, each)) for name, each in values.items()})


def stored(returned: Any, formula: Formula, task: RunTask) -> Output:
    """Take a returned value apart; what is bulk is on disk when this returns.

    Raises
    ------
    VariableError
        The value cannot be stored, or its summary cannot be made.
    ArrayError
        It could not be written.
    """
    cell = returned if isinstance(returned, Cell) else Cell(returned)
    description = formula.description
    output = Output(value=cell.data, units=cell.units or description.units or _units(cell.data))
    if description.transient:
        return output
    plain = normalised(_plain(cell.data))
    reducer = cell.summary or (formula.variable.summary if formula.variable else None)
    if cell.summary_value is not None:
        summary = normalised(cell.summary_value)
    elif isinstance(plain, Bulk) or reducer is not None:
        summary = summary_of(_plain(cell.data), reducer)
    else:
        summary = plain
    if isinstance(plain, Bulk) or isinstance(summary, Bulk) or (reducer and plain != summary):
        key = RunKey(task.proposal, task.run)
        name = part_name(key, task.collection, description.name, task.attempt)
        attributes = {"units": output.units} if output.units else None
        reference = write_part(Path(task.extracted_data), name, _plain(cell.data), attrs=attributes)
        output.array = reference.to_json()
    shown = cell.preview if cell.preview is not None else cell.data
    preview = preview_of(shown)
    output.preview = None if preview is None else preview.to_json()
    output.fields = {description.name: None if isinstance(summary, Bulk) else to_json(summary)}
    output.style = _style(cell)
    return output


def _style(cell: Cell) -> dict[str, Any] | None:
    style = {"bold": cell.bold, "background": cell.background}
    given = {name: value for name, value in style.items() if value is not None}
    return given or None


def _units(value: Any) -> str | None:
    """Those that an xarray object carries itself."""
    units = getattr(value, "attrs", {}).get("units") if hasattr(value, "attrs") else None
    return units if isinstance(units, str) and units else None


def _plain(value: Any) -> Any:
    """Pydantic models, which may be nested in a row, as the dicts that they stand for."""
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if type(value) is list:
        return [_plain(each) for each in value]
    if type(value) is dict:
        return {name: _plain(each) for name, each in value.items()}
    return value


def _of_field(name: str, value: Any) -> Any:
    if type(value) is dt.date:  # MongoDB has no date without a time
        return value.isoformat()
    plain = normalised(_plain(value))
    if isinstance(plain, Bulk):
        raise UnsupportedValueError(
            f"self.{name} = an array or a value over 16 kB",
            "Make it a variable: a method that returns it, with @Variable above.",
        )
    return plain
