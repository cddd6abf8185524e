"""How a process ended, in words for the cell of the variable that it was running."""

from __future__ import annotations

import os
import re
import signal
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from knockoff.filling.memory import gigabytes
from knockoff.filling.messages import CellProblem
from knockoff.filling.orders import BROKEN, UNHEARD
from knockoff.logs import not_a_link

if TYPE_CHECKING:
    from pathlib import Path

    from knockoff.contextfile.description import ContextDescription
    from knockoff.filling.messages import Outcome
    from knockoff.filling.orders import Ended

_TAIL: Final = 32_000
_LONGEST: Final = 8_000
_OUR_CALL: Final = "/knockoff/filling/filling.py"
_DUMP: Final = re.compile(
    r"^(Fatal Python error|Stack \(most recent|Traceback \(most recent)", re.MULTILINE
)
_SECTION: Final = re.compile(r"^=== .*$\n?", re.MULTILINE)


def problem_of_death(
    ended: Ended, timeout: float, memory: int, context: ContextDescription, last_words: str
) -> tuple[Outcome, CellProblem]:
    """What the cell of the variable that was running shows.

    Parameters
    ----------
    timeout:
        Its limit in seconds.
    memory:
        Its limit in bytes.
    last_words:
        As `last_words_in` returns them.
    """
    outcome, kind, message = _told(ended, timeout, memory)
    if ended.status == BROKEN << 8 and last_words:
        message = f"{message} It ends with {last_words.splitlines()[-1]}"
    found = re.search(rf'File "{re.escape(context.path)}", line (\d+)', last_words)
    line = int(found[1]) if found else 0
    source = context.source.splitlines()
    context_line = source[line - 1].strip() if 0 < line <= len(source) else ""
    return outcome, CellProblem(kind, message, line, context_line, traceback=last_words)


def last_words_in(log: Path, start: int = 0) -> str:
    """What Python wrote into a run's log as its process went down; empty if it had no time.

    It is looked for behind the first `start` bytes, which others have written.
    """
    try:
        with open(log, "rb", opener=not_a_link) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(start if start < size else 0, size - _TAIL))
            tail = file.read(_TAIL).decode("utf-8", "replace")
    except OSError:
        return ""
    own = _SECTION.sub("", tail)
    dumps = list(_DUMP.finditer(own))
    return _without_ours(own[dumps[-1].start() :])[:_LONGEST].strip() if dumps else ""


def _without_ours(dump: str) -> str:
    """A dump as far as user code goes; the frames below it and the list of libraries say nothing.

    `faulthandler` writes the innermost frame first, other than a traceback.
    """
    if dump.startswith("Traceback"):
        return dump
    return "\n".join(takewhile(lambda line: _OUR_CALL not in line, dump.splitlines()))


def ending_of(status: int) -> str:
    """An ending as a person says it: "killed by signal 11 (SIGSEGV)", "exit status 3"."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"killed by signal {number} ({_name(number)})"
    return f"exit status {os.waitstatus_to_exitcode(status)}"


def _told(ended: Ended, timeout: float, memory: int) -> tuple[Outcome, str, str]:
    if ended.cause == "out of memory":
        limit = f"it and what it started had more than {gigabytes(memory)} of memory, its limit"
        remedy = "Let it have more with Variable(memory=…), or read less at a time."
        return "killed", "OutOfMemory", f"stopped because {limit}. {remedy}"
    if ended.cause == "timed out":
        remedy = "Let it take longer with Variable(timeout=…), in seconds."
        return "timed out", "Timeout", f"stopped after {timeout:g} s, its time limit. {remedy}"
    if ended.cause == "lost":
        what = "the process from which all runs of this context are forked ended"
        return "killed", "WorkerLost", f"killed: {what}. Reprocess the run."
    if ended.cause == "told" or ended.status == UNHEARD << 8:
        what = "it closed file descriptors that are not its own, as os.closerange() does"
        return "failed", "WorkerError", f"its result cannot be sent: {what}."
    if os.WIFSIGNALED(ended.status):
        number = os.WTERMSIG(ended.status)
        return "killed", _name(number), f"{ending_of(ended.status)}: {_meaning(ended, number)}"
    status = os.waitstatus_to_exitcode(ended.status)
    if status == BROKEN:
        what = "the process of the run failed around it"
        return "failed", "WorkerError", f"{what}; the traceback is in the run's log."
    remedy = "Return a value, or raise Skip to leave the cell empty."
    return "failed", "SystemExit", f"it ended its process with exit status {status}. {remedy}"


def _meaning(ended: Ended, number: int) -> str:
    used = f"it had used {ended.peak_memory / 1e9:.1f} GB of memory"
    if number == signal.SIGKILL:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if ended.peak_memory > machine / 4:
            return f"very likely by the kernel, for want of memory; {used}."
        return f"by a person, or by the kernel for want of memory; {used}."
    if number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGABRT, signal.SIGFPE):
        return f"it crashed inside a compiled library; {used}."
    return f"{used}."


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"SIG{number}"
