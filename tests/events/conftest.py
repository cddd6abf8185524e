"""The brokers that these tests run on: librdkafka's mock cluster and a real Apache Kafka."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

import pytest

from knockoff.events.mock_cluster import mock_cluster
from knockoff.events.profiles import MAXWELL, EventProfile
from tests.kafka.apache_kafka import ApacheKafka, KafkaMissingError, apache_kafka

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


class Broker(Protocol):
    """What both brokers can do."""

    @property
    def brokers(self) -> tuple[str, ...]: ...

    def create_topic(self, name: str, partitions: int = 1) -> None: ...

    def away(self) -> AbstractContextManager[None]: ...


@dataclass(frozen=True)
class Facility:
    """A broker with a topic that only this test uses."""

    broker: Broker
    profile: EventProfile

    @property
    def topic(self) -> str:
        return self.profile.topics[0]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "kafka: runs on a real Apache Kafka")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """One Apache Kafka for all tests that ask for it."""
    try:
        with apache_kafka(tmp_path_factory.mktemp("kafka")) as broker:
            yield broker
    except KafkaMissingError as error:
        if os.environ.get("KNOCKOFF_TEST_KAFKA") == "required":
            raise
        pytest.skip(f"Apache Kafka: {error}")


@pytest.fixture(params=["mock", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """Each broker in turn."""
    if request.param == "kafka":
        yield request.getfixturevalue("kafka")
        return
    with mock_cluster() as mock:
        yield mock


@pytest.fixture
def facility(broker: Broker) -> Facility:
    """A topic of one partition, and the profile that listens to it."""
    topic = f"runs-{uuid4().hex}"
    broker.create_topic(topic)
    return Facility(broker, replace(MAXWELL, brokers=broker.brokers, topics=(topic,)))
