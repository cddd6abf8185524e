"""The calm colours of the table, mixed from whatever theme is on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from rich.style import Style
from textual.color import Color, ColorParseError
from textual.theme import Theme

from knockoff.tui.cells import Look

if TYPE_CHECKING:
    from collections.abc import Mapping

Ground = Literal["row", "pinned", "cursor row", "cursor", "header", "header here"]
"""What a piece of text stands on."""

Ink = Look | Literal["title", "group", "units", "sign", "live"]
"""What a piece of text is."""

NIGHT: Final = Theme(
    name="knockoff",
    primary="#7aa2c8",
    secondary="#8fa3b5",
    accent="#d9b36c",
    warning="#d9b36c",
    error="#d9838a",
    success="#93b98b",
    foreground="#d3d7de",
    background="#14171c",
    surface="#1a1e25",
    panel="#222732",
    dark=True,
)


class Palette:
    """Styles by what a text is and where it stands; each is mixed once."""

    def __init__(self, theme: Mapping[str, str]) -> None:
        self._theme = theme
        self._styles: dict[tuple[Ink, Ground, bool, str | None], Style] = {}
        back, front = self._color("background"), self._color("foreground")
        panel, primary = self._color("panel"), self._color("primary")
        error, warning = self._color("error"), self._color("warning")
        self._grounds: dict[Ground, Color] = {
            "row": back,
            "pinned": back.blend(panel, 0.55),
            "cursor row": back.blend(primary, 0.13),
            "cursor": back.blend(primary, 0.42),
            "header": panel,
            "header here": panel.blend(primary, 0.25),
        }
        self._inks: dict[Ink, Color] = {
            "value": front,
            "typed": self._color("accent").blend(front, 0.65),
            "muted": back.blend(front, 0.40),
            "failed": error,
            "blocked": warning.blend(back, 0.25),
            "running": primary,
            "spark": primary.blend(back, 0.38),
            "stale": back.blend(front, 0.60),
            "title": front,
            "group": primary,
            "units": panel.blend(front, 0.50),
            "sign": self._color("accent"),
            "live": self._color("success"),
        }

    def style(
        self, ink: Ink, ground: Ground, *, bold: bool = False, background: str | None = None
    ) -> Style:
        """How to draw `ink` on `ground`; a cell's own background wins, but for the cursor."""
        asked = (ink, ground, bold, background)
        if (style := self._styles.get(asked)) is None:
            style = self._styles[asked] = self._mixed(*asked)
        return style

    def ink(self, ink: Ink, *, bold: bool = False) -> Style:
        """How to write `ink` wherever it stands."""
        return Style(color=self._inks[ink].rich_color, bold=bold)

    def _mixed(self, ink: Ink, ground: Ground, bold: bool, background: str | None) -> Style:
        back, front = self._grounds[ground], self._inks[ink]
        if background is not None and ground != "cursor":
            try:
                back = Color.parse(background).blend(back, 0.15)
            except ColorParseError:  # the context file's colour is none: drawn without
                pass
            else:
                front = Color.parse("black" if back.brightness > 0.5 else "white")
        elif ground == "cursor" and ink == "muted":
            front = self._inks["stale"]
        return Style(
            color=front.rich_color,
            bgcolor=back.rich_color,
            bold=bold or (ground.startswith("header") and ink == "title"),
            italic=ink == "stale",
        )

    def _color(self, name: str) -> Color:
        return Color.parse(self._theme[name])
