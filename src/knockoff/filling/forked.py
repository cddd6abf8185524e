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
from knockoff.filling.memory import Allowance, told_of_memory
from knockoff.filling.messages import Result, RunTask, Started
from knockoff.filling.orders import BROKEN, UNHEARD
from knockoff.filling.processes import adopt_orphans, be_first_to_go, die_with, dump_no_core
from knockoff.filling.sections import announce, open_section
from knockoff.filling.spool import SpoolWriter
from knockoff.rundata.readonly import bear_read_only_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.contextfile.loading import Context
    from knockoff.filling.limits import Limits
    from knockoff.filling.messages import Message
    from knockoff.filling.orders import Order
    from knockoff.filling.tickets import Tickets

_STDERR: Final = 2


def run(
    loaded: Callable[[], Context],
    order: Order,
    session: int,
    tickets: Tickets,
    limits: Limits,
    zygote: int,
) -> NoReturn:
    """Settle in a new process, serve one session, and end the process.

    Parameters
    ----------
    loaded:
        Gives the context; a fork has it already.
    session:
        File descriptor of the socket to the recorder.
    tickets:
        Leave to begin variables.
    limits:
        What the zygote watches; it never lets a variable exceed them.
    zygote:
        Process id of the parent, with which this process ends.
    """
    status = BROKEN
    try:
        _settle(order, zygote)
        status = _serve(loaded(), order, session, tickets, limits)
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
    dump_no_core()
    # The log then shows where it was when it crashed, or when its time was over.
    faulthandler.enable(_STDERR)
    faulthandler.register(signal.SIGTERM, file=_STDERR, all_threads=False, chain=True)


def _serve(context: Context, order: Order, session: int, tickets: Tickets, limits: Limits) -> int:
    os.chdir(Path(context.description.path).parent)
    connection = socket.socket(fileno=session)
    connection.settimeout(None)  # user code may have called socket.setdefaulttimeout()
    task = RunTask.from_json(receive(connection)["task"])
    log = Path(order.log)
    open_section(log, task)
    limits.clear()
    line = Line(connection, SpoolWriter(Path(order.spool), task))
    os.register_at_fork(after_in_child=line.forget)
    variables = {each.name: each for each in context.tables[task.collection].description.variables}
    allowance = Allowance(order)

    def tell(message: Message) -> None:
        limits.clear()
        if isinstance(message, Started):
            variable = variables[message.variable]
            memory = allowance.grant(variable)
            line.tell(message)
            limits.set(variable.timeout or order.timeout, memory)
        else:
            allowance.lift()
            line.tell(
                told_of_memory(message, allowance) if isinstance(message, Result) else message
            )

    bear_read_only_data()  # where the context file itself opens runs
    filling = Filling(context, task)
    try:
        while (request := line.asked()) is not None:
            announce(log, request.variables)
            for result in request.known:
                filling.learn(result)

            def retries(name: str, tries: dict[str, int] = request.tries) -> int:
                allowed = variables[name].retries
                allowed = order.retries if allowed is None else allowed
                return max(0, allowed - tries.get(name, 0))

            filling.fill(request.variables, tell, may_begin=tickets.take, retries=retries)
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
