"""Jobs: what is to be computed, and who does it. The document event is the prompt, this the truth.

A job has one id for each table, run and cause, so that however often a message comes
there is one job. Whoever claims it holds it for a time, and counts the attempt up;
results of an attempt that is no longer the newest are not written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from pymongo import ASCENDING, ReturnDocument

from knockoff.database.owners import is_dead, this_owner
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    return None if found is None else job_of(found)


def job_of(found: dict[str, Any]) -> Job:
    """A job out of what is stored of it."""
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
    return [job_of(each) async for each in found]


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
    return job_of(found) if is_dead(found.get("owner", "")) else None


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
