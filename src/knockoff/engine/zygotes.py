"""One worker process with a context file loaded, as the engine sees it."""

from __future__ import annotations

import asyncio
import errno
import itertools
import logging
import os
import signal
import socket
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Final

from knockoff.contextfile.problems import ContextProblems, Problem
from knockoff.engine.answers import description_from, files_from, problems_from, report_from
from knockoff.engine.deaths import ending_of
from knockoff.engine.environment import environment
from knockoff.engine.forks import Fork
from knockoff.engine.interpreters import interpreter_for
from knockoff.engine.machine import memory_of_machine
from knockoff.engine.pulse import Pulse
from knockoff.engine.sandbox import confinement, no_sandbox, status_within
from knockoff.errors import WorkerError
from knockoff.filling.frames import framed
from knockoff.filling.orders import Alive, Ended, Forked, Gathering, Load, Order, spoken
from knockoff.filling.processes import family, own_memory
from knockoff.filling.sections import log_name
from knockoff.filling.spool import spool_path
from knockoff.filling.tickets import Tickets
from knockoff.logs import not_a_link

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from pathlib import Path

    from knockoff.contextfile.description import ContextDescription
    from knockoff.engine.environment import EngineSettings
    from knockoff.engine.interpreters import Interpreter
    from knockoff.engine.sandbox import Confinement
    from knockoff.filling.messages import RunTask

log = logging.getLogger(__name__)

_STOPPED_IN_S: Final = 3.0
_TAIL: Final = 4000


class Zygote(asyncio.Protocol):
    """A process that has loaded one context file and forks for every run of it."""

    description: ContextDescription

    def __init__(
        self,
        settings: EngineSettings,
        process: Process,
        control: socket.socket,
        confined: Confinement | None = None,
    ) -> None:
        self.is_alive = True
        self.confined = confined
        """The sandbox that it is in, if it is in one."""
        self._settings = settings
        self._process = process
        self._control = control
        self._transport: asyncio.BaseTransport | None = None
        self._gathering = Gathering()
        self._answers: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._forks: dict[int, Fork] = {}
        self._numbers = itertools.count(1)
        self.files: dict[str, tuple[int, int]] = {}
        """What it has loaded: modification time, in ns, and size by path."""
        self._is_retired = False
        self._pulse = Pulse(self._ask_for_life, settings.silence)
        self._watching: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        settings: EngineSettings,
        context_file: Path,
        package: Path | None,
        source: str | None = None,
    ) -> Zygote:
        """Start a process and have it load the file, or `source` as if it were in the file.

        Raises
        ------
        ContextProblems
            Something is wrong with the file.
        WorkerError
            The interpreter cannot be used; its last words are in the message.
        """
        interpreter = await interpreter_for(settings, package)
        confined = await _confined(settings, interpreter, context_file, package)
        output = settings.logs / "context.log"
        ours, theirs = socket.socketpair()
        try:
            with theirs, _opened(output) as file:
                start = file.tell()
                process = await _started(settings, package, theirs.fileno(), file, confined)
        except BaseException:
            ours.close()
            raise
        ours.setblocking(False)
        zygote = cls(settings, process, ours, confined)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: zygote, sock=ours)
            await zygote._load(context_file, source, output, start)
            zygote._watching = asyncio.create_task(zygote._watch())
        except BaseException:
            zygote.kill()
            await process.wait()
            raise
        return zygote

    @property
    def is_gone(self) -> bool:
        """Whether the process has ended and was waited for."""
        return self._process.returncode is not None

    @property
    def takes_more(self) -> bool:
        """Whether it can be forked, as one that was replaced can while runs of it go on."""
        return self.is_alive and not (self._is_retired and not self._forks)

    @property
    def is_idle(self) -> bool:
        """Whether no run is filled by it just now."""
        return not self._forks

    def memory(self) -> int:
        """Bytes that it takes, its forks with it."""
        return sum(map(own_memory, family(self._process.pid)))

    async def fork(self, task: RunTask, lane: int = 1) -> Fork:
        """Open a process for one run, one of several with another `lane` each.

        It starts while the caller goes on.
        """
        settings = self._settings
        most = memory_of_machine()
        order = Order(
            number=next(self._numbers),
            log=str(settings.logs / log_name(task.proposal, task.run)),
            spool=str(spool_path(settings.spool, task, lane)),
            timeout=settings.timeout,
            grace=settings.grace,
            memory=most if settings.memory is None else min(settings.memory, most),
            most_memory=most,
            retries=settings.retries,
            largest_log=settings.largest_log,
        )
        tickets = Tickets()
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setblocking(False)
            try:
                reader, writer = await asyncio.open_unix_connection(sock=ours)
            except BaseException:
                ours.close()
                tickets.close()
                raise
            fork = Fork(order, tickets, reader, writer, self._tell, self.kill)
            fork.open(task)
            self._forks[order.number] = fork
            self._tell(spoken(order), theirs.fileno(), tickets.descriptor)
        if not self.is_alive:
            self._bury()
        return fork

    def retire(self) -> None:
        """End as soon as its last fork has."""
        self._is_retired = True
        if not self._forks and self._transport is not None:
            self._transport.close()

    async def stop(self) -> None:
        """Kill its forks and what they started, and end."""
        self._tell({"stop": True})
        try:
            async with asyncio.timeout(_STOPPED_IN_S):
                await self._process.wait()
        except TimeoutError:
            self.kill()
        await self.wait()

    async def wait(self) -> None:
        """Until the process is gone."""
        await self._process.wait()
        if self._transport is not None:
            self._transport.close()

    def kill(self) -> None:
        """End it at once; the kernel takes its forks with it, and their groups go here."""
        with suppress(ProcessLookupError):
            self._process.kill()
        if self._transport is None:
            self._control.close()
        else:
            self._transport.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what closes the socket."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take what the zygote says; after anything else than that it is ended."""
        self._pulse.beat()
        try:
            for document in self._gathering.add(data):
                self._hear(document)
        except (WorkerError, ValueError) as error:
            log.error("A worker process was ended: %s", error)
            self.kill()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's name
        """The process is gone, or we have let it go."""
        self.is_alive = False
        if self._watching is not None:
            self._watching.cancel()
        self._answers.put_nowait(None)
        self._bury()

    # What it says

    async def _load(self, context_file: Path, source: str | None, output: Path, start: int) -> None:
        self._tell(spoken(Load(str(context_file), self._settings.preload, source)))
        said_hello = False
        try:
            async with asyncio.timeout(self._settings.loading):
                while (answer := await self._answers.get()) is not None:
                    if "problems" in answer:
                        raise ContextProblems(problems_from(answer["problems"]))
                    if "described" in answer:
                        self.description = description_from(answer["described"])
                        self.files = files_from(answer.get("files"))
                        return
                    said_hello = True
                status = await self._process.wait()
        except TimeoutError:
            message = f"has not been loaded after {self._settings.loading:g} s."
            remedy = "Let the work at the top of the file be done by a variable."
            raise ContextProblems([Problem(str(context_file), 0, 0, message, remedy)]) from None
        tail = await asyncio.to_thread(_tail, output, start)
        if self.confined is not None:
            status = status_within(status)
        how = ending_of(-status if status < 0 else status << 8)
        if not said_hello:
            if self.confined is not None and tail.startswith("bwrap: "):
                raise no_sandbox(tail)
            python = self._settings.python
            raise WorkerError(f"{python} cannot run user code ({how}). It said:\n{tail}")
        message = f"ended the process that loads it ({how})."
        raise ContextProblems([Problem(str(context_file), 0, 0, message, _last_line(tail))])

    def _hear(self, document: dict[str, Any]) -> None:
        if not isinstance(document, dict) or document.keys() & {"hello", "problems", "described"}:
            self._answers.put_nowait(document if isinstance(document, dict) else {})
            return
        if "alive" in document:
            return
        report = report_from(document)
        if isinstance(report, Forked):
            fork = self._forks.get(report.number)
            if fork is not None:
                fork.pid = report.pid
            return
        self._end(report)

    def _ask_for_life(self) -> bool:
        """Ask it while it has forks, whose time it watches."""
        if self._forks:
            self._tell(spoken(Alive()))
        return bool(self._forks)

    async def _watch(self) -> None:
        """End it when it is stopped or stuck: nobody else would end what it has forked."""
        await self._pulse.until_silent()
        log.error(
            "A worker process (%d) has not answered for %g s and is killed; what it ran is run "
            "again. A variable may have stopped it.",
            self._process.pid,
            self._settings.silence,
        )
        self.kill()

    def _end(self, ended: Ended) -> None:
        fork = self._forks.pop(ended.number, None)
        if fork is not None and not fork.ended.done():
            fork.ended.set_result(ended)
        if self._is_retired and not self._forks and self._transport is not None:
            self._transport.close()

    def _bury(self) -> None:
        """Its forks died with it; what they left in their groups did not."""
        for number, fork in tuple(self._forks.items()):
            if fork.pid is not None and self.confined is None:  # else its pid is another one here
                with suppress(ProcessLookupError):
                    os.killpg(fork.pid, signal.SIGKILL)
            self._end(Ended(number, signal.SIGKILL, 0, "lost"))

    def _tell(self, message: dict[str, Any], *passed: int) -> None:
        content = framed(message)
        try:
            if passed:
                sent = socket.send_fds(self._control, [content], list(passed))
            else:
                sent = self._control.send(content)
        except BlockingIOError:  # it does not read any more
            sent = 0
        except OSError:  # it is gone, which `connection_lost` deals with
            return
        if sent < len(content):
            self.kill()


