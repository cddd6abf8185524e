"""One paragraph for every state that a cell can be in, told from what MongoDB holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from knockoff.contextfile.description import (
    ContextDescription,
    TableDescription,
    VariableDescription,
)
from knockoff.database.jobs import JOBS
from knockoff.database.owners import this_owner
from knockoff.database.registry import register
from knockoff.database.results import add_history
from knockoff.recording.reasons import Reasons
from knockoff.runs.stamps import input_stamps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from knockoff.database.client import Database
    from knockoff.recording.reasons import Explanation

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
COLUMN = {"_id": "runs/hits", "table": "runs", "name": "hits", "kind": "variable", "data": "raw"}
OURS: dict[str, Any] = {"data": ["raw"], "attempt": {"raw": 1}}
ROW: dict[str, Any] = {"proposal": 1234, "run": 42, "knockoff": OURS}


def described(source_hash: str, code: str, source: str) -> ContextDescription:
    """A context file with one variable."""
    hits = VariableDescription("hits", "Hits", ("hits",), "raw", ("Insert",), "after", code, line=2)
    table = TableDescription("Runs", "runs", (hits,))
    return ContextDescription("/beamtime/context.py", source_hash, (table,), source)


def result(outcome: str, context: str = "first", code: str = "aaaa") -> dict[str, Any]:
    """An entry of the history, of the only attempt."""
    return {
        "_id": "runs/42/hits/raw-1",
        "table": "runs",
        "run": 42,
        "variable": "hits",
        "attempt": "raw-1",
        "outcome": outcome,
        "code": code,
        "context": context,
        "started_at": AT,
        "seconds": 2.5,
        "peak_memory": 80_000_000,
        "host": "exflonc17",
        "user": "anna",
    }


async def explained(database: Database, row: Mapping[str, Any]) -> Explanation:
    """The cell ``hits`` of this row."""
    return await (await Reasons.of(database, "runs", row, UTC, None)).explain(COLUMN)


@pytest.fixture
async def known(database: Database) -> Database:
    """A database that knows the context file."""
    await register(database, described("first", "aaaa", "class Runs:\n    def hits(self): ...\n"))
    return database


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (
            {"state": "failed", "kind": "KeyError", "message": "'x'", "line": 7},
            "failed at context.py:7: KeyError: 'x'.",
        ),
        (
            {"state": "timed out", "kind": "Timeout", "message": "stopped after 5 s."},
            "has timed out: stopped after 5 s.",
        ),
        (
            {
                "state": "timed out",
                "message": "stopped after 2 s. Let it take longer.",
                "line": 7,
                "context_line": "    while True:",
            },
            "has timed out at context.py:7 (`while True:`): stopped after 2 s. Let it take longer.",
        ),
        (
            {"state": "killed", "kind": "SIGSEGV", "message": "killed by signal 11: a crash."},
            "was killed: killed by signal 11: a crash.",
        ),
        ({"state": "skipped", "kind": "Skip", "message": "dark"}, "was skipped: dark."),
        (
            {
                "state": "skipped",
                "message": "dark",
                "causes": [{"path": ["xgm"], "state": "skipped"}],
            },
            "was skipped because what it needs was: dark.",
        ),
        ({"state": "cancelled", "message": "by anna"}, "was cancelled: by anna."),
        ({"state": "waiting", "message": "for spectra/energy"}, "is waiting for spectra/energy."),
        (
            {"state": "waiting for mymdc", "message": "no sample is registered"},
            "is waiting for mymdc: no sample is registered.",
        ),
    ],
)
async def test_a_problem_is_told_with_its_reason(
    known: Database, problem: dict[str, Any], said: str
) -> None:
    """What a person does next depends on which of them it is."""
    row = {**ROW, "knockoff": {**OURS, "problems": {"hits": problem}}}
    told = await explained(known, row)
    assert told.state == problem["state"]
    assert told.text.startswith(f"hits of run 42 {said}")
    assert (
        "`knockoff reprocess 42" in told.text
        or "`knockoff mymdc sync 42`" in told.text
        or problem["state"] in ("skipped", "waiting")
    )


async def test_a_problem_tells_who_met_it_and_that_its_code_was_edited_since(
    known: Database,
) -> None:
    """Before one looks into an old failure, one should know that it is one."""
    await add_history(known, [result("failed")])
    new = described("second", "bbbb", "class Runs:\n    def hits(self): return 1\n")
    await register(known, new)
    problem = {"state": "failed", "kind": "KeyError", "message": "'x'"}
    ours = {**OURS, "problems": {"hits": problem}, "code": {"hits": "aaaa"}}

    text = (await explained(known, {**ROW, "knockoff": ours})).text

    assert "That was on 2026-03-01 12:00:00 by anna@exflonc17 (attempt raw-1) in 2.5 s" in text
    assert "But now Runs.hits (line 2) was edited since, and first used on 20" in text
    assert text.endswith("`knockoff reprocess 42` computes what is due.")


async def test_an_edited_module_is_told_from_an_edited_context_file(known: Database) -> None:
    """The file's own source is the same then, and a look at it leads nowhere."""
    await add_history(known, [result("done")])
    ours = {**OURS, "code": {"hits": "0000"}, "stale": {"hits": "its code has changed"}}
    told = await explained(known, {**ROW, "hits": 3, "knockoff": ours})
    assert told.state == "stale"
    assert "It is stale because a module that hits uses was edited since." in told.text


