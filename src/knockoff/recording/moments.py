"""A moment of the past, as people write it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from knockoff.errors import KnockoffError

_AGO: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)(?:\s+ago)?", re.IGNORECASE)
_UNITS: Final = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "w": 604800.0,
    "week": 604800.0,
}
_WRITTEN: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(:\d\d(?:\.\d+)?)?)?(.*)")
_CLOCK: Final = re.compile(r"\d\d:\d\d(:\d\d)?")


class MomentError(KnockoffError, ValueError):
    """A text that is no moment, or one that is still to come."""


def moment_of(text: str, zone: tzinfo, now: datetime | None = None) -> datetime:
    """Read a moment, in UTC.

    A day, a minute and a second stand for all of it, so the moment is their end:
    what was stored at 10:00:05 was there as of 10:00, as it is in filters.

    Parameters
    ----------
    zone:
        That of a time which names none itself.
    now:
        For "2h ago", "yesterday" and a time without a day; the clock's if not given.

    Raises
    ------
    MomentError
        It is not understood, or in the future.

    Examples
    --------
    >>> now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    >>> print(moment_of("2026-03-01 10:00:05", UTC, now))
    2026-03-01 10:00:05.999999+00:00
    >>> print(moment_of("2h ago", UTC, now), moment_of("yesterday", UTC, now), sep=", ")
    2026-03-02 10:00:00+00:00, 2026-03-01 23:59:59.999999+00:00
    """
    now = now or datetime.now(UTC)
    words = " ".join(text.split())
    found = _relative(words.lower(), now)
    if found is None:
        begin, length = _written(words, text, zone, now)
        if begin > now:
            raise MomentError(f"{text} is still to come; nobody knows the table as it will be.")
        found = begin + length
    return min(found, now)


def _relative(words: str, now: datetime) -> datetime | None:
    if words == "now":
        return now
    match = _AGO.fullmatch(words)
    unit = match[2].lower() if match else ""
    seconds = _UNITS.get(unit) or _UNITS.get(unit.removesuffix("s"))
    if match is None or seconds is None:
        return None
    try:
        return now - timedelta(seconds=float(match[1]) * seconds)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _written(words: str, text: str, zone: tzinfo, now: datetime) -> tuple[datetime, timedelta]:
    """When what is written begins, and how long it lasts."""
    today = now.astimezone(zone).date()
    days = {"today": today, "yesterday": today - timedelta(days=1)}
    first, _, rest = words.partition(" ")
    if first.lower() in days:
        words = f"{days[first.lower()]} {rest}".rstrip()
    elif _CLOCK.fullmatch(words):
        words = f"{today} {words}"
    match = _WRITTEN.fullmatch(words)
    try:
        begin = datetime.fromisoformat(words) if match else None
    except ValueError:
        begin = None
    if match is None or begin is None:
        raise MomentError(
            f"{text!r} is no moment. Write it as 2026-03-02, '2026-03-02 10:00', 10:00 for today, "
            f"yesterday or '2h ago'."
        )
    length = timedelta(days=1)
    if match[2]:
        length = timedelta(minutes=1)
    if match[3]:
        length = timedelta(seconds=1) if "." not in match[3] else timedelta()
    end = (begin if begin.tzinfo else begin.replace(tzinfo=zone)).astimezone(UTC)
    return end, max(length - timedelta(microseconds=1), timedelta())
