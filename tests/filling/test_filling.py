"""One run is filled: every style, every way to end, and what each costs the others."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from knockoff.arrays.reading import read_array
from knockoff.arrays.references import ArrayReference
from knockoff.contextfile.loading import load
from knockoff.filling.filling import Filling
from knockoff.filling.messages import Filled, Result, RunTask, Started
from knockoff.rundata.synthetic import write_proc, write_run
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from knockoff.filling.messages import Message

    Fill = Callable[..., "dict[str, Result]"]

KEY = RunKey(1234, 1)
TRAINS = 12

WORDS = """
from typing import Annotated, Any
import numpy as np
import xarray as xr
from extra_data import DataCollection
from knockoff import (
    Cell, Editable, Group, Insert, Run, Skip, Source, Update, Variable, after_event, before_event,
)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with one run, raw and proc."""
    root = tmp_path_factory.mktemp("data")
    write_run(root, KEY, trains=TRAINS, pulses=4, sequences=1)
    write_proc(root, KEY)
    return root


@pytest.fixture
def task(tmp_path: Path, root: Path) -> RunTask:
    """Run 1 of proposal 1234, of which nothing is known yet."""
    return RunTask(KEY.proposal, KEY.run, "runs", "1", str(tmp_path / "arrays"), str(root))


@pytest.fixture
def fill(tmp_path: Path, task: RunTask) -> Fill:
    """Load a context file with this text and fill all of its variables, or those named."""

    def filled(text: str, *names: str, **known: Any) -> dict[str, Result]:
        path = tmp_path / "context.py"
        path.write_text(WORDS + dedent(text))
        context = load(path)
        told: list[Message] = []
        wanted = names or context.tables["runs"].formulas
        Filling(context, replace(task, **known)).fill(wanted, told.append)
        assert isinstance(told[-1], Filled)
        return {each.variable: each for each in told if isinstance(each, Result)}

    return filled


def outcomes(results: dict[str, Result]) -> dict[str, str]:
    """How each variable ended."""
    return {name: result.outcome for name, result in results.items()}


def fields(results: dict[str, Result]) -> dict[str, Any]:
    """All that would be in the row afterwards."""
    return {name: value for each in results.values() for name, value in each.fields.items()}


# The four styles: in each one value, one failure, one Skip, one variable that depends on each

STYLES = {
    "automatic": """
        class Runs(Run):
            def trains(self, data: DataCollection) -> Annotated[int, Variable]:
                return len(data.train_ids)

            def broken(self, data: DataCollection) -> Annotated[int, Variable]:
                return {}["missing"]

            def unwanted(self, data: DataCollection) -> Annotated[int, Variable(units="mm")]:
                raise Skip("no beam")

            def twice(self) -> Annotated[int, Variable]:
                return 2 * self.trains

            def blocked(self) -> Annotated[int, Variable]:
                return self.broken

            def skipped(self) -> Annotated[int, Variable]:
                return self.unwanted
        """,
    "decorator": """
        class Runs(Run):
            @Variable
            def trains(self, data) -> int:
                return len(data.train_ids)

            @Variable(title="Broken")
            def broken(self, data) -> int:
                return {}["missing"]

            @Variable
            def unwanted(self, data) -> int:
                raise Skip("no beam")

            @Variable
            def twice(self) -> int:
                return 2 * self.trains

            @Variable
            def blocked(self) -> int:
                return self.broken

            @Variable
            def skipped(self) -> int:
                return self.unwanted
        """,
    "plain Beanie hooks": """
        class Runs(Run):
            trains: int
            broken: int
            unwanted: int
            twice: int
            blocked: int
            skipped: int

            @Variable(title="Recorded")
            def recorded(self, data) -> int:
                return len(data.train_ids)

            @after_event(Insert, Update)
            def fill_trains(self):
                self.trains = self.recorded

            @after_event(Insert, Update)
            def fill_broken(self):
                self.broken = {}["missing"]

            @after_event(Insert, Update)
            def fill_unwanted(self):
                self.unwanted = None
                raise Skip("no beam")

            @after_event(Insert, Update)
            def fill_twice(self):
                self.twice = 2 * self.trains

            @after_event(Insert, Update)
            def fill_blocked(self):
                self.blocked = self.broken

            @after_event(Insert, Update)
            def fill_skipped(self):
                self.skipped = self.unwanted
        """,
    "functions": """
        @Variable
        def trains(run):
            return len(run.train_ids)

        @Variable(title="Broken")
        def broken(run):
            return {}["missing"]

        @Variable
        def unwanted(run):
            raise Skip("no beam")

        @Variable
        def twice(run, n: "var#trains"):
            return 2 * n

        @Variable
        def blocked(run, n: "var#broken"):
            return n

        @Variable
        def skipped(run, n: "var#unwanted"):
            return n
        """,
}


@pytest.mark.parametrize("style", STYLES)
def test_what_fails_costs_no_other_variable_its_value(fill: Fill, style: str) -> None:
    """In every style, and every empty field has its reason."""
    results = fill(STYLES[style])

    stored = fields(results)
    assert (stored["trains"], stored["twice"]) == (TRAINS, 2 * TRAINS)
    assert not {"broken", "unwanted", "blocked", "skipped"} & stored.keys()
    prefix = "fill_" if style.startswith("plain") else ""
    broken, unwanted, blocked, skipped = (
        results[prefix + name] for name in ("broken", "unwanted", "blocked", "skipped")
    )
    assert [each.outcome for each in (broken, unwanted, blocked, skipped)] == [
        "failed", "skipped", "blocked", "skipped",
    ]  # fmt: skip
    assert broken.problem is not None
    assert (broken.problem.kind, broken.problem.message) == ("KeyError", "'missing'")
    assert '{}["missing"]' in broken.problem.context_line
    assert unwanted.problem is not None
    assert unwanted.problem.message == "no beam"
    assert blocked.problem is not None
    assert blocked.problem.message.startswith(
        f"{prefix}broken failed: KeyError: 'missing' (context.py:"
    )
    assert blocked.problem.cause == (prefix + "broken",)
    assert skipped.problem is not None
    assert skipped.problem.message == "no beam"


def test_a_failure_is_told_with_the_line_and_the_way_there(fill: Fill) -> None:
    """From the context file on; knockoff's own frames tell nobody anything."""
    result = fill(
        """
        def deeper(x):
            return 1 / x

        class Runs(Run):
            @Variable
            def ratio(self, data) -> float:
                return deeper(0)
        """
    )["ratio"]

    assert result.problem is not None
    assert result.problem.kind == "ZeroDivisionError"
    assert result.problem.context_line == "return 1 / x"
    assert "in ratio" in result.problem.traceback
    assert "in deeper" in result.problem.traceback
    assert "knockoff/filling" not in result.problem.traceback


