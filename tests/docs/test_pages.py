"""The pages hold together: links lead somewhere, and what they list is all there is."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from knockoff.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def name(page: Path) -> str:
    """A page as it is called in the repository."""
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """A page without its examples."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def links(page: Path) -> Iterator[str]:
    """Where a page leads, but for other sites."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" not in target:
            yield target


def anchors(page: Path) -> set[str]:
    """What a link may name behind ``#``: each heading as code hosts write it."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_link_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    """A page that was renamed or split takes its readers along."""
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_every_page_is_found_from_the_readme() -> None:
    """What nobody links to nobody reads."""
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md")}

    assert {page.resolve() for page in DOCS.glob("*.md")} <= linked


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_footnote_is_there_once_and_used(page: Path) -> None:
    """Otherwise its mark stands in the text as it is written."""
    text = prose(page)
    told = re.findall(r"^\[\^(\w+)\]:", text, re.M)

    assert len(told) == len(set(told))
    assert set(re.findall(r"\[\^(\w+)\](?!:)", text)) == set(told)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_rows_of_a_table_have_as_many_cells_as_its_head(page: Path) -> None:
    """A bar within a cell would cut the rest of the row off."""
    lines = prose(page).splitlines()
    for place, line in enumerate(lines):
        if re.fullmatch(r"\|(-+\|)+", line):
            rows = takewhile(lambda each: each.startswith("|"), lines[place - 1 :])
            assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {line.count("|")}, line


def test_all_settings_are_listed_with_what_they_are() -> None:
    """Operators look here first, and `knockoff.toml` has nothing that explains it."""
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \|", section("operating.md", "Settings"), re.M)

    def words(text: str) -> str:
        return re.sub(r"[`.]", "", text).lower()

    listed = {key: words(about) for key, about in rows}
    assert listed == {each.key: words(each.about) for each in Settings().listed()}


def test_the_glossary_is_sorted_and_has_each_word_once() -> None:
    """One looks a word up by its letters."""
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^\*\*(.+?)\*\*", text, re.M)

    assert len(words) > 30
    assert words == sorted(set(words), key=str.lower)


def test_every_room_and_library_is_in_the_house_plan() -> None:
    """`docs/architecture.md` is the map; a room that is not on it is not found."""
    package = ROOT / "src" / "knockoff"
    rooms = {each.parent.name for each in package.glob("*/__init__.py")}
    rooms |= {each.stem for each in package.glob("[a-z]*.py")}
    table = section("architecture.md", "The floors")

    listed = set(re.findall(r"^\| \d* ?\| `(\w+)` \|", table, re.M))
    assert listed == rooms


def section(page: str, heading: str) -> str:
    """The text below one heading."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
