"""What is said while knockoff works: one line per happening, each with its run's key."""

from __future__ import annotations

import logging
import os
import re
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timezone, tzinfo
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from knockoff.runkey import RunKey

_run: ContextVar[RunKey | None] = ContextVar("run", default=None)


def without_password(text: str) -> str:
    """Blank the passwords of server addresses, for people and logs.

    Examples
    --------
    >>> without_password("mongodb://reader:hunter2@db.example/?tls=true")
    'mongodb://reader:***@db.example/?tls=true'
    """
    return re.sub(r"(://[^:/@\s]*:)[^@\s]*@", r"\1***@", text)


def not_a_link(path: str, flags: int) -> int:
    """Open a file of a folder that user code may write; an `opener` for `open`.

    A link that was put in its place would have us write, or show, a file of our own.
    """
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o660)


@contextmanager
def about(run: RunKey) -> Iterator[None]:
    """Mark every line logged inside as one about `run`.

    Tasks and threads (`asyncio.to_thread`) that are started inside inherit the mark.
    """
    token = _run.set(run)
    try:
        yield
    finally:
        _run.reset(token)


def configure(
    level: str = "info",
    *,
    file: Path | None = None,
    stream: TextIO | None = None,
    zone: tzinfo = timezone.utc,
) -> None:
    """Say where lines go; for the command line's edge alone, never for a library.

    Parameters
    ----------
    level:
        From which level on knockoff's own lines are written: debug, info, warning or
        error. Other libraries' lines are written from warning on.
    file:
        Lines are appended here, too; its folder must exist.
    stream:
        Where else than to stderr lines go; a second call replaces the first one's.
    zone:
        The time zone of the times in front of the lines.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(stream or sys.stderr)]
    if file is not None:
        handlers.append(_LogFile(file, encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(_Lines(zone))
    logging.basicConfig(level=logging.WARNING, handlers=handlers, force=True)
    logging.getLogger("knockoff").setLevel(level.upper())
    logging.captureWarnings(capture=True)


class _LogFile(logging.FileHandler):
    def _open(self) -> Any:
        return open(  # Path.open has no opener
            self.baseFilename, self.mode, encoding=self.encoding, opener=not_a_link
        )


class _Lines(logging.Formatter):
    """Time, level, run and what is said, with every server's password blanked."""

    def __init__(self, zone: tzinfo) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(about)s%(message)s")
        self._zone = zone

    def format(self, record: logging.LogRecord) -> str:
        run = _run.get()
        record.about = "" if run is None else f"{run}: "
        return without_password(super().format(record))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        moment = datetime.fromtimestamp(record.created, self._zone)
        return moment.isoformat(" ", "seconds")
