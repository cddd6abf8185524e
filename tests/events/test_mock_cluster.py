"""The broker of the demo: there at once, and gone without a trace."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from knockoff.errors import BrokerError
from knockoff.events.mock_cluster import mock_cluster
from knockoff.events.publishing import publish, publisher


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


async def test_it_takes_messages_and_says_where_they_stand() -> None:
    """It is a Kafka broker to everything that connects to it."""
    with mock_cluster() as mock:
        mock.create_topic("runs", partitions=2)
        async with publisher(mock.brokers) as connected:
            positions = await connected.send("runs", b"one", b"two", partition=1)
    assert [str(one) for one in positions] == ["runs/1/0", "runs/1/1"]


async def test_it_leaves_no_thread_and_no_port() -> None:
    """The demo ends cleanly, and a test does not disturb the next one."""
    before = threads()
    with mock_cluster() as mock:
        await publish(mock.brokers, "runs", [b"one"])
        assert threads() > before
    assert threads() == before
    host, port = mock.brokers[0].split(":")
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind((host, int(port)))


async def test_two_can_run_side_by_side() -> None:
    """Two people may try the demo on one machine."""
    with mock_cluster() as one, mock_cluster() as other:
        assert one.brokers != other.brokers


def test_a_topic_is_created_once() -> None:
    """The second time is a mistake, and says so."""
    with mock_cluster() as mock:
        mock.create_topic("runs")
        with pytest.raises(BrokerError, match="'runs'"):
            mock.create_topic("runs")
