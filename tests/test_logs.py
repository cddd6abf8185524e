"""Lines are written where the edge says, with time and run, and without passwords."""

from __future__ import annotations

import asyncio
import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from knockoff import logs
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("knockoff.recording")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged; afterwards logging is as pytest had it."""
    root, ours = logging.getLogger(), logging.getLogger("knockoff")
    handlers, level = root.handlers[:], root.level
    root.handlers = []  # else `configure` would close pytest's own
    stream = io.StringIO()
    yield stream
    for handler in root.handlers:
        handler.close()
    root.handlers = handlers
    root.setLevel(level)
    ours.setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)


async def test_every_line_about_a_run_has_its_key(lines: io.StringIO) -> None:
    """Runs are computed at the same time; their lines are mixed."""
    logs.configure(stream=lines)

    async def record(run: int) -> None:
        with logs.about(RunKey(1234, run)):
            await asyncio.sleep(0)
            await asyncio.to_thread(log.info, "Recorded")

    await asyncio.gather(record(1), record(2))
    log.info("Waiting")

    said = {line.split(" ", 2)[2].strip() for line in lines.getvalue().splitlines()}
    assert said == {
        "INFO    p1234 r0001: Recorded",
        "INFO    p1234 r0002: Recorded",
        "INFO    Waiting",
    }


def test_times_are_in_the_zone_of_the_people(lines: io.StringIO) -> None:
    """A line must fit what the clock on the wall showed."""
    logs.configure(stream=lines, zone=ZoneInfo("Asia/Tokyo"))

    log.info("Recorded")

    assert lines.getvalue().split()[1].endswith("+09:00")


def test_passwords_of_servers_are_blanked(lines: io.StringIO) -> None:
    """Drivers quote the address in their errors."""
    logs.configure(stream=lines)

    log.error("No answer from %s", "mongodb://me:hunter2@db.example/")

    assert "mongodb://me:***@db.example/" in lines.getvalue()
    assert "hunter2" not in lines.getvalue()


def test_others_are_heard_from_warning_on(lines: io.StringIO) -> None:
    """Libraries say something every second, and most of it is for their authors."""
    logs.configure("debug", stream=lines)

    logging.getLogger("pymongo").info("Heartbeat")
    logging.getLogger("pymongo").warning("No broker")
    log.debug("Claimed")

    assert "Heartbeat" not in lines.getvalue()
    assert "No broker" in lines.getvalue()
    assert "Claimed" in lines.getvalue()


def test_a_file_gets_the_same_lines(lines: io.StringIO, tmp_path: Path) -> None:
    """What ran all night is read the next morning."""
    file = tmp_path / "listen.log"
    logs.configure(stream=lines, file=file)

    log.info("Recorded µ")

    assert file.read_text(encoding="utf-8") == lines.getvalue()
