"""What a cell of a row holds in full, as it was returned: for people who work in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from knockoff.arrays.reading import read_array
from knockoff.arrays.references import ArrayReference
from knockoff.arrays.values import exact_value
from knockoff.contextfile.problems import nearest
from knockoff.contextfile.scope import ROW_FIELDS
from knockoff.errors import ArrayError, VariableError
from knockoff.runs.stamps import slashed, value_at
from knockoff.runs.states import CellState, state_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from knockoff.arrays.selection import Selection
    from knockoff.contextfile.description import TableDescription, VariableDescription
    from knockoff.contextfile.outputs import ReturnClass
    from knockoff.runkey import RunKey


class ColumnMissingError(VariableError, LookupError):
    """A table has no column of that name."""

    def __init__(self, table: str, column: str, known: tuple[str, ...]) -> None:
        super().__init__(table, column, known)
        self.table = table
        self.column = column
        self.known = known

    def __str__(self) -> str:
        said = f"{self.table} has no column {self.column!r}. {nearest(self.column, self.known)}"
        return said.rstrip()


class ValueMissingError(VariableError):
    """A cell has no value; its state says why."""

    def __init__(self, key: RunKey, column: str, state: CellState) -> None:
        super().__init__(key, column, state)
        self.key = key
        self.column = column
        self.state = state

    def __str__(self) -> str:
        return f"{self.column} of {self.key} has no value: {self.state}"


class FullValues:
    """The values of one row, read when they are asked for.

    Parameters
    ----------
    row:
        The run document.
    folder:
        ``extracted_data``, where the arrays are.
    classes:
        For methods with several outputs what they return, as far as it is loaded here.
    """

    def __init__(
        self,
        table: TableDescription,
        key: RunKey,
        row: Mapping[str, Any],
        folder: Path,
        classes: Mapping[str, ReturnClass],
    ) -> None:
        self._table = table
        self._key = key
        self._row = row
        self._folder = folder
        self._classes = classes

    def value(self, name: str, selection: Selection | None = None) -> Any:
        """The full value of a column, or all outputs of a method that has several.

        Raises
        ------
        ColumnMissingError
            There is no such column.
        ValueMissingError
            It has no value in this run.
        ArrayError
            Its array is missing or damaged, or the selection does not fit it.
        """
        for variable in self._table.variables:
            if name in (variable.name, *variable.outputs) and variable.transient:
                raise ValueMissingError(self._key, name, _TRANSIENT)
            if variable.name == name and variable.parts:
                return self._object(variable, selection)
            if name in variable.outputs and not variable.hook:
                return self._of_cell(name, variable.data, selection)
        if name not in self._fields():
            raise ColumnMissingError(self._table.name, name, self._names())
        if selection is not None:
            raise _no_array(name)
        return value_at(self._row, name)

    def _of_cell(self, name: str, data: str, selection: Selection | None) -> Any:
        ours = self._row.get("knockoff", {})
        reference = ours.get("arrays", {}).get(slashed(name))
        if reference is not None:
            return read_array(self._folder, ArrayReference.from_json(reference), selection)
        exact = ours.get("exact", {}).get(slashed(name))
        state = state_of(self._row, name, data)
        if exact is None and not state.has_value:
            raise ValueMissingError(self._key, name, state)
        if selection is not None:
            raise _no_array(name)
        return _plain(value_at(self._row, name)) if exact is None else exact_value(exact)

    def _object(self, variable: VariableDescription, selection: Selection | None) -> Any:
        """An object of the class where it is known, else a dict; what was skipped is left out."""
        if selection is not None:
            raise _no_array(variable.name)
        values: dict[str, Any] = {}
        skipped: ValueMissingError | None = None
        for column in variable.outputs:
            try:
                value = self._of_cell(column, variable.data, None)
            except ValueMissingError as error:
                if error.state.word != "skipped":
                    raise
                skipped = error
            else:
                values[column.removeprefix(f"{variable.name}.")] = value
        if skipped is not None and not values:
            raise skipped
        known = self._classes.get(variable.name)
        return values if known is None else known.made(values)

    def _fields(self) -> tuple[str, ...]:
        return (*ROW_FIELDS, *(field.name for field in self._table.fields))

    def _names(self) -> tuple[str, ...]:
        columns = [
            column
            for variable in self._table.variables
            if not variable.hook and not variable.transient
            for column in dict.fromkeys((variable.name, *variable.outputs))
        ]
        return (*columns, *self._fields())


_TRANSIENT: Final = CellState("transient", "it is handed to other variables and never stored")


def _plain(value: Any) -> Any:
    """Python's own numbers: of one beyond 32 bits MongoDB's client makes an int of its own."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _no_array(name: str) -> ArrayError:
    return ArrayError(f"{name} holds no array. Read it whole and select from that.")
