"""Variables executed in this process: for notebooks, for tests, and inside of a variable."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from textwrap import dedent
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from knockoff import (
    Cell,
    Editable,
    Group,
    Insert,
    Pipeline,
    Run,
    Skip,
    Source,
    Update,
    Variable,
    after_event,
)
from knockoff.contextfile.assembling import PipelineError
from knockoff.contextfile.loading import load
from knockoff.contextfile.problems import ContextProblems
from knockoff.filling.filling import Filling
from knockoff.filling.messages import Result, RunTask
from knockoff.filling.results import NoValueError, Progress
from knockoff.rundata.synthetic import write_proc, write_run
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from pathlib import Path

RUN, DARK = RunKey(1234, 1), RunKey(1234, 2)
TRAINS, DARK_TRAINS = 12, 5

SEEN: list[Any] = []
"""What variables have been given, where it is the very object that matters."""


@pytest.fixture(autouse=True)
def forgotten() -> None:
    """Each test sees what its own variables were given."""
    SEEN.clear()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with a run, raw and proc, and a shorter one, raw only."""
    root = tmp_path_factory.mktemp("data")
    write_run(root, RUN, trains=TRAINS, pulses=4, sequences=1)
    write_proc(root, RUN)
    write_run(root, DARK, trains=DARK_TRAINS, pulses=4, sequences=1)
    return root


# Columns as people write them in a notebook


@Variable(units="mJ")
def energy(run: Any) -> float:
    return float(sum(run["XGM"])) / 1000


@Variable(title="Twice the energy")
def twice(value: Annotated[float, "var#energy"]) -> float:
    return 2 * value


@Variable
def broken(run: Any) -> int:
    motors: dict[str, int] = {}
    return motors["motor"]


@Variable
def after_broken(value: Annotated[int, "var#broken"]) -> int:
    return value


@Variable
def unwanted(run: Any) -> int:
    raise Skip("no beam")


@Variable(data="proc")
def corrected(run: Any) -> str:
    return "corrected"


@Variable
def seen(run: Any) -> int:
    SEEN.append(run)
    return 1


@Variable
def seen_again(run: Any) -> int:
    SEEN.append(run)
    return 2


@Variable
def recorded(run: Any) -> int:
    return len(run.train_ids)


@Variable
def number(run_number: Annotated[int, "meta#run_number"]) -> int:
    return run_number


@Variable
def number_if_known(run_number: Annotated[int, "meta#run_number"] = -1) -> int:
    return run_number


@Variable
def parameter(value: Annotated[Any, "param#value"]) -> int:
    SEEN.append(value)
    return 1


@Variable(transient=True)
def helper() -> dict[str, object]:
    return {"any": object()}


@Variable
def helped(value: Annotated[dict[str, object], "var#helper"]) -> list[str]:
    return list(value)


@Variable
async def late() -> str:
    await asyncio.sleep(0)
    return "late"


@Variable
def image() -> Cell[Any]:
    return Cell(np.full((300, 200), 7.0), summary="max", bold=True, background="#ff0000")


@dataclass
class Beam:
    mean: float
    profile: Annotated[Any, Variable(summary="max", units="px")]
    camera: object = None


@Variable
def beam() -> Beam:
    return Beam(1.5, np.array([1.0, 4.0]), object())


@Variable
def brightest(profile: Annotated[Any, "var#beam.profile"]) -> float:
    return float(profile.max())


def plain(run: Any) -> int:
    return 3


@Group
class Xgm:
    factor: float = 1.0

    @Variable
    def intensity(self, run: Any) -> float:
        return self.factor * float(run["XGM"][0])


at_top = Xgm(factor=3.0)


class Shots(Run):
    """A class that Beanie has built, as in a notebook."""

    threshold: Annotated[float, Editable(title="Threshold")] = 900.0
    label: str | None = None
    xgm = Xgm(factor=2.0)

    @Variable
    def hits(self, run: Any) -> int:
        return sum(pulse > self.threshold for pulse in run["XGM"])

    @Variable
    def intensity(self) -> float:
        return self.xgm.intensity

    @after_event(Insert, Update)
    def name_it(self) -> None:
        self.label = f"{self.hits} hits"


class OtherShots(Run):
    @Variable
    def one(self) -> int:
        return 1


@Variable
def in_percent(hits: Annotated[int, "var#hits"], run: Any) -> float:
    return 100 * hits / len(run["XGM"])


XGM = {"XGM": [800, 1200]}


# What it computes


