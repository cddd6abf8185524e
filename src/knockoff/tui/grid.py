"""The table on the screen: draws only the cells that are seen, and each row by itself."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from knockoff.tui.header import Header
from knockoff.tui.layout import PADDING, Layout
from knockoff.tui.palette import Ground, Palette
from knockoff.tui.strips import Piece, strip_of
from knockoff.tui.text import fit

if TYPE_CHECKING:
    from textual import events

    from knockoff.tui.cells import Cell
    from knockoff.tui.columns import Column
    from knockoff.tui.store import Place, RunStore

KEPT_STRIPS: Final = 600


class RunGrid(ScrollView, can_focus=True):
    """Rows and columns of a `RunStore`, with a cursor that stays on its run and variable."""

    DEFAULT_CSS = """
    RunGrid {
        height: 1fr;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        scrollbar-background: $background;
        scrollbar-background-hover: $background;
        scrollbar-background-active: $background;
        scrollbar-color: $panel-lighten-2;
        scrollbar-color-hover: $primary;
        scrollbar-color-active: $primary;
        scrollbar-corner-color: $background;
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "step(-1, 0)", show=False),
        Binding("down,j", "step(1, 0)", show=False),
        Binding("left,h", "step(0, -1)", show=False),
        Binding("right,l", "step(0, 1)", show=False),
        Binding("pageup,ctrl+u", "page(-1)", show=False),
        Binding("pagedown,ctrl+d", "page(1)", show=False),
        Binding("home,ctrl+home", "first", show=False),
        Binding("end,ctrl+end,G", "last", show=False),
        Binding("0", "first_column", show=False),
        Binding("$,dollar_sign", "last_column", show=False),
    ]

    @dataclass
    class Moved(Message):
        """The cursor stands elsewhere; `by_hand` if somebody moved it."""

        by_hand: bool

    @dataclass
    class Looked(Message):
        """These rows and columns are on the screen now."""

        first: int
        last: int
        columns: tuple[Column, ...]

    @dataclass
    class HeaderClicked(Message):
        """Somebody clicked on the title of a column."""

        column: Column

    class Opened(Message):
        """Somebody double-clicked on the cell under the cursor."""

    def __init__(self, store: RunStore, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.store = store
        self.cursor_key: str | None = None
        self.cursor_name = "run"
        self.notice = ""
        self._palette: Palette | None = None
        self._strips: dict[tuple[object, ...], Strip] = {}
        self._epoch = -1
        self._layout = Layout(store.places, store.view.pinned)
        self._lost_row = 0

    # Where the cursor is -----------------------------------------------------------

    @property
    def cursor_row(self) -> int:
        """The cursor's row; where its run is not shown, the first."""
        if self.cursor_key is None:
            return 0
        return self.store.position(self.cursor_key) or 0

    @property
    def cursor_place(self) -> int:
        """The cursor's column, counted from the left; where it is hidden, the first."""
        names = [place.column.name for place in self.store.places]
        return names.index(self.cursor_name) if self.cursor_name in names else 0

    @property
    def cursor_column(self) -> Column:
        """The column under the cursor."""
        return self.store.places[self.cursor_place].column

    def go(self, row: int, place: int | None = None, *, by_hand: bool = True) -> None:
        """Put the cursor somewhere and bring it into sight."""
        order = self.store.order
        before = self.cursor_row
        if order:
            self.cursor_key = order[min(max(row, 0), len(order) - 1)]
        if place is not None:
            last = len(self.store.places) - 1
            self.cursor_name = self.store.places[min(max(place, 0), last)].column.name
        self._show_cursor()
        self._refresh_row(before)
        self._refresh_row(self.cursor_row)
        self.refresh(Region(0, 0, self.size.width, self._header_lines))
        self.post_message(self.Moved(by_hand))

    def go_to_column(self, name: str) -> None:
        """Put the cursor on a column of the same row."""
        names = [place.column.name for place in self.store.places]
        if name in names:
            self.go(self.cursor_row, names.index(name))

    # What changed ------------------------------------------------------------------

    def rows_changed(self, keys: frozenset[str]) -> None:
        """Draw these rows again, if they are in sight; nothing else."""
        if self._epoch != self.store.epoch:
            self.table_changed()
            return
        first, last = self.in_sight
        for index in range(first, last):
            if self.store.order[index] in keys:
                self._refresh_row(index)

    def table_changed(self) -> None:
        """Other rows or columns: lay out anew; the cursor stays on its run if that is there."""
        self._lay_out()
        order = self.store.order
        if order and (self.cursor_key is None or self.store.position(self.cursor_key) is None):
            self.cursor_key = order[min(self._lost_row, len(order) - 1)]
        self._lost_row = self.cursor_row
        self._look()
        self.refresh()

    @property
    def in_sight(self) -> tuple[int, int]:
        """The first row on the screen, and the one after the last."""
        first = round(self.scroll_y)
        lines = max(self.scrollable_content_region.height - self._header_lines, 0)
        return min(first, len(self.store.order)), min(first + lines, len(self.store.order))

    # Textual -----------------------------------------------------------------------

    def on_mount(self) -> None:
        """Mix the colours of the theme, now and when it changes."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._forget_colors())
        self._lay_out()

    def on_resize(self) -> None:
        """More or fewer rows are seen."""
        self._show_cursor()
        self._look()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Other rows are seen."""
        super().watch_scroll_y(old_value, new_value)
        self._look()

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        """Other columns are seen."""
        super().watch_scroll_x(old_value, new_value)
        self._look()

    def on_click(self, event: events.Click) -> None:
        """On a title: sort; on a cell: go there; twice: open it."""
        place = self._layout.at(event.x, round(self.scroll_x))
        if place is None:
            return
        if event.y < self._header_lines:
            self.post_message(self.HeaderClicked(self.store.places[place].column))
            return
        row = round(self.scroll_y) + event.y - self._header_lines
        if row < len(self.store.order):
            self.go(row, place)
            if event.chain == 2:
                self.post_message(self.Opened())

    def action_step(self, rows: int, columns: int) -> None:
        """Go by so many rows and columns."""
        self.go(self.cursor_row + rows, self.cursor_place + columns)

    def action_page(self, pages: int) -> None:
        """Go by so many screens."""
        first, last = self.in_sight
        step = max(last - first - 1, 1) * pages
        self.scroll_to(y=self.scroll_y + step, animate=False)
        self.go(self.cursor_row + step)

    def action_first(self) -> None:
        """Go to the first row."""
        self.go(0)

    def action_last(self) -> None:
        """Go to the last row."""
        self.go(len(self.store.order) - 1)

    def action_first_column(self) -> None:
        """Go to the first column."""
        self.go(self.cursor_row, 0)

    def action_last_column(self) -> None:
        """Go to the last column."""
        self.go(self.cursor_row, len(self.store.places) - 1)

    # Drawing -----------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        if self._epoch != self.store.epoch:
            self._lay_out()
        width = self._width
        if y < self._header_lines:
            return self._header(y, width)
        index = round(self.scroll_y) + y - self._header_lines
        order = self.store.order
        if not order:
            return self._say(y, width)
        if index >= len(order):
            return Strip([Segment(" " * width, self._styles.style("value", "row"))], width)
        key = order[index]
        here = self.cursor_name if key == self.cursor_key else None
        drawn = (key, self.store.versions.get(key, 0), round(self.scroll_x), width, here)
        if (strip := self._strips.get(drawn)) is None:
            if len(self._strips) > KEPT_STRIPS:
                self._strips.clear()
            strip = self._strips[drawn] = self._row(key, here, width)
        return strip

    def _row(self, key: str, here: str | None, width: int) -> Strip:
        pieces: list[Piece] = [self._mark(key, here)]
        pieces += [self._cell(key, place, "pinned", here) for place in self._layout.pinned]
        for place, hidden, room in self._layout.seen(round(self.scroll_x), width):
            pieces.append(self._cell(key, place, "row", here, hidden, room))
        rest = self._styles.style("value", "row" if here is None else "cursor row")
        return strip_of(pieces, width, rest)

    def _say(self, y: int, width: int) -> Strip:
        """In an empty table, why it is empty."""
        lines = [line.center(width) for line in textwrap.wrap(self.notice, max(width - 8, 10))]
        number = y - max((self.size.height - len(lines)) // 2, self._header_lines)
        line = lines[number] if 0 <= number < len(lines) else ""
        return Strip([Segment(fit(line, width, ""), self._styles.style("stale", "row"))], width)

    def _cell(
        self,
        key: str,
        place: Place,
        ground: Ground,
        here: str | None,
        hidden: int = 0,
        room: int | None = None,
    ) -> Piece:
        """A cell without its first `hidden` terminal cells, cut to `room` where it has less.

        Of a number that is not seen as a whole nothing is drawn: part of one is another one.
        """
        cell = self.store.cell(key, place)
        if here is not None:
            ground = "cursor" if here == place.column.name else "cursor row"
        style = self._styles.style(cell.look, ground, bold=cell.bold, background=cell.background)
        cut = self.store.hand.glyphs.cut
        if hidden:
            text = fit("", place.width + PADDING - hidden, cut)
        elif room is not None and room <= place.width:
            words = cut if cell.right else f" {cell.text}"
            text = fit(words, room, cut, right=cell.right)
        else:
            text = f" {self._fitted(cell, place.width)} "
        return text, style

    def _fitted(self, cell: Cell, width: int) -> str:
        text = next((text for text in cell.texts if len(text) <= width), cell.texts[-1])
        return fit(text, width, self.store.hand.glyphs.cut, right=cell.right)

    def _mark(self, key: str, here: str | None) -> Piece:
        """What to know of a run before reading it: something failed, or is being computed."""
        ground: Ground = "pinned" if here is None else "cursor row"
        row = self.store.row(key) or self.store.fact(key)
        signs = self.store.hand.glyphs
        if row is not None and row.active:
            return f" {signs.running}", self._styles.style("running", ground)
        if row is not None and row.is_troubled:
            return f" {signs.failed}", self._styles.style("failed", ground)
        return "  ", self._styles.style("value", ground)

    def _header(self, y: int, width: int) -> Strip:
        header = Header(
            self._layout,
            self._styles,
            self.store.hand.glyphs,
            x=round(self.scroll_x),
            width=width,
            here=self.cursor_name,
            sort=self.store.view.sort,
        )
        return header.groups() if y < self._header_lines - 1 else header.titles()

    # Geometry ----------------------------------------------------------------------

    @property
    def _header_lines(self) -> int:
        return 2 if self._layout.has_groups else 1

    @property
    def _width(self) -> int:
        """Without the scroll bar."""
        return self.scrollable_content_region.width

    def _lay_out(self) -> None:
        store = self.store
        self._epoch = store.epoch
        self._strips.clear()
        self._layout = Layout(store.places, store.view.pinned)
        size = Size(self._layout.width, len(store.order) + self._header_lines)
        if size != self.virtual_size:
            self.virtual_size = size
            self.call_after_refresh(self._show_cursor)  # where it could not scroll to before

    def _show_cursor(self) -> None:
        if not self.is_attached or not self.size:
            return
        row = self.cursor_row
        lines = max(self.scrollable_content_region.height - self._header_lines, 1)
        y = min(max(self.scroll_y, row - lines + 1), row)
        x = self._layout.x_that_shows(self.cursor_place, round(self.scroll_x), self._width)
        if (x, y) != (self.scroll_x, self.scroll_y):
            self.scroll_to(x, y, animate=False)

    def _look(self) -> None:
        first, last = self.in_sight
        seen = self._layout.seen(round(self.scroll_x), self._width)
        places = (*self._layout.pinned, *(place for place, _, _ in seen))
        self.post_message(self.Looked(first, last, tuple(place.column for place in places)))

    def _refresh_row(self, index: int) -> None:
        y = index - round(self.scroll_y) + self._header_lines
        if self._header_lines <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    @property
    def _styles(self) -> Palette:
        if self._palette is None:
            self._palette = Palette(self.app.theme_variables)
        return self._palette

    def _forget_colors(self) -> None:
        self._palette = None
        self._strips.clear()
        self.refresh()
