"""`knockoff logs`: what variables printed, found again without knowing where it was written."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient

from knockoff.filling.sections import heading_in

if TYPE_CHECKING:
    from .conftest import Shell


def test_the_log_of_a_run_has_a_section_per_attempt(edited: Shell) -> None:
    """Whoever looks for a message must know which attempt it is from, and where that ran."""
    done = edited("logs", "1")

    assert done.status == 0, done.said
    headings = [found for line in done.out.splitlines() if (found := heading_in(line))]
    assert {"raw-1", "asked-1"} <= {each.attempt for each in headings}
    assert all(each.table == "runs" and each.host and each.pid for each in headings)
    assert "--- computes " in done.out
    assert "\033" not in done.out


def test_one_attempt_can_be_read_alone(edited: Shell) -> None:
    """The log of a run that was computed ten times is long; the last attempt is what counts."""
    first = edited("logs", "1", "--attempt", "raw-1")
    asked = edited("logs", "1", "--attempt", "asked-1")

    assert first.status == asked.status == 0
    assert "counted" not in first.out
    assert "counted" in asked.out
    assert "attempt raw-1" in first.out
    assert "attempt asked-1" not in first.out


def test_an_attempt_that_is_not_there_is_told_with_those_that_are(edited: Shell) -> None:
    """Nobody knows the names of attempts by heart."""
    done = edited("logs", "1", "--attempt", "raw-9")

    assert done.status == 1
    assert done.out == ""
    assert "no section of attempt raw-9" in done.said
    assert "raw-1" in done.said


def test_programs_get_sections_as_objects(edited: Shell) -> None:
    """A notebook that collects output should not parse headings."""
    sections = json.loads(edited("logs", "1", "--json").out)

    asked = [each for each in sections if each["attempt"] == "asked-1"]
    assert ["counted"] in [each["lines"] for each in asked]
    assert any("hits" in each["variables"] for each in asked)
    assert asked[0]["started_at"].endswith("Z")


def test_a_run_without_a_log_says_so(edited: Shell) -> None:
    """Silence would read as "nothing was printed"; the runs that have one help a typing error."""
    done = edited("logs", "77")

    assert done.status == 1
    assert "Run 77 has no log" in done.said
    assert "1, 2, 3" in done.said
    assert "`knockoff process 77`" in done.said


def test_a_followed_log_ends_when_the_jobs_of_its_run_are_done(edited: Shell) -> None:
    """A terminal that follows must come back, with everything that was printed meanwhile."""
    whole = edited("logs", "2").out
    done = edited("logs", "2", "-f")
    assert done.status == 0, done.said
    assert done.out == whole

    (edited.folder / "context.py").touch()
    follower = subprocess.Popen(
        [sys.executable, "-m", "knockoff", "process", "2", "--force", "--variables", "trains"],
        cwd=edited.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while follower.poll() is None and edited("logs", "2").out == whole:
            continue
        grown = edited("logs", "2", "--follow")
    finally:
        assert follower.wait(60) == 0
    assert grown.status == 0
    assert "counted" in grown.out
    assert grown.out == edited("logs", "2").out


def test_what_is_followed_is_no_list(edited: Shell) -> None:
    """JSON that never ends can be read by nobody."""
    assert edited("logs", "1", "-f", "--json").status == 2


def test_only_a_terminal_gets_colour_and_no_terminal_gets_what_may_harm_it(edited: Shell) -> None:
    """Programs want plain lines; and what a variable printed must not rename somebody's window."""
    log = edited.folder / "process_logs" / "r0003-p1234.log"
    with log.open("a") as file:
        file.write("\033]0;renamed\007\n")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "knockoff", "logs", "3"], cwd=edited.folder, stdout=theirs
    ) as shown:
        os.close(theirs)
        text = b""
        try:
            while piece := os.read(ours, 65_536):
                text += piece
        except OSError:  # the other end was closed
            os.close(ours)
    assert shown.returncode == 0
    assert b"\033[36m\033[1m=== " in text
    assert b"renamed" in text
    assert b"\033]" not in text
    assert "\033[36m" not in edited("logs", "3").out


def test_a_job_that_nobody_takes_is_told_to_who_follows(edited: Shell) -> None:
    """A terminal that stands still must say what it waits for, and what ends that."""
    with MongoClient[dict[str, Any]](edited("db", "uri").out.strip()) as client:
        database = next(name for name in client.list_database_names() if name.startswith("p"))
        jobs = client[database]["knockoff.jobs"]
        done = jobs.find_one({"_id": "runs/3/raw"})
        assert done is not None
        # of an edit of another test; it would be followed as well
        jobs.update_many({"run": 3, "state": "queued"}, {"$set": {"state": "cancelled"}})
        waiting = {"state": "queued", "collection": "other", "created_at": datetime.now(UTC)}
        jobs.update_one({"_id": "runs/3/raw"}, {"$set": waiting})
        try:
            with subprocess.Popen(
                [sys.executable, "-m", "knockoff", "logs", "3", "-f"],
                cwd=edited.folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            ) as following:
                assert following.stderr is not None
                said = next(line for line in following.stderr if "nobody takes it" in line)
                jobs.replace_one({"_id": "runs/3/raw"}, done)
        finally:
            jobs.replace_one({"_id": "runs/3/raw"}, done)
    assert "`knockoff process 3`" in said
    assert following.returncode == 0
