"""Jobs: what is to be computed, and who does it. The document event is the prompt, this the truth.

A job has one id for each table, run and cause, so that however often a message comes
there is one job. Whoever claims it holds it for a time, and counts the attempt up;
results of an attempt that is no longer the newest are not written.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from pymongo import ASCENDING, ReturnDocument

from knockoff.errors import DatabaseError
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from knockoff.database.client import Database
    from knockoff.database.transactions import Session
    from knockoff.language.occasions import Event

JOBS: Final = "knockoff.jobs"
LEASE: Final = timedelta(seconds=60)

RETIRED: Final = "retired"
"""The state of a job whose row was deleted, or whose data is to be announced again.

It stays, so that attempts are counted on: no part file and no entry of the history gets the name
of an older one.
"""

Cause = Literal["raw", "proc", "edit", "asked", "catalogue", "read"]
"""Data of a kind arrived; somebody edited a field; somebody asked for it to be computed; the
facility's catalogue says something else; another table has what it reads there."""


@dataclass(frozen=True)
class Job:
    """One job that this process has claimed."""

    collection: str
    key: RunKey
    cause: Cause
    event: Event
    attempt: int
    retry: bool = False
    """Whether variables that failed before are to be tried again."""

    force: bool = False
    """Whether variables are to be computed although their result is current."""

    variables: tuple[str, ...] = ()
    """Only these and what they need; empty for all."""

    is_queued: bool = False
    """Whether it has not begun yet; what this process has claimed has."""

    @property
    def id(self) -> str:
        """As in ``runs/42/raw``."""
        return job_id(self.collection, self.key, self.cause)

    @property
    def label(self) -> str:
        """Cause and attempt, as in ``raw-1``: names part files, spools and history."""
        return f"{self.cause}-{self.attempt}"


def job_id(collection: str, key: RunKey, cause: Cause) -> str:
    """The one id of this job."""
    return f"{collection}/{key.run}/{cause}"


async def make_index(database: Database) -> None:
    """Let `claim` find the oldest open job among many that are done."""
    await database[JOBS].create_index([("state", ASCENDING), ("created_at", ASCENDING)])


async def open_job(
    database: Database,
    collection: str,
    key: RunKey,
    cause: Cause,
    event: Event,
    *,
    anew: bool = False,
) -> bool:
    """Make sure that there is a job for data that arrived; True if it is new.

    With `anew` the row was made just now: a job that is there is of a row that somebody
    has deleted, and is to be done once more. So is one that was retired.
    """
    result = await database[JOBS].update_one(
        {"_id": job_id(collection, key, cause)},
        {"$setOnInsert": {**_new(collection, key, cause), "event": event, "attempt": 0}},
        upsert=True,
    )
    if result.upserted_id is not None:
        return True
    retired = {"_id": job_id(collection, key, cause), "state": RETIRED}
    is_retired = await database[JOBS].find_one(retired, {"_id": 1}) is not None
    if anew or is_retired:
        await ask(database, collection, key, cause)
    return is_retired


async def ask(
    database: Database,
    collection: str,
    key: RunKey,
    cause: Cause,
    *,
    retry: bool = False,
    force: bool = False,
    variables: Sequence[str] = (),
    session: Session | None = None,
) -> None:
    """Queue a job again, also where one like it is done; a running one is run once more after."""
    await database[JOBS].update_one(
        {"_id": job_id(collection, key, cause)},
        [
            {
                "$set": {
                    **{
                        name: {"$ifNull": [f"${name}", {"$literal": value}]}
                        for name, value in _new(collection, key, cause).items()
                        if name != "state"
                    },
                    "event": "Update",
                    "attempt": {"$ifNull": ["$attempt", 0]},
                    "retry": _also("retry", retry),
                    "force": _also("force", force),
                    "variables": _united(variables),
                    "again": {"$eq": ["$state", "running"]},
                    "state": {"$cond": [{"$eq": ["$state", "running"]}, "running", "queued"]},
                }
            }
        ],
        upsert=True,
        session=session,
    )


_OPEN: Final = {"$in": [{"$ifNull": ["$state", ""]}, ["queued", "running"]]}
"""Whether a job that was asked for before is still to be done."""


def _also(flag: str, value: bool) -> dict[str, Any]:
    """What is asked for now, or was asked for before and is still to be done."""
    return {"$or": [value, {"$and": [_OPEN, {"$ifNull": [f"${flag}", False]}]}]}


