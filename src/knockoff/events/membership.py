"""One consumer of a group, from joining to leaving: what it polls, and which turns it has.

A *turn* is the time from a partition's assignment to its revocation. A record
polled in one turn cannot be committed in another, because somebody else may
have come further in between.
"""

from __future__ import annotations

import asyncio
import logging
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    CorruptRecordException,
    IllegalStateError,
    KafkaError,
)

from knockoff.events.messages import Position, Record, Rejected, ascii_only

if TYPE_CHECKING:
    from knockoff.events.access import Security

log = logging.getLogger(__name__)

UNREADABLE: tuple[type[Exception], ...] = (
    CorruptRecordException,  # a checksum or a length that is wrong
    zlib.error,
    EOFError,
    OSError,  # what gzip calls a bad header
    ValueError,
    IndexError,
    struct.error,
)
if find_spec("cramjam"):  # lz4, snappy and zstd are read only where it is
    UNREADABLE += (import_module("cramjam").DecompressionError,)

_POLL_SECONDS: Final = 0.5
_QUIET_POLLS: Final = 8
_ASK_SECONDS: Final = 4.0
_START_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 3.0
_COMMIT_SECONDS: Final = 3.0
_TOPICS_AGE_MS: Final = 3_000  # so soon is a topic seen that did not exist before


class SilentBrokerError(KafkaError):  # type: ignore[misc]
    """The broker has stopped answering."""


