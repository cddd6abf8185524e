"""The process that loads a context file once, and forks off a process for every run.

``python -m knockoff.filling.zygote FD``, with FD a socket to the engine that started
it. It has one thread, and does nothing but wait: for orders, for the end of a fork,
for a variable's time to be over. When its engine is gone it lets the forks finish.
"""

from __future__ import annotations

import gc
import importlib
import os
import platform
import select
import signal
import socket
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from knockoff.contextfile.loading import load, load_source
from knockoff.contextfile.problems import ContextProblems
from knockoff.filling.forked import run
from knockoff.filling.frames import framed, receive
from knockoff.filling.limits import Limits
from knockoff.filling.orders import Alive, Ended, Forked, Gathering, Load, Order, spoken
from knockoff.filling.processes import (
    adopt_orphans,
    children,
    die_with,
    family,
    kill_group,
    own_memory,
    threads,
)
from knockoff.filling.spawned import spawn
from knockoff.filling.tickets import Tickets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from knockoff.contextfile.loading import Context
    from knockoff.filling.orders import Cause

_TICK_S: Final = 0.2
_GOODBYE_S: Final = 10.0
"""For a fork that has nothing to do any more, to put its last results on a slow disk."""


@dataclass
class _Fork:
    order: Order
    pid: int
    limits: Limits
    cause: Cause = ""
    kill_at: float = float("inf")
    """On the monotonic clock."""

    def end(self, cause: Cause, within: float) -> None:
        """See to it that it is gone in so many seconds."""
        self.cause = self.cause or cause
        self.kill_at = min(self.kill_at, time.monotonic() + within)


