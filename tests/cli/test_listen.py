"""`knockoff listen` and what stands behind `knockoff tui`, on a real server and broker."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from knockoff.cli.tui import Draughtsman, Typist
from knockoff.database.opening import open_database
from knockoff.errors import EditError
from knockoff.events.mock_cluster import mock_cluster
from knockoff.events.profiles import MAXWELL
from knockoff.events.publishing import facility_message, publish
from knockoff.rundata.synthetic import write_run
from knockoff.runkey import RunKey
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from tests.cli.conftest import Shell


async def test_listen_fills_what_is_announced_and_ends_calmly(
    knockoff: Shell, runs_on_disk: Path, tmp_path: Path
) -> None:
    """The service as systemd would run it: started, told to stop, status 0."""
    key = RunKey(4321, 7)
    write_run(runs_on_disk, key, trains=5, pulses=2)
    folder = tmp_path / "ws"
    context = str(knockoff.folder / "context.py")
    made = await asyncio.to_thread(
        knockoff, "init", "4321", "--folder", str(folder), "--context", context,
        "--data-root", str(runs_on_disk),
    )  # fmt: skip
    assert made.status == 0, made.said
    with mock_cluster() as broker:
        for topic in MAXWELL.topics:
            broker.create_topic(topic)
        await publish(broker.brokers, MAXWELL.topics[0], [facility_message(MAXWELL, key, "raw")])
        with subprocess.Popen(  # noqa: ASYNC220  # its pipes are read in threads
            [sys.executable, "-m", "knockoff", "-w", str(folder), "listen"],
            env={**os.environ, "KNOCKOFF_KAFKA__BROKERS": ",".join(broker.brokers)},
            stderr=subprocess.PIPE,
            text=True,
        ) as listener:
            assert listener.stderr is not None
            said = ""
            while "filled runs" not in said:
                line = await asyncio.to_thread(listener.stderr.readline)
                assert line, said
                said += line
            listener.send_signal(signal.SIGTERM)
            said += await asyncio.to_thread(listener.stderr.read)
            assert await asyncio.to_thread(listener.wait) == 0, said
    rows = json.loads((await asyncio.to_thread(knockoff, "-w", str(folder), "runs", "--json")).out)
    assert [(row["run"], row["trains"]) for row in rows] == [(7, 5)]


async def test_what_is_typed_into_the_terminal_table_is_stored(knockoff: Shell) -> None:
    """Rows are named by their `_id` there; what does not fit is refused with words."""
    workspace = Workspace.open(knockoff.folder)
    async with open_database(workspace, workspace.settings()) as database:
        typist = Typist(database, "runs")
        await typist.comment("p001234r0003", "from the table")
        await typist.set_field("p001234r0003", "threshold", "2.5")
        with pytest.raises(EditError, match="threshold cannot be 'x'"):
            await typist.set_field("p001234r0003", "threshold", "x")
        row = await database.runs.find_one({"run": 3})
        assert row is not None
        assert (row["comment"], row["threshold"]) == ("from the table", 2.5)
        await typist.comment("p001234r0003", "")


async def test_a_cell_of_the_terminal_table_is_drawn(
    knockoff: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`o` opens the array behind a cell in the browser."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    workspace = Workspace.open(knockoff.folder)
    async with open_database(workspace, workspace.settings()) as database:
        draughtsman = Draughtsman(workspace.arrays_folder, database, "runs")
        page = Path(await draughtsman.plot("p001234r0001", "energy"))
        assert "<script" in await asyncio.to_thread(page.read_text)
        with pytest.raises(EditError, match="failed: KeyError"):
            await draughtsman.plot("p001234r0001", "broken")
