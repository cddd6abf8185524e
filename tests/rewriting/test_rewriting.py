"""A DAMNIT file written as a class says the same and computes the same."""

from __future__ import annotations

import sys
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

import knockoff
from knockoff.contextfile.loading import load_source
from knockoff.errors import ContextFileError
from knockoff.filling.filling import Filling
from knockoff.filling.messages import Result, RunTask
from knockoff.rewriting.classes import rewritten
from knockoff.rewriting.comparing import differences, new_name
from knockoff.rewriting.imports import OURS
from knockoff.rundata.synthetic import write_run
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from knockoff.contextfile.loading import Context
    from knockoff.rewriting.classes import Rewritten

ORIGINAL = '''
"""Context of proposal 1234."""
# written by the beamline
import numpy as np
from damnit_ctx import Variable, Skip, Cell, Group

# The gas monitor
XGM = "SA2_XTD1_XGM/XGM/DOOCS"
CACHE = {}


def helper(run, factor=2):  # a helper
    return len(run.train_ids) * factor


@Group(tags="xgm")
class Monitor:
    device: str
    factor: float = 1.0

    @Variable(title="Energy", summary="mean", units="uJ")
    def energy(self, run):
        # all pulses
        recorded = run[f"{self.device}:output", "data.intensityTD"]
        return recorded.ndarray() * self.factor

    @Variable(title="Peak")
    def peak(self, run, energy: "self#energy"):
        return float(energy.max())

xgm = Monitor(device=XGM, title="XGM SA2")
# the same, twice
double = Monitor(
    device=XGM,
    factor=2.0,  # yes
)


@Variable
def count(run):
    """Trains of the run."""
    return len(run.train_ids)  # per run


# -- doubled

@Variable(title="Twice", data="raw", tags=["a", "b"])
def twice(run, n: "var#count", number: "meta#run_number", proposal: "meta#proposal"):
    text = """
    not to be
      touched
    """
    if n is None:
        raise Skip(f"no {run}")
    return (2 * n +
            len(text.strip()) + number)

@Variable(summary="max")
def every(run, peaks: "var#*.peak", x: "param#x" = 3, *, s: "mymdc#sample_name"="none"):
    return np.array([*peaks.values(), x, len(s)], dtype=float)


@Variable()
def plain(run):
    return helper(run)

def uses(run):
    return plain(run) + double.factor

@Variable("Last", transient=False, cluster=True)
def last(run, n: 'var#double.peak', a=1):
    try:
        data = uses(run)
    except Exception:
        raise
    CACHE["last"] = [run for run in range(3)]
    return Cell(n, summary_value=data, bold=True)

@Variable(title="Nothing")
def nothing(run, n: "var#skipped" = 7, status: "var#status" = None):
    """Does without."""
    return n

@Variable(tags="dark")
def skipped(run):
    raise Skip("on purpose")

@Variable(title="Broken")
def broken(run):
    return __private_name(run)

def __private_name(run):
    return {}[len(run.train_ids)]

@Variable()
def needs_broken(run, b: "var#broken"):
    return b

@Variable(title="In words")
def status(anything):
    return "good" if len(anything.train_ids) > 3 else "bad"
'''


@pytest.fixture
def run_on_disk(tmp_path: Path) -> Path:
    """A data root with one run of MID."""
    write_run(tmp_path / "data", RunKey(1234, 7), instrument="MID", trains=5, pulses=3)
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def path_of_modules() -> Iterator[None]:
    """Loading adds the file's folder."""
    before = list(sys.path)
    yield
    sys.path[:] = before


def context_of(text: str, folder: Path) -> Context:
    """Load a text as a file of that folder."""
    path = folder / "context.py"
    path.write_text(text)
    return load_source(path, text.encode())


