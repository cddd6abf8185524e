"""A topic on a broker, and the profile that listens to it: all that a test knows of a facility."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from knockoff.events.profiles import MAXWELL, EventProfile

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class Broker(Protocol):
    """What librdkafka's mock cluster and Apache Kafka both can do."""

    @property
    def brokers(self) -> tuple[str, ...]: ...

    def create_topic(self, name: str, partitions: int = 1) -> None: ...

    def away(self) -> AbstractContextManager[None]: ...


@dataclass(frozen=True)
class Facility:
    """A broker with a topic that only one test uses."""

    broker: Broker
    profile: EventProfile

    @classmethod
    def on(cls, broker: Broker, *, partitions: int = 1) -> Facility:
        topic = f"runs-{uuid4().hex}"
        broker.create_topic(topic, partitions)
        return cls(broker, replace(MAXWELL, brokers=broker.brokers, topics=(topic,)))

    @property
    def topic(self) -> str:
        return self.profile.topics[0]