def test_functions_of_a_notebook_give_values() -> None:
    """The shortest way to try a variable: no file, no server, no run."""
    results = Pipeline(data=XGM).add(energy, twice).execute()

    assert dict(results) == {"energy": 2.0, "twice": 4.0}
    assert results.cells["energy"].data == 2.0
    assert results.cells["energy"].units == "mJ"
    assert results.outcomes == {"energy": "done", "twice": "done"}


def test_variables_may_be_added_in_any_order_and_one_by_one() -> None:
    """`add` gives the pipeline itself, so that files written for DAMNIT can go either way."""
    pipeline = Pipeline(data=XGM)
    assert pipeline.add(twice) is pipeline
    pipeline.add(energy)

    assert list(pipeline.vars) == ["energy", "twice"]
    assert pipeline.execute()["twice"] == 4.0


def test_the_data_given_last_is_the_very_object_that_variables_get() -> None:
    """A fake may be anything, and must not be copied or looked into."""
    fake = object()
    Pipeline(data="another").add(seen).execute(data=fake)

    assert [fake] == SEEN


def test_a_class_with_fields_groups_and_hooks_is_filled_as_in_a_table() -> None:
    """What people type is at its default, or as the test says."""
    pipeline = Pipeline(data=XGM).add(Shots)

    assert dict(pipeline.execute()) == {
        "xgm.intensity": 1600.0, "intensity": 1600.0, "hits": 1, "label": "1 hits",
    }  # fmt: skip
    assert pipeline.execute(fields={"threshold": 700})["label"] == "2 hits"


def test_a_function_joins_the_variables_of_a_class() -> None:
    """In a notebook one tries the next column before it goes into the class."""
    results = Pipeline(data=XGM).add(Shots, in_percent).execute()

    assert results["in_percent"] == 50.0


def test_a_field_that_is_not_there_is_named() -> None:
    """A test with a misspelt field would test the default."""
    with pytest.raises(PipelineError, match=r"'treshold'.*'threshold'"):
        Pipeline(data=XGM).add(Shots).execute(fields={"treshold": 1})


def test_a_transient_value_may_be_anything_and_is_seen() -> None:
    """Nothing is stored anyway."""
    results = Pipeline().add(helper, helped).execute()

    assert list(results["helper"]) == results["helped"] == ["any"]


def test_several_outputs_of_one_method_are_values_of_their_own() -> None:
    """One that cannot be stored costs the others nothing; the whole is there, too."""
    results = Pipeline().add(beam, brightest).execute()

    assert results.outcomes == {
        "beam.mean": "done", "beam.profile": "done", "beam.camera": "failed", "brightest": "done",
    }  # fmt: skip
    assert results["beam.profile"].tolist() == [1.0, 4.0]
    assert results.summaries["beam.profile"] == 4.0
    assert results.cells["beam.profile"].units == "px"
    assert results["beam"].mean == 1.5
    assert list(Pipeline().add(beam, late).select(variables="beam.mean").vars) == ["beam"]


def test_an_async_variable_runs_without_a_loop() -> None:
    """As in a script."""
    assert Pipeline().add(late).execute()["late"] == "late"


async def test_an_async_variable_runs_where_a_loop_is_running_already() -> None:
    """As in a notebook, whose cells are inside of one."""
    assert Pipeline().add(late).execute()["late"] == "late"


def test_parameters_are_handed_on_as_they_are() -> None:
    """Those of `execute` win; both may be objects that no database knows."""
    own, later = object(), {"$int": "not a tag of ours"}
    pipeline = Pipeline(param_values={"value": own}).add(parameter)
    pipeline.execute()
    pipeline.execute(param_values={"value": later})

    assert [own, later] == SEEN
    assert SEEN[1] is later


def test_a_missing_parameter_is_told() -> None:
    """DAMNIT leaves such a variable out without a word."""
    results = Pipeline().add(parameter).execute()

    assert results.outcomes == {"parameter": "skipped"}
    assert "value has no value" in results.errors["parameter"].message


def test_metadata_of_the_catalogue_can_be_given() -> None:
    """It comes from the recorder otherwise, which a test does not have."""

    @Variable
    def sample(name: Annotated[str, "mymdc#sample_name"]) -> str:
        return name.upper()

    pipeline = Pipeline().add(sample)

    assert pipeline.execute(mymdc={"sample_name": "lysozyme"})["sample"] == "LYSOZYME"
    assert "mymdc" in pipeline.execute().errors["sample"].message


def test_a_source_is_looked_up_in_made_up_data() -> None:
    """By the same two names as in a recorded run."""

    @Variable
    def mean(values: Annotated[Any, Source("XGM:output", "data.energy")]) -> float:
        return float(np.mean(values))

    pipeline = Pipeline(data={("XGM:output", "data.energy"): np.array([1.0, 3.0])}).add(mean)

    assert pipeline.execute()["mean"] == 2.0
    assert pipeline.execute(data={}).outcomes == {"mean": "skipped"}