def filled(context: Context, root: Path, folder: Path) -> dict[str, Any]:
    """By column, what the run's cells show, or why they show nothing."""
    (table,) = context.tables.values()
    folder.mkdir()
    task = RunTask(1234, 7, "runs", "1", str(folder), str(root), mymdc={}, parameters={"x": 4})
    results: list[Any] = []
    Filling(context, task).fill(table.formulas, results.append)
    found: dict[str, Any] = {}
    for each in results:
        if isinstance(each, Result):
            problem = each.problem and (each.outcome, each.problem.kind)
            found[each.variable] = problem or each.fields
    return found


def both(text: str, folder: Path) -> tuple[Context, Rewritten, Context]:
    """The original, and what was made of it."""
    original = context_of(text, folder)
    new = rewritten(text, original.description)
    return original, new, context_of(new.text, folder)


def test_both_files_compute_the_same_values(tmp_path: Path, run_on_disk: Path) -> None:
    """On the same run, for every kind of parameter, group, cell and failure."""
    original, new, context = both(ORIGINAL, tmp_path)

    before = filled(original, run_on_disk, tmp_path / "before")
    after = filled(context, run_on_disk, tmp_path / "after")

    assert len(before) == 14
    assert before["xgm.energy"]["xgm.energy"] > 100
    assert before["count"] == {"count": 5}
    assert before["last"] == {"last": 12.0}
    assert before["broken"] == ("failed", "KeyError")
    renamed = {
        new_name(name, new.renamed): (
            {new_name(column, new.renamed): value for column, value in each.items()}
            if isinstance(each, dict)
            else each
        )
        for name, each in before.items()
    }
    assert after == renamed


def test_columns_titles_data_tags_and_reads_stay(tmp_path: Path) -> None:
    """That is what the command itself looks at."""
    original, new, context = both(ORIGINAL, tmp_path)

    assert list(differences(original.description, context.description, new.renamed)) == []
    assert new.renamed == {"count": "count_of_run", "status": "status_"}
    variable = context.tables["runs"].description.variable("count_of_run")
    assert variable.title == original.tables["runs"].description.variable("count").title


def test_a_difference_is_told(tmp_path: Path) -> None:
    """In words, with what it was."""
    text = "from damnit_ctx import Variable\n@Variable({})\ndef a(run): ...\n{}"
    one = context_of(text.format("'A', tags='x'", ""), tmp_path).description
    two = context_of(
        text.format("'B', data='proc'", "@Variable\ndef b(run, a: 'var#a'): ...\n"), tmp_path
    ).description

    told = list(differences(one, two, {}))
    assert told == [
        "title of a is 'B', and was 'A'",
        "data of a is 'proc', and was 'raw'",
        "tags of a is (), and was ('x',)",
        "the column b was not there before",
    ]
    assert "the column b is missing" in list(differences(two, one, {}))


def test_comments_and_layout_are_kept() -> None:
    """It stays the file of whoever wrote it."""
    text = rewritten(ORIGINAL).text

    for line in ORIGINAL.splitlines():
        if "# " in line and "def " not in line:
            assert line[line.index("# ") :] in text
    assert '        text = """\n    not to be\n      touched\n    """' in text
    assert "        return (2 * n +\n                len(text.strip()) + number)" in text
    assert "\n\n\n\n" not in text
    assert not any(line != line.rstrip() for line in text.splitlines())
    assert all(len(line) <= 100 for line in text.splitlines())


def test_docstrings_and_broken_signatures_move_as_a_whole() -> None:
    """Half of it in the old place would be ugly, and the other half wrong."""
    new = rewritten(
        dedent(
            '''\
            from damnit_ctx import Variable

            @Variable
            def total(
                run,
                one: "var#one",  # first
            ):
                """Sum
                of all.

                """
                return one
                \n
            @Variable
            # between
            def one(run): return 1
            '''
        )
    )

    assert (
        "    def total(\n"
        "        self,\n"
        "        data: DataCollection,\n"
        '        one: Annotated[Any, "var#one"],  # first\n'
        "    ):\n"
        '        """Sum\n'
        "        of all.\n"
        "\n"
        '        """\n'
        "        return one\n"
        "\n"
        "    @Variable\n"
        "    # between\n"
        "    def one(self, data: DataCollection): return 1\n"
    ) in new.text


