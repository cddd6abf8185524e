"""What is stale after an edit, and `reprocess`, which computes that and nothing else."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.conftest import Shell

from knockoff.database.client import database_name, open_client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTEXT = """
from pathlib import Path
from typing import Annotated
from beanie import Insert
from extra_data import DataCollection
from knockoff import Editable, Run, Variable

SCALE = 10

def count(name):
    with Path(__file__).with_name("count.txt").open("a") as file:
        file.write(name + " ")

class Runs(Run):
    threshold: Annotated[float, Editable(title="Threshold")] = 2.0

    @Variable(title="Trains", tags=["DAQ"])
    def trains(self, data: DataCollection) -> int:
        count("trains")
        return len(data.train_ids)

    @Variable(title="Hits", units="1/s")
    def hits(self) -> float:
        count("hits")
        return self.trains * SCALE

    @Variable(title="Rate", tags=["rates"])
    def rate(self) -> float:
        count("rate")
        return self.hits / self.threshold

    @Variable(title="First", event=Insert)
    def first(self) -> int:
        count("first")
        return 1

    @Variable(title="Broken")
    def broken(self) -> int:
        count("broken")
        if not Path(__file__).with_name("well").exists():
            raise RuntimeError("not well")
        return 2

    @Variable(title="After")
    def after(self) -> int:
        count("after")
        return self.broken + 1
"""


@pytest.fixture(scope="module")
def filled(
    tmp_path_factory: pytest.TempPathFactory, runs_on_disk: Path, mongod: str
) -> Iterator[tuple[Shell, list[dict[str, Any]]]]:
    """A workspace whose three runs were processed, and their rows."""
    home = tmp_path_factory.mktemp("reprocessed")
    (home / "mine.py").write_text(CONTEXT)
    words = ("--folder", "ws", "--data-root", str(runs_on_disk), "--context", "mine.py")
    assert Shell(home)("init", "1234", *words).status == 0
    shell = Shell(home / "ws")
    file = shell.folder / "knockoff.toml"
    file.write_text(f'database = "{mongod}"\n{file.read_text()}')
    try:
        processed = shell("process", "all")
        assert processed.status == 0, processed.said
        yield shell, asyncio.run(rows_in(mongod))
    finally:
        asyncio.run(dropped(mongod))


@pytest.fixture
def ours(filled: tuple[Shell, list[dict[str, Any]]], mongod: str) -> Shell:
    """The workspace as it was when its runs had been processed."""
    shell, rows = filled
    (shell.folder / "context.py").write_text(CONTEXT)
    (shell.folder / "well").unlink(missing_ok=True)
    asyncio.run(put_back(mongod, rows))
    counted(shell)
    return shell


async def rows_in(uri: str) -> list[dict[str, Any]]:
    async with open_client(uri) as client:
        return await client[database_name(1234)].runs.find().to_list(None)


async def put_back(uri: str, rows: list[dict[str, Any]]) -> None:
    """Have the rows as they were."""
    async with open_client(uri) as client:
        for row in rows:
            await client[database_name(1234)].runs.replace_one({"_id": row["_id"]}, row)


async def dropped(uri: str) -> None:
    """Take the proposal's database away."""
    async with open_client(uri) as client:
        await client.drop_database(database_name(1234))


def counted(shell: Shell) -> list[str]:
    """Which methods ran since the last look, sorted."""
    file = shell.folder / "count.txt"
    found = file.read_text().split() if file.exists() else []
    file.write_text("")
    return sorted(found)


def edited(shell: Shell, old: str, new: str) -> None:
    """Change the context file."""
    file = shell.folder / "context.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def states(shell: Shell, run: int = 1) -> dict[str, Any]:
    """Why the cells of a run are as they are."""
    shown = json.loads(shell("show", str(run), "--json").out)
    found: dict[str, Any] = shown["tables"]["runs"]["states"]
    return found


def described(shell: Shell) -> None:
    """Have the context file read as it is now, and nothing of it computed."""
    assert shell("process", "3", "--variables", "trains").status == 0
    counted(shell)


def test_nothing_is_due_when_nothing_changed(ours: Shell) -> None:
    """What failed is not tried again without a reason, and what is there is not computed twice."""
    done = ours("reprocess", "all")
    assert (done.status, done.said.strip()) == (0, "Nothing is due in 3 runs.")
    assert counted(ours) == []