# A run on disk


def test_a_run_on_disk_is_opened_once_for_each_kind(root: Path) -> None:
    """Opening a run costs seconds on a slow disk."""
    results = Pipeline(1234, 1, data_root=root).add(seen, seen_again, recorded).execute()

    assert results["recorded"] == TRAINS
    assert SEEN[0] is SEEN[1]


def test_corrected_data_that_are_missing_cost_other_variables_nothing(root: Path) -> None:
    """Calibration comes later, or never."""
    results = Pipeline(*_numbers(DARK), data_root=root).add(recorded, corrected).execute()

    assert results["recorded"] == DARK_TRAINS
    assert results.errors["corrected"].kind == "RunMissingError"


def test_the_run_is_asked_for_only_if_a_variable_asks() -> None:
    """One exception that names them all, and not one per variable."""
    with pytest.raises(PipelineError) as raised:
        Pipeline().add(energy, number, number_if_known, late, Shots).execute()
    told = str(raised.value)

    assert "proposal and run_number must be set" in told
    assert "energy (its data, as run)" in told
    assert "number (meta#run_number)" in told
    assert "late" not in told
    assert "number_if_known" not in told
    assert isinstance(raised.value, ValueError)


def test_a_number_alone_is_enough_where_only_the_number_is_wanted() -> None:
    """Data that stand for a run have no proposal."""
    pipeline = Pipeline(run_number=7).add(number, number_if_known)

    assert dict(pipeline.execute()) == {"number": 7, "number_if_known": 7}
    assert Pipeline().add(number_if_known).execute()["number_if_known"] == -1


DARK_INSIDE = """
from knockoff import Pipeline, Variable

@Variable
def dark_trains(run) -> int:
    return len(run.train_ids)

@Variable
def trains(run) -> int:
    return len(run.train_ids)

@Variable
def difference(run, trains: "var#trains") -> int:
    dark = Pipeline(proposal=1234, run_number=2).add(dark_trains).execute(raise_errors=True)
    return trains - dark["dark_trains"]

@Variable
async def in_a_loop(run) -> int:
    return Pipeline(1234, 2).add(dark_trains).execute()["dark_trains"]
"""


