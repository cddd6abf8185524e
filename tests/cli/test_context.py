"""`knockoff context`: what is wrong with a file, and files to start from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.cli.conftest import Shell

from knockoff.cli.templates import INSTRUMENTS, template, template_at

GOOD = '''
from knockoff import Run, Variable

class Runs(Run):
    """The runs."""

    @Variable(title="Trains", units="1")
    def trains(self, data) -> int:
        return len(data.train_ids)

    @Variable
    def twice(self) -> int:
        return 2 * self.trains
'''

BAD = """
from typing import Annotated
from knockoff import Run, Variable

class Runs(Run):
    @Variable(tags=[""], unit="mm")
    def trains(self, data) -> int:
        return 1

class Others(Run):
    @Variable
    def again(self, x_with_a_long_name: int = 3, *, y: Annotated[int, "var#agian"]) -> int: return 1
"""

NOTED = (
    GOOD
    + "\n    @Variable\n    def any_of(self, x: int = 1):\n        return getattr(self, str(x))\n"
)

DAMNIT = """
# ours
from damnit_ctx import Variable

@Variable
def count(run):
    return len(run.train_ids)  # trains

@Variable(title="Twice")
def twice(run, n: "var#count"):
    return 2 * n
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """The command in a folder without a workspace."""
    return Shell(tmp_path)


def written(shell: Shell, text: str, name: str = "mine.py") -> str:
    """A file in that folder."""
    (shell.folder / name).write_text(text)
    return name


def test_a_good_file_is_outlined(shell: Shell) -> None:
    """What will be a column, of what, and what it reads."""
    done = shell("context", "check", written(shell, GOOD))

    assert done.status == 0, done.said
    assert "Runs (collection runs)" in done.out
    assert re.search(r"twice +raw  int  reads trains", done.out)
    assert "is good." in done.said


def test_problems_are_told_with_their_line_and_a_mark_below_the_word(shell: Shell) -> None:
    """At 80 columns, in the order of the file, each with what to do."""
    done = shell("context", "check", written(shell, BAD))

    assert done.status == 1
    assert max(map(len, done.out.splitlines())) <= 80
    lines = done.out.splitlines()
    places = [line.partition(": ")[0] for line in lines if line.startswith("mine.py:")]
    assert places == ["mine.py:6:20", "mine.py:6:26", "mine.py:12:56"]
    for place in places:
        number, column = map(int, place.split(":")[1:])
        at = next(index for index, line in enumerate(lines) if line.startswith(f"{place}:"))
        shown = next(index for index in range(at, len(lines)) if " | " in lines[index])
        word = lines[shown][lines[shown + 1].index("^") :]
        assert BAD.splitlines()[number - 1][column - 1 :].startswith(word[:8])
    assert "Did you mean 'again'?" in done.out
    assert "3 problems in" in done.said


def test_problems_are_told_to_programs(shell: Shell) -> None:
    """An editor or CI wants file, line and column as they are."""
    done = shell("context", "check", written(shell, BAD), "--json")

    assert done.status == 1
    told = json.loads(done.out)
    assert told["good"] is False
    assert [(each["line"], each["column"]) for each in told["problems"]] == [
        (6, 20), (6, 26), (12, 56),
    ]  # fmt: skip
    for each in told["problems"]:
        assert each["file"] == str(shell.folder / "mine.py")
        assert each["severity"] == "error"
        assert each["message"]
        assert "remedy" in each


def test_a_good_file_is_told_to_programs_with_its_outline(shell: Shell) -> None:
    """The same command answers what is in it."""
    done = shell("context", "check", written(shell, GOOD), "--json")

    told = json.loads(done.out)
    assert (done.status, told["good"], told["problems"]) == (0, True, [])
    assert [each["name"] for each in told["tables"][0]["variables"]] == ["trains", "twice"]


