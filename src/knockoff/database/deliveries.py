"""What Kafka delivered: the ledger of batches, and messages that can never be handled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from knockoff.database.client import Database

LEDGER: Final = "ledger"
DEAD_LETTERS: Final = "dead_letters"


@dataclass(frozen=True)
class Delivery:
    """One polled batch of one partition."""

    group: str
    topic: str
    partition: int
    first_offset: int
    last_offset: int
    rows: Sequence[str]
    """Ids of the rows that it touched."""

    rejected: int


@dataclass(frozen=True)
class DeadLetter:
    """A message that was put aside, with all that is needed to send it again."""

    topic: str
    partition: int
    offset: int
    reason: str
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


async def enter(database: Database, delivery: Delivery) -> None:
    """Enter a batch into the ledger; entering it twice changes nothing."""
    await database[LEDGER].update_one(
        {
            "_id": f"{delivery.group}/{delivery.topic}/{delivery.partition}/"
            f"{delivery.first_offset}-{delivery.last_offset}"
        },
        {
            "$setOnInsert": {
                "topic": delivery.topic,
                "partition": delivery.partition,
                "first_offset": delivery.first_offset,
                "last_offset": delivery.last_offset,
                "rows": list(delivery.rows),
                "rejected": delivery.rejected,
                "entered_at": datetime.now(UTC),
            }
        },
        upsert=True,
    )


async def put_aside(database: Database, letter: DeadLetter) -> None:
    """Keep a message that can never be handled; keeping it twice changes nothing."""
    content: dict[str, Any] = {
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "reason": letter.reason,
        "value": letter.value,
        "headers": [[name, value] for name, value in letter.headers],
        "put_aside_at": datetime.now(UTC),
    }
    await database[DEAD_LETTERS].update_one(
        {"_id": f"{letter.topic}/{letter.partition}/{letter.offset}"},
        {"$setOnInsert": content},
        upsert=True,
    )
