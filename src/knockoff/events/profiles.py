"""Which topics a facility announces its runs on, and how it words them, as data."""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from knockoff.errors import SettingsError
from knockoff.runkey import DataKind

if TYPE_CHECKING:
    from collections.abc import Mapping

Topic = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
"""A topic's name as Kafka allows it."""

Broker = Annotated[str, Field(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$")]
"""Where a broker listens, as ``host:port``."""

Word = Annotated[str, Field(min_length=1, max_length=200)]


def _frozen(kinds: dict[str, DataKind]) -> Mapping[str, DataKind]:
    return MappingProxyType(kinds)


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=False))
class EventProfile:
    """How one facility, or one part of it, says that data of a run is there."""

    name: Word
    brokers: Annotated[tuple[Broker, ...], Field(min_length=1)]
    """Where to ask first; the brokers name the others of their cluster."""
    topics: Annotated[tuple[Topic, ...], Field(min_length=1)]
    kinds: Annotated[dict[Word, DataKind], Field(min_length=1), AfterValidator(_frozen)]
    """What each event says is there: raw or proc. Events that are not named are ignored."""
    event_field: Word = "event"
    proposal_field: Word = "proposal"
    run_field: Word = "run"

    def event_for(self, kind: DataKind) -> str:
        """Name the event that announces data of this kind; the first one, if several do.

        Raises
        ------
        SettingsError
            No event of this profile announces data of this kind.
        """
        for event, announced in self.kinds.items():
            if announced == kind:
                return event
        raise SettingsError(
            f"Event profile {self.name!r} has no event for {kind} data; "
            f'add one to its `kinds`, as in {{"my_event" = "{kind}"}}.'
        )


# Topics, events and fields are those that the facility's DAMNIT listens to.
MAXWELL: Final = EventProfile(
    name="maxwell",
    brokers=("exflwgs06:9091",),
    topics=("test.r2d2", "cal.offline-corrections"),
    kinds={"migration_complete": "raw", "run_corrections_complete": "proc"},
)
"""European XFEL, offline: runs that reached the Maxwell cluster's storage."""

ONLINE: Final = EventProfile(
    name="online",
    brokers=("exflwgs06:9091",),
    topics=("test.euxfel.hed.daq", "test.euxfel.hed.cal"),
    kinds={"daq_run_complete": "raw", "online_correction_complete": "proc"},
)
"""European XFEL, online cluster (HED): runs as soon as the DAQ has closed them."""

PROFILES: Final[Mapping[str, EventProfile]] = MappingProxyType(
    {profile.name: profile for profile in (MAXWELL, ONLINE)}
)


def event_profile(name: str, changes: Mapping[str, object] | None = None) -> EventProfile:
    """Take the built-in profile of this name, changed; or, under a new name, make one.

    `changes` are plain values for fields of `EventProfile`, as a settings file
    has them. A new profile needs at least `brokers`, `topics` and `kinds`.

    Raises
    ------
    SettingsError
        The name is unknown and `changes` is empty, or a value cannot be used;
        every such value is named.
    """
    if not changes and name not in PROFILES:
        raise SettingsError(
            f"There is no event profile {name!r}{_nearest(name, PROFILES)}. Built in are "
            f"{', '.join(PROFILES)}; your own needs brokers, topics and kinds."
        )
    values: dict[str, object] = {"name": name}
    if name in PROFILES:
        values |= vars(PROFILES[name])
    try:
        return EventProfile(**(values | dict(changes or {})))  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError(_told(name, error)) from error


def profile_of_host(hostname: str) -> EventProfile:
    """Choose the built-in profile for a machine of the facility; elsewhere it is Maxwell's."""
    return ONLINE if fnmatchcase(hostname, "exflonc*") else MAXWELL


def _told(name: str, error: ValidationError) -> str:
    fields = tuple(EventProfile.__dataclass_fields__)
    lines = []
    for problem in error.errors(include_url=False):
        where = ".".join(str(part) for part in problem["loc"])
        hint = _nearest(where, fields) if problem["type"] == "unexpected_keyword_argument" else ""
        lines.append(f"{where}: {problem['msg'].lower()}{hint}")
    return f"Event profile {name!r} cannot be used: {'; '.join(lines)}."


def _nearest(word: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    nearest = get_close_matches(word, known, n=1)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""
