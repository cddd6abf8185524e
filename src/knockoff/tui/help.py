"""Every key of the table on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from knockoff.tui.palette import Palette

KEYS: Final = (
    (
        "Move",
        (
            ("arrows or h j k l", "one cell"),
            ("PgUp PgDn", "one screen"),
            ("Home End or G", "first, newest run"),
            ("0 $", "first, last column"),
            ("g or :", "go to a run by its number"),
            ("x X", "next, previous error"),
            ("f", "follow the newest run"),
        ),
    ),
    (
        "Find",
        (
            ("/", "only runs that fit, by words or by conditions:"),
            ("", "gold    or    trains > 100 and sample ~ gold"),
            ("Esc or \\", "all runs again"),
            ("s or click on a title", "sort: upwards, downwards, by run"),
        ),
    ),
    (
        "Columns",
        (
            ("c", "all columns: choose, move, pin"),
            ("H", "hide this one"),
            ("< >", "move it left, right"),
            ("P", "pin it at the left"),
            ("+ -", "wider, narrower"),
        ),
    ),
    (
        "Cell",
        (
            ("Enter", "the full value, its preview, or what went wrong"),
            ("e", "edit a field that people type"),
            ("C", "comment on the run"),
            ("o", "interactive plot in the browser"),
        ),
    ),
    (
        "Table",
        (("Ctrl+P", "all commands; other colours"), ("?", "this page"), ("q", "quit")),
    ),
)

KEY_WIDTH: Final = 23


class HelpScreen(ModalScreen[None]):
    """Closed by any of the usual keys."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; background: $background 60%; }
    HelpScreen > Vertical {
        width: 76; max-width: 96%; height: auto; max-height: 96%;
        background: $surface; border: round $primary 60%; padding: 0 1;
        border-title-color: $foreground; border-title-style: bold;
        border-subtitle-color: $foreground 50%;
    }
    HelpScreen VerticalScroll { height: auto; max-height: 100%; scrollbar-size-vertical: 1; }
    HelpScreen Static { width: 1fr; height: auto; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "leave", show=False)
    ]

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self._palette = palette

    def compose(self) -> ComposeResult:
        """The page, scrolled where the terminal is small."""
        with Vertical() as box:
            box.border_title = "Keys"
            box.border_subtitle = "Esc closes"
            with VerticalScroll():
                yield Static(self._page(), markup=False)

    def action_leave(self) -> None:
        """Back to the table."""
        self.dismiss(None)

    def _page(self) -> Text:
        ink = self._palette.ink
        page = Text()
        for number, (title, keys) in enumerate(KEYS):
            page.append("\n" if number else "")
            page.append(f"{title}\n", ink("group", bold=True))
            for key, meaning in keys:
                page.append(f"  {key:<{KEY_WIDTH}}", ink("sign"))
                page.append(f"{meaning}\n", ink("value"))
        page.rstrip()
        return page