def test_a_variable_executes_a_pipeline_on_another_run(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dark run lies where the run lies that is being filled, whatever the environment says."""
    monkeypatch.delenv("EXTRA_DATA_DATA_ROOT", raising=False)
    (tmp_path / "context.py").write_text(DARK_INSIDE)
    task = RunTask(*_numbers(RUN), "runs", "1", str(tmp_path / "arrays"), str(root))
    told: list[Any] = []
    names = ("trains", "difference", "in_a_loop")
    Filling(load(tmp_path / "context.py"), task).fill(names, told.append)
    fields = {each.variable: each.fields for each in told if isinstance(each, Result)}

    assert fields["difference"] == {"difference": TRAINS - DARK_TRAINS}
    assert fields["in_a_loop"] == {"in_a_loop": DARK_TRAINS}


def test_the_code_of_a_pipeline_counts_as_that_of_the_variable_which_executes_it(
    tmp_path: Path,
) -> None:
    """Otherwise a change in the dark's variable would leave all old results in the table."""

    def code(body: str, run: int = 2) -> str:
        (tmp_path / "context.py").write_text(
            dedent(f"""
            from knockoff import Pipeline, Variable

            def _pedestal(run) -> int:
                return {body}

            DARK = Pipeline(1234, {run}).add(Variable(_pedestal))

            @Variable
            def difference(run) -> int:
                return DARK.execute()["_pedestal"]
            """)
        )
        return load(tmp_path / "context.py").tables["runs"].description.variable("difference").code

    assert code("1") == code("1  # one")
    assert len({code("1"), code("2"), code("1", run=3)}) == 3


# What fails


def test_one_failure_costs_only_what_reads_it() -> None:
    """As in a table."""
    pipeline = Pipeline(data=XGM).add(broken, after_broken, unwanted, energy)
    results = pipeline.execute()

    assert results.outcomes == {
        "broken": "failed", "after_broken": "blocked", "unwanted": "skipped", "energy": "done",
    }  # fmt: skip
    assert dict(results) == {"energy": 2.0}
    problem = results.errors["broken"]
    assert (problem.kind, problem.message) == ("KeyError", "'motor'")
    assert problem.context_line == 'return motors["motor"]'
    assert results.errors["after_broken"].cause == ("broken",)
    assert results.errors["unwanted"].message == "no beam"
    assert pipeline.results is results


def test_a_test_of_a_context_file_sees_the_exception_itself() -> None:
    """Pytest shows where it was raised, and the test ends there."""
    with pytest.raises(KeyError, match="motor") as raised:
        Pipeline(data=XGM).add(broken, energy).execute(raise_errors=True)

    assert raised.traceback[-1].name == "broken"


def test_a_skip_is_not_raised() -> None:
    """It is meant."""
    results = Pipeline(data=XGM).add(unwanted).execute(raise_errors=True)

    assert results.outcomes == {"unwanted": "skipped"}


@pytest.mark.parametrize(
    "value",
    [object(), np.array([1, object()], dtype=object), xr.DataArray([1.0], attrs={"a": object()})],
    ids=["object", "array of objects", "attribute"],
)
def test_what_a_table_could_not_store_fails_here_as_well(value: object) -> None:
    """A test that is green says that the cell will be filled."""

    @Variable
    def unstorable() -> object:
        return value

    results = Pipeline().add(unstorable).execute()

    assert results.outcomes == {"unstorable": "failed"}
    assert "unstorable" not in results


def test_asking_for_a_value_that_is_not_there_says_why() -> None:
    """A KeyError with nothing but the name would send people to the source."""
    results = Pipeline(data=XGM).add(broken, energy).execute()

    with pytest.raises(NoValueError, match=r"broken has no value: KeyError: 'motor'.*\.py:\d+"):
        results["broken"]
    with pytest.raises(KeyError, match="Did you mean 'energy'"):
        results["enrgy"]
    assert results.get("broken", "nothing") == "nothing"


def test_nothing_is_written_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook may be anywhere, and arrays of a trial are nobody's."""
    monkeypatch.chdir(tmp_path)
    results = Pipeline().add(image).execute()

    assert results["image"].shape == (300, 200)
    assert results.summaries["image"] == 7.0
    assert list(tmp_path.iterdir()) == []


def test_results_are_not_saved_and_say_how_to() -> None:
    """A value in a table without its context file would have no history."""
    with pytest.raises(PipelineError, match="knockoff process"):
        Pipeline().add(late).execute().save("extracted_data", 1234, 1)


def test_progress_is_told_as_it_is_made() -> None:
    """For a progress bar."""
    told: list[Progress] = []
    Pipeline(data=XGM).add(energy, broken).execute(on_progress=told.append)

    assert told == [
        Progress("energy", None, 0, 2),
        Progress("energy", "done", 1, 2),
        Progress("broken", None, 1, 2),
        Progress("broken", "failed", 2, 2),
    ]


# As people see it


def test_results_are_a_table_in_a_terminal_and_in_a_notebook() -> None:
    """Values with units, failures with their line; text of the user's is never markup."""

    @Variable(units="<b>")
    def markup() -> str:
        return "<script>alert(1)</script>"

    results = Pipeline(data=XGM, name="trial").add(energy, broken, helper, image, markup).execute()
    text, html = repr(results), results._repr_html_()

    assert text.startswith("Pipeline trial: 4 done, 1 failed\n")
    assert "energy  2 mJ\n" in text
    assert "failed: KeyError: 'motor' (test_pipeline.py:" in text
    assert "transient" in text
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &lt;b&gt;" in html
    assert "background: #ff0000" in html
    assert "font-weight: bold" in html


def test_a_pipeline_says_what_it_is() -> None:
    """Also one that cannot be put together."""
    pipeline = Pipeline(1234, 1, name="dark").add(energy, after_broken)

    assert repr(pipeline) == "<Pipeline 'dark': energy, after_broken of p1234 r0001>"
    assert repr(Pipeline()) == "<Pipeline empty>"


def test_a_name_is_made_of_the_code() -> None:
    """So that two of them in one log can be told apart, today and tomorrow."""
    name = Pipeline().add(energy).name

    assert len(name) == 12
    assert Pipeline(data=XGM).add(energy).name == name
    assert Pipeline().add(late).name != name
    assert Pipeline(name="dark").name == "dark"


def test_what_is_known_of_variables_is_plain_data() -> None:
    """To be shown or stored elsewhere."""
    pipeline = Pipeline().add(energy, twice, helper, at_top)

    assert pipeline.vars["twice"].title == "Twice the energy"
    assert set(pipeline.vars_to_dict()) == {"energy", "twice", "at_top.intensity"}
    assert pipeline.vars_to_dict(inc_transient=True)["helper"]["transient"]
    assert pipeline.context.description.tables[0].variable("energy").units == "mJ"


# How it is put together


def test_lists_and_dicts_of_parts_are_taken_apart() -> None:
    """The key of a dict is the name, also of a group."""
    pipeline = Pipeline(data=XGM).add([energy, (late,)], {"sum": energy, "xgm": Xgm(factor=2.0)})

    assert dict(pipeline.execute()) == {
        "energy": 2.0, "late": "late", "sum": 2.0, "xgm.intensity": 1600.0,
    }  # fmt: skip


@pytest.mark.parametrize("wrong", [123, "energy", b"x", (each for each in [energy]), plain, Xgm])
def test_what_fills_no_column_is_refused(wrong: object) -> None:
    """With the remedy, where there is one."""
    with pytest.raises(TypeError, match=r"Pipeline\.add accepts"):
        Pipeline().add(wrong)


def test_a_group_is_called_as_in_its_file_or_has_to_be_named() -> None:
    """As in a context file, where the assignment gives the name."""
    assert list(Pipeline().add(at_top).vars) == ["at_top.intensity"]
    assert list(Pipeline().add({"a.b": Xgm()}).vars) == ["a.b.intensity"]
    with pytest.raises(PipelineError, match=r"Xgm\(…\) has no name"):
        Pipeline().add(Xgm()).vars  # noqa: B018


def test_two_columns_of_one_name_are_refused() -> None:
    """Otherwise the last one would win without a word. The same one twice is one."""
    another = Variable(plain)

    assert list(Pipeline().add(energy, energy).vars) == ["energy"]
    with pytest.raises(PipelineError, match="two columns called 'energy'"):
        Pipeline().add(energy).add({"energy": another})
    with pytest.raises(PipelineError, match="two columns called 'same'"):
        Pipeline().add({"same": Xgm()}, {"same": Xgm()})


def test_two_run_classes_are_refused() -> None:
    """`self` is an instance of one class."""
    with pytest.raises(PipelineError, match="Shots and OtherShots"):
        Pipeline().add(Shots, OtherShots)


def test_what_does_not_fit_together_is_listed_when_it_is_used() -> None:
    """All of it, as in a context file."""
    with pytest.raises(ContextProblems) as raised:
        Pipeline().add(twice, after_broken).vars  # noqa: B018

    assert [each.message for each in raised.value.problems] == [
        "twice asks for 'var#energy', which is not there.",
        "after_broken asks for 'var#broken', which is not there.",
    ]


def test_union_takes_both_and_says_whose_column_it_takes() -> None:
    """The run is the left one's, unless it has none."""
    left = Pipeline(data=XGM).add(energy)
    right = Pipeline(1234, 1, param_values={"a": 1}).add({"energy": Variable(plain)}, late)

    with pytest.raises(PipelineError, match="two columns called 'energy'"):
        left.union(right)
    assert dict(left.union(right, on_conflict="left").execute()) == {"energy": 2.0, "late": "late"}
    assert left.union(right, "right").execute()["energy"] == 3
    united = left.union(right, "left")
    assert (united.proposal, united.run_number, united.param_values) == (1234, 1, {"a": 1})
    assert list(left.vars) == ["energy"]


def test_another_context_is_another_pipeline() -> None:
    """One pipeline serves many runs."""
    values = {"value": 1}
    pipeline = Pipeline(1, 2, name="a", data=XGM, param_values=values).add(parameter)
    other = pipeline.with_context(name="b", proposal="003", param_values={"value": 2})
    clone = pipeline.copy().add(late)
    clone.param_values["value"] = values["value"] = 3

    assert (pipeline.name, pipeline.proposal, pipeline.run_number) == ("a", 1, 2)
    assert (other.name, other.proposal, other.run_number, other.data) == ("b", 3, 2, XGM)
    assert (pipeline.param_values, other.param_values) == ({"value": 1}, {"value": 2})
    assert "late" not in pipeline.vars


def test_parameters_may_go_by_the_name_that_they_had_before() -> None:
    """Notebooks written for DAMNIT say `input_vars`, and go on working."""
    given = {"value": 1}
    pipeline = Pipeline(data=XGM, input_vars=given).add(parameter)
    other = pipeline.with_context(input_vars={"value": 2})
    given["value"] = 9

    assert (pipeline.input_vars, other.input_vars) == ({"value": 1}, {"value": 2})
    assert pipeline.input_vars is pipeline.param_values
    pipeline.execute()
    other.execute()
    other.execute(input_vars={"value": 3})
    other.execute(input_vars={"value": 3}, param_values={"value": 4})
    assert SEEN == [1, 2, 3, 4]


def test_a_summary_that_fails_leaves_the_value() -> None:
    """As in a table: the array is there, and beside it why it has no summary."""

    @Variable(summary="max")
    def empty(run: Any) -> Any:
        return np.array([])

    @Variable
    def size(run: Any, empty: Annotated[Any, "var#empty"]) -> int:
        return int(empty.size)

    results = Pipeline(data=XGM).add(empty, size).execute()

    assert results["empty"].shape == (0,)
    assert results.errors["empty"].kind == "SummaryError"
    assert results.summaries["empty"] is None
    assert results.outcomes["empty"] == "failed"
    assert results["size"] == 0


def test_results_are_gone_when_another_variable_is_added() -> None:
    """They would be those of another pipeline."""
    pipeline = Pipeline(data=XGM).add(energy)
    assert pipeline.results is None
    pipeline.execute()
    assert pipeline.copy().results is None
    assert pipeline.results is not None
    assert pipeline.add(late).results is None


CONTEXT = """
    from knockoff import Variable

    @Variable(title="Alpha", data="raw")
    def a(run):
        return 1

    @Variable(title="Beta", data="proc", cluster=True)
    def b(run):
        return 2

    @Variable(title="Gamma", data="raw")
    def c(run, x: "var#a", y: "var#d" = 0):
        return x + y

    @Variable(title="Delta")
    def d(run):
        return 4
"""


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({}, "abcd"),
        ({"variables": ("c",)}, "acd"),
        ({"variables": "c"}, "acd"),
        ({"match": ("BETA",)}, "b"),
        ({"match": "lta", "variables": ["a"]}, "ad"),
        ({"cluster": True}, "b"),
        ({"cluster": False}, "acd"),
        ({"run_data": "raw"}, "acd"),
        ({"run_data": "proc"}, "b"),
        ({"run_data": "all"}, "abcd"),
    ],
)
def test_a_selection_has_what_is_asked_for_and_what_that_reads(
    asked: dict[str, Any], kept: str
) -> None:
    """Also what it could do without: a value must not depend on what else is selected."""
    pipeline = Pipeline.from_str(CONTEXT)

    assert set(pipeline.select(**asked).vars) == set(kept)
    assert set(pipeline.vars) == set("abcd")