def test_a_message_that_no_text_can_hold_is_told_all_the_same(fill: Fill) -> None:
    """A name of a file in another encoding, an exception with a fault of its own: no reason to
    lose the run."""
    results = fill(
        r"""
        class Odd(Exception):
            def __str__(self):
                raise self

        class Runs(Run):
            @Variable
            def surrogate(self, data) -> int:
                raise ValueError("caf\udce9 is no such file")

            @Variable
            def speechless(self, data) -> int:
                raise Odd
        """
    )

    for name, message in (
        ("surrogate", r"caf\udce9 is no such file"),
        ("speechless", "its message cannot be told: Odd"),
    ):
        problem = results[name].problem
        assert problem is not None
        assert problem.message == message
        assert problem.traceback.encode()


def test_leaving_the_interpreter_costs_one_cell(fill: Fill) -> None:
    """A script that became a variable often ends with it."""
    results = fill(
        """
        import sys

        class Runs(Run):
            @Variable
            def a(self, data) -> int:
                sys.exit("bye")

            @Variable
            def b(self, data) -> int:
                return 1
        """
    )

    assert outcomes(results) == {"a": "failed", "b": "done"}
    assert results["a"].problem is not None
    assert "raise Skip" in results["a"].problem.message


def test_a_blocked_variable_names_the_way_to_the_failure(fill: Fill) -> None:
    """Two steps away it is no longer obvious."""
    results = fill(
        """
        class Runs(Run):
            @Variable
            def a(self, data) -> int:
                raise ValueError("no signal")

            @Variable
            def b(self) -> int:
                return self.a

            @Variable
            def c(self) -> int:
                return self.b
        """
    )

    assert results["c"].problem is not None
    assert results["c"].problem.cause == ("b", "a")
    message = results["c"].problem.message
    assert message.startswith("b ← a failed: ValueError: no signal (context.py:")


