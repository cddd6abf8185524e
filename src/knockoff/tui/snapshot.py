"""A picture of the table, taken from the application itself, without a terminal."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from knockoff.tui.app import RunTableApp
from knockoff.tui.glyphs import UNICODE
from knockoff.tui.rows import ABSENT, Row

if TYPE_CHECKING:
    from datetime import tzinfo

    from knockoff.tui.source import Change, Document, Link, Source

SIZE: Final = (120, 30)

CELL: Final = 12.2
"""Width of a terminal cell in Rich's pictures."""

FONTS: Final = "'Fira Code', 'DejaVu Sans Mono', 'Noto Sans Mono', monospace"

_WEB_FONT: Final = re.compile(r"\s*@font-face \{.*?\n    \}", re.DOTALL)
_TEXT: Final = re.compile(
    r'(<text [^>]*? x=")([\d.]+)("[^>]*? textLength=")([\d.]+)("[^>]*>)'
    r"((?:&#160;)*)(.*?)((?:&#160;)*)</text>"
)


@dataclass(frozen=True)
class Read:
    """The one change of a table that never changes."""

    link: Link = "live"
    everything: bool = True
    rows: frozenset[str] = frozenset()
    previews: frozenset[str] = frozenset()
    variables: bool = False


class Still:
    """A table that stands still: a `Source` of documents at hand."""

    def __init__(
        self,
        rows: Sequence[Document],
        variables: Sequence[Document] = (),
        previews: Sequence[Document] = (),
        table: str = "runs",
    ) -> None:
        self.table = table
        self._rows = rows
        self._variables = variables
        self._previews = previews
        self._view: Document | None = None

    async def variables(self) -> Sequence[Document]:
        """The column registry."""
        return self._variables

    async def refusal(self) -> str:
        """None: nobody edits it meanwhile."""
        return ""

    async def rows(
        self, fields: Collection[str], keys: Collection[str] | None = None
    ) -> Sequence[Document]:
        """Only what was asked for, as a database answers."""
        return [
            _projected(row, fields)
            for row in sorted(self._rows, key=lambda row: Row(row).run)
            if keys is None or row["_id"] in keys
        ]

    async def previews(self, ids: Collection[str]) -> Sequence[Document]:
        """Trendlines and thumbnails."""
        return [preview for preview in self._previews if preview["_id"] in ids]

    async def changes(self) -> AsyncGenerator[Change, None]:
        """Read it once."""
        yield Read()
        await asyncio.Event().wait()

    async def view(self) -> Document | None:
        """As it was kept."""
        return self._view

    async def keep_view(self, view: Document) -> None:
        """Keep it as long as this lives."""
        self._view = view


async def svg(
    source: Source,
    *,
    title: str,
    zone: tzinfo,
    size: tuple[int, int] = SIZE,
    keys: Sequence[str] = (),
) -> str:
    """The table in a terminal of `size` columns × lines, after `keys` were pressed, as SVG."""
    app = RunTableApp(source, title=title, zone=zone, glyphs=UNICODE)
    async with app.run_test(size=size) as pilot:
        for _ in range(2):  # what is read makes the table ask for more: trendlines
            await pilot.pause(0.1)
            while not app.is_settled:
                await pilot.pause(0.02)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.05)
        return portable(app.export_screenshot(title=f"knockoff {title}"))


def portable(picture: str) -> str:
    """The same SVG for viewers that load no fonts and drop the blanks around a text.

    Rich names a font of the web, and keeps words in their columns by blanks before them; here
    each text begins at its first letter.
    """
    return _TEXT.sub(_from_its_first_letter, _WEB_FONT.sub("", picture)).replace(
        "Fira Code, monospace", FONTS
    )


def _from_its_first_letter(text: re.Match[str]) -> str:
    head, x, middle, length, end, before, words, after = text.groups()
    if not words:
        return ""
    left, right = (len(blanks) // len("&#160;") for blanks in (before, after))
    start = float(x) + left * CELL
    width = float(length) - (left + right) * CELL
    return f"{head}{start:.1f}{middle}{width:.1f}{end}{words}</text>"


def _projected(document: Document, fields: Collection[str]) -> dict[str, Any]:
    projected: dict[str, Any] = {"_id": document["_id"]}
    row = Row(document)
    for field in fields:
        value = row.value(field)
        if value is ABSENT:
            continue
        *above, last = field.split(".")
        inside = projected
        for step in above:
            inside = inside.setdefault(step, {})
        inside[last] = dict(value) if isinstance(value, Mapping) else value
    return projected
