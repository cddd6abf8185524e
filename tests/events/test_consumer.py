"""Batches from a broker: nothing is skipped or stops them, and nothing is committed unasked."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from tests.kafka.facility import Facility

from knockoff.events.access import BrokerUnreachableError, Security
from knockoff.events.consumer import Batch, RunBatches, run_batches
from knockoff.events.mock_cluster import mock_cluster
from knockoff.events.profiles import MAXWELL
from knockoff.events.publishing import facility_message, publish, publisher
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.kafka.apache_kafka import ApacheKafka

PATIENCE_SECONDS = 60


@asynccontextmanager
async def listening(facility: Facility, **options: Any) -> AsyncIterator[RunBatches]:
    """A member of the group of this test."""
    settings: dict[str, Any] = {
        "group": "night shift",
        "client": "test",
        "fetch_ms": 10,
        "session_ms": 3_000,
    } | options
    async with run_batches(facility.profile, **settings) as batches:
        yield batches


async def next_batch(batches: RunBatches) -> Batch:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await anext(batches)


async def runs_until(batches: RunBatches, last: int) -> list[int]:
    """Take and commit batches up to that of run `last`; the runs that they announced."""
    runs: list[int] = []
    while last not in runs:
        batch = await next_batch(batches)
        runs += [event.key.run for event in batch.events]
        await batches.commit(batch)
    return runs


async def announce(facility: Facility, *runs: int) -> None:
    messages = [facility_message(facility.profile, RunKey(1234, run), "raw") for run in runs]
    await publish(facility.profile.brokers, facility.topic, messages)


async def said(caplog: pytest.LogCaptureFixture, words: str) -> None:
    while words not in caplog.text:  # noqa: ASYNC110 (a log cannot be awaited)
        await asyncio.sleep(0.05)


async def test_a_new_group_starts_with_the_earliest_message(facility: Facility) -> None:
    """Runs taken before the listener was started for the first time are not skipped."""
    await announce(facility, 1, 2, 3)

    async with listening(facility) as batches:
        batch = await next_batch(batches)

    assert [str(event.key) for event in batch.events] == [
        "p1234 r0001",
        "p1234 r0002",
        "p1234 r0003",
    ]
    assert (batch.topic, batch.first_offset, batch.last_offset) == (facility.topic, 0, 2)


async def test_bad_messages_are_handed_over_and_the_good_one_behind_them_arrives(
    facility: Facility,
) -> None:
    """One message that nobody can read must not stop the night shift."""
    good = facility_message(facility.profile, RunKey(1234, 7), "proc")
    bad = [b"\xff\xfe", b'{"event": "migration_complete"}']
    async with publisher(facility.profile.brokers) as connected:
        await connected.send(facility.topic, *bad)
        await connected.send(facility.topic, None, key=b"a tombstone needs one")
        await connected.send(facility.topic, b'{"event": "lunch"}', good)

    taken: list[Batch] = []
    async with listening(facility) as batches:
        while not taken or taken[-1].last_offset < 4:
            taken.append(await next_batch(batches))
            assert await batches.commit(taken[-1])

    rejected = [one for batch in taken for one in batch.rejected]
    assert [event.key.run for batch in taken for event in batch.events] == [7]
    assert [one.position.offset for one in rejected] == [0, 1, 2]
    assert [one.value for one in rejected] == [*bad, b""]
    assert sum(batch.ignored for batch in taken) == 1
    await announce(facility, 8)
    async with listening(facility) as batches:
        assert (await next_batch(batches)).first_offset == 5


async def test_what_was_not_committed_comes_again(facility: Facility) -> None:
    """A listener that dies over a batch must find it again."""
    await announce(facility, 1)

    async with listening(facility) as batches:
        first = await next_batch(batches)
    async with listening(facility) as batches:
        again = await next_batch(batches)

    assert again == first


async def test_what_was_committed_does_not_come_again(facility: Facility) -> None:
    """A restarted listener goes on where it stopped."""
    async with listening(facility) as batches:
        await announce(facility, 1, 2)
        assert await runs_until(batches, 2) == [1, 2]
    await announce(facility, 3)
    async with listening(facility) as batches:
        assert await runs_until(batches, 3) == [3]


async def test_a_batch_is_never_larger_than_asked_for(facility: Facility) -> None:
    """What is written for one batch in one go has a bounded size."""
    await announce(facility, *range(1, 8))

    async with listening(facility, most=3) as batches:
        sizes = [len((await next_batch(batches)).events) for _ in range(3)]

    assert sizes == [3, 3, 1]


@pytest.mark.kafka
async def test_an_offset_of_a_turn_that_is_over_is_not_committed(kafka: ApacheKafka) -> None:
    """After a rebalance somebody else may be further; the batch comes again to one of the two."""
    facility = Facility.on(kafka)
    await announce(facility, 1)
    async with listening(facility) as first:
        batch = await next_batch(first)
        async with listening(facility) as second:
            turns = {asyncio.create_task(next_batch(one)) for one in (first, second)}
            done, waiting = await asyncio.wait(
                turns, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_SECONDS
            )
            assert not await first.commit(batch)
            assert [task.result() for task in done] == [batch]
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)


@pytest.mark.kafka
async def test_two_members_share_the_partitions(kafka: ApacheKafka) -> None:
    """Several listeners may run at once, and every run still reaches one of them."""
    wide = Facility.on(kafka, partitions=2)
    async with listening(wide) as first, listening(wide) as second:
        reading: dict[RunBatches, int] = {}
        while len(set(reading.values())) < 2:  # until both have their turn
            await announce(wide, 5, 6, 7, 8)
            for member in (first, second):
                with suppress(TimeoutError):
                    reading[member] = (await asyncio.wait_for(anext(member), 0.2)).partition


async def test_a_topic_that_does_not_exist_yet_is_read_once_it_does(facility: Facility) -> None:
    """A beamtime's first run creates its topic; the listener is there before it."""
    later = replace(facility.profile, topics=(f"{facility.topic}-later",))
    tomorrow = replace(facility, profile=later)
    async with listening(tomorrow) as batches:
        await announce(tomorrow, 1)
        assert await runs_until(batches, 1) == [1]


