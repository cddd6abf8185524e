"""The picture of the table in the README is the application's own, and shows everywhere."""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from knockoff.tui.snapshot import Still, svg

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = "{http://www.w3.org/2000/svg}text"


async def test_a_picture_needs_no_font_of_the_web_and_no_blanks(
    row: Callable[..., Any], variable: Callable[..., Any]
) -> None:
    """A code host shows it without loading anything; some viewers drop blanks around a text."""
    table = Still([row(7, {"trains": 1234})], [variable("trains", "Trains", type="int")])

    picture = await svg(table, title="p001234", zone=UTC, size=(80, 10))

    texts = {each.text or "": each for each in ElementTree.fromstring(picture).iter(TEXT)}
    assert "p001234" in texts
    assert all(words == words.strip("\xa0") for words in texts)
    number = texts["1234"]
    cells = [float(number.attrib[name]) / 12.2 for name in ("x", "textLength")]
    assert cells[1] == 4
    assert cells[0] > 30
    assert not re.search(r"url\(.?http", picture)
