"""Any text as one harmless line of exactly so many terminal cells."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from rich.cells import cell_len, set_cell_size

_UNSAFE: Final = re.compile(r"[^\x20-\x7e\xa0-\u02ff\u2010-\u2027\u2190-\u25ff\u4e00-\u9fff]")
_SHOWN: Final = {"\n": "⏎", "\r": "", "\t": " ", "\0": "␀"}


def one_line(text: str, longest: int = 400) -> str:
    """`text` without line breaks, control characters and what turns the reading direction.

    Longer texts are cut, so that a huge value costs no more than a long one.
    """
    text = text[:longest]
    return _UNSAFE.sub(_harmless, text if text.isascii() else unicodedata.normalize("NFC", text))


def harmless(text: str) -> str:
    """Many lines without control characters; the line breaks stay."""
    return "\n".join(_UNSAFE.sub(_harmless, line.expandtabs(4)) for line in text.splitlines())


def _harmless(match: re.Match[str]) -> str:
    character = match[0]
    if character in _SHOWN:
        return _SHOWN[character]
    category = unicodedata.category(character)
    if category in ("Cf", "Mn", "Me"):  # invisible, turning or stacking
        return ""
    return "�" if category[0] in "CZ" else character


def fit(text: str, width: int, cut: str, *, right: bool = False) -> str:
    """`text` padded or cut to exactly `width` terminal cells."""
    length = cells_of(text)
    if length <= width:
        padding = " " * (width - length)
        return padding + text if right else text + padding
    if width <= 0:
        return ""
    kept = text[: width - 1] if text.isascii() else set_cell_size(text, width - 1)
    return kept + cut


def cells_of(text: str) -> int:
    """How many terminal cells `text` takes."""
    return len(text) if text.isascii() else cell_len(text)


def without_end(text: str, cells: int) -> str:
    """`text` less its last `cells` terminal cells."""
    return text[:-cells] if text.isascii() else set_cell_size(text, cell_len(text) - cells)


def without_start(text: str, cells: int) -> str:
    """`text` less its first `cells` terminal cells; half a wide character becomes a space."""
    if text.isascii():
        return text[cells:]
    left = cell_len(text) - cells
    if left <= 0:
        return ""
    for start in range(len(text) + 1):
        rest = cell_len(text[start:])
        if rest <= left:
            return " " * (left - rest) + text[start:]
    return ""
