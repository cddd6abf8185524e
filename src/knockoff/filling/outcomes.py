"""What a method returned, made ready to be stored: summary, array, preview, style."""

from __future__ import annotations

import datetime as dt
import json
import logging
import traceback
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knockoff.arrays.figures import Chart, drawn
from knockoff.arrays.kinds import kind_of
from knockoff.arrays.parts import part_name, refuse_unwritable, write_part
from knockoff.arrays.previews import preview_of
from knockoff.arrays.quantities import measured
from knockoff.arrays.summaries import SummaryError, summary_of
from knockoff.arrays.values import LARGEST_FIELD, Bulk, exact_text, normalised
from knockoff.arrays.variation import NOTICEABLE, max_diff
from knockoff.arrays.wire import UnsupportedValueError, to_json, type_name
from knockoff.errors import VariableError
from knockoff.filling.failures import LONGEST_TRACEBACK
from knockoff.filling.messages import CellProblem, CellResult
from knockoff.language.cell import Cell, Skip
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from knockoff.arrays.summaries import Reducer
    from knockoff.arrays.values import Scalar
    from knockoff.contextfile.description import ColumnDescription
    from knockoff.contextfile.outputs import ReturnClass
    from knockoff.contextfile.tables import Formula
    from knockoff.filling.messages import RunTask

log = logging.getLogger(__name__)


class OutputMissingError(VariableError):
    """A method with several outputs did not return one of them."""

    def __init__(self, output: str, of: str) -> None:
        super().__init__(output, of)
        self.output = output
        self.of = of

    def __str__(self) -> str:
        return (
            f"{self.of} was returned without {self.output!r}. "
            f"Return it, too; None where there is nothing to tell."
        )


@dataclass
class Output:
    """One result on its way to the recorder."""

    cells: dict[str, CellResult] = field(default_factory=dict)

    @classmethod
    def of_fields(cls, values: dict[str, Any]) -> Output:
        """What a plain hook assigned.

        Raises
        ------
        UnsupportedValueError
            A value cannot be stored in a field.
        """
        plain = {name: to_json(_of_field(name, each)) for name, each in values.items()}
        return cls({name: CellResult(each) for name, each in plain.items()})


@dataclass(frozen=True)
class Returned:
    """What a method returned for one column, not stored yet."""

    cell: Cell
    column: ColumnDescription
    reducer: Reducer = None
    missing_from: str = ""
    """The class in which it is missing; empty where it is there."""

    required: bool = True

    def stored(self, task: RunTask) -> CellResult:
        """Take the value apart; what is bulk is on disk when this returns.

        Raises
        ------
        Skip
            The value is missing, and need not be there.
        VariableError
            The value is missing or cannot be stored. (A summary that fails is told in the cell,
            beside the value.)
        ArrayError
            It could not be written.
        """
        if self.missing_from:
            error = OutputMissingError(self.column.name.rpartition(".")[2], self.missing_from)
            raise error if self.required else Skip(f"{self.missing_from} was returned without it.")
        cell = self.cell
        quantity = measured(cell.data)
        value = drawn(quantity.magnitude)
        units = cell.units or quantity.unit or self.column.units or _units(cell.data)
        plain = normalised(value)
        spread = max_diff(quantity.magnitude)
        summary, problem = self._summary(plain)
        shown = None if isinstance(summary, Bulk) else summary
        exact = None if isinstance(plain, Bulk) else _exact(value, plain, shown)
        is_bulk = isinstance(plain, Bulk) or (
            exact is not None and (_is_long(exact) or (value is not None and plain != shown))
        )
        picture = cell.summary_value if isinstance(summary, Bulk) else value
        preview = preview_of(picture if cell.preview is None else cell.preview)
        return CellResult(
            value=to_json(shown),
            exact=None if is_bulk else exact,
            array=_written(value, self.column.name, units, spread, task) if is_bulk else None,
            preview=None if preview is None else preview.to_json(),
            style=_style(cell, spread),
            units=units,
            outcome="done" if problem is None else "failed",
            problem=problem,
        )

    def _summary(self, plain: Scalar | Bulk) -> tuple[Scalar | Bulk, CellProblem | None]:
        """What the cell shows; None, and why, if it cannot be made of a value that is good."""
        cell = self.cell
        if cell.summary_value is not None:
            return normalised(measured(cell.summary_value).magnitude), None
        reducer = cell.summary or self.reducer
        if not isinstance(plain, Bulk) and reducer is None:
            return plain, None
        try:
            return summary_of(measured(cell.data).magnitude, reducer), None
        except SummaryError as error:
            text = "".join(traceback.format_exception(error))[-LONGEST_TRACEBACK:]
            return None, CellProblem(type(error).__name__, str(error), traceback=text)


