"""Everything about one cell: the full value, its array and preview, or what went wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from knockoff.filling.messages import WAITING_FOR_OUTSIDE
from knockoff.runs.causes import ASCII, UNICODE, tree_of
from knockoff.runs.states import TROUBLES, place_of
from knockoff.tui.chart import chart, picture
from knockoff.tui.feed import points_of
from knockoff.tui.numbers import NumberFormat
from knockoff.tui.rows import ABSENT, Row
from knockoff.tui.text import harmless, one_line

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from knockoff.tui.cells import Hand, Trend
    from knockoff.tui.columns import Column
    from knockoff.tui.palette import Ink, Palette
    from knockoff.tui.source import Document

CHART_WIDTH: Final = 60
CHART_HEIGHT: Final = 7
PICTURE_WIDTH: Final = 64
PICTURE_HEIGHT: Final = 24
NAME_WIDTH: Final = 9


class Detail:
    """Writes about one cell; asks nobody for anything."""

    def __init__(self, hand: Hand, palette: Palette) -> None:
        self._hand = hand
        self._palette = palette

    def about(self, column: Column, row: Row, previews: Sequence[Document]) -> Text:
        """All there is to know, the most wanted first."""
        text = Text(no_wrap=False)
        problem = row.problem(column.key)
        if problem is not None:
            self._problem(text, problem)
        value = row.value(column.name)
        if value is not ABSENT and value is not None and value != "":
            self._fact(text, "Value", self.full(value), row.units(column.key) or column.units)
            if stale := row.stale(column.key):
                self._fact(text, "Stale", stale)
        elif problem is None and row.array(column.key) is None:
            cell = self._hand.cell(column, row, NumberFormat(), CHART_WIDTH, right=False)
            self._say(text, f"{cell.text or 'Nothing was typed here yet.'}\n", "muted")
        if (array := row.array(column.key)) is not None:
            self._array(text, array)
        self._previews(text, previews, column.units)
        text.append("\n")
        if column.description:
            self._say(text, f"{harmless(column.description)}\n", "stale")
        self._fact(text, "Field", column.name)
        if column.tags:
            self._fact(text, "Tags", ", ".join(column.tags))
        if column.is_former:
            self._say(text, "The context file no longer has this variable.\n", "muted")
        elif column.is_computed:
            self._fact(text, "From", f"{column.data} data")
        return text

    def full(self, value: Any) -> str:
        """A value with nothing left out."""
        if isinstance(value, datetime):
            return self._hand.local(value).isoformat(sep=" ", timespec="milliseconds")
        if isinstance(value, str):
            return harmless(value)
        if isinstance(value, Mapping | Sequence) and not isinstance(value, bytes):
            return harmless(json.dumps(value, indent=2, default=str, ensure_ascii=False))
        return self._hand.text(value)

    def _problem(self, text: Text, problem: Document) -> None:
        state = str(problem.get("state") or "failed")
        signs = self._hand.glyphs
        ink: Ink = "failed" if state in TROUBLES else "blocked"
        sign = signs.failed if state in TROUBLES else signs.blocked
        if state == WAITING_FOR_OUTSIDE:
            sign = signs.outside
        self._say(text, f"{sign} {one_line(state)}", ink, bold=True)
        if kind := problem.get("kind"):
            self._say(text, f"  {one_line(str(kind))}", ink)
        text.append("\n")
        strokes = UNICODE if signs.rule == "─" else ASCII
        tree = tree_of(problem, strokes)
        if tree:
            self._say(text, "Because of\n", "muted")
            self._say(text, "".join(f"  {one_line(line)}\n" for line in tree), "value")
        elif message := problem.get("message"):
            self._say(text, f"{harmless(str(message))}\n", "value")
        if place := place_of(problem):
            self._fact(text, "Where", one_line(place))
            about = problem["outside"]
            if isinstance(since := about.get("since"), datetime):
                self._fact(text, "Since", f"{self._hand.local(since):%Y-%m-%d %H:%M:%S}")
            if about.get("log"):
                self._fact(text, "Output", one_line(f"process_logs/{about['log']}"))
        if not tree and (cause := problem.get("cause")):  # of a row that is older than the tree
            way = strokes.arrow.join(one_line(str(step)) for step in cause)
            self._fact(text, "Because", way)
        if line := problem.get("context_line"):
            where = f"line {problem['line']} of the context file" if problem.get("line") else ""
            self._say(text, f"\n{where or 'in the context file'}\n", "muted")
            self._say(text, f"    {one_line(str(line)).strip()}\n", "sign", bold=True)
        elif problem.get("line"):
            self._say(text, f"at line {problem['line']} of the context file\n", "muted")
        if traceback := problem.get("traceback"):
            self._say(text, f"\n{harmless(str(traceback)).rstrip()}\n", "stale")
        text.append("\n")

    def _array(self, text: Text, array: Document) -> None:
        shape = [str(length) for length in array.get("shape") or ()]
        dims = [one_line(str(name)) for name in array.get("dims") or ()]
        if len(dims) == len(shape):
            shape = [f"{name} {length}" for name, length in zip(dims, shape, strict=True)]
        times = f" {self._hand.glyphs.times} "
        self._fact(text, "Array", f"{array.get('dtype', '?')}  {times.join(shape)}".rstrip())
        if isinstance(nbytes := array.get("nbytes"), int):
            self._fact(text, "Size", _bytes(nbytes))
        if array.get("file"):
            self._fact(text, "File", f"{array['file']}  {array.get('dataset') or ''}")

    def _previews(self, text: Text, previews: Sequence[Document], units: str) -> None:
        for preview in previews:
            if trend := points_of(preview):
                self._trend(text, trend, units)
            elif isinstance(png := preview.get("png"), bytes):
                text.append("\n")
                try:
                    text.append_text(picture(png, PICTURE_WIDTH, PICTURE_HEIGHT))
                except OSError as error:
                    self._say(text, f"The preview cannot be shown: {error}\n", "muted")

    def _trend(self, text: Text, trend: Trend, units: str) -> None:
        known = [point for point in trend if not math.isnan(point)]
        numbers = NumberFormat().learned(known)
        lines = chart(trend, CHART_WIDTH, CHART_HEIGHT, self._hand.glyphs.bars)
        labels = {
            0: numbers.text(max(known, default=0.0)),
            len(lines) - 1: numbers.text(min(known, default=0.0)),
        }
        text.append("\n")
        for number, line in enumerate(lines):
            self._say(text, f"{labels.get(number, ''):>{NAME_WIDTH}} ", "muted")
            self._say(text, line, "spark")
            self._say(text, f" {one_line(units)}\n" if number == 0 else "\n", "muted")

    def _fact(self, text: Text, name: str, value: str, units: str = "") -> None:
        self._say(text, f"{name:<{NAME_WIDTH}} ", "muted")
        self._say(text, value.replace("\n", "\n" + " " * (NAME_WIDTH + 1)), "value")
        self._say(text, f" {one_line(units)}\n" if units else "\n", "muted")

    def _say(self, text: Text, words: str, ink: Ink, *, bold: bool = False) -> None:
        text.append(words, self._palette.ink(ink, bold=bold))


class CellScreen(ModalScreen[str | None]):
    """One cell in full; leaves with what to do next: ``plot``, ``edit`` or nothing."""

    DEFAULT_CSS = """
    CellScreen { align: center middle; background: $background 60%; }
    CellScreen > Vertical {
        width: 84; max-width: 96%; height: auto; max-height: 92%;
        background: $surface; border: round $primary 60%; padding: 0 1;
        border-title-color: $foreground; border-title-style: bold;
        border-subtitle-color: $foreground 50%;
    }
    CellScreen VerticalScroll {
        height: auto; max-height: 100%; scrollbar-size-vertical: 1; padding: 1 1 0 1;
    }
    CellScreen Static { width: 1fr; height: auto; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "leave('')", show=False),
        Binding("o", "leave('plot')", show=False),
        Binding("e", "leave('edit')", show=False),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]

    def __init__(self, title: str, text: Text, hints: str) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._hints = hints

    def compose(self) -> ComposeResult:
        """One box that scrolls where the text is long."""
        with Vertical() as box:
            box.border_title = Text(self._title).markup
            box.border_subtitle = Text(self._hints).markup
            with VerticalScroll():
                yield Static(self._text, markup=False)

    def action_leave(self, wish: str) -> None:
        """Close, and say what to do next."""
        self.dismiss(wish or None)

    def action_scroll(self, lines: int) -> None:
        """Read on, or back."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.3g} {unit}"