@dataclass
class Polled:
    """What one poll gave of one partition: in order, and all that is there in between."""

    partition: TopicPartition
    records: list[Record | Rejected]


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]
    """Our place in a consumer group; open it with `join`, and `leave` it in any case."""

    def __init__(
        self,
        topics: tuple[str, ...],
        brokers: tuple[str, ...],
        security: Security,
        *,
        group: str,
        client: str,
        fetch_ms: int,
        session_ms: int,
    ) -> None:
        self._topics = topics
        self._group = group
        self._consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=list(brokers),
            group_id=group,
            client_id=client,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            metadata_max_age_ms=_TOPICS_AGE_MS,
            session_timeout_ms=session_ms,
            fetch_max_wait_ms=fetch_ms,
            heartbeat_interval_ms=session_ms // 3,
            request_timeout_ms=20_000,  # longer than a group takes to gather
            **security.client_options(),
        )
        self._rebalancing = True
        self._quiet_polls = 0
        self._last_answers: frozenset[int] = frozenset()
        self._next: dict[TopicPartition, int] = {}
        self.turn = 0
        """Counts up whenever the partitions that we had are taken from us."""
        self.has_been_served = False
        """Whether the group has let us in and we may read."""

    async def join(self) -> None:
        """Connect and ask to be let in.

        Raises
        ------
        KafkaError, OSError, TimeoutError
            No broker lets us.
        """
        async with asyncio.timeout(_START_SECONDS):
            await self._consumer.start()
            missing = set(self._topics) - await self._consumer.topics()
        if missing:
            log.warning(
                "Kafka has no topic %s yet; it will be read as soon as there is one.",
                ", ".join(sorted(missing)),
            )
        # Subscribed only now: start() would wait for topics that are missing.
        self._consumer.subscribe(self._topics, listener=self)

    async def leave(self) -> None:
        """Leave the group, so that others need not wait for us, and disconnect."""
        self.turn += 1
        stopping = asyncio.create_task(self._consumer.stop())
        await asyncio.wait({stopping}, timeout=_STOP_SECONDS)
        if stopping.cancelled() or not stopping.done():
            log.debug("Kafka group %s: left without a word, for nobody listens.", self._group)
            await _abandon(self._consumer, stopping)
        else:
            stopping.result()

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002
        """Called by aiokafka before each rebalance."""
        self.turn += 1
        self._rebalancing = True
        self._next.clear()

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Called by aiokafka after each rebalance."""
        self._rebalancing = False
        self._quiet_polls = 0
        log.info(
            "Kafka group %s: reading %s.",
            self._group,
            ", ".join(sorted(f"{one.topic}/{one.partition}" for one in assigned)) or "nothing yet",
        )

    async def poll(self, most: int) -> list[Polled]:
        """Wait half a second at most for records.

        Raises
        ------
        KafkaError
            The broker refuses or has gone; `SilentBrokerError` if it just does
            not answer any more.
        """
        try:
            async with asyncio.timeout(2 * _POLL_SECONDS):  # getmany waits out any rebalance
                polled = await self._consumer.getmany(
                    timeout_ms=int(_POLL_SECONDS * 1000), max_records=most
                )
        except TimeoutError:
            polled = {}
        except UNREADABLE as error:
            log.warning("Kafka gave what cannot be read (%s); looking for the place.", error)
            return await self._one_by_one(most)
        for partition, records in polled.items():
            self._next[partition] = records[-1].offset + 1
        if polled:
            self._quiet_polls = 0
            self.has_been_served = True
        else:
            await self._see_whether_anybody_is_there()
        return [
            Polled(partition, [_record(record) for record in records])
            for partition, records in polled.items()
        ]

    async def commit(self, partition: TopicPartition, offset: int) -> bool:
        """Let the group go on from `offset` next time; False if our turn is over.

        Raises
        ------
        KafkaError
            The broker refuses for another reason, or does not answer.
        """
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await self._consumer.commit({partition: offset})
        except (CommitFailedError, IllegalStateError):
            return False
        except TimeoutError:
            raise SilentBrokerError("no answer to a commit") from None
        return True

    @property
    def lag(self) -> int:
        """How many records stand behind those that were polled, as far as known."""
        assigned = self._consumer.assignment()
        return sum(
            max((self._consumer.highwater(partition) or 0) - offset, 0)
            for partition, offset in self._next.items()
            if partition in assigned
        )

    async def _see_whether_anybody_is_there(self) -> None:
        """Tell a quiet night from a broker that has gone: it answers empty fetches too."""
        assigned = self._consumer.assignment()
        answers = frozenset(self._consumer.last_poll_timestamp(one) or 0 for one in assigned)
        if any(answers) or not (assigned or self._rebalancing):
            self.has_been_served = True
        self._quiet_polls = self._quiet_polls + 1 if answers == self._last_answers else 0
        self._last_answers = answers
        if self._quiet_polls < _QUIET_POLLS:
            return
        if self._rebalancing or not assigned:  # then nothing is fetched, and only asking helps
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(_ASK_SECONDS):
                    await self._consumer.topics()
                    self._quiet_polls = 0
                    return
        raise SilentBrokerError("no answer any more")

    async def _one_by_one(self, most: int) -> list[Polled]:
        """Poll record by record up to each place that cannot be read, and go past that."""
        found = []
        for partition in sorted(self._consumer.assignment()):
            records: list[Record | Rejected] = []
            try:
                while len(records) < most and (one := await self._next_of(partition)):
                    records.append(_record(one))
            except UNREADABLE as error:
                offset = await self._consumer.position(partition)
                records.append(_unreadable(partition, offset, error))
                self._consumer.seek(partition, offset + 1)
            if records:
                found.append(Polled(partition, records))
        return found

    async def _next_of(self, partition: TopicPartition) -> Any:
        polled = await self._consumer.getmany(
            partition, timeout_ms=int(_POLL_SECONDS * 1000), max_records=1
        )
        return polled[partition][0] if polled else None


async def _abandon(consumer: Any, stopping: asyncio.Task[None]) -> None:
    """End what aiokafka's stop leaves running when no broker answers.

    It waits for answers, or is itself ended half-way by the cancellation of a
    fetch of its own (aio-libs/aiokafka#647).
    """
    fetcher, coordinator = consumer._fetcher, consumer._coordinator  # noqa: SLF001
    started = (
        stopping,
        coordinator._coordination_task,  # noqa: SLF001
        coordinator._heartbeat_task,  # noqa: SLF001
        coordinator._commit_refresh_task,  # noqa: SLF001
        fetcher._fetch_task,  # noqa: SLF001
        *fetcher._pending_tasks,  # noqa: SLF001
    )
    running = [task for task in started if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await consumer._client.close()  # noqa: SLF001


def _record(record: Any) -> Record:
    return Record(
        Position(record.topic, record.partition, record.offset),
        record.value,
        record.timestamp,
        record.key,
        tuple(record.headers),
    )


def _unreadable(partition: TopicPartition, offset: int, error: Exception) -> Rejected:
    position = Position(partition.topic, partition.partition, offset)
    return Rejected(
        Record(position, None),
        f"{position}: Kafka holds a batch that cannot be read "
        f"({type(error).__name__}: {ascii_only(str(error))}).",
    )
