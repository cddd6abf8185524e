"""Kafka in: one polled batch of one partition after another, committed only when told.

A batch that is not committed comes again, after a restart or to another member
of the group. So what is done with it must be the same when done twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from knockoff.events.access import (
    OPEN,
    BrokerUnreachableError,
    Security,
    pause_seconds,
    reasons_against,
    silence_attempts,
)
from knockoff.events.membership import Membership, Polled
from knockoff.events.messages import Ignored, Rejected, RunEvent, decode, shortened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from knockoff.events.profiles import EventProfile

log = logging.getLogger(__name__)

_TRIES: Final = 3


@dataclass(frozen=True)
class Batch:
    """What one poll gave of one partition, read and sorted."""

    topic: str
    partition: int
    first_offset: int
    last_offset: int
    events: tuple[RunEvent, ...]
    """In the order of their offsets; the same run may be in it more than once."""
    rejected: tuple[Rejected, ...]
    ignored: int
    """How many sound messages were about something else."""
    turn: int = field(default=0, repr=False, compare=False)


class RunBatches:
    """The batches as they come, without end; `run_batches` opens it.

    A broker that goes away is waited for, for as long as it takes.
    """

    def __init__(
        self,
        profile: EventProfile,
        security: Security,
        *,
        group: str,
        client: str,
        most: int,
        fetch_ms: int,
        session_ms: int,
        wait: bool,
    ) -> None:
        self._profile = profile
        self._security = security
        self._group = group
        self._client = client
        self._most = most
        self._fetch_ms = fetch_ms
        self._session_ms = session_ms
        self._patient = wait
        self._member: Membership | None = None
        self._turns_before = 0
        self._ready: deque[Batch] = deque()
        self._owed: dict[TopicPartition, Batch] = {}
        self._away: _Absence | None = None

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        """Wait for the next batch.

        Raises
        ------
        BrokerUnreachableError
            Unless told to wait: the group never let us in.
        """
        while True:
            while self._ready:
                batch = self._ready.popleft()
                if batch.turn == self._turn:
                    return batch
            polled = await self._polled()
            turn = self._turn  # of these records; it may change while they are read
            for one in polled:
                self._ready.append(self._batch(one, turn))
                await asyncio.sleep(0)  # reading takes a while, and heartbeats must go out

    async def commit(self, batch: Batch) -> bool:
        """Tell the group that everything up to the end of this batch is done.

        Never raises for what the broker does: False means that the batch may
        come again, because its partition went to another member or the broker
        is away. In the latter case it is told as soon as it is back.
        """
        if batch.turn != self._turn:
            log.info(
                "%s/%d: our turn ended before offset %d was committed; it will come again.",
                batch.topic,
                batch.partition,
                batch.last_offset,
            )
            return False
        self._owed[TopicPartition(batch.topic, batch.partition)] = batch
        try:
            return await self._settled()
        except KafkaError as error:
            log.info("%s/%d: not committed (%s).", batch.topic, batch.partition, error)
            return False

    @property
    def lag(self) -> int:
        """How many records of our partitions were not handed over yet, as far as known."""
        waiting = sum(batch.last_offset - batch.first_offset + 1 for batch in self._ready)
        return waiting + (self._member.lag if self._member else 0)

    async def close(self) -> None:
        """Leave the group."""
        if self._member is not None:
            member, self._member = self._member, None
            self._turns_before += member.turn + 1
            self._owed.clear()
            await member.leave()

    @property
    def _turn(self) -> int:
        return self._turns_before + (self._member.turn if self._member else 0)

    async def _polled(self) -> list[Polled]:
        try:
            if self._member is None:
                await self.join()
                return []
            polled = await self._member.poll(self._most)
            if self._member.has_been_served:
                self._say_that_it_is_back()
            if self._owed and not polled:
                await self._settled()
        except (KafkaError, OSError, TimeoutError) as error:
            await self.close()
            await self._wait_after(error)
            return []
        return polled

    async def join(self) -> None:
        """Try once to get into the group.

        Raises
        ------
        KafkaError, OSError, TimeoutError
            No broker lets us.
        """
        member = Membership(
            self._profile.topics,
            self._profile.brokers,
            self._security,
            group=self._group,
            client=self._client,
            fetch_ms=self._fetch_ms,
            session_ms=self._session_ms,
        )
        async with AsyncExitStack() as unless_joined:
            unless_joined.push_async_callback(member.leave)
            await member.join()
            unless_joined.pop_all()
        self._member = member

    async def connect(self) -> None:
        """Get into the group; see `run_batches`."""
        while self._member is None:
            await self._polled()

    async def _wait_after(self, error: Exception) -> None:
        reasons = await reasons_against(self._profile.brokers, self._security)
        if len(reasons) < len(self._profile.brokers):  # some answer, so it is not that
            reasons = dict.fromkeys(self._profile.brokers, _words(error))
        absence = self._away = self._away or _Absence()
        absence.tries += 1
        if not self._patient and absence.tries >= _TRIES:
            raise BrokerUnreachableError(reasons) from error
        told = "; ".join(f"{broker}: {reason}" for broker, reason in reasons.items())
        if self._patient and told != absence.told:
            absence.told = told
            log.warning(
                "Kafka cannot be read (%s). Nothing is lost: messages wait there, and it is "
                "tried again until it can.",
                told,
            )
        await asyncio.sleep(pause_seconds(absence.tries))

    def _say_that_it_is_back(self) -> None:
        self._patient = True
        if self._away is not None:
            log.info("Kafka is back after %.0f s.", time.monotonic() - self._away.since)
            self._away = None

    async def _settled(self) -> bool:
        """Commit what is owed. What cannot be committed now stays owed for this turn."""
        for partition, batch in list(self._owed.items()):
            member = self._member
            if member is None:
                return False
            if batch.turn == self._turn and not await member.commit(
                partition, batch.last_offset + 1
            ):
                return False
            if self._owed.get(partition) is batch:
                del self._owed[partition]
        return True

    def _batch(self, polled: Polled, turn: int) -> Batch:
        received = datetime.now(UTC)
        events: list[RunEvent] = []
        rejected: list[Rejected] = []
        ignored = 0
        for record in polled.records:
            read = (
                record
                if isinstance(record, Rejected)
                else decode(record, self._profile, received=received)
            )
            if isinstance(read, RunEvent):
                events.append(read)
                if read.note:
                    log.warning("%s, %s: %s", read.position, read.key, read.note)
            elif isinstance(read, Ignored):
                ignored += 1
                log.debug("%s: event %s is none of ours.", read.position, shortened(read.event))
            else:
                rejected.append(read)
        return Batch(
            topic=polled.partition.topic,
            partition=polled.partition.partition,
            first_offset=polled.records[0].position.offset,
            last_offset=polled.records[-1].position.offset,
            events=tuple(events),
            rejected=tuple(rejected),
            ignored=ignored,
            turn=turn,
        )


@dataclass
class _Absence:
    """Since when Kafka cannot be read, and what was said about it."""

    since: float = field(default_factory=time.monotonic)
    tries: int = 0
    told: str = ""


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


@asynccontextmanager
async def run_batches(
    profile: EventProfile,
    *,
    group: str,
    client: str,
    security: Security = OPEN,
    wait: bool = False,
    most: int = 500,
    fetch_ms: int = 50,
    session_ms: int = 6_000,
) -> AsyncIterator[RunBatches]:
    """Join a consumer group; leave it again on the way out.

    A group that is new reads from the earliest message on that the broker has.

    Members of one `group` share the partitions, and what is committed; `client`
    is our name in the broker's logs. With `wait`, brokers that are away at the
    start are waited for, too, however long it takes. A batch has `most`
    messages at most.

    `fetch_ms` is how long the broker may hold a request while there is nothing to
    read. Kafka answers as soon as there is; librdkafka's mock cluster only then,
    so that this is its delay. `session_ms` is how long the group waits for a
    member that was killed; brokers allow no less than 6 s unless told to.

    Raises
    ------
    BrokerUnreachableError
        None of the brokers can be used, and `wait` is False.
    SettingsError
        The security settings cannot be used.
    """
    silence_attempts()
    batches = RunBatches(
        profile,
        security,
        group=group,
        client=client,
        most=most,
        fetch_ms=fetch_ms,
        session_ms=session_ms,
        wait=wait,
    )
    try:
        await batches.connect()
        yield batches
    finally:
        await batches.close()
