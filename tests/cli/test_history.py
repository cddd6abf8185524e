"""`knockoff history`: no number in the table is without a past."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING

from .conftest import CONTEXT, EDITED

if TYPE_CHECKING:
    from .conftest import Shell


def test_every_result_of_a_cell_is_listed_the_newest_last(edited: Shell) -> None:
    """A number that has changed overnight can be traced to who computed it and with which code."""
    done = edited("history", "1", "hits")

    assert done.status == 0, done.said
    head, first, second = done.out.splitlines()
    assert " ".join(head.split()) == "# attempt when state code took memory by value"
    assert first.split()[1] == "raw-1"
    assert second.split()[1] == "asked-1"
    assert " done " in first
    assert "@" in first
    assert int(second.split()[-1]) == int(first.split()[-1]) + 1


def test_programs_get_the_whole_entry(edited: Shell) -> None:
    """What is not shown for want of room is there as well."""
    first, second = json.loads(edited("history", "1", "hits", "--json").out)

    assert (first["number"], first["attempt"], first["state"]) == (1, "raw-1", "done")
    assert second["value"] == first["value"] + 1
    assert first["code"] != second["code"]
    assert first["context"] != second["context"]
    assert first["peak_memory"] > 1_000_000
    assert first["seconds"] >= 0
    assert first["at"] < second["at"]
    assert first["host"]
    assert first["user"]


def test_an_array_and_a_failure_are_told_in_one_line(edited: Shell) -> None:
    """Results that are no number have a past, too."""
    assert "float" in edited("history", "1", "energy").out
    failed = edited("history", "1", "broken").out
    assert "failed" in failed
    assert "KeyError: 'nothing' (line " in failed


def test_two_results_differ_by_value_and_code(edited: Shell) -> None:
    """The question after "it has changed" is "what has"; the lines of the source answer it."""
    done = edited("history", "1", "hits", "--diff", "1", "last")

    assert done.status == 0, done.said
    assert "-        return int((self.energy > self.threshold).sum())" in done.out
    assert "+        return int((self.energy >= self.threshold).sum()) + 1" in done.out
    assert "inputs: the same" in done.out
    found = json.loads(edited("history", "1", "hits", "--diff", "raw-1", "asked-1", "--json").out)
    assert found["same"] == {"value": False, "code": False, "inputs": True}


def test_the_context_file_of_a_result_can_be_had_back(edited: Shell) -> None:
    """The code behind a published number is needed years after the file was edited."""
    then = edited("history", "1", "hits", "--source", "1")
    now = edited("history", "1", "hits", "--source", "asked-1")

    assert then.out == CONTEXT
    assert now.out == EDITED
    assert ast.parse(then.out)


def test_an_edited_field_is_told_among_the_inputs(edited: Shell) -> None:
    """Where the code is the same, somebody has typed something."""
    assert edited("set", "3", "threshold", "12.5").status == 0
    assert edited("process", "3").status == 0

    done = edited("history", "3", "hits", "--diff", "1", "last")
    assert done.status == 0, done.said
    assert "- threshold: 1000000" in done.out
    assert "+ threshold: 12.5" in done.out


def test_what_is_not_there_is_told_with_what_is(edited: Shell) -> None:
    """Runs, variables and results are typed wrongly at night."""
    assert "The nearest are 1, 2, 3" in edited("history", "9", "hits").said
    assert "hits" in edited("history", "1", "hitz").said
    assert "1 (raw-1), 2 (asked-1)" in edited("history", "1", "hits", "--source", "7").said
    assert "people type it" in edited("history", "1", "threshold").said
    never = edited("history", "2", "rate")
    assert never.status == 0
    assert never.out == ""
    assert "no result yet" in never.said
