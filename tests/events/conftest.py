"""The brokers that these tests run on: librdkafka's mock cluster and a real Apache Kafka."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.kafka.apache_kafka import ApacheKafka, KafkaMissingError, apache_kafka
from tests.kafka.facility import Broker, Facility

from knockoff.events.mock_cluster import mock_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator


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
    """A topic of one partition that only this test uses, and the profile that listens to it."""
    return Facility.on(broker)
