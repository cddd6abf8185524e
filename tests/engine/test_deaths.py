"""Every way in which a variable can end its process, and what it costs the others: nothing."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from knockoff.engine.local import open_engine
from knockoff.errors import WorkerError
from knockoff.filling.messages import Filled, Result, Started

from .conftest import messages, results, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.filling.messages import Outcome

    from .conftest import Place


@dataclass(frozen=True)
class Death:
    """A variable that ends badly, and what its cell must say."""

    body: str
    outcome: Outcome
    kind: str
    message: str
    line: str = ""
    """The line of the context file that the cell must show."""


DEATHS = {
    "sys.exit": Death("sys.exit(3)", "failed", "SystemExit", "sys.exit"),
    "os._exit": Death("os._exit(3)", "failed", "SystemExit", "exit status 3"),
    "a clean exit": Death("os._exit(0)", "failed", "SystemExit", "exit status 0"),
    "segfault": Death(
        "ctypes.string_at(0)", "killed", "SIGSEGV", "signal 11", "ctypes.string_at(0)"
    ),
    "abort": Death("os.abort()", "killed", "SIGABRT", "compiled library", "os.abort()"),
    "SIGKILL": Death("os.kill(os.getpid(), signal.SIGKILL)", "killed", "SIGKILL", "want of memory"),
    "KeyboardInterrupt": Death(
        "raise KeyboardInterrupt", "failed", "WorkerError", "KeyboardInterrupt", "raise Keyb"
    ),
    "endless loop": Death("while True: pass", "timed out", "Timeout", "0.3 s", "while True: pass"),
    "endless C loop that holds the interpreter's lock": Death(
        're.match(r"(a+)+$", "a" * 64 + "b")', "timed out", "Timeout", "0.3 s", "re.match"
    ),
    "ignored SIGTERM, with children left behind in sessions of their own": Death(
        """signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for own_session in (False, True):
        subprocess.Popen(["sleep", "1000"], start_new_session=own_session)
        subprocess.Popen("sleep 1000 & sleep 1000", shell=True, start_new_session=own_session)
    while True: time.sleep(1)""",
        "timed out",
        "Timeout",
        "0.3 s",
    ),
    "all file descriptors closed": Death(
        "os.closerange(0, 4096); return 1", "failed", "WorkerError", "closed file descriptors"
    ),
    "all file descriptors closed, and never an end": Death(
        "os.closerange(0, 4096); time.sleep(1000)", "failed", "WorkerError", "closed file"
    ),
    "too much memory": Death("return len(bytearray(2_000_000_000))", "failed", "MemoryError", ""),
    "its zygote killed": Death(
        "os.kill(os.getppid(), signal.SIGKILL); time.sleep(1000)", "killed", "WorkerLost", "forked"
    ),
    "its zygote stopped": Death(
        "os.kill(os.getppid(), signal.SIGSTOP); time.sleep(1000)", "killed", "WorkerLost", "forked"
    ),
    "garbage on its socket": Death(
        """for name in os.listdir("/proc/self/fd"):
        if os.path.realpath(f"/proc/self/fd/{name}").rpartition("/")[2].startswith("socket:"):
            os.write(int(name), b"{" * 100)
    time.sleep(1000)""",
        "failed",
        "WorkerError",
        "not ours",
    ),
    "another variable's name in its result": Death(
        """import json, struct
    content = json.dumps({"kind": "Result", "variable": "x", "outcome": "done", "code": ""})
    for name in os.listdir("/proc/self/fd"):
        if os.path.realpath(f"/proc/self/fd/{name}").rpartition("/")[2].startswith("socket:"):
            os.write(int(name), struct.pack(">I", len(content)) + content.encode())
    time.sleep(1000)""",
        "failed",
        "WorkerError",
        "not asked for",
    ),
}


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
async def test_a_variable_that_dies_says_why_and_costs_no_other_its_value(
    death: Death, place: Place, open_files: Callable[[], int]
) -> None:
    """User code crashes; the table must be as full as it can be, and nothing may stay behind."""
    limit = "(timeout=0.3)" if death.outcome == "timed out" else ""
    context = place.context(
        f"""
@Variable{limit}
def dies(before: "var#before"):
    {death.body}

@Variable
def reads_it(dies: "var#dies"):
    return dies