async def _confined(
    settings: EngineSettings, interpreter: Interpreter, context_file: Path, package: Path | None
) -> Confinement | None:
    """The sandbox, if one is asked for."""
    if settings.sandbox is None:
        return None
    surroundings = environment(settings, package)
    return await asyncio.to_thread(
        confinement, settings.sandbox, interpreter, context_file, surroundings, package
    )


async def _started(
    settings: EngineSettings,
    package: Path | None,
    control: int,
    output: IO[bytes],
    confined: Confinement | None,
) -> Process:
    """The process, in a session of its own: Ctrl-C and a kill of our group do not reach it."""
    try:
        return await asyncio.create_subprocess_exec(
            *(() if confined is None else confined.words),
            settings.python,
            *("-m", "knockoff.filling.zygote", str(control)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(control,),
            start_new_session=True,
            env=environment(settings, package),
            cwd="/",  # Python imports from the current folder first
        )
    except OSError as error:
        raise WorkerError(f"{settings.python} cannot be started: {error}.") from error


def _opened(output: Path) -> IO[bytes]:
    try:
        return open(output, "ab", opener=not_a_link)  # Path.open has no opener
    except OSError as error:
        remedy = "Remove it, and look who has made it." if error.errno == errno.ELOOP else ""
        reason = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise WorkerError(f"{output} cannot be written: {reason}. {remedy}".rstrip()) from error


def _tail(output: Path, start: int) -> str:
    with open(output, "rb", opener=not_a_link) as file:
        file.seek(max(start, os.fstat(file.fileno()).st_size - _TAIL))
        return file.read(_TAIL).decode("utf-8", "replace").strip()


def _last_line(text: str) -> str:
    return text.splitlines()[-1] if text else ""
