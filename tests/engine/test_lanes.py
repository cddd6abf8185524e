"""Several processes for one run: what runs beside what, and what they hand to each other."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.engine.conftest import Place, results

from knockoff.engine import supervising
from knockoff.engine.local import open_engine

if TYPE_CHECKING:
    from knockoff.filling.messages import Result

MEETING = """
import os, time
import numpy as np
from pathlib import Path
from damnit_ctx import Variable

HERE = Path(__file__).parent

def meet(mine, other):
    (HERE / mine).touch()
    while not (HERE / other).exists():
        time.sleep(0.005)
"""
"""Two functions that wait for each other end only if they run at the same time."""

TWO = """
@Variable
def left(run: "meta#run_number"):
    meet("left", "right")
    return os.getpid()

@Variable
def right(run: "meta#run_number"):
    meet("right", "left")
    return os.getpid()
"""


@pytest.fixture
def wide(place: Place) -> Place:
    """A machine with processors enough, whatever this one has."""

    class Wide(Place):
        @property
        def settings(self):  # type: ignore[no-untyped-def]
            return replace(super().settings, processors=4, timeout=20.0)

    return Wide(place.folder, place.name)


async def computed(place: Place, body: str, *names: str) -> dict[str, Result]:
    context = place.context(MEETING + body, alone=True)
    async with open_engine(place.settings) as engine:
        return await results(engine, context, place.task(), names)


def values(told: dict[str, Result]) -> dict[str, object]:
    return {name: each.cell.value for name, each in told.items()}


async def test_long_variables_that_do_not_need_each_other_run_at_the_same_time(
    wide: Place,
) -> None:
    """A run takes as long as its longest chain, not as all of its variables together."""
    told = await computed(wide, TWO, "left", "right")

    assert {each.outcome for each in told.values()} == {"done"}
    assert told["left"].cell.value != told["right"].cell.value
    await wide.until_nothing_runs()


@pytest.mark.parametrize(("cpus", "processors"), [(1, 4), (4, 1)])
async def test_a_run_keeps_to_its_processors(wide: Place, cpus: int, processors: int) -> None:
    """Whoever shares the machine has to be able to rely on it."""
    body = """
@Variable
def first(run: "meta#run_number"):
    time.sleep(0.1)
    return os.getpid()

@Variable
def second(run: "meta#run_number"):
    return os.getpid()
"""
    context = wide.context(MEETING + body, alone=True)
    async with open_engine(replace(wide.settings, cpus=cpus, processors=processors)) as engine:
        told = await results(engine, context, wide.task(), ("first", "second"))

    assert told["first"].cell.value == told["second"].cell.value


async def test_what_one_process_has_found_is_read_in_the_other(wide: Place) -> None:
    """An array is read whole, a number exactly, and why there is none is known as well."""
    body = """
@Variable
def array(run: "meta#run_number"):
    meet("left", "right")
    return np.arange(5000.0)

@Variable
def number(run: "meta#run_number"):
    meet("right", "left")
    return 0.1 + 0.2

@Variable
def fails(run: "meta#run_number"):
    time.sleep(0.05)
    raise KeyError("no such device")

@Variable
def both(array: "var#array", number: "var#number"):
    return float(array.sum() + number)

@Variable
def blocked(number: "var#number", fails: "var#fails"):
    return 1
"""
    told = await computed(wide, body, "array", "number", "fails", "both", "blocked")

    assert told["both"].cell.value == np_sum() + (0.1 + 0.2)
    assert told["blocked"].outcome == "blocked"
    problem = told["blocked"].problem
    assert problem is not None
    assert problem.cause == ("fails",)


def np_sum() -> float:
    return float(sum(range(5000)))


async def test_who_reads_a_transient_value_stays_where_it_is(wide: Place) -> None:
    """It is stored nowhere, and nothing is computed twice."""
    body = """
@Variable(transient=True)
def shared(run: "meta#run_number"):
    with (HERE / "times").open("a") as file:
        file.write("x")
    return os.getpid()

@Variable
def one(shared: "var#shared"):
    time.sleep(0.1)
    return shared == os.getpid()

@Variable
def other(shared: "var#shared"):
    time.sleep(0.1)
    return shared == os.getpid()
"""
    told = await computed(wide, body, "shared", "one", "other")

    assert values(told) == {"one": True, "other": True}
    assert (wide.folder / "times").read_text() == "x"


async def test_who_uses_what_another_leaves_in_globals_stays_with_it(wide: Place) -> None:
    """People share results by globals of the file; in another process they are not there."""
    body = """
FOUND = {}

@Variable
def finds(run: "meta#run_number"):
    FOUND["it"] = os.getpid()
    time.sleep(0.1)
    return 1

@Variable
def uses(run: "meta#run_number"):
    time.sleep(0.1)
    return FOUND["it"] == os.getpid()