"""
    )
    files = open_files()
    async with open_engine(replace(place.settings, memory=1_000_000_000, silence=1.5)) as engine:
        names = ("before", "dies", "reads_it", "after")
        found = await results(engine, context, place.task(), names)

        assert found.keys() == set(names)
        assert found["before"].fields == {"before": 42}
        assert found["after"].fields == {"after": 43}
        problem = found["dies"].problem
        assert problem is not None
        assert (found["dies"].outcome, problem.kind) == (death.outcome, death.kind)
        assert death.message in problem.message
        assert problem.context_line.startswith(death.line)
        assert found["reads_it"].outcome == "blocked"
        assert found["dies"].code != ""
    await place.until_nothing_runs()
    assert open_files() <= files


async def test_every_message_comes_once_and_the_last_says_how_many(place: Place) -> None:
    """Whoever records counts on it, also when three processes were needed."""
    context = place.context(
        """
@Variable
def dies(before: "var#before"):
    os._exit(1)

@Variable
def dies_too(before: "var#before"):
    os._exit(2)
"""
    )
    names = ("before", "dies", "dies_too", "after")
    async with open_engine(place.settings) as engine:
        heard = await messages(engine, context, place.task(), names)

    assert [each.variable for each in heard if isinstance(each, Started)] == list(names)
    assert [each.variable for each in heard if isinstance(each, Result)] == list(names)
    assert [each for each in heard if isinstance(each, Filled)] == heard[-1:] == [Filled(4)]


async def test_a_transient_variable_that_dies_blocks_who_reads_it_and_dies_once(
    place: Place,
) -> None:
    """It has no cell, so its reason must show in the cells of those that need it."""
    context = place.context(
        """
@Variable(transient=True)
def dies(before: "var#before"):
    with open("deaths", "a") as file: file.write("x")
    os._exit(1)

@Variable
def reads_it(dies: "var#dies"):
    return dies
"""
    )
    async with open_engine(place.settings) as engine:
        names = ("before", "dies", "reads_it", "after")
        found = await results(engine, context, place.task(), names)

    assert found.keys() == {"before", "reads_it", "after"}
    assert found["reads_it"].outcome == "blocked"
    assert (place.folder / "deaths").read_text() == "x"


async def test_a_name_that_no_context_file_has_gets_a_reason(place: Place) -> None:
    """The file may have changed between the question and the answer."""
    async with open_engine(place.settings) as engine:
        found = await results(engine, place.context(""), place.task(), ("before", "gone"))

    assert found["before"].outcome == "done"
    assert found["gone"].outcome == "failed"


async def test_a_run_that_prints_without_end_cannot_fill_the_disk(place: Place) -> None:
    """Its log is cut; its value is kept."""
    context = place.context(
        """
@Variable
def prints(before: "var#before"):
    log = Path("process_logs/r0042-p1234.log")
    print("x" * 1_000_000)
    while log.stat().st_size > 500_000:
        print("still here")
    return 1
"""
    )
    async with open_engine(replace(place.settings, largest_log=500_000)) as engine:
        found = await results(engine, context, place.task(), ("before", "prints", "after"))

    assert [each.outcome for each in found.values()] == ["done", "done", "done"]


async def test_the_neighbours_of_a_crash_do_not_notice(place: Place) -> None:
    """Runs are filled in parallel by forks of one zygote."""
    context = place.context(
        """
@Variable
def odd_ones_crash(run: "meta#run_number"):
    if run % 2: ctypes.string_at(0)
    return run
"""
    )
    async with open_engine(place.settings) as engine:
        await engine.describe(context)
        found = await asyncio.gather(
            *(
                results(engine, context, place.task(run=run), ("before", "odd_ones_crash"))
                for run in range(1, 9)
            )
        )

    outcomes = [each["odd_ones_crash"].outcome for each in found]
    assert outcomes == ["killed", "done"] * 4
    assert all(each["before"].outcome == "done" for each in found)


async def test_a_session_that_is_left_ends_its_process_and_all_that_it_started(
    place: Place,
) -> None:
    """Whoever cancels a run wants its cores back, at once."""
    context = place.context(
        """
@Variable
def starts_others(before: "var#before"):
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    time.sleep(1000)
"""
    )
    async with open_engine(place.settings) as engine:
        await engine.describe(context)
        zygote = place.processes()
        async with engine.session(context, place.task()) as session:
            async for message in session.fill(("before", "starts_others")):
                if message == Started("starts_others"):
                    break
        await until(lambda: place.processes().keys() == zygote.keys())  # it is for the next run
        found = await results(engine, context, place.task(), ("before",))
        assert found["before"].outcome == "done"


async def test_a_cancelled_task_ends_its_process(place: Place) -> None:
    """A listener that shuts down cancels what it waits for."""
    context = place.context(
        """
