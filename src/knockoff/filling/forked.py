"""One run's process: settle in, fill what the recorder asks for, leave."""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from knockoff.filling.filling import Filling
from knockoff.filling.frames import receive
from knockoff.filling.line import Line
from knockoff.filling.messages import RunTask, Started
from knockoff.filling.orders import BROKEN, UNHEARD
from knockoff.filling.processes import adopt_orphans, be_first_to_go, die_with, limit_memory
from knockoff.filling.sections import announce, open_section
from knockoff.filling.spool import SpoolWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.contextfile.loading import Context
    from knockoff.filling.deadlines import Deadline
    from knockoff.filling.messages import Message
    from knockoff.filling.orders import Order

_STDERR: Final = 2


def run(
    loaded: Callable[[], Context], order: Order, session: int, deadline: Deadline, zygote: int
) -> NoReturn:
    """Settle in a new process, serve one session, and end the process.

    Parameters
    ----------
    loaded:
        Gives the context; a fork has it already.
    session:
        File descriptor of the socket to the recorder.
    deadline:
        What the zygote watches; it never lets a variable run past it.
    zygote:
        Process id of the parent, with which this process ends.
    """
    status = BROKEN
    try:
        _settle(order, zygote)
        status = _serve(loaded(), order, session, deadline)
    except BaseException:  # noqa: BLE001  # else the fork would go on as a second zygote
        traceback.print_exc()
    finally:
        _flush()
        os._exit(status)


def _settle(order: Order, zygote: int) -> None:
    """Make this process one of its own: session, signals, output, limits.

    It ends with its zygote and not with the engine: a variable that has worked for
    an hour may finish although the recorder was restarted meanwhile.
    """
    os.setsid()
    die_with(zygote)
    adopt_orphans()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    _say_into(Path(order.log))
    be_first_to_go()
    limit_memory(order.memory)
    # The log then shows where it was when it crashed, or when its time was over.
    faulthandler.enable(_STDERR)
    faulthandler.register(signal.SIGTERM, file=_STDERR, all_threads=False, chain=True)


def _serve(context: Context, order: Order, session: int, deadline: Deadline) -> int:
    os.chdir(Path(context.description.path).parent)
    connection = socket.socket(fileno=session)
    connection.settimeout(None)  # user code may have called socket.setdefaulttimeout()
    task = RunTask.from_json(receive(connection)["task"])
    log = Path(order.log)
    open_section(log, task)
    deadline.clear()
    line = Line(connection, SpoolWriter(Path(order.spool), task))
    os.register_at_fork(after_in_child=line.forget)
    limits = {
        variable.name: variable.timeout
        for variable in context.tables[task.collection].description.variables
    }

    def tell(message: Message) -> None:
        deadline.clear()
        line.tell(message)
        if isinstance(message, Started):
            deadline.set(limits[message.variable] or order.timeout)

    filling = Filling(context, task)
    try:
        while (names := line.asked()) is not None:
            announce(log, names)
            filling.fill(names, tell)
            _flush()
        line.hang_up()
    except OSError:
        with suppress(OSError, ValueError):  # stderr may be closed as well
            traceback.print_exc()
        return UNHEARD
    return 0


def _say_into(log: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o660)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # user code may have closed it
            stream.flush()