def _united(variables: Sequence[str]) -> dict[str, Any]:
    """Those asked for now and before; none means all."""
    now: Any = {"$literal": list(variables)}
    before = {"$ifNull": ["$variables", []]}
    some = {"$and": [{"$gt": [{"$size": before}, 0]}, {"$gt": [{"$size": now}, 0]}]}
    both = {"$cond": [some, {"$setUnion": [before, now]}, []]}
    return {"$cond": [{"$and": [_OPEN, {"$ne": [{"$type": "$variables"}, "missing"]}]}, both, now]}


def _new(collection: str, key: RunKey, cause: Cause) -> dict[str, Any]:
    return {
        "collection": collection,
        "proposal": key.proposal,
        "run": key.run,
        "cause": cause,
        "state": "queued",
        "created_at": datetime.now(UTC),
    }


async def claim(
    database: Database,
    collections: Sequence[str],
    *,
    only: Sequence[str] = (),
    but: Sequence[str] = (),
) -> Job | None:
    """Take the oldest job that nobody holds; None if there is none to be had now.

    Parameters
    ----------
    database:
        The proposal's.
    collections:
        Tables that whoever claims can fill; jobs of others wait for somebody who can.
    only:
        Ids to choose from; empty for all.
    but:
        Ids to leave alone.
    """
    now = datetime.now(UTC)
    condition: dict[str, Any] = {
        "collection": {"$in": list(collections)},
        "$or": [
            {"state": "queued", "not_before": None},
            {"state": "queued", "not_before": {"$lte": now}},
            {"state": "running", "lease_until": {"$lt": now}},
        ],
    }
    if only or but:
        condition["_id"] = {**({"$in": list(only)} if only else {}), "$nin": list(but)}
    found = await database[JOBS].find_one_and_update(
        condition,
        {
            "$set": {
                "state": "running",
                "owner": this_owner(),
                "claimed_at": now,
                "lease_until": now + LEASE,
            },
            "$inc": {"attempt": 1},
            "$unset": {"not_before": "", "stop": "", "reason": ""},
        },
        sort=[("created_at", ASCENDING)],
        return_document=ReturnDocument.AFTER,
    )
    return None if found is None else _job(found)


def _job(found: dict[str, Any]) -> Job:
    return Job(
        collection=found["collection"],
        key=RunKey(found["proposal"], found["run"]),
        cause=found["cause"],
        event=found["event"],
        attempt=found["attempt"],
        retry=bool(found.get("retry")),
        force=bool(found.get("force")),
        variables=tuple(found.get("variables", ())),
        is_queued=found["state"] == "queued",
    )


async def open_jobs(database: Database, collections: Sequence[str], key: RunKey) -> list[Job]:
    """The jobs of one run in these tables that are queued or running."""
    ids = [job_id(each, key, cause) for each in collections for cause in get_args(Cause)]
    found = database[JOBS].find({"_id": {"$in": ids}, "state": {"$in": ["queued", "running"]}})
    return [_job(each) async for each in found]


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
    return _job(found) if result.modified_count else None


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


async def ask_to_stop(database: Database, job: str, reason: str) -> bool:
    """Tell whoever is working on a job to stop; False if nobody is."""
    result = await database[JOBS].update_one(
        {"_id": job, "state": "running"}, {"$set": {"stop": reason, "again": False}}
    )
    return bool(result.matched_count)


async def stop_asked(database: Database, job: Job) -> str | None:
    """Why a job that is held is to be stopped; None if it is to go on."""
    found = await database[JOBS].find_one({**_held(job), "stop": {"$exists": True}}, {"stop": 1})
    return None if found is None else str(found["stop"])


async def stop(database: Database, job: Job, reason: str) -> None:
    """Mark a job as cancelled that was told to stop, or queue it if it was asked for since."""
    await database[JOBS].update_one(
        _held(job),
        [
            {
                "$set": {
                    "state": {"$cond": [{"$eq": ["$again", True]}, "queued", "cancelled"]},
                    "again": False,
                    "reason": {"$literal": reason},
                    "finished_at": "$$NOW",
                }
            },
            {"$unset": ["owner", "lease_until", "stop"]},
        ],
    )


