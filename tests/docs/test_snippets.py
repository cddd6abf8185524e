"""Every example of the documentation runs, and gives what the page says that it gives."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import math
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from knockoff import Pipeline
from knockoff.arrays.figures import drawn
from knockoff.contextfile.loading import load
from knockoff.database.client import database_name, open_client
from knockoff.rewriting.classes import rewritten
from knockoff.rundata.synthetic import write_runs
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(page.name for page in DOCS.glob("*.md"))
PROPOSAL, RUN, TRAINS = 900_001, 4, 100

FILE = ("python", "python functions")
"""Fences of whole context files; what they give follows in a ``text`` fence."""

PROMPT = "python notebook"
"""Fence of what is typed beside the file above it; what it prints follows in a ``text`` fence."""


@dataclass(frozen=True)
class Snippet:
    """A fenced block, with the block of results that follows it."""

    page: str
    line: int
    language: str
    code: str
    results: str

    def __str__(self) -> str:
        return f"{self.page}-{self.line}"


@dataclass(frozen=True)
class Session:
    """What is typed at one prompt, beside one context file."""

    file: Snippet | None
    typed: tuple[Snippet, ...]

    def __str__(self) -> str:
        return str(self.typed[0])


def snippets(page: str) -> Iterator[Snippet]:
    """The Python of a page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    fence = re.compile(r"^```([\w ]+)\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.M | re.S)
    for block in fence.finditer(text):
        if block[1].startswith("python"):
            line = text.count("\n", 0, block.start()) + 1
            yield Snippet(page, line, block[1], block[2], block[3] or "")


def sessions(page: str) -> Iterator[Session]:
    """What is typed on a page, each with the context file that stands above it."""
    file: Snippet | None = None
    typed: list[Snippet] = []
    for snippet in snippets(page):
        if snippet.language == PROMPT:
            typed.append(snippet)
            continue
        if typed:
            yield Session(file, tuple(typed))
        file, typed = snippet, []
    if typed:
        yield Session(file, tuple(typed))


ALL = [snippet for page in PAGES for snippet in snippets(page)]
FILES = [snippet for snippet in ALL if snippet.language in FILE]
SESSIONS = [session for page in PAGES for session in sessions(page)]
IMPORTS = next(snippet.code for snippet in ALL if snippet.page == "context-file.md")
"""What the reference leaves out of its examples, as it says."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that the pages speak of, as ``knockoff demo data`` writes it."""
    root = tmp_path_factory.mktemp("runs")
    write_runs(root, PROPOSAL, [RUN], TRAINS)
    return root


@pytest.mark.parametrize("snippet", FILES, ids=str)
def test_an_example_gives_what_its_page_says(snippet: Snippet, root: Path, tmp_path: Path) -> None:
    """People copy it, and take it for true."""
    row = filled(snippet, root, tmp_path)

    lines = (line.partition(" ") for line in snippet.results.splitlines())
    told = {name: value.strip() for name, _, value in lines}
    assert {name: row.get(name) for name in told} == told


@pytest.mark.parametrize("session", SESSIONS, ids=str)
def test_what_is_typed_at_a_prompt_prints_what_the_page_says(
    session: Session, root: Path, mongod: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queries and values that are read back come from a real server and real files."""
    if session.file is not None:
        (tmp_path / "runs").symlink_to(root)
        settings = {"database": mongod, "data_root": str(root)}
        text = whole(session.file)
        workspace = Workspace.create(tmp_path / "trial", PROPOSAL, context=text, settings=settings)
        monkeypatch.chdir(workspace.folder)
        monkeypatch.syspath_prepend(str(workspace.folder))
        monkeypatch.delitem(sys.modules, "context", raising=False)
        subprocess.run(
            [sys.executable, "-m", "knockoff", "process", str(RUN)], check=True, capture_output=True
        )

    printed = asyncio.run(typed(session, mongod))

    assert printed == [snippet.results for snippet in session.typed]


def test_the_rewritten_file_is_what_the_command_writes() -> None:
    """People decide by it whether they want that."""
    page = [snippet for snippet in FILES if snippet.page == "coming-from-damnit.md"]
    place = next(each for each, snippet in enumerate(page) if snippet.language == "python")

    assert rewritten(page[place - 1].code).text == page[place].code


def test_the_pages_have_examples() -> None:
    """Else the tests above would pass on nothing."""
    pages = [snippet.page for snippet in FILES]
    assert pages.count("tutorial.md") >= 14
    assert pages.count("context-file.md") >= 7
    assert pages.count("values.md") >= 5
    assert pages.count("coming-from-damnit.md") >= 4
    assert len(SESSIONS) >= 5
    assert [str(snippet) for snippet in FILES if not snippet.results] == []
    assert {snippet.language for snippet in ALL} == {*FILE, PROMPT}


def test_examples_fit_on_a_page() -> None:
    """Wider ones are cut off where the documentation is printed or shown beside an editor."""
    for snippet in ALL:
        assert max(map(len, snippet.code.splitlines())) <= 100, snippet


def whole(snippet: Snippet) -> str:
    """An example as a file: the pages after the tutorial leave out the imports."""
    has_imports = re.search(r"^(from|import) ", snippet.code, re.M)
    return snippet.code if has_imports else IMPORTS + snippet.code


def filled(snippet: Snippet, root: Path, folder: Path) -> dict[str, str]:
    """Fill the run with an example; values as the page shows them, else how a variable ended.

    Columns of all tables but the first have the name of their class in front.
    """
    path = folder / "context.py"
    path.write_text(whole(snippet))
    shown: dict[str, str] = {}
    for table in load(path).tables.values():
        name = table.description.name
        pipeline = Pipeline.from_context_file(path, table=name)
        results = pipeline.with_context(proposal=PROPOSAL, run_number=RUN, data_root=root).execute()
        before = f"{name}." if shown else ""
        shown.update({before + key: outcome for key, outcome in results.outcomes.items()})
        for key, cell in results.cells.items():
            if key in results.errors:
                continue  # only its summary has failed, and that is what the table says
            units = f" {cell.units}" if cell.units and results.summaries[key] is not None else ""
            shown[before + key] = as_shown(cell.data, results.summaries[key]) + units
    return shown


def as_shown(value: Any, summary: Any) -> str:
    """A cell as the pages write it: numbers with four digits, arrays by type and shape."""
    value = drawn(value)
    value = getattr(value, "pixels", value)
    if summary is None and hasattr(value, "shape"):
        shape = ", ".join(map(str, value.shape))
        return f"{getattr(value, 'dtype', '')} ({shape})".lstrip()
    if isinstance(summary, float) and math.isfinite(summary):
        return f"{summary:.4g}"
    return str(summary)


async def typed(session: Session, mongod: str) -> list[str]:
    """What each block of a session prints."""
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = []
    try:
        for snippet in session.typed:
            text = snippet.code.replace("mongodb://...", mongod)
            code = compile(text, str(snippet), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            with contextlib.redirect_stdout(io.StringIO()) as said:
                done = eval(code, names)
                if inspect.iscoroutine(done):
                    await done
            printed.append(said.getvalue())
    finally:
        if "client" in names:
            names["client"].close()
        async with open_client(mongod) as client:
            await client.drop_database(database_name(PROPOSAL))
    return printed