def test_a_selection_of_nothing_that_is_there_is_refused() -> None:
    """A misspelt name would execute nothing, and look well."""
    pipeline = Pipeline.from_str(CONTEXT)

    with pytest.raises(PipelineError, match="no variable 'e'"):
        pipeline.select(variables="e")
    with pytest.raises(PipelineError, match=r"'epsilon'.*Alpha, .*Delta"):
        pipeline.select(match="epsilon")
    with pytest.raises(PipelineError, match="'raw', 'proc' or 'all'"):
        pipeline.select(run_data="cooked")


def test_what_was_left_out_stays_out_until_it_is_added_again() -> None:
    """Adding one variable must not bring back others."""
    selected = Pipeline(data=XGM).add(energy, late, at_top).select(variables="late")

    assert list(selected.vars) == ["late"]
    assert set(selected.copy().add(image).vars) == {"late", "image"}
    assert set(selected.copy().add(energy).vars) == {"late", "energy"}
    assert set(selected.union(Pipeline().add(at_top)).vars) == {"late", "at_top.intensity"}
    assert dict(selected.execute()) == {"late": "late"}


def test_one_kind_of_data_can_be_left_out_of_an_execution() -> None:
    """Before the corrected data are there."""
    pipeline = Pipeline.from_str(CONTEXT).with_context(data=XGM, run_data="raw")

    assert set(pipeline.execute()) == set("acd")
    assert set(pipeline.with_context(run_data="all").execute()) == set("abcd")


