"""Listen to Kafka for one workspace: record every run that arrives, and fill its rows."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from knockoff.database.client import FACILITY, PyMongoError, reworded
from knockoff.database.deliveries import DeadLetter, Delivery, enter, put_aside
from knockoff.errors import DatabaseError
from knockoff.events.access import Security
from knockoff.events.consumer import run_batches
from knockoff.events.profiles import event_profile, profile_of_host
from knockoff.recording.opening import open_recorder

if TYPE_CHECKING:
    from knockoff.database.client import Database
    from knockoff.events.consumer import Batch, RunBatches
    from knockoff.events.profiles import EventProfile
    from knockoff.recording.recorder import Recorder
    from knockoff.settings import Settings
    from knockoff.settings.choices import KafkaSettings
    from knockoff.workspace import Workspace

log = logging.getLogger(__name__)

LONGEST_PAUSE: Final = 30.0
"""Seconds between two tries while MongoDB is away."""


async def listen(workspace: Workspace, settings: Settings, *, stop: asyncio.Event) -> None:
    """Record and fill until `stop` is set.

    Order matters: rows and jobs first, then the ledger, then the offset in Kafka, so
    that being killed between any two of them loses nothing.

    Raises
    ------
    ContextProblems
        Something is wrong with the context file.
    ServerError
        MongoDB or Kafka cannot be used as they are set.
    """
    profile = profile_in(settings.kafka)
    group = settings.kafka.group or f"knockoff-p{workspace.proposal:06d}"
    async with AsyncExitStack() as stack:
        recorder = await stack.enter_async_context(open_recorder(workspace, settings))
        batches = await stack.enter_async_context(
            run_batches(
                profile,
                group=group,
                client=f"knockoff-{socket.gethostname()}-{os.getpid()}",
                security=security_in(settings.kafka),
            )
        )
        log.info(
            "Listening for proposal %d on %s at %s",
            workspace.proposal,
            ", ".join(profile.topics),
            ", ".join(profile.brokers),
        )
        listener = Listener(recorder, workspace.proposal, group)
        async with asyncio.TaskGroup() as tasks:
            at_work = [
                tasks.create_task(recorder.work(settings.workers.parallel)),
                tasks.create_task(listener.consume(batches)),
                tasks.create_task(recorder.catalogue.watch()),
            ]
            await stop.wait()
            log.info("Stopping; what is not finished is handed back")
            for each in at_work:
                each.cancel()


class Listener:
    """Takes batches from Kafka and puts them on record, one after another."""

    def __init__(self, recorder: Recorder, proposal: int, group: str) -> None:
        self._recorder = recorder
        self._proposal = proposal
        self._group = group
        self._facility: Database = recorder.database.client[FACILITY]

    async def consume(self, batches: RunBatches) -> None:
        """Record every batch, then commit it; wait for MongoDB for as long as it takes."""
        async for batch in batches:
            await self._recorded(batch)
            await batches.commit(batch)

    async def _recorded(self, batch: Batch) -> None:
        tries = 0
        while True:
            try:
                with reworded("MongoDB"):
                    await self._record(batch)
            except (DatabaseError, PyMongoError) as error:
                tries += 1
                log.warning("A batch waits, nothing is lost: %s", error)
                pause = min(LONGEST_PAUSE, 0.5 * 2**tries)
                await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311  # only jitter
            else:
                return

    async def _record(self, batch: Batch) -> None:
        ours = [event for event in batch.events if event.key.proposal == self._proposal]
        for event in ours:
            await self._recorder.record(event.key, event.kind)
        for rejected in batch.rejected:
            record = rejected.record
            log.warning("Put aside: %s", rejected.reason)
            await put_aside(
                self._facility,
                DeadLetter(
                    record.position.topic,
                    record.position.partition,
                    record.position.offset,
                    rejected.reason,
                    record.value,
                    record.headers,
                ),
            )
        delivery = Delivery(
            group=self._group,
            topic=batch.topic,
            partition=batch.partition,
            first_offset=batch.first_offset,
            last_offset=batch.last_offset,
            rows=sorted({event.key.document_id for event in ours}),
            rejected=len(batch.rejected),
        )
        await enter(self._facility, delivery)


def profile_in(kafka: KafkaSettings) -> EventProfile:
    """Where messages come from and what they mean, by the settings or else by this host's name.

    Raises
    ------
    SettingsError
        There is no such profile, or it is changed in a way that makes no sense.
    """
    name = kafka.profile or profile_of_host(socket.gethostname()).name
    return event_profile(name, kafka.changes())


def security_in(kafka: KafkaSettings) -> Security:
    """How to sign in at the brokers."""
    password = kafka.security.password
    return Security(
        protocol=kafka.security.protocol,
        mechanism=kafka.security.mechanism,
        username=kafka.security.username,
        password=password.get_secret_value() if password else None,
        ca_file=kafka.security.ca_file,
    )