def test_a_failure_weighs_more_than_a_skip(fill: Fill) -> None:
    """Whoever reads one of each is blocked: there is something to be mended."""
    results = fill(
        """
        class Runs(Run):
            @Variable
            def a(self, data) -> int:
                raise Skip("dark")

            @Variable
            def b(self, data) -> int:
                raise ValueError("no signal")

            @Variable
            def c(self) -> int:
                return self.a + self.b
        """
    )

    assert outcomes(results) == {"a": "skipped", "b": "failed", "c": "blocked"}


# What a method may return


def test_none_is_a_result(fill: Fill) -> None:
    """Stored as null, handed on as None, and a parameter with a default gets that instead."""
    results = fill(
        """
        class Runs(Run):
            @Variable
            def nothing(self, data) -> None:
                return None

            @Variable
            def reads(self) -> bool:
                return self.nothing is None

            @Variable
            def default(self, x: Annotated[Any, "var#nothing"] = 7) -> int:
                return x

            @Variable
            def needs(self, x: Annotated[Any, "var#nothing"]) -> int:
                return x
        """
    )

    assert fields(results) == {"nothing": None, "reads": True, "default": 7}
    assert outcomes(results)["needs"] == "skipped"


def test_a_dependant_gets_the_full_value(fill: Fill) -> None:
    """The row has its summary, HDF5 the array, and whoever reads it the array itself."""
    results = fill(
        """
        class Runs(Run):
            @Variable(summary="mean", units="mV")
            def trace(self, data) -> np.ndarray:
                return np.arange(10.0)

            @Variable
            def last(self) -> float:
                return float(self.trace[-1])
        """
    )

    assert fields(results) == {"trace": 4.5, "last": 9.0}
    assert results["trace"].cell.units == "mV"
    assert results["trace"].cell.array is not None
    assert results["trace"].cell.preview is not None


def test_a_stored_array_is_read_back_for_a_dependant(fill: Fill, tmp_path: Path) -> None:
    """What is current is not computed again, only because somebody reads it."""
    text = """
        class Runs(Run):
            @Variable(summary="mean")
            def trace(self, data) -> np.ndarray:
                return np.arange(10.0)

            @Variable
            def number(self, data) -> int:
                return 3

            @Variable
            def both(self) -> float:
                return float(self.trace[-1]) + self.number
        """
    before = fill(text)
    array = before["trace"].cell.array
    assert array is not None

    after = fill(
        text, "both", row=fields(before), arrays={"trace": array}, done=("trace", "number")
    )

    assert fields(after) == {"both": 12.0}
    stored = read_array(tmp_path / "arrays", ArrayReference.from_json(array))
    np.testing.assert_array_equal(stored, np.arange(10.0))


def test_what_was_never_computed_blocks_and_says_so(fill: Fill) -> None:
    """Rather than being computed behind everybody's back."""
    results = fill(
        """
        class Runs(Run):
            @Variable
            def a(self, data) -> int:
                return 1

            @Variable
            def b(self) -> int:
                return self.a
        """,
        "b",
    )

    assert results["b"].outcome == "blocked"
    assert results["b"].problem is not None
    assert results["b"].problem.message == "a has not been computed yet."


