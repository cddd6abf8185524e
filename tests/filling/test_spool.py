"""Results that nobody listened to."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from knockoff.filling.frames import framed, receive
from knockoff.filling.line import Line
from knockoff.filling.messages import CellResult, Filled, Request, Result, RunTask, Started
from knockoff.filling.spool import SpoolHeader, SpoolWriter, spool_path, spools_in

if TYPE_CHECKING:
    from collections.abc import Iterator

TASK = RunTask(1234, 42, "runs", "3", "/nowhere")
ONE = Result("one", "done", "c0de", cells={"one": CellResult(1)})
TWO = Result("two", "failed", "c0de")
THREE = Result("three", "done", "c0de", cells={"three": CellResult(3.5)})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return spool_path(tmp_path, TASK)


@pytest.fixture
def recorder() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a line: the recorder's, the worker's."""
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


async def test_a_spool_gives_back_what_was_written(tmp_path: Path, path: Path) -> None:
    """It stands in for the socket, so nothing may change on the way."""
    writer = SpoolWriter(path, TASK)
    writer.asked(("one", "two"))
    writer.add(ONE)
    writer.add(TWO)
    writer.forget()

    (spool,) = spools_in(tmp_path)

    assert spool.header == SpoolHeader(1234, 42, "runs", "3", ("one", "two"))
    assert [each async for each in spool.results()] == [ONE, TWO]
    spool.remove()
    assert spools_in(tmp_path) == ()


async def test_a_torn_last_line_costs_only_itself(tmp_path: Path, path: Path) -> None:
    """The machine may go down in the middle of a write."""
    writer = SpoolWriter(path, TASK)
    writer.asked(("one", "two"))
    writer.add(ONE)
    writer.add(TWO)
    writer.forget()
    os.truncate(path, path.stat().st_size - 5)  # noqa: ASYNC240

    (spool,) = spools_in(tmp_path)

    assert [each async for each in spool.results()] == [ONE]


async def test_garbage_in_a_spool_is_left_out(tmp_path: Path, path: Path) -> None:
    """Beside it user code ran, which may write anywhere."""
    writer = SpoolWriter(path, TASK)
    writer.asked(("one",))
    with path.open("ab") as file:
        file.write(b'\xff\x00{]\n[1]\n{"kind": "Result"}\n{"kind": "Nothing"}\n')
    writer.add(ONE)
    writer.forget()
    (tmp_path / "other.jsonl").write_text('{"header": {"proposal": 1}}\n')
    (tmp_path / "empty.jsonl").touch()

    (spool,) = spools_in(tmp_path)

    assert [each async for each in spool.results()] == [ONE]


async def test_the_lock_is_free_when_the_worker_is_killed(tmp_path: Path, path: Path) -> None:
    """A pid may be somebody else's after a restart; the kernel's lock is exactly as old as it."""
    worker = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    with worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        (spool,) = spools_in(tmp_path)
        assert spool.is_held()

        worker.send_signal(signal.SIGKILL)
        worker.wait()

    assert [each async for each in spool.results()] == [ONE]
    assert not spool.is_held()


