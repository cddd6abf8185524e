"""A broker without Apache Kafka: librdkafka's mock cluster, for the demo and the tests.

It is a real TCP server of the Kafka protocol on a free port of 127.0.0.1, with
committed offsets, in threads of this process; what it was told is gone when it
ends. A consumer group of it has one member: a second one is refused. It comes with
the wheel of confluent-kafka, whose Python side shows only a part of it, so it is
called by its C names.

References
----------
``rdkafka_mock.h`` of librdkafka 2, a public header marked as experimental.
"""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Final

from confluent_kafka import cimpl

from knockoff.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PRODUCER: Final = 0
_NO_ERROR: Final = 0
_ONLY_BROKER: Final = 1
_ONLY_WHAT_KILLS: Final = (b"log_level", b"2")


class MockCluster:
    """One broker that is there as long as `mock_cluster` is open."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        address = _library().rd_kafka_mock_cluster_bootstraps(handle)
        self.brokers: Final[tuple[str, ...]] = tuple(address.decode("ascii").split(","))

    def create_topic(self, name: str, partitions: int = 1) -> None:
        """Create a topic; one that is only used comes into being with four partitions.

        Raises
        ------
        BrokerError
            There is such a topic already, or the name cannot be one.
        """
        error = _library().rd_kafka_mock_topic_create(
            self._handle, name.encode("utf-8"), partitions, 1
        )
        if error != _NO_ERROR:
            raise BrokerError(
                f"The mock broker did not create topic {name!r} with {partitions} "
                f"partitions (librdkafka error {error}); is it there already?"
            )

    @contextmanager
    def away(self) -> Iterator[None]:
        """Cut all connections and refuse new ones until the end of the block."""
        _library().rd_kafka_mock_broker_set_down(self._handle, _ONLY_BROKER)
        try:
            yield
        finally:
            _library().rd_kafka_mock_broker_set_up(self._handle, _ONLY_BROKER)


@contextmanager
def mock_cluster() -> Iterator[MockCluster]:
    """Run a broker in this process until the end of the block.

    Raises
    ------
    BrokerError
        librdkafka did not start it.
    """
    library = _library()
    configuration = library.rd_kafka_conf_new()
    library.rd_kafka_conf_set(configuration, *_ONLY_WHAT_KILLS, None, 0)
    reason = ctypes.create_string_buffer(512)
    client = library.rd_kafka_new(_PRODUCER, configuration, reason, len(reason))
    if not client:
        raise BrokerError(f"The mock broker did not start: {reason.value.decode()}.")
    cluster = library.rd_kafka_mock_cluster_new(client, 1)
    try:
        if not cluster:
            raise BrokerError("The mock broker did not start: no free port on 127.0.0.1?")
        # Else it waits 3 s for more members of a group, as a real broker does.
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
        yield MockCluster(cluster)
    finally:
        if cluster:
            library.rd_kafka_mock_cluster_destroy(cluster)
        library.rd_kafka_destroy(client)


@cache
def _library() -> ctypes.CDLL:
    """Open librdkafka through the module that is linked to it, wherever the wheel put it."""
    library = ctypes.CDLL(cimpl.__file__)
    handle, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, gives, takes in (
        ("rd_kafka_conf_new", handle, ()),
        ("rd_kafka_conf_set", number, (handle, text, text, text, ctypes.c_size_t)),
        ("rd_kafka_new", handle, (number, handle, text, ctypes.c_size_t)),
        ("rd_kafka_destroy", None, (handle,)),
        ("rd_kafka_mock_cluster_new", handle, (handle, number)),
        ("rd_kafka_mock_cluster_destroy", None, (handle,)),
        ("rd_kafka_mock_cluster_bootstraps", text, (handle,)),
        ("rd_kafka_mock_group_initial_rebalance_delay_ms", None, (handle, ctypes.c_int32)),
        ("rd_kafka_mock_topic_create", number, (handle, text, number, number)),
        ("rd_kafka_mock_broker_set_down", number, (handle, ctypes.c_int32)),
        ("rd_kafka_mock_broker_set_up", number, (handle, ctypes.c_int32)),
    ):
        function = getattr(library, name)
        function.restype = gives
        function.argtypes = takes
    return library
