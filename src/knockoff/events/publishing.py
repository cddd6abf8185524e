"""Kafka out: messages as the facility words them, and our own."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from knockoff.errors import BrokerError
from knockoff.events.access import (
    OPEN,
    BrokerUnreachableError,
    Security,
    reasons_against,
    silence_attempts,
)
from knockoff.events.messages import Position

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import PurePath

    from knockoff.events.profiles import EventProfile
    from knockoff.runkey import DataKind, RunKey

_START_SECONDS: Final = 10.0
_SEND_SECONDS: Final = 10.0


def facility_message(
    profile: EventProfile,
    key: RunKey,
    kind: DataKind,
    *,
    path: PurePath | str | None = None,
    instrument: str = "SPB",
    cycle: str = "202501",
) -> bytes:
    """Word a message as the facility does: numbers are text, the proposal is zero-padded.

    Raises
    ------
    SettingsError
        The profile has no event for data of this kind.
    """
    folder = f"/gpfs/exfel/exp/{instrument}/{cycle}/p{key.proposal:06d}/{kind}/r{key.run:04d}"
    fields = {
        profile.event_field: profile.event_for(kind),
        profile.proposal_field: f"{key.proposal:06d}",
        profile.run_field: str(key.run),
        "path": folder if path is None else str(path),
        "instrument": instrument,
        "cycle": cycle,
    }
    return json.dumps(fields).encode("utf-8")


class Publisher:
    """Sends messages and knows that the broker has them when a call returns."""

    def __init__(self, producer: Any, brokers: tuple[str, ...]) -> None:
        self._producer = producer
        self._brokers = brokers

    async def send(
        self,
        topic: str,
        *messages: bytes | None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> list[Position]:
        """Send messages to a topic, and say where each stands. None is a tombstone; it needs a key.

        Messages of one `key` go to one partition, and so keep their order;
        `partition` says which, whatever the key. `timestamp_ms` is since 1970,
        in ms; now if None.

        Raises
        ------
        BrokerError
            The broker refused a message or did not take it in time. Those
            before it may have arrived.
        """
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                sent = [
                    await self._producer.send(
                        topic,
                        value=message,
                        key=key,
                        partition=partition,
                        timestamp_ms=timestamp_ms,
                    )
                    for message in messages
                ]
                stored = await asyncio.gather(*sent)
        except (KafkaError, TimeoutError) as error:
            raise BrokerError(
                f"Kafka at {', '.join(self._brokers)} did not take {len(messages)} message(s) for "
                f"topic {topic!r} ({str(error) or f'no answer in {_SEND_SECONDS:.0f} s'}). "
                f"See whether it runs (`knockoff doctor`) and whether you may write to the topic."
            ) from error
        return [Position(one.topic, one.partition, one.offset) for one in stored]


@asynccontextmanager
async def publisher(
    brokers: tuple[str, ...], *, client: str = "knockoff", security: Security = OPEN
) -> AsyncIterator[Publisher]:
    """Connect a producer; on the way out nothing that was sent is left behind.

    Raises
    ------
    BrokerUnreachableError
        None of the brokers can be used.
    """
    silence_attempts()
    producer = AIOKafkaProducer(
        bootstrap_servers=list(brokers),
        client_id=client,
        acks="all",
        **security.client_options(),
    )
    try:
        try:
            async with asyncio.timeout(_START_SECONDS):
                await producer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            reasons = await reasons_against(brokers, security)
            raise BrokerUnreachableError(reasons or dict.fromkeys(brokers, str(error))) from error
        yield Publisher(producer, brokers)
    finally:
        await producer.stop()


async def publish(
    brokers: tuple[str, ...],
    topic: str,
    messages: Iterable[bytes],
    *,
    security: Security = OPEN,
) -> list[Position]:
    """Connect, send the messages, and disconnect; see `Publisher.send`."""
    async with publisher(brokers, security=security) as connected:
        return await connected.send(topic, *messages)
