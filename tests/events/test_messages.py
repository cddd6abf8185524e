"""Whatever bytes Kafka holds, reading them gives an event, or a reason, and never an exception."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockoff.events.messages import (
    LARGEST_MESSAGE,
    Ignored,
    Position,
    Record,
    Rejected,
    RunEvent,
    decode,
)
from knockoff.events.profiles import MAXWELL, ONLINE, EventProfile
from knockoff.events.publishing import facility_message
from knockoff.runkey import DataKind, RunKey, proposal_number, run_number

HERE = Position("test.r2d2", 3, 141)
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
NOON_MS = 1_740_830_400_000
GOOD: dict[str, object] = {"event": "migration_complete", "proposal": "002222", "run": "12"}


def read(value: bytes | None, timestamp_ms: int = NOON_MS) -> RunEvent | Ignored | Rejected:
    return decode(Record(HERE, value, timestamp_ms), MAXWELL, received=NOON + timedelta(seconds=1))


def message(**fields: object) -> bytes:
    return json.dumps(GOOD | fields).encode()


def without(field: str) -> bytes:
    return json.dumps({name: value for name, value in GOOD.items() if name != field}).encode()


BAD: dict[str, tuple[bytes | None, str]] = {
    "tombstone": (None, "tombstone"),
    "empty": (b"", "is empty"),
    "blank": (b" \n", "not JSON"),
    "null": (b"null", "not a JSON object but b'null'"),
    "a number": (b"42", "not a JSON object but b'42'"),
    "a text": (b'"migration_complete"', "not a JSON object but b'\"migration"),
    "a list": (b'[{"event": "migration_complete"}]', "not a JSON object but b'[{"),
    "not UTF-8": (b'{"event": "\xff"}', "not UTF-8"),
    "Latin-1": ('{"sample": "Brücke"}'.encode("latin-1"), "not UTF-8"),
    "UTF-16": (json.dumps(GOOD).encode("utf-16"), "not UTF-8"),
    "UTF-16 without a mark": (json.dumps(GOOD).encode("utf-16-le"), "not JSON"),
    "UTF-8 with a mark": (b"\xef\xbb\xbf" + message(), "not JSON"),
    "truncated": (message()[:-5], "not JSON"),
    "twice": (message() + message(), "not JSON"),
    "single quotes": (str(GOOD).encode(), "not JSON"),
    "a comment": (message() + b" // proc follows", "not JSON"),
    "XML": (b"<run>12</run>", "not JSON"),
    "a NUL": (message() + b"\0", "not JSON"),
    "nested 10 000 deep": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested too deeply"),
    "lists 500 000 deep": (b"[" * 500_000, "nested too deeply"),
    "10 MB": (b'{"a": "' + b"x" * 10_000_000 + b'"}', "10000009 bytes"),
    "NaN": (message(run=float("nan")), "NaN is no JSON number"),
    "Infinity": (message(run=float("inf")), "Infinity is no JSON number"),
    "minus Infinity": (message(size=float("-inf")), "-Infinity is no JSON number"),
    "a number of 5000 digits": (b'{"run": ' + b"9" * 5000 + b"}", "not JSON"),
    "run twice": (b'{"event": "migration_complete", "run": 1, "run": 2}', "'run' is given twice"),
    "event missing": (without("event"), "'event' is missing"),
    "proposal missing": (without("proposal"), "'proposal' is missing"),
    "run missing": (without("run"), "'run' is missing; the fields are 'event', 'proposal'"),
    "no field at all": (b"{}", "the fields are none"),
    "event null": (message(event=None), "name of an event"),
    "event empty": (message(event=""), "name of an event"),
    "event a list": (message(event=["migration_complete"]), "name of an event"),
    "event a number": (message(event=1), "name of an event"),
    "run null": (message(run=None), "run must be a whole number"),
    "run true": (message(run=True), "not True"),
    "run a float": (message(run=42.0), "not 42.0"),
    "run 1e309": (message(run="?").replace(b'"?"', b"1e309"), "not inf"),
    "run zero": (message(run=0), "within 1 to"),
    "run negative": (message(run=-5), "not -5"),
    "run 2^63": (message(run=2**63), "not 9223372036854775808"),
    "run of 100 digits": (message(run="9" * 100), "run must be a whole number"),
    "run r0042": (message(run="r0042"), "not 'r0042'"),
    "run -1 as text": (message(run="-1"), "not '-1'"),
    "run with spaces": (message(run=" 42 "), "not ' 42 '"),
    "run with a newline": (message(run="42\n"), r"not '42\n'"),
    "run 1_000": (message(run="1_000"), "not '1_000'"),
    "run in full-width digits": (message(run="１２"), r"not '\uff11\uff12'"),
    "run in Arabic digits": (message(run="٤٢"), r"\u0664\u0662"),
    "run in hexadecimal": (message(run="0x2a"), "not '0x2a'"),
    "run empty": (message(run=""), "not ''"),
    "run a list": (message(run=[42]), "run must be a whole number, not a list of 1"),
    "run an operator": (message(run={"$gt": 0}), "not an object of 1"),
    "run a lone surrogate": (message(run="\ud800"), r"\ud800"),
    "run with an escape sequence": (message(run="\x1b[2J"), r"\x1b[2J"),
    "proposal upwards": (message(proposal="../../x"), "not '../../x'"),
    "proposal a path": (message(proposal="/etc"), "not '/etc'"),
    "proposal a glob": (message(proposal="p*"), "not 'p*'"),
    "proposal a glob of digits": (message(proposal="p00*"), "not 'p00*'"),
    "proposal with a NUL": (message(proposal="1\0"), r"not '1\x00'"),
    "proposal with a newline": (message(proposal="1\n2"), r"not '1\n2'"),
    "proposal too large": (message(proposal=1_000_000), "within 1 to 999999"),
    "proposal true": (message(proposal=True), "not True"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_message_is_rejected_with_a_reason_to_act_upon(kind: str) -> None:
    """Somebody reads the dead letters: what is wrong, where it stands, and how it looks."""
    value, reason = BAD[kind]

    rejected = read(value)

    assert isinstance(rejected, Rejected)
    assert reason in rejected.reason
    assert rejected.reason.startswith("test.r2d2/3/141: ")
    assert rejected.reason.isascii()
    assert rejected.reason.isprintable()
    assert len(rejected.reason) < 400
    assert (rejected.position, rejected.value) == (HERE, value or b"")


@pytest.mark.parametrize(
    "extra",
    [
        {"path": "/etc/passwd"},
        {"path": "../../../root", "instrument": "../", "cycle": "\0"},
        {"$where": "sleep(1000)", "a.b": 1, "": 2, "n\0": 3},
        {"_id": "p001234r0001", "knockoff": {"data": ["raw"]}},
        {"sample": "\ud800", "comment": "\x1b[2J"},
    ],
)
def test_what_else_a_message_holds_is_not_even_looked_at(extra: dict[str, Any]) -> None:
    """Anybody may publish; a path in a message must lead nowhere."""
    assert read(message(**extra)) == read(message())


@pytest.mark.parametrize("run", [12, "12", "0012"])
@pytest.mark.parametrize("proposal", [2222, "2222", "002222"])
def test_numbers_are_read_as_the_facility_writes_them(proposal: object, run: object) -> None:
    """Its messages have them as text with leading zeros, and as numbers."""
    assert read(message(proposal=proposal, run=run)) == RunEvent(
        RunKey(2222, 12), "raw", NOON, HERE
    )


@pytest.mark.parametrize("profile", [MAXWELL, ONLINE])
@pytest.mark.parametrize("kind", ["raw", "proc"])
def test_a_facility_message_is_read_back(profile: EventProfile, kind: DataKind) -> None:
    """The demo's and the tests' messages are those that the listener understands."""
    written = facility_message(profile, RunKey(2222, 12), kind)
    event = decode(Record(HERE, written, NOON_MS), profile, received=NOON)
    assert event == RunEvent(RunKey(2222, 12), kind, NOON, HERE)


def test_a_facility_message_looks_like_one() -> None:
    """It has what real ones are known to have, so that other programs can be tried with it."""
    assert json.loads(facility_message(MAXWELL, RunKey(2222, 12), "raw", instrument="MID")) == {
        "event": "migration_complete",
        "proposal": "002222",
        "run": "12",
        "path": "/gpfs/exfel/exp/MID/202501/p002222/raw/r0012",
        "instrument": "MID",
        "cycle": "202501",
    }


@pytest.mark.parametrize("event", ["daq_run_complete", "__init__", "../", "x" * 10_000, "\ud800"])
def test_an_event_that_the_profile_does_not_name_is_ignored(event: str) -> None:
    """The facility's topics carry more than runs, whatever is in the other fields."""
    assert read(message(event=event, proposal="?", run=None)) == Ignored(HERE, event)


