"""The context files that people start from load without a problem and fill a run."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from extra_data import RunDirectory

from knockoff.contextfile.loading import load
from knockoff.filling.filling import Filling
from knockoff.filling.messages import Result, RunTask
from knockoff.rundata.synthetic import write_proc, write_run
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Filled = Callable[..., dict[str, Result]]

INSTRUMENTS = {"generic": "HED", "sa1": "SPB", "sa2": "MID", "sa3": "SCS", "demo": "MID"}
XGM = {
    "sa1": ("SA1_XTD2_XGM/XGM/DOOCS:output", "data.intensitySa1TD"),
    "sa2": ("SA2_XTD1_XGM/XGM/DOOCS:output", "data.intensityTD"),
    "sa3": ("SA3_XTD10_XGM/XGM/DOOCS:output", "data.intensitySa3TD"),
}
TRAINS, PULSES = 30, 8
LASING, HIT_BEST, DARK = 1, 6, 10


@pytest.fixture
def shipped() -> Iterator[Path]:
    """The folder of context files, found as an installed package has it."""
    with as_file(files("knockoff") / "contexts") as folder:
        yield folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of every instrument, whose gas monitors have the facility's empty slots."""
    root = tmp_path_factory.mktemp("data")
    for number, (name, instrument) in enumerate(INSTRUMENTS.items(), 1):
        for run in (LASING, HIT_BEST, DARK):
            key = RunKey(number, run)
            slots = None if name == "demo" else 1000
            write_run(root, key, instrument=instrument, trains=TRAINS, pulses=PULSES, slots=slots)
            write_proc(root, key)
    return root


@pytest.fixture
def filled(shipped: Path, root: Path, tmp_path: Path) -> Filled:
    """Fill a run with one of the shipped files."""

    def fill(name: str, run: int = LASING, **row: Any) -> dict[str, Result]:
        context = load(shipped / f"{name}.py")
        proposal = [*INSTRUMENTS].index(name) + 1
        (table,) = context.tables.values()
        task = RunTask(
            proposal, run, table.description.collection, "1", str(tmp_path), str(root), row=row
        )
        results: list[Any] = []
        Filling(context, task).fill(table.formulas, results.append)
        return {each.variable: each for each in results if isinstance(each, Result)}

    return fill


def fields(results: dict[str, Result]) -> dict[str, Any]:
    """All that would be in the row afterwards."""
    return {name: value for each in results.values() for name, value in each.fields.items()}


def test_the_shipped_files_are_those_that_are_tested_here(shipped: Path) -> None:
    """A new one is tested from its first day on."""
    assert {path.stem for path in shipped.glob("*.py")} == set(INSTRUMENTS)


@pytest.mark.parametrize("name", ["generic", "sa1", "sa2", "sa3"])
def test_a_template_fills_every_column(filled: Filled, root: Path, name: str) -> None:
    """Somebody who starts with it sees numbers at once, and no column that never works."""
    results = filled(name)

    row = fields(results)
    assert {result.outcome for result in results.values()} == {"done"}
    assert row["trains"] == TRAINS
    trains = RunDirectory(str(folder_of(root, name, "raw"))).train_ids
    assert row["run_length"] == pytest.approx((trains[-1] - trains[0] + 1) / 10)
    assert row["raw_size"] == pytest.approx(size(root, name, "raw") / 1e12)
    assert row["proc_size"] == pytest.approx(size(root, name, "proc") / 1e12)


@pytest.mark.parametrize("name", ["sa1", "sa2", "sa3"])
def test_empty_slots_of_the_gas_monitor_do_not_count_as_pulses(
    filled: Filled, root: Path, name: str
) -> None:
    """They hold 1, which would draw the mean of a thousand slots down to almost that."""
    results = filled(name)

    row = fields(results)
    recorded = RunDirectory(str(folder_of(root, name, "raw")))
    energies = recorded[XGM[name]].ndarray()
    assert energies.shape == (TRAINS, 1000)
    assert (energies[:, PULSES:] == 1).all()
    assert row["pulses"] == PULSES
    assert row["xgm_intensity"] == pytest.approx(energies[:, :PULSES].mean(), rel=1e-5)
    array = results["xgm_intensity"].cell.array
    assert array is not None
    assert array["shape"] == [TRAINS]
    assert results["xgm_intensity"].cell.units == "µJ"


