"""The table as text, cut to the terminal: whole columns, never half ones."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Final

import typer

from knockoff.cli.cells import Cells
from knockoff.tui.text import cells_of, fit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from knockoff.tui.cells import Cell
    from knockoff.tui.columns import Column

GAP: Final = "  "
WIDEST: Final = 30
"""Terminal cells of a column of texts."""

WIDEST_UNITS: Final = 9

WIDEST_REASON: Final = 14
"""Terminal cells for which a column without values makes room, to say why it has none."""

_STYLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "failed": {"fg": "red"},
    "blocked": {"fg": "magenta"},
    "running": {"fg": "blue"},
    "stale": {"fg": "yellow"},
    "muted": {"dim": True},
}


def text_of(
    columns: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    zone: tzinfo,
    *,
    everything: bool = False,
) -> tuple[str, list[str]]:
    """The table, and the names of the columns for which there was no room.

    Parameters
    ----------
    everything:
        Whether all columns are to be there: what does not fit beside the others stands
        below them, with the first column again in front.
    """
    cells = Cells(columns, rows, zone)
    heads = [_head(column) for column in cells.columns]
    widths = [
        _width(place, heads, [line[place] for line in cells.lines]) for place in range(len(heads))
    ]
    room = shutil.get_terminal_size((80, 24)).columns
    bands = _bands(widths, room)
    shown = bands if everything else bands[:1]
    text = "\n\n".join(_band(cells, heads, widths, band) for band in shown)
    seen = {place for band in shown for place in band}
    hidden = [column.name for place, column in enumerate(cells.columns) if place not in seen]
    return (_as_ascii(text) if cells.is_ascii else text), hidden


def _band(
    cells: Cells, heads: Sequence[tuple[str, str, str]], widths: Sequence[int], band: Sequence[int]
) -> str:
    lines = _headers(cells, heads, widths, band)
    for line in cells.lines:
        parts = [_drawn(line[place], widths[place], cells) for place in band]
        lines.append(GAP.join(parts).rstrip())
    return "\n".join(lines)


def _head(column: Column) -> tuple[str, str, str]:
    """Group, title and units, one below the other."""
    units = f"[{column.units}]" if column.units else ""
    return column.group, column.label, units


def _width(place: int, heads: Sequence[tuple[str, str, str]], cells: Sequence[Cell]) -> int:
    """Room for the title and the values; units and reasons make do with a little."""
    group, label, units = heads[place]
    wanted = max(cells_of(label), min(cells_of(units), WIDEST_UNITS))
    if place == 0 or heads[place - 1][0] != group:
        wanted = max(wanted, cells_of(group))
    for cell in cells:
        if cell.look in _STYLES and cell.look != "stale":
            wanted = max(wanted, min(WIDEST_REASON, cells_of(cell.texts[:2][-1])))
        else:
            wanted = max(wanted, min(WIDEST, cells_of(cell.text)))
    return wanted


def _bands(widths: Sequence[int], room: int) -> list[list[int]]:
    """All columns, from the left as far as they fit, then below; the first in front of each."""
    bands: list[list[int]] = [[0]]
    taken = widths[0]
    for place, width in enumerate(widths[1:], start=1):
        if taken + len(GAP) + width > room and bands[-1] != [0]:
            bands.append([0])
            taken = widths[0]
        taken += len(GAP) + width
        bands[-1].append(place)
    return bands


def _headers(
    cells: Cells,
    heads: Sequence[tuple[str, str, str]],
    widths: Sequence[int],
    shown: Sequence[int],
) -> list[str]:
    cut = cells.hand.glyphs.cut
    lines = []
    for level in (1, 2):
        parts = [
            fit(heads[place][level], widths[place], cut, right=cells.right[place])
            for place in shown
        ]
        lines.append(GAP.join(parts).rstrip())
    groups = _groups(heads, widths, shown, cut)
    rule = GAP.join(cells.hand.glyphs.rule * widths[place] for place in shown)
    above = [line for line in (groups, *lines) if line.strip()]
    return [*(typer.style(line, bold=True) for line in above), rule]


def _groups(
    heads: Sequence[tuple[str, str, str]],
    widths: Sequence[int],
    shown: Sequence[int],
    cut: str,
) -> str:
    """The words over neighbours of one group, written once."""
    line = ""
    position = 0
    previous = ""
    ends = [*shown[1:], None]
    width = 0
    for place, following in zip(shown, ends, strict=True):
        group = heads[place][0]
        if group != previous or not width:
            position = sum(widths[each] + len(GAP) for each in shown if each < place)
            width = 0
        width += widths[place] + len(GAP)
        if following is None or heads[following][0] != group:
            line = line.ljust(position) + fit(group, width - len(GAP), cut)
            width = 0
        previous = group
    return line.rstrip()


def _drawn(cell: Cell, width: int, cells: Cells) -> str:
    text = next((text for text in cell.texts if cells_of(text) <= width), cell.texts[0])
    text = text if cells_of(text) <= width else fit(text, width, cells.hand.glyphs.cut)
    padding = " " * (width - cells_of(text))
    style = dict(_STYLES.get(cell.look, {}))
    if cell.bold:
        style["bold"] = True
    styled = typer.style(text, **style) if style and text else text
    return padding + styled if cell.right else styled + padding


def _as_ascii(text: str) -> str:
    """For terminals that show nothing else; every sign keeps its place."""
    return text.replace("µ", "u").replace("°", "d").encode("ascii", "replace").decode("ascii")
