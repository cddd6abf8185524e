"""Memory and retries, per variable."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.engine.conftest import Place, results

from knockoff.engine.local import open_engine

if TYPE_CHECKING:
    from knockoff.filling.messages import Result

COUNTING = """
def times(name):
    with open(f"{Path(__file__).parent}/{name}", "a") as file:
        file.write("x")
    return os.path.getsize(f"{Path(__file__).parent}/{name}")
"""


async def computed(
    place: Place, body: str, *names: str, memory: int | None = None, retries: int = 0
) -> dict[str, Result]:
    context = place.context(COUNTING + body)
    async with open_engine(replace(place.settings, memory=memory, retries=retries)) as engine:
        told = await results(engine, context, place.task(), ("before", *names, "after"))
    assert (told["before"].cell.value, told["after"].cell.value) == (42, 43)
    await place.until_nothing_runs()
    return told


async def test_a_variable_that_asks_for_too_much_memory_fails_with_the_remedy(
    place: Place,
) -> None:
    """The machine is shared; the cell says what the limit was and how to raise it."""
    body = """
import numpy
@Variable(memory="200 MB")
def large(run: "meta#run_number"):
    return numpy.ones(100_000_000).sum()

@Variable
def next_one(run: "meta#run_number"):
    return int(numpy.ones(40_000_000).sum())
"""
    told = await computed(place, body, "large", "next_one")

    problem = told["large"].problem
    assert problem is not None
    assert "MemoryError" in problem.kind
    assert "It may have 200 MB; Variable(memory=...) asks for more." in problem.message
    assert told["next_one"].cell.value == 40_000_000


async def test_programs_that_a_variable_starts_count_as_its_memory(place: Place) -> None:
    """The kernel's limit is for each process alone."""
    body = """
@Variable(memory="300 MB")
def starts(run: "meta#run_number"):
    code = "x = b'x' * 150_000_000; import time; time.sleep(60)"
    started = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    return [each.wait() for each in started]
"""
    told = await computed(place, body, "starts")

    assert told["starts"].outcome == "killed"
    problem = told["starts"].problem
    assert problem is not None
    assert problem.kind == "OutOfMemory"
    assert "more than 300 MB of memory, its limit" in problem.message


async def test_the_limit_of_the_settings_holds_for_who_says_nothing(place: Place) -> None:
    """As a site has decided."""
    body = """
import numpy
@Variable
def large(run: "meta#run_number"):
    return numpy.ones(100_000_000).sum()

@Variable(memory="2 GB")
def asks(run: "meta#run_number"):
    return int(numpy.ones(100_000_000).sum())
"""
    told = await computed(place, body, "large", "asks", memory=200_000_000)

    assert told["large"].outcome == "failed"
    assert told["asks"].cell.value == 100_000_000


@pytest.mark.parametrize(
    "end",
    ['raise OSError("the disk sleeps")', "os._exit(3)", "os.kill(os.getpid(), 9)"],
    ids=["raises", "exits", "is killed"],
)
async def test_a_variable_is_tried_again_as_often_as_it_says(place: Place, end: str) -> None:
    """Disks and servers have weak moments, and at 3 a.m. nobody is there to try again."""
    body = f"""
@Variable(retries=2)
def weak(run: "meta#run_number"):
    if times("weak") < 3:
        {end}
    return "strong"
"""
    told = await computed(place, body, "weak")

    assert told["weak"].cell.value == "strong"
    assert (place.folder / "weak").read_text() == "xxx"


async def test_what_fails_for_good_is_tried_no_more_than_it_says(place: Place) -> None:
    """However it fails: once by dying, once by an exception."""
    body = """
@Variable(retries=1)
def weak(run: "meta#run_number"):
    if times("weak") == 1:
        os._exit(3)
    raise OSError("the disk sleeps")

@Variable
def strict(run: "meta#run_number"):
    times("strict")
    raise OSError("the disk sleeps")

@Variable(retries=0)
def never(run: "meta#run_number"):
    times("never")
    raise OSError("the disk sleeps")

@Variable
def skips(run: "meta#run_number"):
    times("skips")
    from damnit_ctx import Skip
    raise Skip("nothing to see")
"""
    told = await computed(place, body, "weak", "strict", "never", "skips", retries=1)

    assert {name: told[name].outcome for name in ("weak", "strict", "never", "skips")} == {
        "weak": "failed",
        "strict": "failed",
        "never": "failed",
        "skips": "skipped",
    }
    tries = {name: len((place.folder / name).read_text()) for name in ("weak", "strict", "never")}
    assert tries == {"weak": 2, "strict": 2, "never": 1}
    assert (place.folder / "skips").read_text() == "x"
    assert "OSError: the disk sleeps" in place.log()