def test_an_edited_method_makes_itself_and_its_dependants_stale(ours: Shell) -> None:
    """The value stays, marked: it is the best there is, but nobody should take it for fresh."""
    edited(ours, "SCALE = 10", "SCALE = 100")
    described(ours)
    told = states(ours)
    assert told["hits"] == {"state": "stale", "reason": "its code has changed since"}
    assert told["rate"] == {"state": "stale", "reason": "it reads hits, stale itself"}
    assert "trains" not in told
    assert "first" not in told
    assert "~80" in ours("runs", COLUMNS="120").out
    card = ours("show", "1").out
    assert "~80 1/s   stale: its code has changed since" in card
    picked = json.loads(ours("runs", "--where", "hits is stale and run < 3", "--json").out)
    assert [row["run"] for row in picked] == [1, 2]
    assert json.loads(ours("runs", "--where", "trains is stale", "--json").out) == []

    done = ours("reprocess", "all")
    assert done.status == 0, done.said
    assert "6 results in 3 of 3 runs of proposal 1234 computed." in done.said
    assert counted(ours) == ["hits"] * 3 + ["rate"] * 3
    assert states(ours).keys() == {"broken", "after"}


def test_a_comment_makes_nothing_stale(ours: Shell) -> None:
    """Explaining a method must not cost a night of computing."""
    edited(ours, 'count("hits")', 'count("hits")  # once per run')
    assert ours("reprocess", "all").said.strip() == "Nothing is due in 3 runs."


def test_an_edit_by_hand_in_the_database_makes_what_reads_it_stale(ours: Shell) -> None:
    """In mongosh nobody fires a document event; the stamps of the inputs tell all the same."""
    ours.apart(
        "db",
        "shell",
        typed="wait(db.runs.update_one({'run': 2}, {'$set': {'threshold': 4.0}}))\n",
        PATH="/usr/bin:/bin",
    )
    assert states(ours, 2)["rate"]["state"] == "stale"
    assert "rate" not in states(ours, 1)
    done = ours("reprocess", "all", "--json")
    assert [(each["run"], each["computed"]) for each in json.loads(done.out)] == [(2, ["rate"])]
    assert counted(ours) == ["rate"]


def test_a_method_for_new_rows_alone_is_due_when_it_was_edited(ours: Shell) -> None:
    """Whoever asks for stale values wants all of them."""
    edited(ours, "return 1", "return 11")
    assert ours("reprocess", "1-2").status == 0
    assert counted(ours) == ["first", "first"]
    assert [row["first"] for row in json.loads(ours("runs", "--json").out)] == [11, 11, 1]


def test_failed_ones_are_tried_again_with_what_needs_them(ours: Shell) -> None:
    """The cause may have been outside of the context file."""
    (ours.folder / "well").write_text("")
    done = ours("reprocess", "2", "--failed")
    assert done.status == 0, done.said
    assert counted(ours) == ["after", "broken"]
    rows = json.loads(ours("runs", "--json").out)
    assert [row["after"] for row in rows] == [None, 3, None]


def test_variables_tags_and_force_choose(ours: Shell) -> None:
    """Of a long context file one often wants one column again."""
    ours("reprocess", "all", "--variables", "hits", "--force")
    assert counted(ours) == ["hits"] * 3
    ours("reprocess", "1", "--tag", "rates", "--force")
    assert counted(ours) == ["rate"]
    ours("reprocess", "1", "--tag", "rates")
    assert counted(ours) == []
    ours("reprocess", "1", "--force")
    assert counted(ours) == ["broken", "first", "hits", "rate", "trains"]


def test_a_dry_run_says_what_and_how_long_and_writes_nothing(ours: Shell) -> None:
    """Before a reprocess that takes the night one wants to know that it does."""
    edited(ours, "SCALE = 10", "SCALE = 100")
    before = ours("runs", "--json").out
    done = ours("reprocess", "1,3", "--dry-run")
    assert done.status == 0
    lines = done.out.splitlines()
    assert lines[0].split() == ["Run", "About", "Variables"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "3"]
    assert lines[1].endswith("hits, rate")
    assert "4 results are due in runs 1, 3: about" in done.said
    assert "Nothing was computed." in done.said
    (first, _) = json.loads(ours("reprocess", "1,3", "--dry-run", "--json").out)
    assert first.pop("seconds") >= 0
    assert first == {"run": 1, "table": "runs", "variables": ["hits", "rate"], "untimed": []}
    assert counted(ours) == []
    assert ours("runs", "--json").out == before


def test_what_cannot_be_meant_is_refused_with_the_nearest(ours: Shell) -> None:
    """A slip of the finger must not look like nothing to do."""
    wrong = ours("reprocess", "all", "--variables", "hitz")
    assert (wrong.status, "hits" in wrong.said) == (1, True)
    assert "No variable has the tag 'DAK'" in ours("reprocess", "all", "--tag", "DAK").said
    missing = ours("reprocess", "2", "40")
    assert missing.status == 1
    assert "Run 40 has no row. `knockoff process 40` makes it." in missing.said
