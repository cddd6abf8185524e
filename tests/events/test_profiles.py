"""Event profiles: what the facility announces, as data that anybody may change."""

from __future__ import annotations

import pytest

from knockoff.errors import SettingsError
from knockoff.events.profiles import (
    MAXWELL,
    ONLINE,
    PROFILES,
    EventProfile,
    event_profile,
    profile_of_host,
)

OWN: dict[str, object] = {
    "brokers": ["kafka.example.org:9092", "[::1]:9093"],
    "topics": ["beam.scans"],
    "kinds": {"scan_done": "raw"},
}


def test_the_built_in_profiles_announce_raw_and_proc() -> None:
    """Both of the facility's parts say when a run is recorded and when it is corrected."""
    for profile in PROFILES.values():
        assert {profile.event_for("raw"), profile.event_for("proc")} == set(profile.kinds)


def test_the_profile_follows_the_machine() -> None:
    """On the online cluster nobody has to set anything."""
    assert profile_of_host("exflonc31.desy.de") == ONLINE
    assert profile_of_host("max-exfl458.desy.de") == MAXWELL
    assert profile_of_host("my-laptop") == MAXWELL


def test_a_built_in_profile_takes_changes() -> None:
    """Most often only the brokers are others."""
    here = event_profile("maxwell", {"brokers": ["localhost:9092"]})
    assert here.brokers == ("localhost:9092",)
    assert (here.topics, dict(here.kinds)) == (MAXWELL.topics, dict(MAXWELL.kinds))
    assert event_profile("maxwell") == MAXWELL


def test_another_facility_needs_no_code() -> None:
    """Its profile comes from plain values, as a settings file has them."""
    own = event_profile("my beamline", OWN | {"run_field": "scan"})
    assert own.event_for("raw") == "scan_done"
    assert own.run_field == "scan"
    with pytest.raises(SettingsError, match="no event for proc data"):
        own.event_for("proc")


def test_a_profile_cannot_be_changed_after_it_was_made() -> None:
    """One profile is shared by everything that listens."""
    with pytest.raises(TypeError):
        MAXWELL.kinds["lunch"] = "raw"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"topics": []}, "topics"),
        ({"topics": ["a topic"]}, "topics.0"),
        ({"topics": "beam.scans"}, "topics"),
        ({"brokers": ["no port"]}, "brokers.0"),
        ({"kinds": {}}, "kinds"),
        ({"kinds": {"scan_done": "cooked"}}, "kinds.scan_done.*'raw' or 'proc'"),
        ({"run_field": ""}, "run_field"),
        ({"topic": ["beam.scans"]}, "did you mean 'topics'"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(changes: dict[str, object], told: str) -> None:
    """A misspelt setting must not be a listener that hears nothing."""
    with pytest.raises(SettingsError, match=told):
        event_profile("my beamline", OWN | changes)


def test_a_profile_that_is_incomplete_says_what_is_missing() -> None:
    """All that is missing is told at once."""
    with pytest.raises(SettingsError, match=r"topics: .*kinds: "):
        event_profile("my beamline", {"brokers": ["localhost:9092"]})


def test_an_unknown_name_gets_the_nearest_one() -> None:
    """A typing error costs one look, not a search."""
    with pytest.raises(SettingsError, match="did you mean 'maxwell'"):
        event_profile("maxwel")


def test_equal_profiles_are_equal() -> None:
    """Whether settings have changed can be asked."""
    assert EventProfile(**OWN, name="x") == event_profile("x", OWN)  # type: ignore[arg-type]