def test_an_old_problem_blocks_as_a_new_one_does(fill: Fill) -> None:
    """The row knows why the value is not there, from an earlier try."""
    from knockoff.filling.messages import CellProblem

    results = fill(
        """
        class Runs(Run):
            @Variable
            def a(self, data) -> int:
                return 1

            @Variable
            def b(self) -> int:
                return self.a
        """,
        "b",
        problems={"a": ("killed", CellProblem("Killed", "out of memory"))},
    )

    assert results["b"].outcome == "blocked"
    assert results["b"].problem is not None
    assert results["b"].problem.message == "a killed: out of memory"


def test_a_transient_variable_is_computed_for_its_readers_and_stored_nowhere(fill: Fill) -> None:
    """It may be any Python object; asked for or not, whoever reads it gets it once."""
    results = fill(
        """
        calls = []

        class Runs(Run):
            @Variable(transient=True)
            def thing(self, data) -> object:
                calls.append(1)
                return object()

            @Variable
            def a(self) -> bool:
                return self.thing is not None

            @Variable
            def b(self) -> int:
                self.thing
                return len(calls)
        """,
        "a",
        "b",
    )

    assert fields(results) == {"a": True, "b": 1}


def test_a_failed_transient_variable_blocks_its_readers(fill: Fill) -> None:
    """Its own cell does not exist, so theirs have to say why."""
    results = fill(
        """
        class Runs(Run):
            @Variable(transient=True)
            def thing(self, data) -> object:
                raise ValueError("no such thing")

            @Variable
            def a(self) -> bool:
                return self.thing is not None
        """
    )

    assert outcomes(results) == {"a": "blocked"}
    assert results["a"].problem is not None
    assert "no such thing" in results["a"].problem.message


def test_a_method_may_be_async(fill: Fill) -> None:
    """A coroutine is run to its end, in each style; what it raises is its problem."""
    results = fill(
        """
        import asyncio

        class Runs(Run):
            label: str

            @Variable
            async def a(self, data) -> int:
                await asyncio.sleep(0)
                return 1

            async def b(self) -> Annotated[int, Variable]:
                await asyncio.sleep(0)
                raise ValueError("late")

            @after_event(Insert)
            async def name(self):
                await asyncio.sleep(0)
                self.label = f"{self.a}"
        """
    )

    assert fields(results) == {"a": 1, "label": "1"}
    assert outcomes(results)["b"] == "failed"


def test_a_cell_says_how_it_looks(fill: Fill) -> None:
    """Summary, style, units and preview beside the value, of which readers get the data."""
    results = fill(
        """
        class Runs(Run):
            @Variable(units="ignored")
            def a(self, data) -> Cell:
                return Cell(
                    np.arange(4), summary=np.max, bold=True, background=(255, 0, 0),
                    preview=np.ones((3, 3)), units="mm",
                )

            @Variable
            def b(self, data) -> Cell:
                return Cell(None, summary_value="see log")

            @Variable
            def c(self) -> int:
                return len(self.a)
        """
    )

    assert fields(results) == {"a": 3, "b": "see log", "c": 4}
    assert results["a"].cell.style == {"bold": True, "background": "#ff0000"}
    assert results["a"].cell.units == "mm"
    assert results["a"].cell.preview is not None
    assert results["a"].cell.preview["kind"] == "png"
    assert results["b"].cell.array is None


def test_what_cannot_be_stored_fails_in_its_own_cell(fill: Fill) -> None:
    """With what to return instead, and without taking the others along."""
    results = fill(
        """
        class Runs(Run):
            @Variable
            def a(self, data):
                return object()

            @Variable(summary=lambda array: array[10])
            def b(self, data):
                return np.arange(3)

            @Variable
            def c(self, data) -> int:
                return 1
        """
    )

    assert outcomes(results) == {"a": "failed", "b": "done", "c": "done"}
    assert results["b"].cell.is_kept
    assert results["b"].cell.problem is not None
    assert "IndexError" in results["b"].cell.problem.message


