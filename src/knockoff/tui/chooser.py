"""The list of all columns: which are shown, in which order, which are new."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from knockoff.tui.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from knockoff.tui.columns import Column
    from knockoff.tui.palette import Palette
    from knockoff.tui.view import View

HINTS = "space show/hide · J K move · p pin · a all · / find · Esc done"


class ColumnsScreen(ModalScreen["View"]):
    """Leaves with the view as it was made here."""

    DEFAULT_CSS = """
    ColumnsScreen { align: center middle; background: $background 60%; }
    ColumnsScreen > Vertical {
        width: 72; max-width: 96%; height: 92%;
        background: $surface; border: round $primary 60%; padding: 0 1;
        border-title-color: $foreground; border-title-style: bold;
        border-subtitle-color: $foreground 50%;
    }
    ColumnsScreen Input { border: none; height: 1; padding: 0 1; background: $panel; margin: 1 0; }
    ColumnsScreen OptionList {
        border: none; height: 1fr; background: $surface; padding: 0; scrollbar-size-vertical: 1;
        &:focus { border: none; background-tint: $foreground 0%; }
    }
    ColumnsScreen OptionList > .option-list--option-highlighted,
    ColumnsScreen OptionList:focus > .option-list--option-highlighted {
        background: $primary 25%; text-style: bold;
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False),
        Binding("c,q", "leave", show=False),
        Binding("space", "turn", show=False),
        Binding("J,shift+down", "move(1)", show=False),
        Binding("K,shift+up", "move(-1)", show=False),
        Binding("j", "step(1)", show=False),
        Binding("k", "step(-1)", show=False),
        Binding("p", "pin", show=False),
        Binding("a", "all", show=False),
        Binding("slash", "find", show=False),
    ]

    def __init__(
        self, view: View, columns: Sequence[Column], current: str, palette: Palette
    ) -> None:
        super().__init__()
        self._unseen = view.unseen(columns)
        self._view = view.seen(columns)
        self._columns = tuple(columns)
        self._current = current
        self._palette = palette

    def compose(self) -> ComposeResult:
        """A line to find a column by, and the list."""
        with Vertical() as box:
            box.border_title = "Columns"
            box.border_subtitle = HINTS
            yield Input(placeholder="/ find by name, title or tag", compact=True)
            yield OptionList(markup=False)

    def on_mount(self) -> None:
        """Start on the column that the cursor was on."""
        self._list.focus()
        self._fill(self._current)

    def on_input_changed(self) -> None:
        """Show what fits while somebody types."""
        self._fill()

    def on_input_submitted(self) -> None:
        """Go on in the list."""
        self._list.focus()

    def on_option_list_option_selected(self) -> None:
        """Enter, or a click, is the same as space."""
        self.action_turn()

    def action_leave(self) -> None:
        """Leave the line first, then the list."""
        if self.query_one(Input).has_focus:
            self._list.focus()
        else:
            self.dismiss(self._view)

    def action_turn(self) -> None:
        """Show or hide this column."""
        if (name := self._chosen) is not None:
            change = self._view.show if name in self._view.hidden else self._view.hide
            self._view = change(name, self._columns)
            self._fill(name)

    def action_move(self, steps: int) -> None:
        """Move this column, past hidden ones too."""
        if (name := self._chosen) is not None:
            self._view = self._view.moved(name, steps, self._columns)
            self._fill(name)

    def action_step(self, steps: int) -> None:
        """Go to the next column, or the one before."""
        if steps > 0:
            self._list.action_cursor_down()
        else:
            self._list.action_cursor_up()

    def action_pin(self) -> None:
        """Fix this column at the left, or free it."""
        if (name := self._chosen) is not None:
            self._view = self._view.pin(name)
            self._fill(name)

    def action_all(self) -> None:
        """Show every column."""
        self._view = self._view.show_all(self._columns)
        self._fill(self._chosen)

    def action_find(self) -> None:
        """Type a part of a name."""
        self.query_one(Input).focus()

    @property
    def _list(self) -> OptionList:
        return self.query_one(OptionList)

    @property
    def _chosen(self) -> str | None:
        option = self._list.highlighted_option
        return None if option is None else option.id

    def _fill(self, name: str | None = None) -> None:
        wanted = self.query_one(Input).value.strip().lower()
        columns = [column for column in self._view.arranged(self._columns) if _fits(column, wanted)]
        columns.sort(key=lambda column: column.name not in self._unseen)
        self._list.clear_options()
        self._list.add_options([Option(self._line(column), column.name) for column in columns])
        names = [column.name for column in columns]
        if names:
            self._list.highlighted = names.index(name) if name in names else 0

    def _line(self, column: Column) -> Text:
        ink = self._palette.ink
        shown = column.name not in self._view.hidden
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append("[x] " if shown else "[ ] ", ink("running" if shown else "muted"))
        text.append(one_line(column.title), ink("value" if shown else "muted"))
        if column.units:
            text.append(f"  {one_line(column.units)}", ink("muted"))
        if column.name in self._view.pinned:
            text.append("  pinned", ink("sign"))
        if column.name in self._unseen:
            text.append("  new", ink("sign", bold=True))
        text.append(f"  {' '.join(one_line(tag) for tag in column.tags)}", ink("muted"))
        return text


def _fits(column: Column, wanted: str) -> bool:
    return wanted in f"{column.title} {column.name} {' '.join(column.tags)}".lower()