"""
    told = await computed(wide, body, "finds", "uses")

    assert told["uses"].cell.value is True


async def test_a_process_that_dies_costs_its_neighbour_nothing(wide: Place) -> None:
    """What ran beside it goes on, and what it had not begun is done by another."""
    body = """
@Variable
def dies(run: "meta#run_number"):
    meet("left", "right")
    os._exit(7)

@Variable
def lives(run: "meta#run_number"):
    meet("right", "left")
    time.sleep(0.2)
    return "alive"

@Variable
def later(lives: "var#lives"):
    return lives + " and well"

@Variable
def after_death(dies: "var#dies"):
    return 1
"""
    told = await computed(wide, body, "dies", "lives", "later", "after_death")

    assert told["dies"].outcome == "failed"
    assert told["later"].cell.value == "alive and well"
    assert told["after_death"].outcome == "blocked"
    await wide.until_nothing_runs()
    assert not list((wide.folder / "spool").iterdir())


async def test_a_variable_with_all_processors_has_them_for_itself(wide: Place) -> None:
    """It starts threads or programs of its own, which others would slow down."""
    body = """
@Variable(cpus=4)
def greedy(run: "meta#run_number"):
    (HERE / "greedy").touch()
    time.sleep(0.3)
    (HERE / "greedy").unlink()
    return 1

@Variable
def modest(run: "meta#run_number"):
    return (HERE / "greedy").exists()
"""
    told = await computed(wide, body, "greedy", "modest")

    assert told["modest"].cell.value is False


async def test_cluster_variables_run_last_and_one_at_a_time(wide: Place) -> None:
    """As long as there is no cluster, this machine must not be asked for two whole nodes."""
    body = """
def alone():
    (HERE / "busy").mkdir()
    time.sleep(0.1)
    (HERE / "busy").rmdir()
    return os.getpid()

@Variable(cluster=True)
def heavy(run: "meta#run_number"):
    return alone()

@Variable(cluster=True)
def heavier(run: "meta#run_number"):
    return alone()

@Variable
def light(run: "meta#run_number"):
    return (HERE / "busy").exists()
"""
    context = wide.context(MEETING + body, alone=True)
    names = ("heavy", "heavier", "light")
    async with open_engine(wide.settings) as engine:
        first, second = await asyncio.gather(
            results(engine, context, wide.task(run=1), names),
            results(engine, context, wide.task(run=2), names),
        )

    for told in (first, second):
        assert {each.outcome for each in told.values()} == {"done"}


async def test_a_hook_runs_with_nothing_beside_it(wide: Place) -> None:
    """It may read and assign any field."""
    body = """
from knockoff import Run, Insert, after_event

class Runs(Run):
    doubled: int = 0

    @Variable
    def one(self) -> int:
        time.sleep(0.1)
        return 21

    @after_event(Insert)
    def double(self):
        self.doubled = 2 * (self.one or 0)

    @Variable
    def two(self) -> int:
        return self.doubled
"""
    told = await computed(wide, body, "one", "double", "two")

    assert told["two"].cell.value == 42


async def test_variables_that_end_just_as_others_are_taken_back_are_all_heard(wide: Place) -> None:
    """What a process begins in the same moment is not to be had back, and is no reason to wait."""
    one = '@Variable\ndef v{0}(run: "meta#run_number"):\n    time.sleep(0.02)\n    return {0}\n'
    names = [f"v{number}" for number in range(12)]
    context = wide.context(MEETING + "".join(map(one.format, range(12))), alone=True)
    async with open_engine(wide.settings) as engine:
        for run in range(1, 9):
            told = await results(engine, context, wide.task(run=run), names)
            assert values(told) == {name: number for number, name in enumerate(names)}


async def test_what_was_long_before_has_others_run_beside_it_from_the_beginning(
    wide: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night has hundreds of runs of one context file: only the first has to find that out."""
    monkeypatch.setattr(supervising, "LONG", 3600.0)  # nothing proves to be long while it runs
    body = """
@Variable
def left(run: "meta#run_number"):
    meet("left", "right") if run == 2 else time.sleep(0.05)
    return os.getpid()

@Variable
def right(run: "meta#run_number"):
    meet("right", "left") if run == 2 else time.sleep(0.05)
    return os.getpid()
"""
    context = wide.context(MEETING + body, alone=True)
    async with open_engine(wide.settings) as engine:
        first = await results(engine, context, wide.task(run=1), ("left", "right"))
        second = await results(engine, context, wide.task(run=2), ("left", "right"))

    assert first["left"].cell.value == first["right"].cell.value
    assert {each.outcome for each in second.values()} == {"done"}
    assert second["left"].cell.value != second["right"].cell.value
    await wide.until_nothing_runs()