def test_a_transient_object_is_handed_over_and_not_stored(fill: Fill) -> None:
    """Whole, and one output of it; it has no cell to be told of."""
    results = fill(
        """
        from typing import NamedTuple

        class Beam(NamedTuple):
            mean: float
            image: object

        class Runs(Run):
            @Variable(transient=True)
            def beam(self) -> Beam:
                return Beam(Cell(1.5, bold=True), object())

            @Variable
            def mean(self) -> float:
                return self.beam.mean

            @Variable
            def kind(self, beam: Annotated[Any, "var#beam"]) -> str:
                return type(beam).__name__
        """
    )

    assert fields(results) == {"mean": 1.5, "kind": "Beam"}
    assert results.keys() == {"mean", "kind"}


# What a method is given


def test_the_run_s_data_and_metadata_are_given(fill: Fill, root: Path) -> None:
    """By type, by place, by mark; proc data has what was corrected."""
    results = fill(
        """
        from pathlib import Path

        class Runs(Run):
            @Variable
            def by_type(
                self, number: Annotated[int, "meta#run_number"], data: DataCollection
            ) -> list[int]:
                return [number, len(data.train_ids)]

            @Variable
            def place(self, folder: Annotated[Path, "meta#proposal_path"]) -> str:
                return folder.name

            @Variable
            def proposal_number(self, p: Annotated[int, "meta#proposal"]) -> int:
                return p

            @Variable(data="proc")
            def corrected(self, data) -> bool:
                return "MID_EXP_EPIX-1/CORR/RECEIVER:daqOutput" in data.all_sources

            @Variable
            def recorded(self, data) -> bool:
                return "MID_EXP_EPIX-1/CORR/RECEIVER:daqOutput" in data.all_sources

            @Variable
            def parameter(
                self, x: Annotated[int, "param#x"], y: Annotated[int, "param#y"] = 2
            ) -> int:
                return x + y
        """,
        parameters={"x": 5},
    )

    assert fields(results) == {
        "by_type": [1, TRAINS],
        "place": "p001234",
        "proposal_number": 1234,
        "corrected": True,
        "recorded": False,
        "parameter": 7,
    }


def test_a_source_is_read_for_you_and_a_missing_one_is_a_skip(fill: Fill) -> None:
    """The cell names it, and what was probably meant."""
    results = fill(
        """
        XGM = "SA2_XTD1_XGM/XGM/DOOCS"

        class Runs(Run):
            @Variable(summary="mean")
            def there(
                self, x: Annotated[xr.DataArray, Source(f"{XGM}:output", "data.intensityTD")]
            ) -> xr.DataArray:
                return x

            @Variable
            def missing(self, x: Annotated[Any, Source("SA2_XTD1_XGM/XGM/DOCS", "x")]) -> int:
                return 1

            @Variable
            def no_key(
                self, x: Annotated[Any, Source(f"{XGM}:output", "data.intensity")]
            ) -> int:
                return 1

            @Variable
            def optional(
                self, x: Annotated[Any, Source("SA2_XTD1_XGM/XGM/DOCS", "x")] = None
            ) -> bool:
                return x is None
        """
    )

    assert outcomes(results) == {
        "there": "done", "missing": "skipped", "no_key": "skipped", "optional": "done",
    }  # fmt: skip
    assert fields(results)["optional"] is True
    assert results["there"].cell.units == "\u03bcJ"  # as extra-data writes it
    assert results["missing"].problem is not None
    assert "SA2_XTD1_XGM/XGM/DOCS" in results["missing"].problem.message
    assert "SA2_XTD1_XGM/XGM/DOOCS" in results["missing"].problem.message
    assert results["no_key"].problem is not None
    assert "data.intensityTD" in results["no_key"].problem.message


