"""What a worker says of a result, as JSON: nothing is lost, and nothing sent that is not there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockoff.engine.answers import message_from_json
from knockoff.filling.messages import (
    Cause,
    CellProblem,
    CellResult,
    Filled,
    Outcome,
    Result,
    Started,
    from_json,
    to_json,
)

NAMES = st.text("abc.", min_size=1, max_size=8)
OUTCOMES = st.sampled_from(get_args(Outcome))
DOCUMENTS = st.dictionaries(NAMES, st.integers() | st.text(max_size=5), max_size=3)
CAUSES = st.builds(
    Cause, path=st.lists(NAMES, min_size=1).map(tuple), state=OUTCOMES, kind=NAMES, message=NAMES
)
PROBLEMS = st.builds(
    CellProblem,
    NAMES,
    st.text(),
    line=st.integers(0, 99),
    cause=st.lists(NAMES).map(tuple),
    causes=st.lists(CAUSES, max_size=2).map(tuple),
)
CELLS = st.builds(
    CellResult,
    value=st.none() | st.integers() | DOCUMENTS,
    exact=st.none() | st.text(),
    array=st.none() | DOCUMENTS,
    preview=st.none() | DOCUMENTS,
    style=st.none() | DOCUMENTS,
    units=st.none() | st.text(),
    outcome=OUTCOMES,
    problem=st.none() | PROBLEMS,
)
RESULTS = st.builds(
    Result,
    NAMES,
    OUTCOMES,
    NAMES,
    cells=st.dictionaries(NAMES, CELLS, max_size=3),
    problem=st.none() | PROBLEMS,
    seconds=st.floats(0, 1e6),
)


@given(message=st.one_of(RESULTS, st.builds(Started, NAMES), st.builds(Filled, st.integers())))
def test_a_message_is_read_as_it_was_sent(message: Any) -> None:
    """By the worker's half, and by the recorder's, which checks every type."""
    sent = json.loads(json.dumps(to_json(message)))

    assert from_json(sent) == message
    assert message_from_json(sent) == message


def test_of_a_cell_only_what_it_has_is_sent() -> None:
    """A run has hundreds of numbers, and few of them have more than a value."""
    cell = to_json(Result("hits", "done", "c0de", {"hits": CellResult(12)}))["cells"]["hits"]

    assert cell == {"value": 12, "outcome": "done"}


@pytest.mark.parametrize("read", [from_json, message_from_json])
def test_a_result_of_another_version_is_refused(read: Any) -> None:
    """Read as far as it is known, it would be a value that is missing and yet done."""
    old = {
        "kind": "Result", "variable": "hits", "outcome": "done", "code": "c0de",
        "fields": {"hits": 12}, "array": None, "preview": None, "style": None, "units": None,
        "problem": None, "started_at": 0.0, "seconds": 0.0, "peak_memory": 0,
    }  # fmt: skip

    with pytest.raises(ValueError, match=r"another version of knockoff \(it has array, fields"):
        read(old)


def test_a_cell_with_a_problem_shows_no_value() -> None:
    """Also not null: that would be a value in the row."""
    cell = CellResult(problem=CellProblem("KeyError", "'x'"), outcome="failed")
    result = Result("beam", "done", "c0de", {"beam.mean": CellResult(None), "beam.width": cell})

    assert result.fields == {"beam.mean": None}
    assert not cell.is_kept
    assert replace(cell, exact="3").is_kept