NAMES = [f"v{place}" for place in range(8)]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[str, set[str]]:
    """A context file whose variables read earlier ones, and some of their names."""
    lines = ["from knockoff import Variable"]
    for place, name in enumerate(NAMES):
        reads = draw(st.sets(st.sampled_from(NAMES[:place]))) if place else set()
        optional = draw(st.sets(st.sampled_from(sorted(reads)))) if reads else set()
        marks = ", ".join(
            f'{each}: "var#{each}"' + (" = -1" if each in optional else "")
            for each in sorted(reads, key=lambda each: each in optional)
        )
        lines += ["@Variable", f"def {name}({marks}):", f"    return {' + '.join(['1', *reads])}"]
    return "\n".join(lines), draw(st.sets(st.sampled_from(NAMES), min_size=1))


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_a_selected_variable_has_the_value_that_it_has_among_all(
    graph: tuple[str, set[str]],
) -> None:
    """Whatever reads whatever: a selection saves time and changes nothing."""
    code, chosen = graph
    pipeline = Pipeline.from_str(code)
    everything, some = pipeline.execute(), pipeline.select(variables=chosen).execute()

    assert chosen <= set(some) <= set(everything)
    assert dict(some) == {name: everything[name] for name in some}


# Context files


def test_a_context_file_is_executed_without_a_workspace(tmp_path: Path) -> None:
    """With modules beside it, as in a workspace."""
    (tmp_path / "beside_the_pipeline.py").write_text("FACTOR = 7\n")
    (tmp_path / "context.py").write_text(
        "from beside_the_pipeline import FACTOR\nfrom knockoff import Variable\n\n"
        "@Variable\ndef foo(run):\n    return FACTOR\n"
    )
    try:
        pipeline = Pipeline.from_context_file(tmp_path / "context.py")
        assert pipeline.with_context(data=XGM).execute()["foo"] == 7
    finally:
        sys.path.remove(str(tmp_path))
        del sys.modules["beside_the_pipeline"]