def test_a_note_is_told_and_the_file_is_good(shell: Shell) -> None:
    """It is worth reading, and keeps nobody from taking data."""
    name = written(shell, NOTED)
    done = shell("context", "check", name)

    assert done.status == 0
    assert "mine.py:17:16: note: any_of reads an attribute" in " ".join(done.out.split())
    assert "with 1 note" in done.said
    told = json.loads(shell("context", "check", name, "--json").out)
    assert [each["severity"] for each in told["problems"]] == ["note"]
    assert told["good"] is True


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("class Runs(Run:\n", "mine.py:1:", "SyntaxError"),
        ("import not_there_at_all\n", "mine.py:1:1", "Install 'not_there_at_all'"),
        ("x = 1\n", "mine.py:", "there is no variable"),
        ("import sys; sys.exit(3)\n", "mine.py:1:13", "SystemExit"),
    ],
)
def test_a_file_that_does_not_run_is_told_all_the_same(
    shell: Shell, text: str, place: str, words: str
) -> None:
    """Whatever is in it, the command says where and what, and ends well."""
    done = shell("context", "check", written(shell, text))

    assert done.status == 1
    assert place in done.out
    assert words in " ".join(done.out.split())


def test_a_damnit_file_is_written_as_a_class(shell: Shell) -> None:
    """And then both are loaded and compared."""
    name = written(shell, DAMNIT)

    done = shell("context", "new", "--from-damnit", name, "-o", "new.py")

    assert done.status == 0, done.said
    text = (shell.folder / "new.py").read_text()
    assert "# ours" in text
    assert "class Runs(Run):" in text
    assert "return len(data.train_ids)  # trains" in text
    assert '"var#count_of_run"' in text
    assert "mine.py:6: count is called count_of_run now" in done.said
    assert "Both files give the same 2 columns." in done.said
    assert shell("context", "check", "new.py").status == 0
    assert not list(shell.folder.glob(".knockoff-*"))


def test_a_damnit_file_goes_to_the_terminal_without_a_name(shell: Shell) -> None:
    """Words go to the other stream, so that it can be sent on."""
    done = shell("context", "new", "--from-damnit", written(shell, DAMNIT))

    compile(done.out, "new.py", "exec")
    assert "Both files" not in done.out


def test_a_damnit_file_that_cannot_be_loaded_says_why(shell: Shell) -> None:
    """What could be rewritten is, but nobody looked whether it is the same."""
    done = shell(
        "context", "new", "--from-damnit", written(shell, f"import not_there_at_all\n{DAMNIT}")
    )

    assert done.status == 1
    assert "cannot be compared" in done.said
    assert "not_there_at_all" in done.said
    assert "class Runs(Run):" in done.out


@pytest.mark.parametrize("words", [("sa2", "--from-damnit", "mine.py"), ("nothing",)])
def test_what_is_not_there_is_refused(shell: Shell, words: tuple[str, ...]) -> None:
    """In one line, with what there is."""
    done = shell.apart("context", "new", *words)

    assert done.status == 1
    assert "Traceback" not in done.said
    assert "both" in done.said or "FXE" in done.said


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_each_instrument_has_its_template(shell: Shell, instrument: str) -> None:
    """By the undulator that it takes its light from."""
    sase = {"sa1": "SA1_", "sa2": "SA2_", "sa3": "SA3_"}[INSTRUMENTS[instrument]]

    assert f'Source("{sase}' in template(instrument.lower())
    assert template(instrument) == shell("context", "new", instrument).out
    assert (
        template_at(Path(f"/gpfs/exfel/exp/{instrument}/202601/p001234/usr"))
        == (INSTRUMENTS[instrument])
    )
    assert template_at(Path("/home/me/ws")) == "generic"


def test_a_new_workspace_has_the_template_of_its_instrument(
    tmp_path: Path, runs_on_disk: Path
) -> None:
    """The folder of the proposal says which instrument it is at."""
    shell = Shell(tmp_path)
    done = shell("init", "1234", "--folder", "ws", "--data-root", str(runs_on_disk))

    assert done.status == 0, done.said
    assert (tmp_path / "ws" / "context.py").read_text() == template("sa2")
    assert "template sa2" in done.said