def test_other_fields_are_read_where_the_profile_says_so() -> None:
    """Another facility has another wording, and no code is changed for it."""
    elsewhere = replace(MAXWELL, event_field="what", proposal_field="visit", run_field="scan")
    value = b'{"what": "migration_complete", "visit": 7, "scan": 8, "run": 9}'
    event = decode(Record(HERE, value, NOON_MS), elsewhere, received=NOON)
    assert event == RunEvent(RunKey(7, 8), "raw", NOON, HERE)


@pytest.mark.parametrize(
    "timestamp_ms",
    [-1, -(2**63), 0, NOON_MS // 1000, 253_402_300_799_999, 253_402_300_800_000, 2**63 - 1],
    ids=["none", "smallest", "1970", "seconds", "year 9999", "year 10000", "largest"],
)
def test_a_time_that_cannot_be_true_is_replaced_and_noted(timestamp_ms: int) -> None:
    """A wrong clock must not cost a run, nor put it at the end of the table for ever."""
    event = read(message(), timestamp_ms)
    assert isinstance(event, RunEvent)
    assert event.at == NOON + timedelta(seconds=1)
    assert "when it arrived" in event.note


def test_the_largest_message_allowed_is_read() -> None:
    """The limit is what Kafka itself allows, not less."""
    room = LARGEST_MESSAGE - len(message(sample=""))
    assert isinstance(read(message(sample="x" * room)), RunEvent)
    assert isinstance(read(message(sample="x" * (room + 1))), Rejected)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
    max_leaves=10,
)
likely_values = json_values | st.integers(-2, 100_001) | st.from_regex(r"\A\s?0*\d{1,9}\s?\Z")


