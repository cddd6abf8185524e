"""User code in a thread of this process, as a notebook has it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from knockoff.contextfile.assembling import context_of
from knockoff.contextfile.linking import table_of
from knockoff.contextfile.loading import source_of_class
from knockoff.engine.here import HereEngine
from knockoff.filling.messages import Filled, Result, Started
from knockoff.language.plain import Run
from knockoff.language.variable import Variable

from .conftest import messages, results, until

if TYPE_CHECKING:
    from .conftest import Place

REACHED = threading.Event()
GO_ON = threading.Event()
AFTERWARDS: list[str] = []


class Notebook(Run):
    @Variable
    def one(self) -> int:
        return 1

    @Variable
    def fails(self) -> int:
        raise KeyError("nothing")

    @Variable
    async def two(self) -> int:
        await asyncio.sleep(0)
        return self.one + 1

    @Variable
    def waits(self) -> str:
        REACHED.set()
        GO_ON.wait()
        return threading.current_thread().name

    @Variable
    def afterwards(self) -> int:
        AFTERWARDS.append("ran")
        return 3


def engine() -> HereEngine:
    table, problems = table_of(source_of_class(Notebook, __file__))
    assert table is not None, problems
    return HereEngine(context_of(table, file=__file__))


async def test_a_notebook_hears_what_a_service_would(place: Place) -> None:
    """Recording is the same code for both."""
    task = place.task(collection="notebook")
    heard = await messages(engine(), place.folder, task, ("one", "fails", "two"))

    assert [each.variable for each in heard if isinstance(each, Started)] == ["one", "fails", "two"]
    outcomes = {each.variable: each.outcome for each in heard if isinstance(each, Result)}
    assert outcomes == {"one": "done", "fails": "failed", "two": "done"}
    assert heard[-1] == Filled(3)
    failed = next(each for each in heard if isinstance(each, Result) and each.problem)
    assert failed.problem is not None
    assert failed.problem.context_line == 'raise KeyError("nothing")'


async def test_the_event_loop_goes_on_while_a_variable_works(place: Place) -> None:
    """A notebook's other cells, and its progress bar, need it."""
    GO_ON.clear()
    REACHED.clear()
    task = place.task(collection="notebook")
    work = asyncio.create_task(results(engine(), place.folder, task, ("waits",)))
    await until(REACHED.is_set)
    GO_ON.set()

    found = await work

    assert found["waits"].fields["waits"] != threading.current_thread().name


async def test_a_session_that_is_left_starts_no_other_variable(place: Place) -> None:
    """A thread cannot be ended, but it need not go on."""
    GO_ON.clear()
    AFTERWARDS.clear()
    task = place.task(collection="notebook")
    threads = threading.active_count()
    async with engine().session(place.folder, task) as session:
        async for message in session.fill(("waits", "afterwards")):
            if message == Started("waits"):
                break
    GO_ON.set()
    await asyncio.get_running_loop().shutdown_default_executor()

    assert AFTERWARDS == []
    assert threading.active_count() <= threads
