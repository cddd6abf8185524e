"""Text in a figure: what people typed is shown as they typed it, and never as markup.

Plotly reads a small part of HTML in every text it draws, links among it.
"""

from __future__ import annotations

import html
import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_WORD: Final = 40
LONGEST_LINE: Final = 60
LONGEST_TEXT: Final = 300

_INVISIBLE: Final = dict.fromkeys((*range(32), 127, *range(0x202A, 0x202F)), " ")


def escaped(text: object) -> str:
    """One line of text that Plotly draws as it stands."""
    return html.escape(str(text).translate(_INVISIBLE).strip(), quote=False)


def word(text: object) -> str:
    """A short text, for a legend or beside an axis; the end of a long one is left out."""
    shown = str(text)
    return escaped(shown if len(shown) <= LONGEST_WORD else f"{shown[: LONGEST_WORD - 1]}…")


def paragraph(text: str) -> str:
    """A longer text, broken into lines; the end of a very long one is left out."""
    shown = text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
    lines = [line for part in shown.splitlines() for line in textwrap.wrap(part, LONGEST_LINE)]
    return "<br>".join(escaped(line) for line in lines)


def labelled(title: str, units: str) -> str:
    """A title with its units, as in "XGM/Pulse energy (µJ)"."""
    return escaped(f"{title} ({units})" if units else title)


def heading(title: str, below: Iterable[str] = ()) -> dict[str, object]:
    """The title of a figure, with notes in smaller letters below it."""
    notes = [note for note in below if note]
    subtitle = {"subtitle": {"text": escaped(" · ".join(notes))}} if notes else {}
    return {"text": escaped(title), **subtitle}
