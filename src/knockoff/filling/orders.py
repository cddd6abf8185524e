"""What the engine and its zygote say to each other: who is to be forked, and who has ended."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from knockoff.filling.frames import HEADER, frame_length

if TYPE_CHECKING:
    from collections.abc import Iterator

BROKEN: Final = 70
"""Exit status of a fork in which something else than a variable raised; its log says what."""

UNHEARD: Final = 113
"""Exit status of a fork whose socket to the recorder was closed by user code."""

Cause = Literal["", "timed out", "out of memory", "told", "lost"]
"""Who ended a fork: itself or a stranger, its limits, the engine, or its zygote's death."""


@dataclass(frozen=True)
class Load:
    """Load this context file, after these modules, if they are there."""

    context_file: str
    preload: tuple[str, ...] = ()
    source: str | None = None
    """The text to run instead of what is in the file now; None for just that."""

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Load:
        """Read back what `dataclasses.asdict` and JSON made of it."""
        return cls(**{**document, "preload": tuple(document["preload"])})


@dataclass(frozen=True)
class Order:
    """One process for one run; with it travel its end of a socket pair, and its tickets."""

    number: int
    """By which both sides know it."""

    log: str
    """File to which its stdout and stderr are appended."""

    spool: str
    """File that takes its results when nobody listens."""

    timeout: float
    """Seconds for a variable that has no limit of its own."""

    grace: float
    """Seconds between SIGTERM and SIGKILL."""

    memory: int | None = None
    """Bytes that all processes of a run may take together beyond what the loaded zygote has;
    also of one variable that has no limit of its own. None for no limit."""

    most_memory: int | None = None
    """Bytes that this machine can give to a variable, whatever it asks for; None if unknown."""

    retries: int = 0
    """How often a variable is tried again after a failure, if it does not say so itself."""

    largest_log: int = 100_000_000
    """Bytes after which its log is cut."""


@dataclass(frozen=True)
class Forked:
    """An order was carried out; `pid` leads a session and process group of its own."""

    number: int
    pid: int


@dataclass(frozen=True)
class Ended:
    """A fork is gone, and so is everything that it started."""

    number: int
    status: int
    """As `os.wait` gives it."""

    peak_memory: int
    """Largest resident size in bytes."""

    cause: Cause = ""


@dataclass(frozen=True)
class Alive:
    """The zygote was asked whether it still listens."""


def spoken(message: Load | Order | Forked | Ended | Alive) -> dict[str, Any]:
    """A message as a dict with its kind as the only key."""
    return {type(message).__name__.lower(): asdict(message)}


class Gathering:
    """Messages put together from the pieces in which a stream delivers them."""

    def __init__(self) -> None:
        self._pieces = bytearray()

    def add(self, piece: bytes) -> Iterator[Any]:
        """Give the messages that this piece completes.

        Raises
        ------
        WorkerError, ValueError
            What is on the stream is not ours.
        """
        self._pieces += piece
        while len(self._pieces) >= HEADER.size:
            end = HEADER.size + frame_length(bytes(self._pieces[: HEADER.size]))
            if len(self._pieces) < end:
                return
            content = bytes(self._pieces[HEADER.size : end])
            del self._pieces[:end]
            yield json.loads(content)