def taken_apart(returned: Any, formula: Formula) -> tuple[Any, tuple[Returned, ...]]:
    """The value for the variables that read it, and what goes into each column.

    Raises
    ------
    VariableError
        It is not what the return hint says.
    """
    columns = formula.description.columns
    reducer = formula.variable.summary if formula.variable else None
    if formula.returns is None:
        cell = _cell(returned)
        return cell.data, (Returned(cell, columns[0], reducer),)
    return _parts(returned, formula.returns, columns)


def _parts(
    returned: Any, kind: ReturnClass, columns: tuple[ColumnDescription, ...]
) -> tuple[Any, tuple[Returned, ...]]:
    """Several outputs: each may be a `Cell`, and so may the whole, which styles them all."""
    around = _cell(returned)
    whole = around.data
    found = {name: _cell(value) for name, value in kind.values_of(whole).items()}
    for name in kind.unknown_in(whole):
        log.warning("%s does not declare %r, so it is not stored.", kind.kind.__name__, name)
    if whole is not None:
        whole = kind.with_values(whole, {name: cell.data for name, cell in found.items()})
    if around.bold is not None or around.background is not None:
        found = {name: _styled_as(around, cell) for name, cell in found.items()}
    parts = tuple(
        Returned(
            found.get(output.name, _NOTHING),
            column,
            output.variable.summary if output.variable else None,
            "" if output.name in found else kind.kind.__name__,
            output.required,
        )
        for output, column in zip(kind.outputs, columns, strict=True)
    )
    return whole, parts


_NOTHING: Cell[None] = Cell(None)


def _cell(value: Any) -> Cell:
    return value if isinstance(value, Cell) else Cell(value)


def _styled_as(around: Cell, cell: Cell) -> Cell:
    bold = around.bold if cell.bold is None else cell.bold
    return replace(cell, bold=bold, background=cell.background or around.background)


def _exact(value: Any, plain: Any, shown: Any) -> str | None:
    """What the value is, where the field that is `shown` does not say so."""
    exact = exact_text(value)
    return exact or (None if _same(plain, shown) else json.dumps(to_json(value)))


def _same(left: Any, right: Any) -> bool:
    return json.dumps(to_json(left)) == json.dumps(to_json(right))  # NaN, and True is not 1


def _is_long(text: str) -> bool:
    return len(text) > LARGEST_FIELD


def _written(
    value: Any, column: str, units: str | None, spread: float | None, task: RunTask
) -> dict[str, Any] | None:
    """Write a value to a part of its own, and say where it lies; None where nothing is written."""
    if not task.extracted_data:
        refuse_unwritable(value)
        return None
    name = part_name(RunKey(task.proposal, task.run), task.collection, column, task.attempt)
    # a Dataset's attributes are its own: xarray opens the file's as they stand there
    attributes = {"units": units} if units and kind_of(value) != "dataset" else None
    reference = write_part(Path(task.extracted_data), name, value, attrs=attributes)
    if reference.kind in ("json", "plotly"):  # its array is the bytes of a text
        reference = replace(reference, dtype=_in_words(value, reference.nbytes), shape=())
    return replace(reference, max_diff=spread).to_json()


def _in_words(value: Any, nbytes: int) -> str:
    """A value that is no array: "list, 3000 items" or "text, 40 kB"."""
    if isinstance(value, str):
        return f"text, {len(value.encode(errors='replace')) / 1000:.0f} kB"
    if isinstance(value, (bytes, bytearray)):
        return f"bytes, {len(value) / 1000:.0f} kB"
    kind = "plotly.Figure" if type(value) is Chart else type_name(value)
    if isinstance(value, (list, tuple, set, frozenset, dict)):
        return f"{kind}, {len(value)} item{'s' * (len(value) != 1)}"
    return f"{kind}, {nbytes / 1000:.1f} kB"


def _style(cell: Cell, spread: float | None) -> dict[str, Any] | None:
    bold = cell.bold
    if bold is None and spread is not None and spread > NOTICEABLE:
        bold = True
    style = {"bold": bold, "background": cell.background}
    given = {name: value for name, value in style.items() if value is not None}
    return given or None


def _units(value: Any) -> str | None:
    """Those that an xarray object carries itself."""
    units = getattr(value, "attrs", {}).get("units") if hasattr(value, "attrs") else None
    return units if isinstance(units, str) and units else None


def _of_field(name: str, value: Any) -> Any:
    if type(value) is dt.date:  # MongoDB has no date without a time
        return value.isoformat()
    plain = normalised(value)
    if isinstance(plain, Bulk):
        raise UnsupportedValueError(
            f"self.{name} = an array or a value over 16 kB",
            "Make it a variable: a method that returns it, with @Variable above.",
        )
    return plain
