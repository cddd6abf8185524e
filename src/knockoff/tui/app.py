"""The run table as an application: which key does what."""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.widgets import Static

from knockoff.errors import KnockoffError
from knockoff.tui.cells import Hand
from knockoff.tui.chooser import ColumnsScreen
from knockoff.tui.commands import commands_of
from knockoff.tui.detail import CellScreen, Detail
from knockoff.tui.feed import Feed, News
from knockoff.tui.glyphs import ASCII, Glyphs, spoken
from knockoff.tui.grid import RunGrid
from knockoff.tui.help import HelpScreen
from knockoff.tui.palette import NIGHT, Palette
from knockoff.tui.prompt import Prompt
from knockoff.tui.status import cell_line, hints_line, top_line
from knockoff.tui.store import RunStore
from knockoff.tui.text import one_line
from knockoff.tui.trouble import next_trouble

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.text import Text
    from textual.app import ComposeResult
    from textual.screen import Screen

    from knockoff.tui.source import Editor, Plotter, Source
    from knockoff.tui.view import View

NO_RUNS = (
    "No runs yet. A run appears here as soon as its data is announced while `knockoff listen` "
    "is running, or when you call `knockoff process RUN`."
)


class PlainScrollBar(ScrollBarRender):
    """A scroll bar of colours only."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


class RunTableApp(App[None]):
    """One table of one proposal, live.

    Knows neither MongoDB nor where edits go: it is handed a source, an editor and a plotter.
    """

    CSS = """
    #top { height: 1; background: $panel; }
    #cell { height: 1; background: $surface; }
    #hints { height: 1; background: $panel; }
    .plain CellScreen > Vertical, .plain ColumnsScreen > Vertical, .plain HelpScreen > Vertical {
        border: ascii $primary;
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit", show=False),
        Binding("slash", "filter", "Filter", show=False),
        Binding("backslash,escape", "unfilter", "All runs", show=False),
        Binding("s", "sort", "Sort", show=False),
        Binding("c", "columns", "Columns", show=False),
        Binding("H", "hide", "Hide column", show=False),
        Binding("less_than_sign", "shift(-1)", "Column left", show=False),
        Binding("greater_than_sign", "shift(1)", "Column right", show=False),
        Binding("P", "pin", "Pin column", show=False),
        Binding("plus", "widen(2)", "Wider", show=False),
        Binding("minus", "widen(-2)", "Narrower", show=False),
        Binding("colon,g", "go", "Go to run", show=False),
        Binding("x", "error(1)", "Next error", show=False),
        Binding("X", "error(-1)", "Previous error", show=False),
        Binding("enter", "open", "Open cell", show=False),
        Binding("C", "comment", "Comment", show=False),
        Binding("e,f2", "edit", "Edit", show=False),
        Binding("o", "plot", "Plot", show=False),
        Binding("f", "follow", "Follow", show=False),
        Binding("question_mark", "help", "Help", show=False),
    ]

    def __init__(
        self,
        source: Source,
        editor: Editor | None = None,
        plotter: Plotter | None = None,
        *,
        title: str = "",
        zone: tzinfo = UTC,
        glyphs: Glyphs | None = None,
    ) -> None:
        """`title` says which proposal; `zone` is the facility's."""
        super().__init__()
        if glyphs is None:
            glyphs = spoken(getattr(sys.__stderr__, "encoding", None), os.environ)
        self.store = RunStore(Hand(zone, glyphs))
        self.feed = Feed(source, self.store, self._hear)
        self.following = True
        self._editor = editor
        self._plotter = plotter
        self._heading = title or source.table
        self._known_runs = 0
        self._question = ""
        self._palette: Palette | None = None
        self._lines: dict[str, Text] = {}
        self.register_theme(NIGHT)
        self.theme = NIGHT.name
        self.set_class(glyphs is ASCII, "plain")
        ScrollBar.renderer = PlainScrollBar if glyphs is ASCII else ScrollBarRender

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What Ctrl+P lists: what has a key, where keys are the table's, and other colours."""
        if screen is self._table:
            yield from commands_of(self)
        yield SystemCommand("Colours", "Choose other ones", self.action_change_theme)

    def compose(self) -> ComposeResult:
        """One line above the grid, two below; the prompt takes the place of the last."""
        yield Static(id="top", markup=False)
        yield RunGrid(self.store)
        yield Static(id="cell", markup=False)
        yield Static(id="hints", markup=False)
        yield Prompt()

    def on_mount(self) -> None:
        """Start to follow the table."""
        self._grid.notice = "Reading the table ..."
        self._grid.focus()
        self.theme_changed_signal.subscribe(self, lambda _: self._forget_colors())
        self.set_interval(1.0, self._tell)
        self._follow()

    def on_resize(self) -> None:
        """Lines are as long as the terminal is wide."""
        self.call_after_refresh(self._tell)

    @property
    def is_settled(self) -> bool:
        """Everything in sight is drawn; a picture can be taken."""
        return self.feed.is_idle

    # What happens in the table -----------------------------------------------------

    def _hear(self, news: News) -> None:
        grid = self._grid
        if self.following:
            self._known_runs = self.store.total
        if news.rows and not news.table:
            grid.rows_changed(news.rows)
            if grid.cursor_key in news.rows:
                self._tell_cell()
            return  # the line above waits for its second: both would redraw what is between them
        if news.table:
            opened = grid.cursor_key is None
            grid.table_changed()
            if opened or (self.following and not self._is_busy):
                self._go_to_newest()
        self._tell()

    @property
    def _is_busy(self) -> bool:
        """Somebody types, or reads about one cell: the cursor must not move under their hands."""
        return self._prompt.is_asking or len(self.screen_stack) > 1

    def _go_to_newest(self) -> None:
        newest = self.store.newest
        if newest is not None and newest != self._grid.cursor_key:
            self._grid.go(self.store.position(newest) or 0, by_hand=False)

    def _tell(self) -> None:
        feed = self.feed
        heard = feed.heard_at
        age = None if heard is None else time.monotonic() - heard
        fresh = 0 if self.following else max(self.store.total - self._known_runs, 0)
        width = self.size.width
        link = "offline" if feed.trouble else feed.link
        top = top_line(
            width,
            self._heading,
            self.store,
            self._colors,
            link=link,
            age_s=age,
            following=self.following,
            fresh=fresh,
            refusal=feed.refusal,
        )
        self._line("#top", top)
        self._tell_cell()
        self._line("#hints", hints_line(width, self._colors))
        if not self.store.order:
            self._explain(link)

    def _tell_cell(self) -> None:
        place = self.store.places[self._grid.cursor_place]
        self._line("#cell", cell_line(self._grid.cursor_key, place, self.store, self._colors))

    def _line(self, where: str, text: Text) -> None:
        """Draw a line where it says something new; its place stays the same."""
        if self._lines.get(where) != text:
            self._lines[where] = text
            self._table.query_one(where, Static).update(text, layout=False)

    def _explain(self, link: str) -> None:
        notice = NO_RUNS
        if not self.feed.is_loaded:
            notice = "Reading the table ..."
            if link == "offline":
                notice = self.feed.trouble or "The database does not answer; trying again ..."
        elif self.store.view.query:
            notice = f"No run fits {one_line(self.store.view.query)!r}. Esc shows all runs again."
        if notice != self._grid.notice:
            self._grid.notice = notice
            self._grid.refresh()

    def on_run_grid_looked(self, event: RunGrid.Looked) -> None:
        """Read what is in sight."""
        self.feed.want(event.first, event.last, event.columns)

    def on_run_grid_moved(self, event: RunGrid.Moved) -> None:
        """Who leaves the newest run does not want to be taken back to it."""
        if event.by_hand:
            following = self._grid.cursor_key == self.store.newest
            if self.following and not following:
                self._known_runs = self.store.total
            self.following = following
        self._tell()

    def on_run_grid_header_clicked(self, event: RunGrid.HeaderClicked) -> None:
        """Sort by a click on a title."""
        self._look(self.store.view.sorted_by(event.column.name))

    def on_run_grid_opened(self) -> None:
        """Open by a double click."""
        self.action_open()

    def on_prompt_left(self) -> None:
        """Keys are the grid's again."""
        self._table.query_one("#hints").display = True
        self._grid.focus()

    def on_prompt_answered(self, event: Prompt.Answered) -> None:
        """Do what was asked for."""
        if event.purpose == "filter":
            self._look(self.store.view.filtered(event.text))
        elif event.purpose == "go":
            self._go_to_run(event.text)
        else:
            self._write(event.purpose, event.text, self._question)

    @work
    async def _follow(self) -> None:
        await self.feed.follow()

    # Keys --------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Ask which runs to show."""
        hint = "words, or trains > 100 and sample ~ gold; nothing shows all runs"
        self._ask("filter", "/", self.store.view.query, hint)

    def action_unfilter(self) -> None:
        """Show all runs."""
        if self.store.view.query:
            self._look(self.store.view.filtered(""))

    def action_sort(self) -> None:
        """Sort by this column: upwards, downwards, by run."""
        self._look(self.store.view.sorted_by(self._grid.cursor_column.name))

    @work
    async def action_columns(self) -> None:
        """Choose columns from the list of all."""
        screen = ColumnsScreen(
            self.store.view, self.store.columns, self._grid.cursor_name, self._colors
        )
        view = await self.push_screen_wait(screen)
        self._look(view)

    def action_hide(self) -> None:
        """Hide this column, and say how it comes back."""
        column, place = self._grid.cursor_column, self._grid.cursor_place
        if column.name == "run":
            self.notify("The run number always stays.", timeout=3)
            return
        self._look(self.store.view.hide(column.name, self.store.columns))
        self._grid.go(self._grid.cursor_row, place)
        self.notify(f"{one_line(column.title)} is hidden; c shows it again.", timeout=3)

    def action_shift(self, steps: int) -> None:
        """Move this column."""
        name = self._grid.cursor_name
        self._look(self.store.view.moved(name, steps, self.store.columns))
        self._grid.go_to_column(name)

    def action_pin(self) -> None:
        """Fix this column at the left, or free it."""
        name = self._grid.cursor_name
        self._look(self.store.view.pin(name))
        self._grid.go_to_column(name)

    def action_widen(self, cells: int) -> None:
        """Make this column wider or narrower."""
        place = self.store.places[self._grid.cursor_place]
        self._look(self.store.view.widened(place.column.name, place.width + cells))

    def action_go(self) -> None:
        """Ask for a run."""
        self._ask("go", "run", hint="its number")

    @work(exclusive=True, group="error")
    async def action_error(self, direction: int) -> None:
        """Go to the next cell with an error, or the one before."""
        try:
            found = await next_trouble(
                self.store, self.feed, self._grid.cursor_row, self._grid.cursor_place, direction
            )
        except KnockoffError as error:
            self._complain(error)
            return
        if found is None:
            self.notify("No more errors this way." if self.store.troubled else "No errors.")
            return
        row, place = found
        self._grid.go(row, place)

    @work(exclusive=True, group="open")
    async def action_open(self) -> None:
        """Show everything about this cell."""
        key, column = self._grid.cursor_key, self._grid.cursor_column
        if key is None:
            return
        try:
            row, previews = await self.feed.whole(key, column)
        except KnockoffError as error:
            self._complain(error)
            return
        if row is None:
            self.notify("This run is gone.")
            return
        text = Detail(self.store.hand, self._colors).about(column, row, previews)
        hints = "Esc back"
        if column.is_computed:
            hints = f"o plot  {hints}"
        elif column.is_typed:
            hints = f"e edit  {hints}"
        title = f"{one_line(column.title)}  run {row.run}"
        wish = await self.push_screen_wait(CellScreen(title, text, hints))
        if wish == "plot":
            self.action_plot()
        elif wish == "edit":
            self.action_edit()

    def action_comment(self) -> None:
        """Ask for a comment on this run."""
        self._edit("comment", f"comment on run {self._run}")

    def action_edit(self) -> None:
        """Ask for a new value of this cell."""
        column = self._grid.cursor_column
        if not column.is_typed:
            self.notify(
                f"{one_line(column.title)} is not typed by people; C comments on the run.",
                timeout=4,
            )
            return
        units = f" [{one_line(column.units)}]" if column.units else ""
        self._edit(column.name, f"{one_line(column.title)}{units} of run {self._run}")

    @work(exclusive=True, group="plot")
    async def action_plot(self) -> None:
        """Open an interactive figure of this cell."""
        key, column = self._grid.cursor_key, self._grid.cursor_column
        if key is None:
            return
        if self._plotter is None or not column.is_computed:
            self.notify("There is nothing to plot in this cell.", timeout=4)
            return
        try:
            where = await self._plotter.plot(key, column.name)
        except KnockoffError as error:
            self._complain(error)
            return
        self.open_url(_url(where))
        self.notify(one_line(where), title="Figure", markup=False)

    def action_follow(self) -> None:
        """Stay on the newest run as new ones come, or no longer."""
        self.following = not self.following
        self._known_runs = self.store.total
        if self.following:
            self._go_to_newest()
        self._tell()

    def action_help(self) -> None:
        """Show all keys."""
        self.push_screen(HelpScreen(self._colors))

    # How it is done ----------------------------------------------------------------

    def _look(self, view: View) -> None:
        before = self.store.view
        try:
            self.feed.look(view)
        except KnockoffError as error:
            self._complain(error)
            return
        self._grid.table_changed()
        self._tell()
        if view.as_document() != before.as_document():
            self._keep(view)

    @work(exclusive=True, group="view")
    async def _keep(self, view: View) -> None:
        try:
            await self.feed.keep(view)
        except KnockoffError as error:
            self._complain(error)

    def _ask(self, purpose: str, question: str, text: str = "", hint: str = "") -> None:
        self._table.query_one("#hints").display = False
        self._prompt.ask(purpose, question, text, hint)

    def _edit(self, name: str, question: str) -> None:
        key = self._grid.cursor_key
        if key is None:
            return
        if self._editor is None:
            self.notify("This table can only be read here.", timeout=4)
            return
        row = self.store.row(key)
        value = row.value(name) if row is not None else None
        text = str(value) if isinstance(value, str | int | float) else ""
        self._question = question
        self._ask(f"{key} {name}", question, text)

    @work
    async def _write(self, where: str, text: str, question: str) -> None:
        key, _, name = where.partition(" ")
        editor = self._editor
        if editor is None:
            return
        self.store.typed(key, name, one_line(text))
        self._grid.rows_changed(frozenset({key}))
        try:
            if name == "comment":
                await editor.comment(key, text)
            else:
                await editor.set_field(key, name, text)
        except KnockoffError as error:
            self.store.refused(key, name)
            self._grid.rows_changed(frozenset({key}))
            self._complain(error)
            if not self._is_busy:  # what was typed can be corrected
                self._ask(where, question, text)
            return
        self.store.stored(key, name)
        self.feed.again(key)

    def _go_to_run(self, text: str) -> None:
        digits = text.lstrip("rR").strip()
        key = self.store.key_of_run(int(digits)) if digits.isdecimal() else None
        position = None if key is None else self.store.position(key)
        if position is not None:
            self._grid.go(position)
        elif key is not None:
            self.notify(f"Run {digits} does not fit the filter; Esc shows all runs.")
        else:
            self.notify(f"There is no run {one_line(text)!r} in this table.", markup=False)

    def _complain(self, error: Exception) -> None:
        self.notify(one_line(str(error)), severity="error", timeout=8, markup=False)

    @property
    def _run(self) -> int:
        key = self._grid.cursor_key
        fact = None if key is None else self.store.fact(key)
        return 0 if fact is None else fact.run

    @property
    def _table(self) -> Screen[object]:
        """The screen below whatever lies on it."""
        return self.screen_stack[0]

    @property
    def _grid(self) -> RunGrid:
        return self._table.query_one(RunGrid)

    @property
    def _prompt(self) -> Prompt:
        return self._table.query_one(Prompt)

    @property
    def _colors(self) -> Palette:
        if self._palette is None:
            self._palette = Palette(self.theme_variables)
        return self._palette

    def _forget_colors(self) -> None:
        self._palette = None
        self._tell()


def _url(where: str) -> str:
    return where if "://" in where else Path(where).absolute().as_uri()
