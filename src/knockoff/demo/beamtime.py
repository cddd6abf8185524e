"""A beamtime in one process: server, broker, data acquisition and listener, until it is over."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from knockoff.database.jobs import JOBS
from knockoff.database.opening import open_database
from knockoff.database.server import stop as stop_server
from knockoff.demo.acquisition import Acquisition
from knockoff.errors import WorkspaceError
from knockoff.events.mock_cluster import mock_cluster
from knockoff.events.profiles import MAXWELL
from knockoff.events.publishing import publisher
from knockoff.listener.listening import listen
from knockoff.rundata.finding import runs_on_disk
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from knockoff.database.client import Database
    from knockoff.settings import Settings

PROPOSAL: Final = 900_001
"""High enough to be nobody's."""

LONGEST_SILENCE: Final = 120.0
"""Seconds without a finished job after which something is wrong."""


@dataclass(frozen=True)
class Plan:
    """How much is measured, and how fast."""

    runs: int
    trains: int
    pause: float
    """Seconds between two runs."""

    correction: float
    """Seconds that the facility takes to correct a run."""

    @classmethod
    def hurried(cls, runs: int | None, trains: int) -> Self:
        """For those who wait for the end."""
        return cls(runs or 12, trains, pause=0.0, correction=0.5)

    @classmethod
    def at_leisure(cls, runs: int | None, trains: int) -> Self:
        """For those who watch."""
        return cls(runs or 40, trains, pause=2.5, correction=4.0)


@dataclass(frozen=True)
class Beamtime:
    """One that is going on."""

    workspace: Workspace
    settings: Settings
    log: Path
    """What the listener says."""

    acquisition: Acquisition
    database: Database

    async def finished(self) -> None:
        """Wait until all runs are taken and all of their variables computed.

        Raises
        ------
        WorkspaceError
            Nothing has moved for two minutes.
        """
        await self.acquisition.ended.wait()
        before, silent = -1, 0.0
        while (done := await self._jobs_done()) < self.acquisition.announced:
            silent = 0.0 if done > before else silent + 0.1
            if silent > LONGEST_SILENCE:
                raise WorkspaceError(
                    f"The demo does not go on: {done} of {self.acquisition.announced} jobs are "
                    f"done. Look into {self.log}."
                )
            before = done
            await asyncio.sleep(0.1)

    async def _jobs_done(self) -> int:
        """As many as messages, of this beamtime and of those before in the same folder."""
        since = {"created_at": {"$gte": self.acquisition.began}}
        return int(await self.database[JOBS].count_documents({"state": "done", **since}))


@asynccontextmanager
async def open_beamtime(
    plan: Plan, folder: Path | None = None, tell: Callable[[str], None] = lambda _: None
) -> AsyncIterator[Beamtime]:
    """Have a beamtime for as long as the body runs; all that was started ends with it.

    Parameters
    ----------
    folder:
        Where to keep everything; a beamtime that is there already goes on. Without one all is
        gone afterwards.
    tell:
        Called with a line for every step.

    Raises
    ------
    WorkspaceError
        `folder` is a workspace of another kind.
    ServerError
        MongoDB or the broker cannot be started.
    """
    async with AsyncExitStack() as stack:
        if folder is None:
            folder = Path(
                stack.enter_context(
                    tempfile.TemporaryDirectory(prefix="knockoff-", ignore_cleanup_errors=True)
                )
            )
        workspace = _workspace(folder.absolute())
        stack.push_async_callback(stop_server, workspace.database_folder, even_if_used=True)
        broker = stack.enter_context(mock_cluster())
        for topic in MAXWELL.topics:
            broker.create_topic(topic)
        settings = _settings(workspace, broker.brokers)
        database = await stack.enter_async_context(open_database(workspace, settings))
        tell(f"MongoDB, a broker and a listener work in {workspace.folder}")
        sender = await stack.enter_async_context(publisher(broker.brokers, client="daq"))
        acquisition = Acquisition(sender, settings.data_root, workspace.proposal, tell)
        first = _next_run(workspace, settings)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listen(workspace, settings, stop=stop))
            shift = tasks.create_task(
                acquisition.take(
                    range(first, first + plan.runs), plan.trains, plan.pause, plan.correction
                )
            )
            try:
                yield Beamtime(
                    workspace,
                    settings,
                    workspace.logs_folder / "listener.log",
                    acquisition,
                    database,
                )
            finally:
                shift.cancel()
                stop.set()


def _workspace(folder: Path) -> Workspace:
    """The demo's own workspace: a new one, or the one that is there.

    Raises
    ------
    WorkspaceError
        What is there was not made by the demo, and must not get synthetic runs.
    """
    data = folder / "data"
    if Workspace(folder, PROPOSAL).settings_file.is_file():
        workspace = Workspace.open(folder)
        if workspace.proposal != PROPOSAL or workspace.settings().data_root != data:
            raise WorkspaceError(
                f"{folder} is a workspace that the demo has not made. Choose a new folder."
            )
        return workspace
    (data / "MID" / "202601" / f"p{PROPOSAL:06d}").mkdir(parents=True, exist_ok=True)
    context = files("knockoff").joinpath("contexts", "demo.py").read_text(encoding="utf-8")
    return Workspace.create(folder, PROPOSAL, context=context, settings={"data_root": "data"})


def _settings(workspace: Workspace, brokers: tuple[str, ...]) -> Settings:
    """The demo's own, whatever the environment says of servers outside."""
    return workspace.settings(
        {
            "database": "embedded",
            "data_root": workspace.folder / "data",
            "kafka.profile": MAXWELL.name,
            "kafka.brokers": brokers,
            "kafka.topics": MAXWELL.topics,
            "kafka.kinds": dict(MAXWELL.kinds),
            "kafka.group": "knockoff-demo",
            "kafka.security.protocol": "PLAINTEXT",
        }
    )


def _next_run(workspace: Workspace, settings: Settings) -> int:
    taken = runs_on_disk(workspace.proposal, settings.data_root)["raw"]
    return max(taken, default=0) + 1
