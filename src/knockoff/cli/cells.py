"""The cells of some rows in words, as the table in the terminal has them."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from knockoff.filling.messages import WAITING_FOR_OUTSIDE
from knockoff.tui.cells import Cell, Hand
from knockoff.tui.columns import Column
from knockoff.tui.glyphs import ASCII, spoken
from knockoff.tui.numbers import NumberFormat
from knockoff.tui.rows import ABSENT, Row
from knockoff.tui.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

_WIDEST = 40


class Cells:
    """What stands in each cell, numbers of a column written alike.

    Parameters
    ----------
    columns:
        Entries of the registry.
    zone:
        The time zone in which people see times.
    """

    def __init__(
        self, columns: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], zone: tzinfo
    ) -> None:
        glyphs = spoken(getattr(sys.stdout, "encoding", None), os.environ)
        self.is_ascii = glyphs is ASCII
        self.hand = Hand(zone, glyphs)
        self.columns = [Column.from_document(each) for each in columns]
        documents = [Row(row) for row in rows]
        values = [[row.value(column.name) for row in documents] for column in self.columns]
        self.right = [
            column.is_number or _all_numbers(each)
            for column, each in zip(self.columns, values, strict=True)
        ]
        formats = [NumberFormat().learned(filter(_is_number, each)) for each in values]
        self.lines: list[list[Cell]] = [
            [
                self._cell(column, row, numbers, right=right)
                for column, numbers, right in zip(self.columns, formats, self.right, strict=True)
            ]
            for row in documents
        ]

    def _cell(self, column: Column, row: Row, numbers: NumberFormat, *, right: bool) -> Cell:
        cell = self.hand.cell(column, row, numbers, _WIDEST, right=right)
        problem = row.problem(column.key) if column.is_computed else None
        if problem is None:
            return cell
        state = one_line(str(problem.get("state")))
        if state == WAITING_FOR_OUTSIDE:
            return cell
        if state != "failed":
            return replace(cell, texts=(*cell.texts, state))
        failed = self.hand.glyphs.failed
        kind = one_line(str(problem.get("kind") or state))
        return replace(cell, texts=(*cell.texts, f"{failed} {kind}", f"{failed} {state}"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _all_numbers(values: Sequence[Any]) -> bool:
    known = [value for value in values if value is not None and value is not ABSENT]
    return bool(known) and all(map(_is_number, known)) and not isinstance(known[0], datetime)