HOLD = """
import sys
from pathlib import Path
from knockoff.filling.messages import CellResult, Result, RunTask
from knockoff.filling.spool import SpoolWriter
writer = SpoolWriter(Path(sys.argv[1]), RunTask(1234, 42, "runs", "3", "/nowhere"))
writer.asked(("one",))
writer.add(Result("one", "done", "c0de", cells={"one": CellResult(1)}))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_spool_that_is_removed_while_it_is_opened_is_made_again(path: Path) -> None:
    """Else results would go into a file that has no name any more."""
    first = SpoolWriter(path, TASK)
    made: list[SpoolWriter] = []
    waiting = threading.Thread(target=lambda: made.append(SpoolWriter(path, TASK)))
    waiting.start()

    first.remove()
    waiting.join()
    made[0].add(ONE)

    assert path.read_bytes()
    made[0].forget()


def test_a_line_whose_results_are_all_acknowledged_leaves_no_spool(
    path: Path, recorder: tuple[socket.socket, socket.socket]
) -> None:
    """The usual case must not litter."""
    ours, theirs = recorder
    line = Line(theirs, SpoolWriter(path, TASK))
    ours.sendall(framed({"fill": Request(("one",)).to_json()}))
    assert line.asked() == Request(("one",))
    for message in (Started("one"), ONE, Filled(1)):
        line.tell(message)
    ours.sendall(framed({"acknowledged": 1}))
    assert [receive(ours)["kind"] for _ in range(3)] == ["Started", "Result", "Filled"]
    ours.close()

    assert line.asked() is None
    line.hang_up()

    assert not path.exists()


async def test_what_was_not_acknowledged_goes_to_the_spool_in_order(
    tmp_path: Path, path: Path, recorder: tuple[socket.socket, socket.socket]
) -> None:
    """A recorder that dies may have read a result and not have stored it."""
    ours, theirs = recorder
    line = Line(theirs, SpoolWriter(path, TASK))
    ours.sendall(
        framed(
            {
                "fill": Request(
                    (
                        "one",
                        "two",
                        "three",
                    )
                ).to_json()
            }
        )
    )
    line.asked()
    line.tell(ONE)
    ours.sendall(framed({"acknowledged": 1}))
    line.tell(TWO)
    ours.close()
    line.tell(Started("three"))
    line.tell(THREE)
    line.tell(Filled(3))
    line.hang_up()

    (spool,) = spools_in(tmp_path)
    assert spool.header.variables == ("one", "two", "three")
    line.forget()
    assert [each async for each in spool.results()] == [TWO, THREE]


def test_a_result_that_is_no_json_becomes_a_failure_that_says_so(
    path: Path, recorder: tuple[socket.socket, socket.socket]
) -> None:
    """One odd value must not end the process and with it the others of the run."""
    ours, theirs = recorder
    line = Line(theirs, SpoolWriter(path, TASK))

    line.tell(Result("odd", "done", "c0de", cells={"odd": CellResult(object())}))

    told = receive(ours)
    assert told["outcome"] == "failed"
    assert "cannot be sent" in told["problem"]["message"]
    line.forget()


def test_a_file_that_takes_the_place_of_the_spool_is_not_written_to(
    tmp_path: Path, path: Path, recorder: tuple[socket.socket, socket.socket]
) -> None:
    """User code that closes all descriptors and opens a file gets the number of ours."""
    ours, theirs = recorder
    writer = SpoolWriter(path, TASK)
    line = Line(theirs, writer)
    writer.forget()
    with (tmp_path / "measurements.h5").open("w+b") as file:
        line.tell(ONE)

        assert file.read() == b""
    assert receive(ours)["variable"] == "one"


def test_a_full_disk_keeps_no_result_from_the_recorder(
    path: Path,
    recorder: tuple[socket.socket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Spool and log are on the same disk, and neither is needed while somebody listens."""
    ours, theirs = recorder
    line = Line(theirs, SpoolWriter(path, TASK))
    ours.sendall(framed({"fill": Request(("one", "two", "three")).to_json()}))
    line.asked()
    line.tell(TWO)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with suppress(OSError), Path("/dev/full").open("w", buffering=1) as full:
        monkeypatch.setattr(sys, "stderr", full)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, limits[1]))
        try:
            line.tell(ONE)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        monkeypatch.undo()
    line.tell(THREE)

    assert [receive(ours)["variable"] for _ in range(3)] == ["two", "one", "three"]
    lines = path.read_text().splitlines()
    assert [json.loads(each).get("variable") for each in lines] == [None, "two", "three"]
    line.forget()


def test_a_request_that_comes_while_something_is_told_is_not_lost(
    path: Path, recorder: tuple[socket.socket, socket.socket]
) -> None:
    """The recorder asks for more as soon as it hears of an end, which the worker still tells."""
    ours, theirs = recorder
    line = Line(theirs, SpoolWriter(path, TASK))
    ours.sendall(framed({"fill": Request(("one",)).to_json()}))
    line.asked()
    ours.sendall(framed({"fill": Request(("two",), (ONE,), {"two": 1}).to_json()}))
    line.tell(Filled(1))

    assert line.asked() == Request(("two",), (ONE,), {"two": 1})
    line.forget()