def test_a_run_that_is_not_there_fails_only_what_reads_it(fill: Fill) -> None:
    """With knockoff's own words, not a traceback through extra-data."""
    results = fill(
        """
        class Runs(Run):
            @Variable
            def a(self, data) -> int:
                return len(data.train_ids)

            @Variable
            def b(self, n: Annotated[int, "meta#run_number"]) -> int:
                return n
        """,
        run=77,
    )

    assert outcomes(results) == {"a": "failed", "b": "done"}


def test_fields_of_the_row_are_on_self(fill: Fill) -> None:
    """What people typed, the default where nobody did, and what every row has."""
    text = """
        class Runs(Run):
            threshold: Annotated[float, Editable] = 0.5
            note: Annotated[str, Editable] = "none"

            @Variable
            def a(self, data) -> list[Any]:
                return [self.threshold, self.note, self.run, self.comment]

            @Variable
            def b(self, data, t: Annotated[float, "self#threshold"]) -> float:
                return t
        """

    fresh = fill(text, row={"proposal": 1234, "run": 1})
    typed = fill(text, row={"proposal": 1234, "run": 1, "threshold": 0.7, "comment": "knife edge"})

    assert fields(fresh) == {"a": [0.5, "none", 1, None], "b": 0.5}
    assert fields(typed) == {"a": [0.7, "none", 1, "knife edge"], "b": 0.7}


def test_an_undeclared_read_fails_with_the_line_to_add(fill: Fill) -> None:
    """A name that is put together at run time cannot be found in the source."""
    results = fill(
        """
        class Runs(Run):
            @Variable
            def hits(self, data) -> int:
                return 1

            @Variable
            def rate(self, data) -> int:
                return getattr(self, "hi" + "ts")
        """
    )

    assert results["rate"].outcome == "failed"
    assert results["rate"].problem is not None
    assert "Write self.hits" in results["rate"].problem.message
    assert 'hits: Annotated[Any, "var#hits"]' in results["rate"].problem.message


def test_each_group_computes_with_its_own_parameters(fill: Fill) -> None:
    """Two of one kind side by side, one inside another, and functions that read both."""
    results = fill(
        """
        @Group
        class Scaled:
            factor: float = 1.0

            @Variable
            def value(self, data, n: Annotated[int, "meta#run_number"]) -> float:
                return self.factor * n

            @Variable
            def twice(self) -> float:
                return 2 * self.value

        @Group
        class Pair:
            left: Scaled
            right: Scaled

            @Variable
            def total(self, parts: Annotated[dict[str, float], "self#*.twice"]) -> float:
                return sum(parts.values())

        class Runs(Run):
            one = Scaled(factor=3.0)
            pair = Pair(left=Scaled(factor=5.0), right=Scaled(factor=7.0))

            @Variable
            def total_of_all(self) -> float:
                return self.one.twice + self.pair.total
        """
    )

    assert fields(results) == {
        "one.value": 3.0, "one.twice": 6.0,
        "pair.left.value": 5.0, "pair.left.twice": 10.0,
        "pair.right.value": 7.0, "pair.right.twice": 14.0,
        "pair.total": 24.0, "total_of_all": 30.0,
    }  # fmt: skip


def test_functions_may_stand_beside_groups(fill: Fill) -> None:
    """As in DAMNIT's files, where a group is an object at the top of the file."""
    results = fill(
        """
        @Group
        class Scaled:
            factor: float = 1.0

            @Variable
            def value(self, data, n: "meta#run_number") -> float:
                return self.factor * n

        scaled = Scaled(factor=3.0)

        @Variable
        def twice(run, x: "var#scaled.value"):
            return 2 * x
        """
    )

    assert fields(results) == {"scaled.value": 3.0, "twice": 6.0}


# Plain hooks


def test_what_a_hook_changed_is_its_result(fill: Fill) -> None:
    """Also a nested value changed in place, and nothing that stayed as it was."""
    results = fill(
        """
        class Runs(Run):
            foo: int | None
            bop: str
            history: list[int] = []
            untouched: Annotated[float, Editable] = 1.0

            @before_event(Insert)
            def start(self):
                self.foo = self.run + 1
                self.bop = "x"
                self.history.append(self.foo)
        """,
        row={"proposal": 1234, "run": 1},
    )

    assert fields(results) == {"foo": 2, "bop": "x", "history": [2]}