async def test_a_source_that_was_not_kept_hides_only_what_was_edited(known: Database) -> None:
    """The rest is worth telling all the same."""
    await add_history(known, [result("done", context="lost", code="0000")])
    ours = {**OURS, "code": {"hits": "0000"}, "stale": {"hits": "its code has changed"}}
    text = (await explained(known, {**ROW, "hits": 3, "knockoff": ours})).text
    assert "hits of run 42 is 3. It was computed on 2026-03-01" in text
    assert "It is stale because what hits uses was edited since, and first used on" in text


async def test_other_data_is_a_reason_too(known: Database) -> None:
    """The correction was run again, say; nothing of that can be told from the history."""
    await add_history(known, [result("done")])
    ours = {
        **OURS,
        "code": {"hits": "aaaa"},
        "inputs": {"hits": "0000"},
        "stale": {"hits": "what it reads has changed since"},
    }
    text = (await explained(known, {**ROW, "hits": 3, "knockoff": ours})).text
    assert "It is stale because what it reads has changed since: the run's data, " in text


async def test_a_current_value_is_not_called_stale(known: Database) -> None:
    """The tests above must be able to fail."""
    await add_history(known, [result("done")])
    table = described("first", "aaaa", "").tables[0]
    ours = {**OURS, "code": {"hits": "aaaa"}, "inputs": input_stamps(table, ROW)}
    told = await explained(known, {**ROW, "hits": None, "knockoff": ours})
    assert told.state == "done"
    assert told.text.startswith("hits of run 42 is empty, because its method returned None. It was")
    assert "stale" not in told.text


async def test_a_job_that_nobody_has_begun_or_that_was_given_up_is_told(known: Database) -> None:
    """An empty row in a table that nobody fills is the first question of a beamtime."""
    job = {"collection": "runs", "proposal": 1234, "run": 42, "created_at": AT, "attempt": 0}
    row = {**ROW, "knockoff": {"data": ["raw"]}}
    await known[JOBS].insert_one({"_id": "runs/42/raw", "state": "queued", **job})
    waits = (await explained(known, row)).text
    assert "hits of run 42 is queued: it was not begun yet. Its job has waited since 20" in waits

    await known[JOBS].update_one({}, {"$set": {"state": "failed", "reason": "no disk"}})
    assert "Its job was given up: no disk. " in (await explained(known, row)).text


async def test_a_worker_that_is_gone_is_not_told_as_one_that_works(known: Database) -> None:
    """Nobody should wait for it."""
    mark = {"host": "here", "pid": 7, "since": AT, "variable": "hits", "owner": this_owner()}
    ours = {**OURS, "active": {"raw": mark}}
    alive = (await explained(known, {**ROW, "knockoff": ours})).text
    assert "is being computed by process 7 on here, which works on the run since 2026-03" in alive
    assert "gone" not in alive

    mark["owner"] = this_owner() + "0"
    dead = (await explained(known, {**ROW, "knockoff": ours})).text
    assert "That process is gone" in dead
