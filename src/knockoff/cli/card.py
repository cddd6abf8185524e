"""One run on a card: a line per column, with what failed and where."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from knockoff.cli.cells import Cells
from knockoff.filling.messages import WAITING_FOR_OUTSIDE
from knockoff.runkey import RunKey
from knockoff.runs.causes import ASCII, UNICODE, tree_of
from knockoff.runs.stamps import slashed
from knockoff.tui.rows import Row
from knockoff.tui.text import cells_of, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from knockoff.tui.cells import Cell
    from knockoff.tui.columns import Column


def card_of(
    table: str, columns: Sequence[Mapping[str, Any]], row: Mapping[str, Any], zone: tzinfo
) -> str:
    """The card of one row."""
    cells = Cells(columns, [row], zone)
    key = RunKey(int(row["proposal"]), int(row["run"]))
    data = ", ".join(map(str, row.get("knockoff", {}).get("data", ()))) or "no data"
    head = typer.style(f"{key}", bold=True)
    lines = [f"{head}  {data}  (table {table})"]
    titles = [one_line(column.title) for column in cells.columns]
    width = max(map(cells_of, titles))
    for column, title, cell in zip(cells.columns, titles, cells.lines[0], strict=True):
        if column.name == "run" or (column.is_quiet and not cell.text):
            continue
        padding = " " * (width - cells_of(title))
        lines.extend(
            f"  {title if not place else ' ' * cells_of(title)}{padding}  {text}"
            for place, text in enumerate(_said(column, cell, Row(row), cells))
        )
    text = "\n".join(line.rstrip() for line in lines)
    return text.replace("µ", "u").encode("ascii", "replace").decode() if cells.is_ascii else text


def _said(column: Column, cell: Cell, row: Row, cells: Cells) -> list[str]:
    """The value with its units, or the whole reason why there is none."""
    problem = row.problem(column.key)
    if problem is not None:
        text = typer.style(cell.text, fg="red") if cell.look == "failed" else cell.text
        tree = tree_of(problem, ASCII if cells.is_ascii else UNICODE)
        if not tree:
            return [text, *_place(problem)]
        return [_headed(problem, cells), *map(one_line, tree)]
    value = row.value(column.name)
    text = cells.hand.text(value) if isinstance(value, datetime) else cell.text
    if column.units and cell.look in ("value", "stale") and not row.units(column.key):
        text = f"{text} {column.units}"
    array = row.array(slashed(column.name))
    if array is not None and cell.look in ("value", "stale"):
        text = f"{text}   from {cells.hand.size(array)}"
    stale = row.stale(column.key)
    return [f"{text}   {typer.style(f'stale: {stale}', fg='yellow')}" if stale else text]


def _headed(problem: Mapping[str, Any], cells: Cells) -> str:
    """What stands above a tree, which has the reasons."""
    if problem.get("state") == "skipped":
        return f"skipped because of {'these' if len(problem['causes']) > 1 else 'this'}:"
    if problem.get("state") == WAITING_FOR_OUTSIDE:
        return f"{cells.hand.glyphs.outside} {WAITING_FOR_OUTSIDE} by way of"
    return f"{cells.hand.glyphs.blocked} blocked by"


def _place(problem: Mapping[str, Any]) -> list[str]:
    if not problem.get("line"):
        return []
    code = str(problem.get("context_line") or "").strip()
    return [f"line {problem['line']} of the context file: {code}".rstrip(": ")]