async def is_running(database: Database, collection: str, key: RunKey, cause: Cause) -> bool:
    """Whether somebody alive holds the job of this table, run and cause."""
    found = await database[JOBS].find_one(
        {"_id": job_id(collection, key, cause)}, {"state": 1, "owner": 1, "lease_until": 1}
    )
    if found is None or found["state"] != "running" or is_dead(found.get("owner", "")):
        return False
    lease: datetime = found["lease_until"]
    return lease > datetime.now(UTC)


async def left_behind(database: Database, collection: str, key: RunKey, label: str) -> Job | None:
    """The job of an attempt, if its owner is dead and nobody has claimed it since."""
    cause, _, attempt = label.rpartition("-")
    found = await database[JOBS].find_one(
        {"collection": collection, "proposal": key.proposal, "run": key.run, "cause": cause}
    )
    if found is None or str(found["attempt"]) != attempt or found["state"] != "running":
        return None
    return _job(found) if is_dead(found.get("owner", "")) else None


async def keep(database: Database, job: Job) -> bool:
    """Prolong the lease; False if the job has passed to somebody else."""
    result = await database[JOBS].update_one(
        _held(job), {"$set": {"lease_until": datetime.now(UTC) + LEASE}}
    )
    return bool(result.matched_count)


async def unfinished(database: Database, jobs: Sequence[str]) -> bool:
    """Whether any of these jobs is still to be done."""
    found = await database[JOBS].find_one(
        {"_id": {"$in": list(jobs)}, "state": {"$in": ["queued", "running"]}}, {"_id": 1}
    )
    return found is not None


async def finish(database: Database, job: Job) -> bool:
    """Mark a job as done, or as queued if it was asked for again meanwhile."""
    result = await database[JOBS].update_one(
        _held(job),
        [
            {
                "$set": {
                    "state": {"$cond": [{"$eq": ["$again", True]}, "queued", "done"]},
                    "again": False,
                    "finished_at": "$$NOW",
                }
            },
            {"$unset": ["owner", "lease_until"]},
        ],
    )
    return bool(result.matched_count)


async def give_up(database: Database, job: Job, reason: str) -> None:
    """Mark a job as failed, so that it is not tried again until somebody asks for it."""
    await database[JOBS].update_one(
        _held(job),
        {
            "$set": {"state": "failed", "reason": reason, "finished_at": datetime.now(UTC)},
            "$unset": {"owner": "", "lease_until": ""},
        },
    )


async def hand_back(database: Database, job: Job, after: timedelta = timedelta()) -> None:
    """Queue a claimed job again, to be taken by anybody, but not before some time has passed."""
    not_before = datetime.now(UTC) + after
    await database[JOBS].update_one(
        _held(job),
        {
            "$set": {"state": "queued", "not_before": not_before},
            "$unset": {"owner": "", "lease_until": ""},
        },
    )


async def hand_back_of_the_dead(database: Database, but: Sequence[str] = ()) -> int:
    """Queue the jobs again whose owners ran on this host and do no more; how many they were."""
    count = 0
    async for found in database[JOBS].find({"state": "running", "_id": {"$nin": list(but)}}):
        owner = found.get("owner", "")
        if is_dead(owner):
            result = await database[JOBS].update_one(
                {"_id": found["_id"], "state": "running", "owner": owner},
                {"$set": {"state": "queued"}, "$unset": {"owner": "", "lease_until": ""}},
            )
            count += result.modified_count
    return count


def _held(job: Job) -> dict[str, Any]:
    return {"_id": job.id, "attempt": job.attempt, "state": "running"}


def this_owner() -> str:
    """Name this process, so that nobody takes another for it that gets the same number later."""
    return _owner(os.getpid())


@cache
def _owner(pid: int) -> str:
    return owner_of(pid)  # the same as long as it lives


def owner_of(pid: int) -> str:
    """The same of any process on this host; one that is gone already is dead by its name."""
    return f"{socket.gethostname()}:{pid}:{_started(pid)}"


def is_dead(owner: str) -> bool:
    """Whether an owner on this host is gone; of other hosts only the lease can tell."""
    host, _, rest = owner.partition(":")
    pid, _, started = rest.partition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    now = _started(int(pid))
    return not now or now != started


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot; empty if there is none.

    References
    ----------
    proc_pid_stat(5): field 22, counted behind the name in parentheses.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]
