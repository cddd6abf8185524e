"""What stands in one cell, and why, where nothing does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, Literal

from knockoff.filling.messages import WAITING_FOR_OUTSIDE
from knockoff.runs.states import TROUBLES, place_of, state_of
from knockoff.tui.glyphs import ASCII
from knockoff.tui.numbers import NumberFormat, shorter
from knockoff.tui.rows import ABSENT, Row
from knockoff.tui.text import one_line

if TYPE_CHECKING:
    from knockoff.tui.columns import Column
    from knockoff.tui.glyphs import Glyphs
    from knockoff.tui.source import Document

Look = Literal["value", "muted", "failed", "blocked", "running", "spark", "stale", "typed"]
"""What kind of thing a cell is; the grid has a colour for each."""

Trend = Sequence[float]
"""The points of a trendline; NaN is a gap."""


@dataclass(frozen=True)
class Cell:
    """One cell, ready to be cut to its column's width."""

    texts: tuple[str, ...]
    """The same from the longest to the shortest; the first that fits is drawn."""
    look: Look = "value"
    right: bool = False
    bold: bool = False
    background: str | None = None

    @property
    def text(self) -> str:
        """At full length."""
        return self.texts[0]


LOADING = Cell(("",), "muted")


@dataclass(frozen=True)
class Hand:
    """Writes cells: in this time zone, with these signs."""

    zone: tzinfo
    glyphs: Glyphs

    def cell(
        self,
        column: Column,
        row: Row,
        numbers: NumberFormat,
        width: int,
        *,
        right: bool,
        trend: Trend | None = None,
    ) -> Cell:
        """What `row` has for `column`."""
        value = row.value(column.name)
        if not column.is_computed:
            return self._plain(column, value, numbers, width, right)
        problem = row.problem(column.key)
        if problem is not None:
            return self._trouble(problem)
        if value is not None and value is not ABSENT:
            cell = self._value(value, numbers, width, "value")
            if units := row.units(column.key):
                cell = replace(cell, texts=tuple(f"{t} {one_line(units)}" for t in cell.texts))
        elif (array := row.array(column.key)) is not None:
            cell = self._array(array, trend, width)
        elif value is None:
            cell = Cell(("none", self.glyphs.dash), "muted", right)
        else:
            cell = self._waiting(column, row, right)
        if row.stale(column.key):
            sign = "" if cell.look == "spark" else self.glyphs.stale
            texts = tuple(f"{sign}{text}" for text in cell.texts)
            cell = replace(cell, texts=texts, look="stale")
        style = row.style(column.key)
        return cell if style is None else _styled(cell, style)

    def short(self, value: Any, numbers: NumberFormat) -> str:
        """A value as a cell shows it: numbers rounded alike, times without the year."""
        if isinstance(value, datetime):
            return f"{self.local(value):%d %b %H:%M}"
        if _is_number(value):
            return numbers.text(value)
        return self.text(value)

    def text(self, value: Any) -> str:
        """A value as people read it, on one line."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, float):
            return f"{value:.12g}"
        if isinstance(value, datetime):
            return f"{self.local(value):%Y-%m-%d %H:%M}"
        if isinstance(value, str):
            return one_line(value)
        if isinstance(value, bytes):
            return f"{len(value)} bytes"
        if isinstance(value, Mapping):
            if value.keys() == {"real", "imag"} and all(map(_is_number, value.values())):
                return f"{complex(value['real'], value['imag']):.6g}"
            inside = ", ".join(f"{name}: {self.text(part)}" for name, part in value.items())
            return one_line("{" + inside + "}")
        if isinstance(value, Sequence):
            return one_line("[" + ", ".join(self.text(part) for part in value[:100]) + "]")
        return one_line(str(value))

    def local(self, moment: datetime) -> datetime:
        """A moment in the facility's time; MongoDB's own moments are UTC."""
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(self.zone)

    def trend(self, points: Trend, width: int) -> str:
        """A trendline as bars; gaps stay blank."""
        bars = means(points, width)
        known = [mean for mean in bars if not math.isnan(mean)]
        if not known:
            return ""
        low, high = min(known), max(known)
        signs, span = self.glyphs.bars, (high - low) or math.inf
        top = len(signs) - 1
        return "".join(
            " " if math.isnan(mean) else signs[round((mean - low) / span * top)] for mean in bars
        )

    def size(self, array: Document) -> str:
        """What an array is and its shape, as in ``float32 (64, 96)``; of a long list its length."""
        kind, dtype = str(array.get("kind") or "?"), str(array.get("dtype") or "")
        shape = list(array.get("shape") or ())
        if kind == "image":
            dtype, shape = kind, shape[:2]
        elif dtype.startswith("["):
            dtype = "structured"
        inside = ", ".join(map(str, shape))
        return one_line(f"{dtype or kind} ({inside})" if shape else dtype or kind)

    def _plain(
        self, column: Column, value: Any, numbers: NumberFormat, width: int, right: bool
    ) -> Cell:
        if value is ABSENT or value is None or value == "":
            hint = self.glyphs.dot if column.kind == "editable" else ""
            return Cell((hint,), "muted", right)
        look: Look = "typed" if column.is_typed else "value"
        if column.kind == "editable" and isinstance(value, float):
            return Cell((f"{value:.12g}", shorter(value, width)), look, right=True)
        return self._value(value, numbers, width, look)

    def _value(self, value: Any, numbers: NumberFormat, width: int, look: Look) -> Cell:
        text = self.short(value, numbers)
        if not _is_number(value):
            return Cell((text,), look)
        return Cell((text, shorter(value, width)), look, right=True)

    def _array(self, array: Document, trend: Trend | None, width: int) -> Cell:
        line = self.trend(trend, width) if trend else ""
        if line:
            return Cell((line,), "spark")
        size = self.size(array)
        return Cell((size, size.partition(" ")[2], "array"), "muted")

    def _trouble(self, problem: Document) -> Cell:
        state = one_line(str(problem.get("state") or "failed"))
        kind = one_line(str(problem.get("kind") or ""))
        message = one_line(str(problem.get("message") or ""))
        signs = self.glyphs
        if state in TROUBLES:
            name = kind if state == "failed" and kind else state
            short = f"{signs.failed} {name}"
            return Cell((f"{short}: {message}" if message else short, short), "failed")
        if state == "blocked":
            return Cell(self._ways_to_say_blocked(problem, message), "blocked")
        full = f"{state}: {message}" if message else state
        if state == WAITING_FOR_OUTSIDE:
            sign, place = signs.outside, one_line(place_of(problem))
            texts = [f"{sign} {full} ({place})" if place else f"{sign} {full}"]
            texts += [f"{sign} {place}"] if place else []
            return Cell((*texts, f"{sign} outside", sign), "muted")
        return Cell((full, state), "muted", right=False)

    def _ways_to_say_blocked(self, problem: Document, message: str) -> tuple[str, ...]:
        sign, way = self.glyphs.blocked, problem.get("cause") or ()
        if self.glyphs is ASCII:
            message = message.replace("←", "<-")
        root = [f"{sign} by {one_line(str(way[-1]))}"] if way else []
        return (f"{sign} {message or 'blocked'}", *root, f"{sign} blocked", sign)

    def _waiting(self, column: Column, row: Row, right: bool) -> Cell:
        signs = self.glyphs
        state = state_of(row.document, column.name, column.data)
        if state.word == "running":
            return Cell((f"{signs.running} running", signs.running), "running", right)
        if state.word == "queued":
            return Cell((f"{signs.queued} queued", signs.queued), "muted", right)
        if state.word.startswith("waiting"):
            full = f"{signs.waiting} {state.word}"
            return Cell((full, f"{signs.waiting} {column.data}", signs.waiting), "muted", right)
        return Cell(("not computed yet", "not yet", signs.dash), "muted", right)


def _styled(cell: Cell, style: Document) -> Cell:
    background = style.get("background")
    return replace(
        cell,
        bold=bool(style.get("bold")),
        background=background if isinstance(background, str) else None,
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def means(points: Trend, width: int) -> list[float]:
    """The points as `width` means at most, one per bar; a bar without a point is NaN."""
    count = len(points)
    if count <= width:
        return list(points)
    means = []
    for bar in range(width):
        part = points[bar * count // width : (bar + 1) * count // width]
        known = [point for point in part if not math.isnan(point)]
        means.append(sum(known) / len(known) if known else math.nan)
    return means
