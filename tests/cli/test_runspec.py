"""Runs are meant as they are written."""

from __future__ import annotations

import pytest

from knockoff.cli.root import hoisted
from knockoff.cli.runspec import runs_in, spoken_runs
from knockoff.errors import RunKeyError


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (["5"], [5]),
        (["1-4"], [1, 2, 3, 4]),
        (["3,5,7-9"], [3, 5, 7, 8, 9]),
        (["7-8", "3", "7"], [3, 7, 8]),
        (["r0042"], [42]),
        (["r3..r5"], [3, 4, 5]),
        (["3, 4"], [3, 4]),
        (["all"], [1, 9]),
        (["all", "4"], [1, 4, 9]),
    ],
)
def test_runs_are_numbers_ranges_and_all(words: list[str], runs: list[int]) -> None:
    """Both ends of a range are in it; each run is there once, in order."""
    assert runs_in(words, on_disk=(9, 1)) == runs


def test_neighbours_are_spoken_of_as_a_range() -> None:
    """A hundred numbers in a row tell nobody anything."""
    assert spoken_runs([7]) == "run 7"
    assert spoken_runs([9, 3, 1, 2, 7, 8]) == "runs 1-3, 7-9"


@pytest.mark.parametrize("word", ["", "x", "0", "3-1", "-3", "1-", "100000", "1-9999999999", "٣"])
def test_anything_else_is_refused(word: str) -> None:
    """A typing error must not start a thousand jobs."""
    with pytest.raises(RunKeyError):
        runs_in([word])


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("runs -p 1 --json", "-p 1 runs --json"),
        ("db status --workspace=x -vv", "--workspace=x -vv db status"),
        ("comment 3 -- -p 1", "comment 3 -- -p 1"),
        ("runs -w", "-w runs"),
    ],
)
def test_global_options_are_brought_to_the_front(typed: str, read: str) -> None:
    """But not what stands behind two dashes: that is text."""
    assert hoisted(typed.split()) == read.split()
