"""The process that starts a launched program, waits until all of it has ended, and says how.

``python -m knockoff.engine.waiter``, with one JSON object on stdin, as `Launcher` writes
it. It answers with one line on stdout and goes on alone: nobody's child, in a session of
its own, so that neither a worker nor the listener takes it along.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from knockoff.filling.processes import adopt_orphans, children
from knockoff.filling.sections import LAUNCHED, heading, heading_in

if TYPE_CHECKING:
    from types import FrameType

GRACE_S: Final = 5.0
"""Between asking a program to end and ending it."""

LONGEST_LOOK: Final = 64_000
"""Bytes of the end of the output that are looked at for a batch job or last words."""

_PAUSES_S: Final = (1, 5, 20, 60, 300)
"""Before the end of a program is told once more, to a database that did not answer."""

BATCH_JOB: Final = re.compile(rb"^Submitted batch job (\d+)", re.MULTILINE)
"""What Slurm's `sbatch` says."""


def main() -> None:
    """Start what stdin says, answer, and stay as long as the program does."""
    order = json.load(sys.stdin)
    log = Path(order["log"])
    output = os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o660)
    # until the log says who watches over the program: whoever else is to start it waits for that
    fcntl.flock(output, fcntl.LOCK_EX)
    known = _watching(output)
    if known is not None:  # for a recorder that was killed before it could say so
        _answer({"pid": known})
        return
    reading, writing = os.pipe()
    if os.fork() != 0:
        os.close(writing)
        os.close(output)  # the lock stays with the child
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.readline()
        _answer(json.loads(answer or b'{"error": "its process ended at once"}'))
        return
    os.close(reading)
    _wait(order, log, output, writing)


def _watching(log: int) -> int | None:
    """The process that the log says has started the program; None if nobody has yet."""
    first, whole, _ = os.pread(log, 1000, 0).partition(b"\n")
    found = heading_in(first.decode("utf-8", "replace")) if whole else None
    return None if found is None else found.pid


def _answer(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def _wait(order: dict[str, Any], log: Path, output: int, answer: int) -> None:
    adopt_orphans()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    told = _Told()
    signal.signal(signal.SIGTERM, told.by)
    head = heading(order["proposal"], order["run"], order["table"], order["attempt"])
    try:
        os.ftruncate(output, 0)  # half a line of one who was killed
        os.write(output, f"{head}{LAUNCHED}{order['variable']}: {order['shown']}\n".encode())
        os.fsync(output)
        os.chdir(order["folder"])  # where that hangs, whoever has asked ends us, and nothing starts
        os.setsid()  # from here on we are not ended with those who have asked
        fcntl.flock(output, fcntl.LOCK_UN)
        program = subprocess.Popen(
            order["command"],
            stdin=nothing,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}"
        os.write(output, f"{reason}\n".encode())
        os.write(answer, json.dumps({"error": reason}).encode() + b"\n")
        return
    os.write(answer, json.dumps({"pid": os.getpid()}).encode() + b"\n")
    os.close(answer)
    status = _status_of_all(program)
    signal.setitimer(signal.ITIMER_REAL, 0)
    _tell_end(order, log, status, is_told=told.is_told)


class _Told:
    """Whether somebody has asked this process to end, so that the program has to."""

    def __init__(self) -> None:
        self.is_told = False

    def by(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  # signal's own
        """Ask the program to end, and what it has started; end what does not."""
        _signal_all(signal.SIGTERM)
        if not self.is_told:
            self.is_told = True
            signal.signal(signal.SIGALRM, lambda *_: _signal_all(signal.SIGKILL))
            # again and again: whoever is killed leaves his own children to us
            signal.setitimer(signal.ITIMER_REAL, GRACE_S, 0.2)


def _status_of_all(program: subprocess.Popen[bytes]) -> int:
    """The exit status of the program, when nothing is left of what it has started."""
    status = 0
    while True:
        try:
            pid, ended = os.waitpid(-1, 0)
        except ChildProcessError:
            return status
        if pid == program.pid:
            status = program.returncode = os.waitstatus_to_exitcode(ended)


def _signal_all(number: signal.Signals) -> None:
    """Signal our children and their groups; what they leave behind becomes our child then."""
    for pid in children():
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)


def _tell_end(order: dict[str, Any], log: Path, status: int, *, is_told: bool) -> None:
    """Let the cell say that no value comes from here, or which batch job it is to come from."""
    tail = _tail(log)
    job = BATCH_JOB.search(tail)
    how, words = _ending(status, is_told=is_told), _last_words(tail)
    if job is not None and status == 0:
        report = ["--batch-job", job[1].decode()]
    else:
        short = "" if status or is_told else ", and had not submitted a value"
        report = ["--ended", f"{how}{short}{f': {words}' if words else ''}"]
    moment = datetime.now(UTC).isoformat(" ", "seconds")
    with suppress(OSError), log.open("ab", buffering=0) as file:
        file.write(f"--- {moment} {how}\n".encode())
    for pause in (0, *_PAUSES_S):
        time.sleep(pause)
        done = subprocess.run([*order["report"], *report], stdin=0, check=False)
        if done.returncode == 0:
            return


def _ending(status: int, *, is_told: bool) -> str:
    if is_told:
        return "was told to end"
    if status < 0:
        return f"was ended by {_name(-status)}"
    return f"ended with exit status {status}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tail(log: Path) -> bytes:
    with log.open("rb") as file:
        file.readline()  # the heading
        file.readline()
        start = file.tell()
        file.seek(max(start, file.seek(0, os.SEEK_END) - LONGEST_LOOK))
        return file.read()


def _last_words(tail: bytes) -> str:
    lines = [line.strip() for line in tail.decode("utf-8", "replace").splitlines()]
    said = [line for line in lines if line]
    return said[-1][:300] if said else ""


if __name__ == "__main__":
    main()