CLASSES = """
    from knockoff import Run, Variable

    class Spectra(Run):
        @Variable
        def lines(self) -> int:
            return 5

    class Images(Run):
        width: int = 10

        @Variable
        def pixels(self) -> int:
            return self.width ** 2
"""


def test_of_several_classes_one_is_chosen() -> None:
    """By the name of the class, or of its collection."""
    with pytest.raises(PipelineError, match="table='Spectra' or 'Images'"):
        Pipeline.from_str(CLASSES)
    with pytest.raises(PipelineError, match="no table 'Image'"):
        Pipeline.from_str(CLASSES, table="Image")
    images = Pipeline.from_str(CLASSES, table="Images")

    assert images.execute(fields={"width": 3})["pixels"] == 9
    assert Pipeline.from_str(CLASSES, table="spectra").execute()["lines"] == 5
    assert set(images.add(late).vars) == {"pixels", "late"}


def test_variables_of_another_class_are_computed_where_they_are_read() -> None:
    """Both ways, if need be; what fails there is told here with its class."""
    code = """
        from knockoff import Run, Variable

        class Spectra(Run):
            gain: float = 0.5

            @Variable
            def energy(self, run) -> float:
                return run["energy"]

            @Variable
            def of_the_image(self, pixels: "var#Images.pixels") -> int:
                return pixels + 1

        class Images(Run):
            @Variable
            def pixels(self) -> int:
                return 3

            @Variable
            def ratio(self, energy: "var#Spectra.energy", gain: "var#Spectra.gain") -> float:
                return gain * self.pixels / energy

            @Variable
            def back(self, value: "var#Spectra.of_the_image") -> int:
                return value
        """
    images = Pipeline.from_str(code, table="Images")

    assert dict(images.execute(data={"energy": 3.0})) == {"pixels": 3, "ratio": 0.5, "back": 4}
    failed = images.execute(data={})
    assert failed.outcomes == {"pixels": "done", "ratio": "blocked", "back": "done"}
    assert failed.errors["ratio"].cause == ("Spectra.energy",)
    assert set(images.select(variables="pixels").execute()) == {"pixels"}


def test_a_problem_in_a_text_has_its_line() -> None:
    """The text is not in a file, and can be shown nevertheless."""
    code = """
        from knockoff import Variable

        @Variable
        def broken():
            return 1 / 0
    """
    problem = Pipeline.from_str(code).execute().errors["broken"]

    assert (problem.kind, problem.line, problem.context_line) == (
        "ZeroDivisionError",
        6,
        "return 1 / 0",
    )
    with pytest.raises(ContextProblems, match="var#nothing"):
        Pipeline.from_str('from knockoff import Variable\n@Variable\ndef x(a: "var#nothing"): ...')


def test_names_are_those_of_the_functions_although_a_table_stores_some_otherwise() -> None:
    """A function may be called as every row's start time; the one that reads it says so, too."""
    code = """
        from knockoff import Variable

        @Variable
        def start_time(run):
            return 5

        @Variable
        def later(start: "var#start_time"):
            return start + 1
    """
    pipeline = Pipeline.from_str(code, name="trial").with_context(data=XGM).add(late)

    assert dict(pipeline.execute()) == {"start_time": 5, "later": 6, "late": "late"}
    assert set(pipeline.select(variables="start_time").vars) == {"start_time"}


DAMNIT = """
    from damnit_ctx import Group, Pipeline, RunData, Variable

    @Group
    class Monitor:
        factor: int = 1

        @Variable
        def value(self, run):
            return self.factor * run["value"]

    @Variable(data=RunData.PROC)
    def slow(run):
        return 0

    @Variable
    def dark(run):
        pipe = Pipeline(proposal=1, run_number=2, data={"value": 10})
        pipe.add(Monitor(factor=2, name="monitor"), slow)
        assert pipe.select(run_data=RunData.RAW).execute().errors == {}
        pipe.execute()
        return pipe.results.cells["monitor.value"].data

    @Variable
    def signal(run, dark: "var#dark", run_number: "meta#run_number", offset: "param#offset"):
        return run["value"] - dark + run_number + offset

    pipeline = Pipeline()
    pipeline.add([dark, signal])
    Pipeline.set_default(pipeline)
"""


