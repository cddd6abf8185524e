"""Jobs as they are on record, for people; and what is allowed only while nobody is at work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pymongo import ASCENDING

from knockoff.database.jobs import JOBS, RETIRED, Job, job_of
from knockoff.database.owners import is_dead
from knockoff.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from knockoff.database.client import Database
    from knockoff.database.transactions import Session


@dataclass(frozen=True)
class JobEntry:
    """A job as it is on record, for people."""

    id: str
    collection: str
    run: int
    cause: str
    state: str
    """Queued, running, failed, cancelled, done or retired."""

    created_at: datetime
    attempt: int
    host: str = ""
    pid: int | None = None
    """Of the process that holds it."""

    since: datetime | None = None
    """When this process has taken it."""

    lease_until: datetime | None = None
    is_abandoned: bool = False
    """Whether its process is gone, or its lease is over; whoever looks next takes it."""

    is_to_stop: bool = False
    """Whether somebody has cancelled it, and its process has not stopped it yet."""

    reason: str = ""
    """Why it failed or was cancelled."""


UNCHANGED: Final = "Nothing was changed"


class AtWorkError(DatabaseError):
    """Somebody is computing what is to be taken away."""

    def __init__(self, job: JobEntry, so_far: str = UNCHANGED) -> None:
        super().__init__(job, so_far)
        self.job = job
        self.so_far = so_far

    def __str__(self) -> str:
        return (
            f"{self.so_far}: run {self.job.run} is being computed by process {self.job.pid} "
            f"on {self.job.host}. Wait until `knockoff jobs` does not show it any more, or stop "
            f"it: `knockoff cancel {self.job.run}`."
        )


async def job_entries(
    database: Database, states: Sequence[str], runs: Collection[int] | None = None
) -> list[JobEntry]:
    """Jobs in these states, the oldest first; of these runs, or of all."""
    condition: dict[str, Any] = {"state": {"$in": list(states)}}
    if runs is not None:
        condition["run"] = {"$in": list(runs)}
    found = database[JOBS].find(condition).sort([("created_at", ASCENDING), ("_id", ASCENDING)])
    return [_entry(each) async for each in found]


def _entry(found: dict[str, Any]) -> JobEntry:
    owner = str(found.get("owner", ""))
    host, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    lease = found.get("lease_until")
    is_running = found["state"] == "running"
    is_over = lease is None or lease < datetime.now(UTC)
    return JobEntry(
        id=found["_id"],
        collection=found["collection"],
        run=found["run"],
        cause=found["cause"],
        state=found["state"],
        created_at=found["created_at"],
        attempt=found.get("attempt", 0),
        host=host,
        pid=int(pid) if pid.isdigit() else None,
        since=found.get("claimed_at") if is_running else None,
        lease_until=lease,
        is_abandoned=is_running and (is_over or is_dead(owner)),
        is_to_stop="stop" in found,
        reason=str(found.get("reason", "")),
    )


async def cancel_idle(database: Database, job: str, reason: str) -> Job | None:
    """Cancel a job that nobody is working on; None if somebody is, or it is over.

    Returns
    -------
    :
        The job as it was, so that its cells can say that they are not to come.
    """
    found = await database[JOBS].find_one({"_id": job})
    if found is None or found["state"] not in ("queued", "running"):
        return None
    if found["state"] == "running" and not _entry(found).is_abandoned:
        return None
    same = {name: found.get(name) for name in ("state", "attempt", "owner", "lease_until")}
    result = await database[JOBS].update_one(
        {"_id": job, **same},
        {
            "$set": {
                "state": "cancelled",
                "reason": reason,
                "again": False,
                "finished_at": datetime.now(UTC),
            },
            "$inc": {"attempt": 1},  # what a late worker of it still brings is not written
            "$unset": {"owner": "", "lease_until": "", "not_before": "", "stop": ""},
        },
    )
    return job_of(found) if result.modified_count else None


async def refuse_while_worked_on(
    database: Database,
    runs: Collection[int] | None = None,
    session: Session | None = None,
    *,
    so_far: str = UNCHANGED,
) -> None:
    """Let rows be changed below their jobs only if nobody is computing them.

    Within a transaction that writes these rows it holds until that is done: whoever begins a
    job writes its row, and of the two one comes first. `so_far` is what was done until now.

    Raises
    ------
    AtWorkError
        Somebody alive is; of these runs, or of any.
    """
    condition: dict[str, Any] = {"state": "running"}
    if runs is not None:
        condition["run"] = {"$in": list(runs)}
    found = await database[JOBS].find(condition, session=session).to_list(None)
    for each in map(_entry, found):
        if not each.is_abandoned:
            raise AtWorkError(each, so_far)


async def retire(
    database: Database, condition: Mapping[str, Any], session: Session | None = None
) -> int:
    """Let jobs rest until data is announced or somebody asks; what a late worker brings is lost."""
    result = await database[JOBS].update_many(
        {**condition, "state": {"$ne": RETIRED}},
        {
            "$set": {"state": RETIRED, "again": False},
            "$inc": {"attempt": 1},
            "$unset": dict.fromkeys(("owner", "lease_until", "not_before", "stop", "reason"), ""),
        },
        session=session,
    )
    return int(result.modified_count)
