"""The lines around the table: where one is, what is known of the cell, which keys there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from knockoff.tui.numbers import NumberFormat
from knockoff.tui.rows import ABSENT
from knockoff.tui.text import cells_of, one_line

if TYPE_CHECKING:
    from knockoff.tui.columns import Column
    from knockoff.tui.palette import Ink, Palette
    from knockoff.tui.store import Place, RunStore

HINTS: Final = (
    ("/", "filter"),
    ("s", "sort"),
    ("c", "columns"),
    ("Enter", "open"),
    ("e", "edit"),
    ("C", "comment"),
    ("o", "plot"),
    ("x", "next error"),
    ("?", "help"),
    ("q", "quit"),
)


def top_line(
    width: int,
    title: str,
    store: RunStore,
    palette: Palette,
    *,
    link: str,
    age_s: float | None,
    following: bool,
    fresh: int,
    refusal: str = "",
) -> Text:
    """Proposal and table, how many runs, and how alive all that is."""
    signs = store.hand.glyphs
    left: list[tuple[str, Ink]] = [(f" {title}", "title"), ("   ", "title")]
    shown, total = len(store.order), store.total
    count = f"{shown} of {total} runs" if shown != total else f"{total} runs"
    left.append((count if total != 1 else "1 run", "value"))
    if refusal:
        said = f"  {signs.failed} context file broken, the last good one is used: "
        left.append((f"{said}{one_line(refusal, 60)}", "failed"))
    if troubled := store.troubled:
        left.append((f"  {signs.failed} {troubled} with errors", "failed"))
    if store.view.query:
        left.append((f"  / {one_line(store.view.query, 60)}", "sign"))
    if unseen := len(store.unseen):
        left.append((f"  +{unseen} new column{'s' * (unseen > 1)} (c)", "sign"))
    right: list[tuple[str, Ink]] = []
    if fresh:
        right.append((f"{signs.down} {fresh} new (G)   ", "sign"))
    elif following:
        right.append(("following   ", "units"))
    if age_s is not None and link != "offline":
        right.append((f"{_age(age_s)}   ", "units"))
    sign, ink = _LINKS.get(link, ("waiting", "units"))
    right.append((f"{getattr(signs, sign)} {link} ", ink))
    return _justified(left, right, width, palette)


_LINKS: Final[dict[str, tuple[str, Ink]]] = {
    "live": ("live", "live"),
    "polling": ("polling", "sign"),
    "offline": ("offline", "failed"),
}


def cell_line(key: str | None, place: Place, store: RunStore, palette: Palette) -> Text:
    """The cell under the cursor with nothing cut off, as far as one line goes."""
    column, text = place.column, Text(no_wrap=True, overflow="ellipsis")
    text.append(f" {one_line(column.title)}", palette.ink("group"))
    row = None if key is None else store.row(key)
    if row is None:
        return text
    text.append(f"  run {row.run}  ", palette.ink("muted"))
    value = row.value(column.name)
    problem = row.problem(column.key) if column.is_computed else None
    if value is not ABSENT and value is not None and column.name != "run":
        text.append(store.hand.text(value), palette.ink("value", bold=True))
        units = row.units(column.key) or column.units
        text.append(f" {one_line(units)}", palette.ink("muted"))
    elif column.name != "run":
        cell = store.hand.cell(column, row, NumberFormat(), 40, right=False)
        text.append(_told(column, store, cell.text), palette.ink(cell.look))
        if cell.look == "spark" and (array := row.array(column.key)) is not None:
            text.append(f"  {store.hand.size(array)}", palette.ink("muted"))
    if column.description and problem is None:
        text.append(f"   {one_line(column.description)}", palette.ink("muted"))
    return text


def hints_line(width: int, palette: Palette) -> Text:
    """As many keys as there is room for; help and quit always."""
    hints = list(HINTS)
    while sum(len(key) + len(word) + 3 for key, word in hints) > width and len(hints) > 2:
        hints.pop(-3)
    text = Text(" ", no_wrap=True)
    for key, word in hints:
        text.append(key, palette.ink("sign"))
        text.append(f" {word}  ", palette.ink("units"))
    return text


def _told(column: Column, store: RunStore, said: str) -> str:
    if said.strip(store.hand.glyphs.dot):
        return said
    return "press e to type something" if column.is_typed else ""


def _justified(
    left: list[tuple[str, Ink]], right: list[tuple[str, Ink]], width: int, palette: Palette
) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    room = width - sum(cells_of(words) for words, _ in right)
    while sum(cells_of(words) for words, _ in left) > room and len(left) > 1:
        left.pop()
    for words, ink in left:
        text.append(words, palette.ink(ink, bold=ink == "title"))
    text.append(" " * max(room - sum(cells_of(words) for words, _ in left), 0))
    for words, ink in right:
        text.append(words, palette.ink(ink))
    return text


def _age(seconds: float) -> str:
    """Rounded, so that the line does not change for nothing."""
    if seconds < 2:
        return "just now"
    if seconds < 60:
        return f"{seconds:.0f} s ago"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    return f"{seconds // 3600:.0f} h ago"
