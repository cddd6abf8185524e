"""`knockoff why`: no cell is without a reason, and no reason without a way on."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from .conftest import CONTEXT, EDITED, workspace_with

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Shell

LINES = EDITED.splitlines()


def line_of(text: str) -> int:
    """The number of the only line of the context file that has this in it."""
    (number,) = [number for number, line in enumerate(LINES, 1) if text in line]
    return number


def test_a_value_tells_where_it_comes_from(edited: Shell) -> None:
    """Who, when, with which code, from what: what a paper's referee asks."""
    done = edited("why", "1", "rate")

    assert done.status == 0, done.said
    assert done.out.startswith("rate of run 1 is 0.125. It was computed on ")
    assert "(attempt asked-1) in " in done.out
    assert "from hits = 1 (asked-1) and trains = 8 (asked-1)." in done.out
    assert "stale" not in done.out


def test_a_value_from_an_array_says_so(edited: Shell) -> None:
    """The number in the cell is its mean, and has units."""
    text = edited("why", "1", "energy").out
    assert " uJ, from an array float32 (8, 4). It was computed on " in text


def test_a_stale_value_tells_which_part_of_the_file_was_edited_and_when(edited: Shell) -> None:
    """With thirty variables nobody remembers what was changed at four in the morning."""
    done = edited("why", "2", "hits")
    method = line_of("def hits") - 1

    assert (
        f"It is stale because Runs.hits (line {method}) was edited since, and first used on"
        in done.out
    )
    assert "`knockoff reprocess 2`" in done.out
    facts = json.loads(edited("why", "2", "hits", "--json").out)
    assert facts["state"] == "stale"
    assert facts["edits"]["hits"]["parts"] == [["Runs.hits", method]]
    assert facts["edits"]["hits"]["since"] > facts["result"]["at"]
    assert facts["result"]["attempt"] == "raw-1"


def test_a_failure_tells_the_line_and_the_message(edited: Shell) -> None:
    """That is all it takes to mend it."""
    line = line_of('{}["nothing"]')
    text = edited("why", "1", "broken").out
    assert f"broken of run 1 failed at context.py:{line} (`return" in text
    assert "`): KeyError: 'nothing'. " in text


def test_a_blocked_cell_shows_the_way_to_what_failed(edited: Shell) -> None:
    """What is to be mended may be five variables away."""
    text = edited("why", "1", "after_broken").out
    assert "is blocked by what it needs: broken failed: KeyError: 'nothing' (context.py:" in text
    assert text.splitlines()[-1].strip() == 'return {}["nothing"]'


def test_an_empty_cell_tells_what_it_waits_for(edited: Shell) -> None:
    """Skipped, waiting for data, or never asked for look alike in a table."""
    assert "dark of run 2 was skipped: shutter was open." in edited("why", "2", "dark").out
    late = edited("why", "3", "late").out
    assert "late of run 3 is waiting for proc data: of this run there is raw so far." in late
    newer = edited("why", "2", "rate").out
    assert "was not computed: the run was processed before this column was there, which" in newer
    assert "`knockoff reprocess 2`" in newer


def test_what_people_type_has_a_reason_too(edited: Shell) -> None:
    """A wrong threshold is a wrong result, and somebody has typed it."""
    assert "its default, or typed without knockoff" in edited("why", "1", "threshold").out
    assert "nobody has typed anything" in edited("why", "1", "comment").out
    assert "is when the run began" in edited("why", "1", "start_time").out


def test_a_run_or_variable_that_is_not_there_is_told_with_the_nearest(edited: Shell) -> None:
    """Both are typed from memory."""
    unknown = edited("why", "8", "hits")
    assert (unknown.status, unknown.out) == (1, "")
    assert "The nearest are 1, 2, 3" in unknown.said
    misspelt = edited("why", "1", "hitz")
    assert (misspelt.status, misspelt.out) == (1, "")
    assert "did you mean hits?" in misspelt.said