@given(value=st.none() | st.binary() | st.text().map(lambda text: text.encode("utf-8")))
def test_no_bytes_raise(value: bytes | None) -> None:
    """One exception here would stop the night shift at the same message for ever."""
    assert isinstance(read(value), Rejected)


@given(
    fields=st.fixed_dictionaries(
        {},
        optional={
            "event": st.sampled_from(list(MAXWELL.kinds)) | json_values,
            "proposal": likely_values,
            "run": likely_values,
            "path": json_values,
        },
    ),
    timestamp_ms=st.integers(-(2**63), 2**63 - 1),
)
def test_no_run_is_read_from_what_is_no_run_number(
    fields: dict[str, object], timestamp_ms: int
) -> None:
    """Two readings of one number would be two rows, or a path outside the data."""
    event = read(json.dumps(fields).encode(), timestamp_ms)

    if isinstance(event, RunEvent):
        assert event.kind == MAXWELL.kinds[str(fields["event"])]
        assert event.key == RunKey(proposal_number(fields["proposal"]), run_number(fields["run"]))
        assert event.at.tzinfo is UTC
    else:
        assert isinstance(event, Ignored) or not is_readable(fields)


def is_readable(fields: dict[str, object]) -> bool:
    """Whether there is an event, `runkey` takes the numbers, and JSON has words for the rest."""
    try:
        json.dumps(fields, allow_nan=False)
        RunKey(proposal_number(fields.get("proposal")), run_number(fields.get("run")))
    except ValueError:
        return False
    return isinstance(fields.get("event"), str) and fields["event"] != ""
