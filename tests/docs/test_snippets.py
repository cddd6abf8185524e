"""Every example of the documentation runs, and gives what the page says that it gives."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from knockoff.contextfile.loading import load
from knockoff.filling.filling import Filling
from knockoff.filling.messages import Result, RunTask
from knockoff.rundata.synthetic import write_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[2] / "docs"
PROPOSAL, RUN, TRAINS = 900_001, 4, 100

IMPORTS = """
from typing import Annotated, Any
import numpy as np
import xarray as xr
from extra_data import DataCollection
from knockoff import (
    Cell, Editable, Group, Insert, Run, Skip, Source, Update, Variable, after_event, before_event,
)
"""
"""What context-file.md leaves out of its examples, as it says."""


@dataclass(frozen=True)
class Snippet:
    """A fenced block, with the block of results that follows it."""

    page: str
    line: int
    language: str
    code: str
    results: dict[str, str]

    def __str__(self) -> str:
        return f"{self.page}-{self.line}"


def snippets(page: str, *languages: str) -> Iterator[Snippet]:
    """The blocks of a page in these languages."""
    text = (DOCS / page).read_text(encoding="utf-8")
    fence = re.compile(r"^```([\w ]+)\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.M | re.S)
    for block in fence.finditer(text):
        if block[1] in languages:
            results = (line.split(maxsplit=1) for line in (block[3] or "").splitlines())
            line = text.count("\n", 0, block.start()) + 1
            yield Snippet(page, line, block[1], block[2], dict(results))


TUTORIAL = [*snippets("tutorial.md", "python")]
REFERENCE = [*snippets("context-file.md", "python")]
PROMPT = [
    snippet
    for page in ("tutorial.md", "context-file.md")
    for snippet in snippets(page, "python notebook")
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that the pages speak of, as ``knockoff demo data`` writes it."""
    root = tmp_path_factory.mktemp("runs")
    write_runs(root, PROPOSAL, [RUN], TRAINS)
    return root


@pytest.mark.parametrize("snippet", [*TUTORIAL, *REFERENCE], ids=str)
def test_an_example_gives_what_its_page_says(snippet: Snippet, root: Path, tmp_path: Path) -> None:
    """People copy it, and take it for true."""
    row = filled(snippet, root, tmp_path)

    assert {name: row.get(name) for name in snippet.results} == snippet.results


def test_the_pages_have_examples() -> None:
    """Else the tests above would pass on nothing."""
    assert len(TUTORIAL) >= 9
    assert all(snippet.results for snippet in TUTORIAL)
    assert len(REFERENCE) >= 5
    assert len(PROMPT) >= 1


@pytest.mark.parametrize("snippet", PROMPT, ids=str)
def test_what_is_typed_at_a_prompt_is_python(snippet: Snippet) -> None:
    """Queries need a server, and are run elsewhere; here they must at least be no typing error."""
    assert compile(snippet.code, str(snippet), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_examples_fit_on_a_page() -> None:
    """Wider ones are cut off where the documentation is printed or shown beside an editor."""
    for snippet in (*TUTORIAL, *REFERENCE, *PROMPT):
        assert max(map(len, snippet.code.splitlines())) <= 100, snippet


def filled(snippet: Snippet, root: Path, folder: Path) -> dict[str, str]:
    """Fill the run with an example; values as the page shows them, else how a variable ended."""
    path = folder / "context.py"
    own = "import" in snippet.code.partition("class")[0]
    path.write_text(snippet.code if own else IMPORTS + snippet.code)
    context = load(path)
    shown: dict[str, str] = {}
    for collection, table in context.tables.items():
        row = {"proposal": PROPOSAL, "run": RUN}
        task = RunTask(PROPOSAL, RUN, collection, "1", str(folder), str(root), row=row)
        told: list[Any] = []
        Filling(context, task).fill(table.formulas, told.append)
        for result in told:
            if isinstance(result, Result):
                shown.setdefault(result.variable, result.outcome)
                units = f" {result.units}" if result.units else ""
                shown.update({key: as_shown(value) + units for key, value in result.fields.items()})
    return shown


def as_shown(value: Any) -> str:
    """A summary as the pages write it: numbers with four digits."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.4g}"
    return str(value)
