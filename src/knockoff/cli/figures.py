"""Figures of what is stored, as HTML files that a browser shows without a network."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from knockoff.errors import EditError
from knockoff.runkey import RunKey
from knockoff.runs.stamps import slashed, value_at
from knockoff.runs.states import state_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo
    from pathlib import Path

    from knockoff.cli.reading import StoredTable


async def write_variable(
    arrays: Path, table: StoredTable, run: int, name: str, file: Path | None = None
) -> Path:
    """Draw the array of one variable of one run.

    Parameters
    ----------
    arrays:
        ``extracted_data`` of the workspace.
    file:
        Where to write; else among the user's cached pages.

    Raises
    ------
    EditError
        There is no such run or column, or no array in the cell.
    KnockoffError
        The array cannot be read or drawn.
    """
    column = table.column(name)
    rows = await table.rows({"run": run})
    if not rows:
        raise EditError(f"There is no run {run} in the table {table.name}.")
    return await asyncio.to_thread(_variable_written, arrays, column, rows[0], file)


async def write_columns(
    table: StoredTable, x: str, y: str, zone: tzinfo, file: Path | None = None
) -> Path:
    """Draw one column against another, a point per run.

    Raises
    ------
    EditError
        There is no such column.
    PlotError
        They cannot be drawn against each other.
    """
    across, up = table.column(x), table.column(y)
    rows = await table.rows()

    def written() -> Path:
        from knockoff.plotting.columns import Column, figure_of_columns
        from knockoff.plotting.pages import write_html

        axes = [
            Column(str(each["name"]), _title(each), str(each.get("units") or ""))
            for each in (across, up)
        ]
        return write_html(figure_of_columns(rows, *axes, zone=zone), file)

    return await asyncio.to_thread(written)


def _variable_written(
    arrays: Path, column: Mapping[str, Any], row: Mapping[str, Any], file: Path | None
) -> Path:
    from knockoff.arrays.references import ArrayReference
    from knockoff.plotting.arrays import figure_of_array, figure_of_variable
    from knockoff.plotting.pages import write_html

    name, run = str(column["name"]), RunKey(row["proposal"], row["run"])
    ours, key = row["knockoff"], slashed(name)
    units = str(ours.get("units", {}).get(key) or column.get("units") or "")
    stored, value = ours.get("arrays", {}).get(key), value_at(row, name)
    if stored is not None:
        reference = ArrayReference.from_json(stored)
        figure = figure_of_variable(arrays, reference, title=_title(column), units=units, run=run)
    elif isinstance(value, list):
        figure = figure_of_array(value, title=_title(column), units=units, run=run)
    else:
        raise EditError(_why_not(column, row))
    return write_html(figure, file)


def _why_not(column: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    name = str(column["name"])
    state = state_of(row, name, str(column.get("data") or "raw"))
    why = "its value is a single one" if state.has_value else str(state).splitlines()[0]
    return (
        f"There is no array of {name} in run {row['run']}: {why.rstrip('.')}. "
        f"To draw a column over the runs: knockoff plot run {name}"
    )


def _title(column: Mapping[str, Any]) -> str:
    return str(column.get("title") or column["name"])