class Zygote:
    """A loaded context, and the processes forked from it."""

    def __init__(self, control: socket.socket, context: Context) -> None:
        self._control = control
        self._context = context
        self._gathering = Gathering()
        self._passed: deque[int] = deque()
        """Descriptors of orders that are still to be carried out, two for each."""
        self._memory_at_rest = own_memory()
        self._memory_seen_at = 0.0
        """On the monotonic clock; to look costs too much for every order."""
        self._forks: dict[int, _Fork] = {}
        self._has_engine = True
        self._started_by_context = children()
        self._woken, self._wake = socket.socketpair()
        self._wake.setblocking(False)

    def serve(self) -> None:
        """Do what the engine orders; return when it is gone and the last fork has ended."""
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler, so that it wakes us
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while self._has_engine or self._forks:
            ready = {descriptor for descriptor, _ in poll.poll(self._patience_ms())}
            if self._woken.fileno() in ready:
                self._woken.recv(4096)
            if self._control.fileno() in ready:
                self._hear()
                if not self._has_engine:
                    poll.unregister(self._control)
            self._enforce()
            self._reap()

    # The engine

    def _hear(self) -> None:
        try:
            piece, descriptors, _, _ = socket.recv_fds(
                self._control, 1 << 16, 64, socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError:
            piece, descriptors = b"", []
        self._passed.extend(descriptors)
        if not piece:
            self._has_engine = False
        for message in self._gathering.add(piece):
            self._obey(message)

    def _obey(self, message: dict[str, Any]) -> None:
        ((kind, content),) = message.items()
        if kind == "order":
            self._fork(Order(**content), self._passed.popleft(), self._passed.popleft())
        elif kind == "stop":
            self._has_engine = False
            for fork in self._forks.values():
                fork.end("told", within=0 if fork.kill_at == float("inf") else 1)
        elif kind == "alive":
            self._say(Alive())
        else:
            within = _GOODBYE_S if kind == "close" else 0
            for fork in self._forks.values():
                if fork.order.number == content:
                    fork.end("told", within)

    def _say(self, message: Forked | Ended | Alive) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # it will be noticed on reading
            self._control.sendall(framed(spoken(message)))

    # The forks

    def _fork(self, order: Order, session: int, tickets: int) -> None:
        limits = Limits()
        if threads() > 1:
            pid = spawn(self._context.description, order, session, tickets, limits)
        else:
            zygote = os.getpid()
            pid = os.fork()
            if pid == 0:
                self._forget()
                run(lambda: self._context, order, session, Tickets(tickets), limits, zygote)
        os.close(session)
        os.close(tickets)
        self._forks[pid] = _Fork(order, pid, limits)
        self._say(Forked(order.number, pid))

    def _forget(self) -> None:
        """In a fork: drop what is the zygote's own; files that the context opened stay open."""
        signal.set_wakeup_fd(-1)
        for each in (self._control, self._woken, self._wake):
            each.close()
        for descriptor in self._passed:
            os.close(descriptor)
        for fork in self._forks.values():
            fork.limits.close()

    def _patience_ms(self) -> float | None:
        if not self._forks:
            return None
        now = time.monotonic()
        moments = (min(fork.limits.left(), fork.kill_at - now) for fork in self._forks.values())
        return 1000 * max(0.001, min(_TICK_S, *moments))

    def _enforce(self) -> None:
        for fork in self._forks.values():
            if fork.kill_at <= time.monotonic():
                kill_group(fork.pid, signal.SIGKILL)
                fork.kill_at = time.monotonic() + _TICK_S  # again, should it not be gone
            elif fork.cause == "" and fork.limits.left() < 0:
                kill_group(fork.pid, signal.SIGTERM)
                fork.end("timed out", within=fork.order.grace)
            _cut(fork.order)
        self._enforce_memory()

    def _enforce_memory(self) -> None:
        """End what has more memory than it may; of a run that has too much, the largest."""
        if time.monotonic() < self._memory_seen_at + _TICK_S:
            return
        self._memory_seen_at = time.monotonic()
        runs: dict[str, list[tuple[float, _Fork]]] = {}
        for fork in self._forks.values():
            if fork.cause == "":
                used = sum(map(own_memory, family(fork.pid))) - self._memory_at_rest
                runs.setdefault(fork.order.log, []).append((used, fork))
                if used > fork.limits.memory():
                    fork.end("out of memory", within=0)
        for forks in runs.values():
            at_work = [each for each in forks if each[1].limits.memory() != float("inf")]
            if len(forks) > 1 and at_work:
                wanted = max(fork.limits.memory() for _, fork in at_work)
                allowed = max(wanted, at_work[0][1].order.memory or float("inf"))
                if sum(used for used, _ in forks) > allowed:
                    _, largest = max(at_work, key=lambda each: each[0])
                    largest.end("out of memory", within=0)

    def _reap(self) -> None:
        """Bury what has ended; look before, so that its pid is not somebody else's yet."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            fork = self._forks.pop(ended.si_pid, None)
            if fork is not None:
                kill_group(fork.pid, signal.SIGKILL)
            _, status, usage = os.wait4(ended.si_pid, 0)
            self._kill_escaped()
            if fork is not None:
                fork.limits.close()
                peak = usage.ru_maxrss * 1024
                self._say(Ended(fork.order.number, status, peak, fork.cause))

    def _kill_escaped(self) -> None:
        """End what left a session and lost its parent: orphans that were adopted by us.

        While a fork lives it adopts its own orphans, so that those here are of dead ones.
        """
        for pid in children() - self._forks.keys() - self._started_by_context:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _cut(order: Order) -> None:
    """Keep a log that a variable writes without end from filling the disk."""
    log = Path(order.log)
    with suppress(OSError):
        if log.stat().st_size > order.largest_log:
            os.truncate(log, order.largest_log // 2)


def _ready(control: socket.socket) -> Context | None:
    """Load what the engine asks for and describe it, or say what is wrong with it."""
    control.sendall(framed({"hello": {"python": platform.python_version()}}))
    request = receive(control)
    if request is None:
        return None
    order = Load.from_json(request["load"])
    for name in order.preload:
        with suppress(ImportError):
            importlib.import_module(name)
    before = set(sys.modules)
    looks_of_context = _looks([Path(order.context_file)])
    looks = _looks(Path(order.context_file).parent.glob("*.py")) | looks_of_context
    os.chdir(Path(order.context_file).parent)
    try:
        path = Path(order.context_file)
        context = load(path) if order.source is None else load_source(path, order.source.encode())
    except ContextProblems as error:
        control.sendall(framed({"problems": [each.to_json() for each in error.problems]}))
        return None
    os.chdir("/")
    # as they were before: one that was saved while it was loaded is not what was loaded
    loaded = looks_of_context | _files_beside(Path(order.context_file), before)
    files = {file: looks.get(file, look) for file, look in loaded.items()}
    described = context.description.to_json()
    control.sendall(framed({"described": described, "files": files, "threads": threads()}))
    return context


def _files_beside(context_file: Path, before: set[str]) -> dict[str, tuple[int, int]]:
    """Files that the context was loaded from: itself and modules beside it, with time and size."""
    found = {str(context_file)}
    for name in sys.modules.keys() - before:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file and Path(file).is_relative_to(context_file.parent) and Path(file).is_file():
            found.add(str(file))  # a context that it loads from text only seems to be a file
    return _looks(Path(file) for file in sorted(found))


def _looks(files: Iterable[Path]) -> dict[str, tuple[int, int]]:
    """Time of the last change and size of each; `cp -p` keeps the time of the last writing."""
    looks: dict[str, tuple[int, int]] = {}
    for file in files:
        with suppress(OSError):  # it is gone again
            stat = file.stat()
            looks[str(file)] = (stat.st_ctime_ns, stat.st_size)
    return looks


def main() -> None:
    """Load one context file and serve until the engine is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    adopt_orphans()
    if os.getpid() == 1:  # in a sandbox, and it is bubblewrap that the engine kills
        die_with(os.getppid())
    context = _ready(control)
    if context is not None:
        gc.collect()
        gc.freeze()
        Zygote(control, context).serve()


if __name__ == "__main__":
    main()