async def test_a_broker_that_went_away_is_waited_for(
    facility: Facility, caplog: pytest.LogCaptureFixture
) -> None:
    """Kafka is restarted at night; nobody gets up for it, and the log is not full of it."""
    caplog.set_level(logging.INFO, "knockoff")
    async with listening(facility) as batches:
        await announce(facility, 1)
        done = await next_batch(batches)
        with facility.broker.away():
            assert not await batches.commit(done), "nobody was there to be told"
            waiting = asyncio.create_task(runs_until(batches, 2))
            await said(caplog, "cannot be read")
        await announce(facility, 2)
        assert set(await waiting) == {1, 2}, "run 1 comes again, for its commit got lost"

    assert caplog.text.count("cannot be read") == 1
    assert caplog.text.count("connection refused") == 1
    assert caplog.text.count("Kafka is back") == 1


async def test_a_listener_that_may_wait_starts_before_its_broker() -> None:
    """After a power cut the machines come up in any order."""
    with mock_cluster() as broker:
        facility = Facility.on(broker)
        await announce(facility, 1)

        async def listen() -> list[int]:
            async with listening(facility, wait=True) as batches:
                return await runs_until(batches, 1)

        with broker.away():
            started = asyncio.create_task(listen())
            await asyncio.sleep(0.3)
        assert await started == [1]


@pytest.mark.kafka
async def test_a_broker_that_takes_connections_but_does_not_answer_is_noticed(
    kafka: ApacheKafka, caplog: pytest.LogCaptureFixture
) -> None:
    """A hanging broker must not look like a quiet night."""
    caplog.set_level(logging.INFO, "knockoff")
    facility = Facility.on(kafka)
    async with listening(facility) as batches:
        await announce(facility, 1)
        await runs_until(batches, 1)
        waiting = asyncio.create_task(runs_until(batches, 2))
        with kafka.frozen():
            await said(caplog, "no answer")
        await announce(facility, 2)
        assert await waiting == [2]


async def test_a_broker_that_cannot_be_reached_is_named_with_the_remedy() -> None:
    """The first thing that goes wrong for a new user says what to do."""
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        profile = replace(MAXWELL, brokers=(address,))
        with pytest.raises(BrokerUnreachableError, match=f"{address}: .*doctor"):
            async with run_batches(profile, group="g", client="c"):
                pytest.fail("there is no broker")


async def test_security_that_the_broker_does_not_have_is_refused_in_words(
    facility: Facility,
) -> None:
    """Wrong credentials must not look like a broker that is off."""
    with pytest.raises(BrokerUnreachableError, match="SASL_PLAINTEXT"):
        async with listening(
            facility,
            security=Security("SASL_PLAINTEXT", username="shift", password="secret"),
        ):
            pytest.fail("the broker lets anybody in")


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
async def test_compressed_messages_are_read(facility: Facility, codec: str) -> None:
    """The facility's producers choose how they compress, and nobody asks us."""
    if codec != "gzip" and find_spec("cramjam") is None:
        pytest.skip(f"{codec} needs the library cramjam")
    message = facility_message(facility.profile, RunKey(1234, 1), "raw")
    producer = AIOKafkaProducer(
        bootstrap_servers=list(facility.profile.brokers), compression_type=codec
    )
    async with producer:
        await producer.send_and_wait(facility.topic, message)

    async with listening(facility) as batches:
        assert await runs_until(batches, 1) == [1]


async def test_a_batch_that_cannot_be_unpacked_is_rejected_and_passed_by() -> None:
    """Garbage under the name of gzip would else be fetched again until the end of time.

    Apache Kafka refuses to take such a batch; on its disk it may still go bad.
    """
    with mock_cluster() as broker:
        facility = Facility.on(broker)
        await announce(facility, 1, 2)
        await send_garbage(facility)
        await announce(facility, 3)

        async with listening(facility) as batches:
            taken: list[Batch] = []
            while not taken or taken[-1].last_offset < 3:
                taken.append(await next_batch(batches))
                assert await batches.commit(taken[-1])

    (rejected,) = (one for batch in taken for one in batch.rejected)
    assert [event.key.run for batch in taken for event in batch.events] == [1, 2, 3]
    assert rejected.position.offset == 2
    assert f"{facility.topic}/0/2: Kafka holds a batch that cannot be read" in rejected.reason


async def send_garbage(facility: Facility) -> None:
    """A batch whose checksum is right and whose content is not what its header says."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 16)
    builder.append(0, 1_700_000_000_000, None, b"looks like gzip, but is not", [])
    batch = bytearray(builder.build())
    batch[22] = DefaultRecordBatch.CODEC_GZIP  # the low byte of the attributes
    batch[17:21] = calc_crc32c(bytes(batch[21:])).to_bytes(4, "big")
    client = AIOKafkaClient(bootstrap_servers=list(facility.profile.brokers))
    await client.bootstrap()
    request = ProduceRequest(None, 1, 1000, [(facility.topic, [(0, bytes(batch))])])
    await client.send(client.get_random_node(), request)
    await client.close()
