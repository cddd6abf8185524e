"""The signs that the table draws with, and plain ones for terminals without them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Glyphs:
    """One sign each, one terminal cell wide; `bars` from lowest to highest."""

    bars: str
    rule: str
    cut: str
    up: str
    down: str
    live: str
    polling: str
    offline: str
    failed: str
    running: str
    queued: str
    waiting: str
    blocked: str
    outside: str
    stale: str
    dash: str
    dot: str
    times: str
    left: str
    right: str


UNICODE: Final = Glyphs(
    bars="▁▂▃▄▅▆▇█",
    rule="─",
    cut="…",
    up="▲",
    down="▼",
    live="●",
    polling="◌",
    offline="✕",
    failed="✗",
    running="◐",
    queued="○",
    waiting="⋯",
    blocked="⊘",
    outside="↗",
    stale="~",
    dash="–",
    dot="·",
    times="×",
    left="‹",
    right="›",
)

ASCII: Final = Glyphs(
    bars="_.,-=+*#",
    rule="-",
    cut="~",
    up="^",
    down="v",
    live="*",
    polling="o",
    offline="x",
    failed="x",
    running=">",
    queued="o",
    waiting=".",
    blocked="/",
    outside="&",
    stale="~",
    dash="-",
    dot="|",
    times="x",
    left="<",
    right=">",
)


def spoken(encoding: str | None, environment: Mapping[str, str]) -> Glyphs:
    """The signs that a terminal can show.

    Python itself speaks UTF-8 under ``LANG=C``, but the terminal does not: the
    language that somebody set counts, and only without one the encoding.
    """
    if "utf" not in (encoding or "").lower():
        return ASCII
    chosen = environment.get("LC_ALL") or environment.get("LANG") or ""
    return ASCII if chosen in ("C", "POSIX") else UNICODE
