"""Which cell somebody means by a run and a variable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from knockoff.errors import EditError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from knockoff.cli.reading import StoredTable


@dataclass(frozen=True)
class PointedCell:
    """One cell of one table."""

    table: StoredTable
    column: Mapping[str, Any]
    """The registry's entry."""

    row: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The column, dotted."""
        return str(self.column["name"])


async def cell_at(tables: Sequence[StoredTable], run: int, variable: str) -> PointedCell:
    """The cell of a run that is called so.

    Raises
    ------
    EditError
        No table has such a run or column, or several have both; the message names what is near.
    """
    rows = [(table, row) for table in tables for row in await table.rows({"run": run})]
    if not rows:
        raise EditError(await unknown_run(tables, run))
    found: list[PointedCell] = []
    unknown: list[EditError] = []
    for table, row in rows:
        try:
            found.append(PointedCell(table, table.column(variable), row))
        except EditError as error:
            unknown.append(error)
    if not found:
        raise unknown[0]
    if len(found) > 1 and any(each.column.get("kind") != "builtin" for each in found):
        names = [each.table.name for each in found]
        raise EditError(f"{variable} is in {', '.join(names)}. Say which: --table {names[0]}.")
    return found[0]


async def unknown_run(tables: Sequence[StoredTable], run: int) -> str:
    """What to tell somebody who asks for a run that has no row."""
    numbers = {row["run"] for table in tables for row in await table.rows(fields=("run",))}
    near = sorted(sorted(numbers, key=lambda number: abs(number - run))[:3])
    words = f"The nearest are {', '.join(map(str, near))}. " if near else ""
    return f"There is no run {run} in the table. {words}`knockoff process {run}` makes its row."