def test_the_demo_fills_every_kind_of_cell(filled: Filled) -> None:
    """Numbers, trendlines, images, text and style; a good run has no empty cell."""
    results = filled("demo", HIT_BEST)

    row = fields(results)
    assert {result.outcome for result in results.values()} == {"done"}
    assert row["trains"] == TRAINS
    assert row["sample_x"] == 0.0
    assert row["xgm.pulses"] == PULSES
    assert row["xgm.lasing"] is True
    assert row["label"] == "powder at +0.0 mm"
    assert row["hit_rate"] > 50
    assert row["arrival"] == pytest.approx(4.63, abs=0.01)
    assert 70 < row["decay"] < 100
    assert results["hit_rate"].cell.style == {"bold": True, "background": "#1f6f43"}
    shown = {name: result.cell.preview for name, result in results.items()}
    previews = {name: preview and preview["kind"] for name, preview in shown.items()}
    assert previews["mean_image"] == previews["photons"] == "png"
    assert previews["sample_y"] == previews["scattering"] == previews["diode"] == "trend"


def test_a_dark_run_of_the_demo_shows_every_reason_for_an_empty_cell(filled: Filled) -> None:
    """Skipped with a reason, failed for want of light, and blocked by that."""
    results = filled("demo", DARK)

    skipped = {
        name: result.problem for name, result in results.items() if result.outcome == "skipped"
    }
    assert set(skipped) == {"hit_rate", "xgm.jitter"}
    assert {problem and problem.message for problem in skipped.values()} == {"dark run"}
    failed, blocked = results["arrival"], results["decay"]
    assert (failed.outcome, blocked.outcome) == ("failed", "blocked")
    assert failed.problem is not None
    assert failed.problem.kind == "IndexError"
    assert blocked.problem is not None
    assert blocked.problem.cause == ("arrival",)
    assert fields(results)["label"] == "dark"


def test_the_threshold_of_the_demo_decides_what_is_a_hit(filled: Filled) -> None:
    """It is the field to type into when one tries the table."""
    assert fields(filled("demo", HIT_BEST, threshold=1000.0))["hits"] == 0
    assert fields(filled("demo", HIT_BEST, threshold=0.0))["hits"] > 20


def test_the_demo_uses_most_of_the_language(shipped: Path) -> None:
    """People learn from it: proc data, groups, tags, units, summaries, a hook, an edited field."""
    (table,) = load(shipped / "demo.py").tables.values()
    variables = {each.name: each for each in table.description.variables}

    assert {each.data for each in variables.values()} == {"raw", "proc"}
    assert variables["hits"].data == "proc"
    assert variables["hits"].fields_read == ("threshold",)
    assert variables["xgm.pulse_energy"].title == "XGM/Pulse energy"
    assert variables["describe"].hook
    assert all(each.description for each in variables.values())
    assert {field.name: field.editable for field in table.description.fields} == {
        "threshold": True,
        "label": False,
    }


@pytest.mark.parametrize("name", ["generic", "sa1", "sa2", "sa3"])
def test_a_template_says_of_each_column_what_it_is(shipped: Path, name: str) -> None:
    """Whoever starts with it learns to give title, units and a sentence."""
    (table,) = load(shipped / f"{name}.py").tables.values()

    for variable in table.description.variables:
        assert variable.description
        assert variable.type in ("int", "float", "DataArray")
        assert variable.title[0].isupper()
        assert variable.units or variable.type == "int"
    wanted = {"trains", "run_length", "raw_size", "proc_size"}
    wanted |= set() if name == "generic" else {"pulses", "xgm_intensity"}
    assert set(table.formulas) == wanted
    data = {each.name: each.data for each in table.description.variables}
    assert [each for each in data if data[each] == "proc"] == ["proc_size"]


def folder_of(root: Path, name: str, kind: str) -> Path:
    """Where a run's files of one kind are."""
    proposal = f"p{[*INSTRUMENTS].index(name) + 1:06d}"
    (folder,) = root.glob(f"*/*/{proposal}/{kind}/r{LASING:04d}")
    return folder


def size(root: Path, name: str, kind: str) -> int:
    """Bytes of a run's files."""
    return sum(file.stat().st_size for file in folder_of(root, name, kind).glob("*.h5"))