def test_a_file_written_for_damnit_uses_pipelines_as_there() -> None:
    """Unchanged, in the file itself and inside of a variable."""
    pipeline = Pipeline.from_str(DAMNIT)
    results = pipeline.with_context(
        proposal=1, run_number=7, data={"value": 100}, param_values={"offset": 0.5}
    ).execute(raise_errors=True)

    assert set(pipeline.vars) == {"dark", "signal"}
    assert {name: cell.data for name, cell in results.cells.items()} == {
        "dark": 20, "signal": 87.5,
    }  # fmt: skip
    assert results.ctx is results.context


# The default one


def variables_of(tmp_path: Path, code: str) -> set[str]:
    """What the table of a context file with this text consists of."""
    path = tmp_path / "context.py"
    path.write_text(dedent(code))
    (table,) = load(path).tables.values()
    return set(table.formulas)


def test_what_is_added_to_the_default_pipeline_joins_the_table(tmp_path: Path) -> None:
    """For groups that are made in a loop, for instance; and what is there may read them."""
    code = """
        from knockoff import Group, Pipeline, Variable

        @Variable
        def base(run, extra: "var#extra.value"):
            return 1

        @Group
        class G:
            @Variable
            def value(self, run):
                return 2

        g = G()
        Pipeline.default().add(G(name="extra"), g)
        """

    assert variables_of(tmp_path, code) == {"base", "g.value", "extra.value"}


@pytest.mark.parametrize(
    "choose", ["pipe.add(chosen, g)", "pipe.add(chosen, g, base).select(variables=['chosen', 'g'])"]
)
def test_a_pipeline_set_as_default_is_the_table(tmp_path: Path, choose: str) -> None:
    """And nothing else of the file, though a group has its name only at the file's end."""
    code = f"""
        from knockoff import Group, Pipeline, Variable

        @Variable
        def base(run):
            return 1

        @Variable
        def chosen(run):
            return 2

        @Group
        class G:
            @Variable
            def value(self, run):
                return 2

        g = G(name="g")
        pipe = Pipeline()
        pipe = {choose}
        Pipeline.set_default(pipe)
        """

    assert variables_of(tmp_path, code) == {"chosen", "g.value"}


def test_a_class_may_be_set_as_default_too(tmp_path: Path) -> None:
    """With some of its variables."""
    code = """
        from knockoff import Pipeline, Run, Variable

        class Shots(Run):
            @Variable
            def a(self):
                return 1

            @Variable
            def b(self):
                return self.a + 1

            @Variable
            def c(self):
                return 1

        Pipeline.set_default(Pipeline().add(Shots).select(variables="b"))
        """

    assert variables_of(tmp_path, code) == {"a", "b"}


def test_files_that_load_each_other_choose_for_themselves() -> None:
    """Each load has a choice of its own, also one that fails."""
    inner = """
        from knockoff import Pipeline, Variable

        @Variable
        def inner(run):
            return 2

        Pipeline.set_default(Pipeline().add(inner))
        {}
        """
    outer = f"""
        from knockoff import Pipeline, Variable

        @Variable
        def outer(run):
            return 1

        Pipeline.from_str({inner.format("")!r})
        try:
            Pipeline.from_str({inner.format("raise RuntimeError")!r})
        except Exception:
            pass
        Pipeline.default().add(outer)
        """

    assert set(Pipeline.from_str(outer).vars) == {"outer"}
    assert set(Pipeline.from_str(inner.format("")).vars) == {"inner"}


def test_what_the_default_cannot_be_is_told_as_a_problem_of_the_file(tmp_path: Path) -> None:
    """`knockoff context check` lists it with all others."""
    code = """
        from knockoff import Group, Pipeline, Variable

        @Group
        class G:
            @Variable
            def value(self, run):
                return 2

        Pipeline.set_default(Pipeline().add(G()))
        """

    with pytest.raises(ContextProblems, match=r"G\(…\) has no name"):
        variables_of(tmp_path, code)
    with pytest.raises(TypeError, match="expects a Pipeline instance"):
        Pipeline.set_default("no pipeline")  # type: ignore[arg-type]


def _numbers(key: RunKey) -> tuple[int, int]:
    return key.proposal, key.run


ONE = Variable(title="One")(lambda: 1)


def test_a_lambda_is_called_as_it_is_assigned() -> None:
    """It has no name of its own that a column could have."""
    assert Pipeline(data={}).add(ONE).execute()["ONE"] == 1