def test_nested_models_and_enums_are_themselves_again(fill: Fill) -> None:
    """A row has them as dicts and text; a method finds what its class declares."""
    results = fill(
        """
        from enum import Enum
        from pydantic import BaseModel

        class Kind(Enum):
            POWDER = "powder"

        class Sample(BaseModel):
            name: str = "LaB6"
            shots: int = 0

        class Runs(Run):
            sample: Sample = Sample()
            others: list[Sample] = []
            kind: Annotated[Kind | None, Editable] = None
            former: Sample | None = None

            @after_event(Insert)
            def shoot(self):
                self.sample.shots += 1
                self.others.append(Sample(name="Si"))

            @Variable
            def told(self, data) -> list[Any]:
                known = self.kind is Kind.POWDER
                return [self.sample.shots, self.others[0].name, known, self.former]
        """,
        row={"proposal": 1234, "run": 1, "kind": "powder", "former": {"shots": "many"}},
    )

    assert fields(results) == {
        "sample": {"name": "LaB6", "shots": 1},
        "others": [{"name": "Si", "shots": 0}],
        "told": [1, "Si", True, {"shots": "many"}],
    }


def test_validate_on_save_checks_what_a_hook_assigned(fill: Fill) -> None:
    """As Beanie does: values are converted, and what does not fit is the hook's problem."""
    results = fill(
        """
        class Runs(Run):
            count_of_shots: int
            other: int

            class Settings:
                validate_on_save = True

            @before_event(Insert)
            def good(self):
                self.count_of_shots = "3"

            @before_event(Insert)
            def bad(self):
                self.other = "many"
        """,
        row={"proposal": 1234, "run": 1},
    )

    assert fields(results) == {"count_of_shots": 3}
    assert outcomes(results) == {"good": "done", "bad": "failed"}
    assert results["bad"].problem is not None
    assert "other" in results["bad"].problem.message


def test_a_hook_that_queries_fails_in_its_own_cells(fill: Fill) -> None:
    """A worker has no database, whatever a hook tries."""
    results = fill(
        """
        class Runs(Run):
            label: str

            @after_event(Insert)
            async def count_others(self):
                self.label = str(await type(self).find_all().count())

            @Variable
            def b(self, data) -> int:
                return 1
        """
    )

    assert outcomes(results) == {"count_others": "failed", "b": "done"}
    assert fields(results) == {"b": 1}


def test_everything_is_told_as_it_happens(tmp_path: Path, task: RunTask) -> None:
    """A result is out before the next variable begins, so that no later death can take it."""
    path = tmp_path / "context.py"
    path.write_text(WORDS + dedent(STYLES["automatic"]))
    context = load(path)
    told: list[Message] = []

    Filling(context, task).fill(("trains", "twice"), told.append)

    kinds = [(type(each), getattr(each, "variable", "")) for each in told]
    assert kinds == [
        (Started, "trains"),
        (Result, "trains"),
        (Started, "twice"),
        (Result, "twice"),
        (Filled, ""),
    ]


def test_a_date_is_a_date_again(fill: Fill) -> None:
    """A row has it as text, because MongoDB has no date without a time."""
    results = fill(
        """
        from datetime import date, datetime

        class Runs(Run):
            day: Annotated[date, Editable] = date(2026, 5, 4)
            other: Annotated[date | None, Editable] = None
            moment: datetime | None = None
            filled: date | None = None

            @after_event(Insert)
            def fill(self):
                self.filled = self.other

            @Variable
            def told(self, data) -> list[int]:
                return [self.day.month, self.other.month, self.moment.hour]
        """,
        row={"proposal": 1234, "run": 1, "other": "2026-07-01", "moment": "2026-05-04T10:00:00"},
    )

    assert fields(results) == {"filled": "2026-07-01", "told": [5, 7, 10]}
