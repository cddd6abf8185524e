"""The one or two lines over the table: groups, titles, units, and what it is sorted by."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from textual.strip import Strip

from knockoff.tui.layout import MARK, PADDING
from knockoff.tui.strips import Piece, strip_of
from knockoff.tui.text import cells_of, fit, one_line, without_end, without_start

if TYPE_CHECKING:
    from collections.abc import Sequence

    from knockoff.tui.glyphs import Glyphs
    from knockoff.tui.layout import Layout
    from knockoff.tui.palette import Ground, Ink, Palette
    from knockoff.tui.store import Place
    from knockoff.tui.view import Sort


class Header:
    """Draws for one width of the terminal and one place to which it is scrolled."""

    def __init__(
        self,
        layout: Layout,
        palette: Palette,
        glyphs: Glyphs,
        *,
        x: int,
        width: int,
        here: str,
        sort: Sort | None,
    ) -> None:
        self._layout = layout
        self._palette = palette
        self._glyphs = glyphs
        self._x = x
        self._width = width
        self._here = here
        self._sort = sort
        self._blank = palette.style("title", "header")

    def titles(self) -> Strip:
        """What stands over each column, and arrows where there are more of them."""
        pieces: list[Piece] = [(" " * MARK, self._blank)]
        for place in self._layout.pinned:
            pieces += self._title(place)
        arrow = self._palette.style("sign", "header")
        if self._x > 0:
            text, style = pieces.pop()
            pieces += [(without_end(text, 1), style), (self._glyphs.left, arrow)]
        for place, hidden, _ in self._layout.seen(self._x, self._width):
            pieces += _without_start(self._title(place), hidden)
        if self._layout.goes_on(self._x, self._width):
            kept = strip_of(pieces, self._width - 1, self._blank)
            return Strip.join([kept, strip_of([(self._glyphs.right, arrow)], 1, arrow)])
        return strip_of(pieces, self._width, self._blank)

    def groups(self) -> Strip:
        """The names of groups over their columns; a name stays in sight while they do."""
        pieces: list[Piece] = [(" " * MARK, self._blank)]
        pinned = [(place, 0) for place in self._layout.pinned]
        free = [(place, hidden) for place, hidden, _ in self._layout.seen(self._x, self._width)]
        for part in (pinned, free):
            for name, members in groupby(part, key=lambda seen: seen[0].column.group):
                pieces += self._group(name, list(members))
        return strip_of(pieces, self._width, self._blank)

    def _group(self, name: str, members: Sequence[tuple[Place, int]]) -> list[Piece]:
        if not name:
            return [self._over(place, hidden) for place, hidden in members]
        cells = sum(place.width + PADDING - hidden for place, hidden in members)
        words = one_line(name)
        rule = self._glyphs.rule * (cells - 3 - cells_of(words))
        line = fit(f"{words} {rule}", max(cells - 2, 0), self._glyphs.cut)
        return [(fit(f" {line} ", cells, " "), self._palette.style("group", "header"))]

    def _over(self, place: Place, hidden: int) -> Piece:
        text = f" {fit(place.over, place.width, self._glyphs.cut, right=place.right)} "
        return without_start(text, hidden), self._palette.style("title", self._ground(place))

    def _title(self, place: Place) -> list[Piece]:
        signs, sign = self._glyphs, ""
        if self._sort is not None and self._sort.name == place.column.name:
            sign = f"{signs.down if self._sort.descending else signs.up} "
        label, units = place.title, one_line(place.column.units)
        room = place.width - len(sign)
        words: list[tuple[str, Ink]] = [(sign, "sign")]
        if units and cells_of(label) + 1 + cells_of(units) <= room:
            words += [(label, "title"), (f" {units}", "units")]
        else:
            words += [(fit(label, min(cells_of(label), room), signs.cut), "title")]
        blank = " " * (place.width - sum(cells_of(word) for word, _ in words))
        words.insert(0 if place.right else len(words), (blank, "title"))
        ground = self._ground(place)
        return [
            (word, self._palette.style(ink, ground))
            for word, ink in ((" ", "title"), *words, (" ", "title"))
            if word
        ]

    def _ground(self, place: Place) -> Ground:
        return "header here" if place.column.name == self._here else "header"


def _without_start(pieces: list[Piece], cells: int) -> list[Piece]:
    kept: list[Piece] = []
    for text, style in pieces:
        if cells < cells_of(text):
            kept.append((without_start(text, cells), style))
        cells = max(0, cells - cells_of(text))
    return kept