@Variable
def works(before: "var#before"):
    Path("works").touch()
    time.sleep(1000)
"""
    )
    async with open_engine(place.settings) as engine:
        await engine.describe(context)
        zygote = place.processes()
        work = asyncio.create_task(results(engine, context, place.task(), ("before", "works")))
        await until((place.folder / "works").exists)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await until(lambda: place.processes().keys() == zygote.keys())


async def test_a_table_that_is_not_in_the_context_file_is_said_at_once(place: Place) -> None:
    """A class may have been renamed while its runs were waiting."""
    async with open_engine(place.settings) as engine:
        with pytest.raises(WorkerError, match="no table 'spectra'"):
            await results(engine, place.context(""), place.task(collection="spectra"), ("before",))


async def test_leaving_the_engine_ends_everything(
    place: Place, open_files: Callable[[], int]
) -> None:
    """Ctrl-C must not leave a variable behind that works for hours and is never heard."""
    context = place.context(
        """
@Variable
def works(before: "var#before"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    time.sleep(1000)
"""
    )
    files = open_files()

    async def interrupted() -> None:
        async with (
            open_engine(place.settings) as engine,
            engine.session(context, place.task()) as session,
        ):
            async for message in session.fill(("before", "works")):
                if message == Started("works"):
                    raise KeyError("the caller's own")

    with pytest.raises(KeyError, match="the caller's own"):
        await interrupted()
    await place.until_nothing_runs()
    assert open_files() <= files


async def test_threads_at_import_get_every_run_a_fresh_process(place: Place) -> None:
    """A fork has only one of the threads, and the locks that the others held for ever."""
    context = place.context(
        """
import threading
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()

@Variable
def threads(before: "var#before"):
    return len(threading.enumerate())

@Variable
def dies(before: "var#before"):
    os._exit(3)
"""
    )
    async with open_engine(place.settings) as engine:
        found = await results(engine, context, place.task(), ("before", "threads", "dies", "after"))

        context.write_text("def broken(:\n")
        as_described = await results(engine, context, place.task(run=43), ("before", "threads"))

    assert as_described["threads"].fields == {"threads": 2}
    assert found["threads"].fields == {"threads": 2}
    assert found["dies"].outcome == "failed"
    assert found["after"].fields == {"after": 43}
    await place.until_nothing_runs()


async def test_user_code_finds_no_secret_and_no_way_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be anybody's; the recorder alone holds the key to the database."""
    for name in ("KNOCKOFF_DATABASE", "KNOCKOFF_KAFKA__PASSWORD", "MYMDC_TOKEN", "PYTHONPATH"):
        monkeypatch.setenv(name, "hunter2")
    context = place.context(
        """
@Variable
def environment(before: "var#before"):
    return dict(os.environ)

@Variable
def sockets(before: "var#before"):
    return len([x for x in os.listdir("/proc/self/fd")
                if os.path.realpath(f"/proc/self/fd/{x}").rpartition("/")[2].startswith("socket")])
"""
    )
    async with open_engine(place.settings) as engine:
        names = ("before", "environment", "sockets")
        found = await results(engine, context, place.task(), names)

    environment = found["environment"].fields["environment"]
    assert "hunter2" not in environment.values()
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["PATH"] == os.environ["PATH"]
    assert found["sockets"].fields == {"sockets": 1}  # its own line to the recorder


@pytest.mark.parametrize("goes_on", ["return np.arange(5000)", "raise ValueError"])
async def test_a_child_that_comes_back_from_a_variable_ends_there(
    goes_on: str, place: Place
) -> None:
    """Else it would store a second array that no row names, and lift its parent's time limit."""
    context = place.context(
        f"""
import numpy as np

@Variable(timeout=1)
def forks():
    if child := os.fork():
        os.waitpid(child, 0)
        while True: time.sleep(1)
    {goes_on}

@Variable
def returns():
    if os.fork() == 0:
        {goes_on}
    return np.arange(5000)
"""
    )
    async with open_engine(place.settings) as engine:
        found = await results(
            engine, context, place.task(), ("before", "forks", "returns", "after")
        )

        assert found["forks"].outcome == "timed out"
        assert found["returns"].outcome == "done"
        assert found["after"].fields == {"after": 43}
    await place.until_nothing_runs()
    files = [each for each in (place.folder / "extracted_data").rglob("*") if each.is_file()]
    assert len(files) == 1
