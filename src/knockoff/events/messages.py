"""From a Kafka record's bytes to an event of the experiment; no bytes get past this file.

Three fields of a message are read, those that the profile names for the event,
the proposal and the run, and from them two words and two numbers are taken.
Anybody who may publish reaches this code, so no path, key or text of a message
is used for anything else.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NoReturn

from knockoff.errors import MessageError, RunKeyError
from knockoff.runkey import DataKind, RunKey, proposal_number, run_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.events.profiles import EventProfile

LARGEST_MESSAGE: Final = 1 << 20
"""In bytes: what brokers allow unless told otherwise, and a thousand times what is needed."""

_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_CLOCKS_DIFFER_BY: Final = timedelta(days=1)


@dataclass(frozen=True, order=True)
class Position:
    """Where a record stands in Kafka."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True)
class Record:
    """One Kafka record as it came."""

    position: Position
    value: bytes | None
    """None in a tombstone."""
    timestamp_ms: int = -1
    """Since 1970, in ms; -1 where the producer gave none."""
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class RunEvent:
    """Data of one kind of one run is there."""

    key: RunKey
    kind: DataKind
    at: datetime
    """When the facility said so; when it reached us, if `note` says that."""
    position: Position
    note: str = ""


@dataclass(frozen=True)
class Ignored:
    """A sound message about something that the profile does not ask for."""

    position: Position
    event: str


@dataclass(frozen=True)
class Rejected:
    """A message that can never be handled, however often it is tried."""

    record: Record
    reason: str
    """What is wrong and where, in printable text for a person."""

    @property
    def position(self) -> Position:
        """Where the record stands in Kafka."""
        return self.record.position

    @property
    def value(self) -> bytes:
        """The message as it came; empty for a tombstone."""
        return self.record.value or b""


def decode(
    record: Record, profile: EventProfile, *, received: datetime | None = None
) -> RunEvent | Ignored | Rejected:
    """Read one record. Never raises, whatever the record holds.

    `received` is when the record reached us (aware; now, if not given) and
    stands in for a time of the record that cannot be true.
    """
    try:
        fields = _json_object(record.value)
        event = _event(fields, profile.event_field)
        kind = profile.kinds.get(event)
        if kind is None:
            return Ignored(record.position, event)
        key = RunKey(
            _checked(fields, profile.proposal_field, "proposal", proposal_number),
            _checked(fields, profile.run_field, "run", run_number),
        )
    except MessageError as error:
        return Rejected(record, f"{record.position}: {error}")
    at, note = _time(record.timestamp_ms, received or datetime.now(UTC))
    return RunEvent(key, kind, at, record.position, note)


def _json_object(value: bytes | None) -> dict[str, object]:
    if value is None:
        raise MessageError("the record is a tombstone (no value); a message was expected.")
    if not value:
        raise MessageError("the message is empty.")
    if len(value) > LARGEST_MESSAGE:
        raise MessageError(
            f"the message has {len(value)} bytes, more than the {LARGEST_MESSAGE} allowed; "
            f"it starts with {shortened(value)}."
        )
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MessageError(
            f"the message is not UTF-8 (byte {error.start}): {shortened(value)}."
        ) from None
    try:
        fields = json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_no_number)
    except RecursionError:
        raise MessageError(f"the message is nested too deeply: {shortened(value)}.") from None
    except MessageError:
        raise
    except ValueError as error:  # not JSON, or a number of thousands of digits
        raise MessageError(f"the message is not JSON ({error}): {shortened(value)}.") from None
    if not isinstance(fields, dict):
        raise MessageError(f"the message is not a JSON object but {shortened(value)}.")
    return fields


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise MessageError(f"field {shortened(twice)} is given twice; which one is meant?")
    return fields


def _no_number(constant: str) -> NoReturn:
    raise MessageError(f"{constant} is no JSON number.")


def _event(fields: dict[str, object], name: str) -> str:
    event = _present(fields, name)
    if not isinstance(event, str) or not event:
        raise MessageError(f"{name} must be the name of an event, not {shortened(event)}.")
    return event


def _checked(
    fields: dict[str, object], name: str, what: str, number: Callable[[object], int]
) -> int:
    value = _present(fields, name)
    if isinstance(value, list | dict):
        raise MessageError(f"{what} must be a whole number, not {shortened(value)}.")
    try:
        return number(value)
    except RunKeyError as error:
        raise MessageError(ascii_only(str(error))) from None


def _present(fields: dict[str, object], name: str) -> object:
    if name not in fields:
        given = ", ".join(shortened(field) for field in list(fields)[:8]) or "none"
        raise MessageError(f"field {name!r} is missing; the fields are {given}.")
    return fields[name]


def _time(timestamp_ms: int, received: datetime) -> tuple[datetime, str]:
    try:
        at = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        at = datetime.max.replace(tzinfo=UTC)
    if timestamp_ms >= 0 and _EARLIEST <= at <= received + _CLOCKS_DIFFER_BY:
        return at, ""
    why = "has no time" if timestamp_ms == -1 else f"says {timestamp_ms} ms since 1970"
    return received, f"The record {why}; the time is when it arrived."


def shortened(value: object, most: int = 80) -> str:
    """Show a value of a message on one line of printable ASCII, whatever it holds."""
    if isinstance(value, list | dict):  # repr would follow nesting of any depth
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    if isinstance(value, str | bytes):
        value = value[: most + 1]
    text = ascii(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def ascii_only(text: str) -> str:
    """Escape what is no printable ASCII, such as the digits of other scripts."""
    return text.encode("ascii", "backslashreplace").decode("ascii")
