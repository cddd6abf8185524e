"""Context files written by a test."""

from __future__ import annotations

import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from knockoff.contextfile.loading import load
from knockoff.contextfile.problems import ContextProblems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from knockoff.contextfile.loading import Context
    from knockoff.contextfile.problems import Problem


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for a context file; what was imported from there is forgotten afterwards."""
    before, path = set(sys.modules), list(sys.path)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


@pytest.fixture
def loaded(folder: Path) -> Callable[[str], Context]:
    """Load a context file with this text."""

    def load_text(text: str) -> Context:
        path = folder / "context.py"
        path.write_text(dedent(text))
        return load(path)

    return load_text


@pytest.fixture
def problems(loaded: Callable[[str], Context]) -> Callable[[str], tuple[Problem, ...]]:
    """What is wrong with a context file with this text."""

    def problems_of(text: str) -> tuple[Problem, ...]:
        with pytest.raises(ContextProblems) as raised:
            loaded(text)
        return raised.value.problems

    return problems_of
