"""Pieces of styled text put together to one line of the terminal."""

from __future__ import annotations

from typing import TypeAlias

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from knockoff.tui.text import cells_of, without_end

Piece: TypeAlias = tuple[str, Style]


def strip_of(pieces: list[Piece], width: int, rest: Style) -> Strip:
    """One line of exactly `width` cells: cut at the right, or filled up with `rest`.

    Neighbours of one style become one segment. The strip is told its width, since
    measuring it again would cost more than making it.
    """
    excess = sum(cells_of(text) for text, _ in pieces) - width
    if excess < 0:
        pieces = [*pieces, (" " * -excess, rest)]
    while excess > 0:
        text, style = pieces.pop()
        cells = cells_of(text)
        if cells > excess:
            pieces.append((without_end(text, excess), style))
        excess -= cells
    segments: list[Segment] = []
    joined, style = "", pieces[0][1] if pieces else rest
    for text, its in pieces:
        if its is not style:
            segments.append(Segment(joined, style))
            joined, style = "", its
        joined += text
    segments.append(Segment(joined, style))
    return Strip(segments, width)