def test_every_style_of_signature_is_a_method() -> None:
    """`data` where nothing is in its way, each mark with its type."""
    text = rewritten(ORIGINAL).text

    assert "def count_of_run(self, data: DataCollection):" in text
    assert "return len(data.train_ids)  # per run" in text
    assert '        n: Annotated[Any, "var#count_of_run"],\n' in text
    assert '        number: Annotated[int, "meta#run_number"],\n' in text
    assert 'peaks: Annotated[dict[str, Any], "var#*.peak"],' in text
    assert 'x: Annotated[Any, "param#x"] = 3,' in text
    assert 's: Annotated[str, "mymdc#sample_name"] = "none",' in text
    assert 'def last(self, run: DataCollection, n: Annotated[Any, "var#double.peak"], a=1):' in text
    assert 'energy: Annotated[Any, "self#energy"]' in text
    assert text.count("from typing import Annotated, Any\n") == 1
    assert "from knockoff import Cell, Group, Run, Skip, Variable\n" in text


def test_what_other_code_calls_stays_a_function() -> None:
    """And is said, with its line: a method cannot be called by its bare name."""
    new = rewritten(ORIGINAL)

    lines = ORIGINAL.splitlines()
    told = {lines[each.line - 1]: each.message for each in new.remarks}
    assert "stays a function" in told["def plain(run):"]
    assert any("count is called count_of_run now" in each for each in told.values())
    assert "def plain(run):\n    return helper(run)" in new.text
    assert "return plain(run=data)" in new.text
    assert "    double = double\n" in new.text


def test_what_cannot_be_moved_is_said_with_its_line() -> None:
    """It stays where it was, for whoever wrote it to decide."""
    new = rewritten(
        dedent(
            """\
            from damnit_ctx import Variable
            import os

            @Variable
            def twice(run):
                return 1

            if os.environ.get("HOME"):
                @Variable
                def hidden(run):
                    return 1

            @Variable(title="Again")
            def twice(run):
                return 2
            """
        )
    )

    told = {each.line: each.message for each in new.remarks}
    assert any("twice is defined again below" in each for each in told.values())
    assert any("hidden is not at the top of the file" in each for each in told.values())
    assert all(told)
    assert "    @Variable\n    def hidden(run):" in new.text
    assert new.text.count("def twice") == 1


def test_a_group_made_by_a_function_is_found_by_what_it_is(tmp_path: Path) -> None:
    """Not every group is made by calling its class."""
    text = dedent(
        """\
        from damnit_ctx import Group, Variable

        @Group
        class A:
            @Variable
            def one(self, run):
                return 1

        def made():
            return A(title="Made")

        first = made()
        second = A(title="Other")

        @Variable
        def total(run, ones: "var#*.one"):
            return sum(ones.values())
        """
    )
    original, new, context = both(text, tmp_path)

    assert list(differences(original.description, context.description, new.renamed)) == []
    assert set(context.tables["runs"].formulas) == {"first.one", "second.one", "total"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = (", "Mend that first"),
        ("x = 1\n", "no function with @Variable"),
        ("from knockoff import Run\nclass Runs(Run):\n    pass\n", "class style already"),
    ],
)
def test_what_is_no_damnit_file_is_refused(text: str, message: str) -> None:
    """Rather than something that looks as if it had worked."""
    with pytest.raises(ContextFileError, match=message):
        rewritten(text)


def test_words_are_imported_from_where_they_are(tmp_path: Path) -> None:
    """A word that only DAMNIT has is still had from its own module, which the loader answers to."""
    assert set(OURS) <= set(knockoff.__all__)
    text = (
        "from damnit_ctx import RunData, Variable as V\n\n"
        "@V(data=RunData.PROC)\ndef a(run):\n    return 1\n"
    )
    original, new, context = both(text, tmp_path)

    assert list(differences(original.description, context.description, new.renamed)) == []
    assert context.tables["runs"].description.variable("a").data == "proc"
    assert "from damnit_ctx import RunData, Variable as V\n" in new.text
    assert "from knockoff import Run\n" in new.text
