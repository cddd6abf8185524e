"""The data acquisition of a simulated beamtime: runs on disk, and the messages about them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from knockoff.events.profiles import MAXWELL
from knockoff.events.publishing import facility_message
from knockoff.rundata.finding import run_folder
from knockoff.rundata.synthetic import CYCLE, INSTRUMENT, write_proc, write_run
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from knockoff.events.publishing import Publisher
    from knockoff.runkey import DataKind

ABORTED: Final = 4
"""Every so many runs one goes wrong, the first time at this number ..."""

BETWEEN_ABORTED: Final = 9
"""... and then after so many more."""

LOST: Final = ("-DA02-", "-EPIX01-")
"""Aggregators that were not ready when the aborted run was begun."""

_TOPICS: Final[dict[DataKind, str]] = dict(zip(("raw", "proc"), MAXWELL.topics, strict=True))


class Acquisition:
    """Takes one run after the other, and says so on Kafka as the facility does."""

    def __init__(
        self, sender: Publisher, data_root: Path, proposal: int, tell: Callable[[str], None]
    ) -> None:
        self._sender = sender
        self._root = data_root
        self._proposal = proposal
        self._tell = tell
        self.announced = 0
        """Messages so far; each becomes one job."""
        self.began = datetime.now(UTC)
        self.ended = asyncio.Event()

    async def take(self, runs: Iterable[int], trains: int, pause: float, correction: float) -> None:
        """Take `runs` with `pause` seconds between them; each is corrected `correction` s later."""
        async with asyncio.TaskGroup() as tasks:
            for run in runs:
                key = RunKey(self._proposal, run)
                if run % BETWEEN_ABORTED == ABORTED:
                    await self._take_aborted(key, trains)
                else:
                    await asyncio.to_thread(write_run, self._root, key, trains=trains)
                    self._tell(f"run {run}: {trains} trains taken")
                    tasks.create_task(self._correct(key, correction))
                await self._announce(key, "raw")
                await asyncio.sleep(pause)
        self.ended.set()

    async def _take_aborted(self, key: RunKey, trains: int) -> None:
        """Digitizer and detector are missing, and nobody corrects what is not there."""
        few = max(1, trains // 5)
        folder = await asyncio.to_thread(write_run, self._root, key, trains=few)
        for file in folder.iterdir():
            if any(aggregator in file.name for aggregator in LOST):
                file.unlink()
        self._tell(f"run {key.run}: aborted after {few} trains, without detector and digitizer")

    async def _correct(self, key: RunKey, after: float) -> None:
        await asyncio.sleep(after)
        await asyncio.to_thread(write_proc, self._root, key)
        self._tell(f"run {key.run}: corrected")
        await self._announce(key, "proc")

    async def _announce(self, key: RunKey, kind: DataKind) -> None:
        message = facility_message(
            MAXWELL,
            key,
            kind,
            path=run_folder(key, kind, self._root),
            instrument=INSTRUMENT,
            cycle=CYCLE,
        )
        await self._sender.send(_TOPICS[kind], message)
        self.announced += 1
