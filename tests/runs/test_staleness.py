"""Which values are stale is told by the stamps in a row and the context file alone."""

from __future__ import annotations

from typing import Any

from knockoff.contextfile.description import TableDescription, VariableDescription
from knockoff.runs.staleness import OTHER_CODE, OTHER_INPUTS, fields_needed, stale_cells
from knockoff.runs.stamps import input_stamps
from knockoff.runs.states import CellState, state_of


def variable(name: str, **about: Any) -> VariableDescription:
    return VariableDescription(
        name=name,
        title=name,
        outputs=about.pop("outputs", (name,)),
        data="raw",
        events=("Insert", "Update"),
        direction="after",
        **{"code": "1f", **about},
    )


def table(**codes: str) -> TableDescription:
    """`hits` reads `trains` and a field that people type; `beam` has two outputs."""
    return TableDescription(
        "Runs",
        "runs",
        (
            variable("trains", code=codes.get("trains", "1f")),
            variable(
                "hits", code=codes.get("hits", "1f"), reads=("trains",), fields_read=("threshold",)
            ),
            variable("beam", code=codes.get("beam", "1f"), outputs=("beam.mean", "beam.width")),
        ),
    )


def filled() -> dict[str, Any]:
    """A row that was made by the code of `table()`."""
    row: dict[str, Any] = {"run": 1, "threshold": 0.5, "trains": 8, "hits": 3}
    names = ("trains", "hits", "beam")
    stamps = input_stamps(table(), row)
    row["knockoff"] = {"code": dict.fromkeys(names, "1f"), "inputs": stamps}
    return row


def test_what_was_made_by_this_code_from_these_inputs_is_current() -> None:
    """Nobody is to compute it again."""
    assert stale_cells(table(), filled()) == {}


def test_other_code_makes_a_value_and_what_reads_it_stale() -> None:
    """And nothing else; every column of a method with several of them is."""
    assert stale_cells(table(trains="2e"), filled()) == {
        "trains": OTHER_CODE,
        "hits": "it reads trains, stale itself",
    }
    assert stale_cells(table(beam="2e"), filled()) == {
        "beam/mean": OTHER_CODE,
        "beam/width": OTHER_CODE,
    }


def test_an_edited_field_makes_what_reads_it_stale() -> None:
    """Also where it was edited by hand, so that no event was fired."""
    assert stale_cells(table(), {**filled(), "threshold": 0.7}) == {"hits": OTHER_INPUTS}


def test_no_hash_means_unknown() -> None:
    """A value that was imported may be as good as any; to call it stale would be a guess."""
    row = filled()
    row["knockoff"]["code"] = {"hits": ""}
    assert stale_cells(table(hits="2e"), row) == {}
    row["knockoff"]["code"] = {"hits": "1f"}
    row["knockoff"]["inputs"] = {}
    assert stale_cells(table(), row) == {}
    assert stale_cells(table(hits=""), row) == {}
    assert stale_cells(table(hits="2e"), {"run": 1}) == {}


def test_a_problem_is_not_stale() -> None:
    """There is no value to be marked, and the cell says what is wrong."""
    row = filled()
    row["knockoff"]["problems"] = {"hits": {"state": "failed"}}
    assert stale_cells(table(hits="2e"), row) == {}


def test_the_fields_that_are_read_for_it_are_enough() -> None:
    """Readers do not read whole rows only to know what is stale in them."""
    needed = fields_needed(table())
    part = {name: each for name, each in filled().items() if name in needed or name == "knockoff"}
    assert {"threshold", "knockoff.code", "knockoff.inputs"} <= needed
    assert stale_cells(table(), part) == {}


def test_a_stale_cell_has_a_value_and_a_reason() -> None:
    """It is shown, and marked."""
    row = filled()
    row["knockoff"]["stale"] = stale_cells(table(hits="2e"), row)
    state = state_of(row, "hits")
    assert (state, state.has_value) == (CellState("stale", OTHER_CODE), True)
    assert state_of(row, "trains") == CellState("done")