def test_reasons_follow_what_people_do(tmp_path: Path, runs_on_disk: Path) -> None:
    """One cell on its way: computed, stale by what was typed, by another variable, running."""
    with workspace_with(EDITED, tmp_path, runs_on_disk) as knockoff:
        assert knockoff("process", "1,2").status == 0
        assert knockoff("set", "1", "threshold", "0").status == 0
        typed = knockoff("why", "1", "hits").out
        assert "It is stale because threshold is 0 and was 1000000." in typed
        assert (
            "It is stale because it reads hits, and threshold is 0 and was 1000000."
            in knockoff("why", "1", "rate").out
        )

        context = knockoff.folder / "context.py"
        constant = EDITED.replace(".sum()) + 1", ".sum()) + OFFSET")
        context.write_text(constant.replace("class Runs", "OFFSET = 2\n\nclass Runs"))
        unused = knockoff("why", "2", "hits").out
        assert "stale" not in unused
        assert "The context file was edited after it was last used" in unused
        assert knockoff("process", "1").status == 0
        stale = knockoff("why", "2", "rate").out
        assert "It is stale because it reads hits, and OFFSET (line " in stale
        assert ") and Runs.hits (line " in stale
        assert ") were edited since" in stale

        waits = constant.replace("OFFSET", "2").replace(
            "return self.hits / self.trains",
            'import pathlib, time\n        pathlib.Path("begun").touch()\n'
            '        while not pathlib.Path("go").exists():\n            time.sleep(0.02)\n'
            "        return self.hits / self.trains",
        )
        waits += "\n    @Variable()\n    def last(self) -> float:\n        return self.rate\n"
        context.write_text(waits)
        working = subprocess.Popen(
            [sys.executable, "-m", "knockoff", "process", "3"],
            cwd=knockoff.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            running = ""
            while working.poll() is None and "being computed" not in running:
                running = knockoff("why", "3", "rate").out
            queued = knockoff("why", "3", "last").out
        finally:
            (knockoff.folder / "go").touch()
            assert working.wait(60) == 0
        assert f"is being computed by process {working.pid} on " in running
        assert "`knockoff logs 3 --follow`" in running
        assert "is queued: the run is being worked on by process " in queued
        assert "just now rate." in queued
        assert "is 0.25." in knockoff("why", "3", "rate").out


def test_a_column_that_the_file_no_longer_has_says_so(tmp_path: Path, runs_on_disk: Path) -> None:
    """Its values stay in the table, and nobody finds the method that made them."""
    with workspace_with(EDITED, tmp_path, runs_on_disk) as knockoff:
        assert knockoff("process", "1").status == 0
        (knockoff.folder / "context.py").write_text(CONTEXT)
        assert knockoff("process", "2").status == 0

        text = knockoff("why", "1", "rate").out
        assert "rate of run 1 is 0.125. It was computed on " in text
        assert text.strip().endswith("The context file no longer has this variable.")
        assert "raw-1" in knockoff("history", "1", "rate").out


HOOK = """
from typing import Annotated
from beanie import Insert, after_event
from knockoff import Editable, Run

class Runs(Run):
    sample: Annotated[str, Editable()] = ""

    @after_event(Insert)
    def guess(self):
        self.sample = f"sample {self.run}"
"""


def test_a_field_that_people_and_a_hook_fill_tells_of_both(
    tmp_path: Path, runs_on_disk: Path
) -> None:
    """Who of the two was last is what one wants to know."""
    with workspace_with(HOOK, tmp_path, runs_on_disk) as knockoff:
        assert knockoff("process", "1").status == 0
        assert knockoff("set", "1", "sample", "gold").status == 0

        text = knockoff("why", "1", "sample").out
        assert 'sample of run 1 is "gold": ' in text
        assert ' typed "gold" on ' in text
        assert 'before, it was "sample 1".' in text
        assert "The context file fills it as well: on " in text
        assert "(attempt raw-1)" in text
        assert "sample 1" in knockoff("history", "1", "sample").out
