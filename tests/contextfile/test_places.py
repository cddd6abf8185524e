"""Every problem points at the very word that is wrong, and none is told that is none."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from knockoff.contextfile.loading import load
from knockoff.contextfile.problems import ContextProblems

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.contextfile.loading import Context
    from knockoff.contextfile.problems import Problem

    Loaded = Callable[[str], Context]
    Marked = Callable[[str], tuple[tuple[Problem, ...], set[tuple[int, int]]]]

HEAD = """
from typing import Annotated, Any, ClassVar
from collections.abc import Callable, Iterator
from knockoff import (
    Editable, Group, Insert, Run, Source, Update, Variable, after_event, before_event,
)
"""

MARK = "⟨"
"""Stands in a test's file in front of each word that a problem has to point at."""


@pytest.fixture
def marked(folder: Path) -> Marked:
    """Load a file without its marks; what is told, notes too, and where the marks were."""

    def check(text: str) -> tuple[tuple[Problem, ...], set[tuple[int, int]]]:
        wanted = set()
        lines = text.splitlines()
        for number, line in enumerate(lines, 1):
            before = ""
            for part in line.split(MARK)[:-1]:
                before += part
                wanted.add((number, len(before) + 1))
        path = folder / "context.py"
        path.write_text(text.replace(MARK, ""))
        try:
            return load(path).description.notes, wanted
        except ContextProblems as error:
            return error.problems, wanted

    return check


def in_runs(members: str) -> str:
    """Members of a run class that has some good ones."""
    return (
        HEAD
        + f"""
@Group
class Xgm:
    device: str = "XGM"

    @Variable
    def energy(self, data) -> float:
        return 1.0

class Runs(Run):
    xgm = Xgm()
    threshold: Annotated[float, Editable] = 1.0

    @Variable(title="Trains")
    def trains(self, data) -> int:
        return 1

{members}
"""
    )


KINDS = {
    "an unknown variable": (
        '    @Variable\n    def a(self, µ: int = 1, *, x: ⟨Annotated[int, "var#trians"]): ...',
        "Did you mean 'trains'?",
    ),
    "a column behind letters that take two bytes": (
        '    @Variable\n    def a(self, äµ: ⟨"var#trians"): ...',
        "Did you mean 'trains'?",
    ),
    "an unknown prefix": (
        '    @Variable\n    def a(self, x: ⟨"vars#trains"): ...',
        "Known are var#",
    ),
    "unknown metadata": (
        '    @Variable\n    def a(self, x: ⟨Annotated[int, "meta#rum"]): ...',
        "There are proposal",
    ),
    "an unknown field of the catalogue": (
        '    @Variable\n    def a(self, x: ⟨"mymdc#sample"): ...',
        "sample_name",
    ),
    "a parameter without meaning": (
        "    @Variable\n    def a(self, data, ⟨x: float): ...".replace("⟨x: float", "x: ⟨float"),
        "or give it a default",
    ),
    "a bare parameter without meaning": (
        "    @Variable\n    def a(self, data, ⟨x): ...",
        "or give it a default",
    ),
    "a misspelt read": (
        "    @Variable\n    def a(self):\n        return 1 + ⟨self.trians",
        "Did you mean 'trains'?",
    ),
    "a misspelt read of a method that it calls": (
        "    @Variable\n    def a(self):\n        return self.b()\n"
        "    def b(self):\n        return ⟨self.trians",
        "Did you mean 'trains'?",
    ),
    "a double title": (
        '    @Variable(units="mm", title=⟨"Trains")\n    def a(self, data): ...',
        "another title",
    ),
    "a double title that follows from the name": (
        '    @Variable(title="Energy")\n    def b(self, data): ...\n'
        "    @Variable\n    def ⟨energy(self, data): ...",
        "another title",
    ),
    "the title of a field": (
        '    @Variable(⟨"Threshold")\n    def a(self, data): ...',
        "another title",
    ),
    "raw that reads proc": (
        '    @Variable(data="proc")\n    def p(self, data): ...\n'
        '    @Variable(tags="x", data=⟨"raw")\n    def a(self): return self.p',
        "Leave data= out",
    ),
    "raw in the return hint": (
        '    @Variable(data="proc")\n    def p(self, data): ...\n'
        '    def a(self) -> Annotated[int, Variable(data=⟨"raw")]: return self.p',
        "Leave data= out",
    ),
    "a summary that NumPy has not": (
        '    @Variable(summary=⟨"meen")\n    def a(self, data): ...',
        "Did you mean 'mean'?",
    ),
    "a generator": (
        "    @Variable\n    def ⟨a(self, data):\n        yield 1",
        "Return a list",
    ),
    "a type that is never stored": (
        "    @Variable\n    def a(self, data) -> ⟨Callable[[int], int]: ...",
        "transient=True",
    ),
    "an annotated type that is never stored": (
        "    def a(self, data) -> ⟨Annotated[Iterator[int], Variable]: ...",
        "transient=True",
    ),
    "a source without a key": (
        '    @Variable\n    def a(self, x: ⟨Annotated[Any, Source("A/B/C", "")]): ...',
        "data.key",
    ),
    "a name that documents have": (
        "    @Variable\n    async def ⟨count(self, data): ...",
        "count_of_run",
    ),
    "a field with a name that documents have": (
        "    ⟨count: int = 3",
        "count_of_run",
    ),
    "a group inside of a column": (
        '    ⟨xgm2 = Xgm(name="trains")',
        "another name=",
    ),
    "a default of another type": (
        "    limit: Annotated[int, Editable] = ⟨'x'",
        "Change the default",
    ),
    "a read of itself": (
        "    @Variable\n    def a(self): return ⟨self.a",
        "run's data",
    ),
    "a circle": (
        "    @Variable\n    def a(self): return ⟨self.b\n"
        '    @Variable\n    def b(self, c: "var#c"): return 1\n'
        '    @Variable\n    def c(self, x: "var#a*"): return 1',
        "run's data",
    ),
    "before that reads after": (
        "    @Variable(direction=before_event)\n    def a(self): return ⟨self.trains",
        "direction=",
    ),
    "an assignment that is lost": (
        "    @Variable\n    def a(self):\n        ⟨self.trains = 3",
        "Return it",
    ),
    "a hook that fills no field": (
        "    @after_event(Insert)\n    def h(self):\n        ⟨self.nothing = 3",
        "Declare it",
    ),
    "a value without a type": (
        "    ⟨limit = 3",
        "Write limit: float",
    ),
    "wrong tags": (
        '    @Variable(title="µ", tags=⟨[""])\n    def a(self, data): ...',
        "tags must be words",
    ),
    "a wrong argument that is no literal": (
        "    @Variable(\n        memory=⟨HEAD_OF_ALL,\n    )\n    def a(self, data): ...".replace(
            "HEAD_OF_ALL", "str(Run)"
        ),
        "memory must be bytes",
    ),
    "an unknown argument": (
        '    @Variable(⟨unit="mm")\n    def a(self, data): ...',
        "Did you mean 'units'?",
    ),
    "an unknown parameter of a group": (
        '    other = Xgm(⟨devise="mm")',
        "devise",
    ),
    "a source with one argument": (
        '    @Variable\n    def a(self, x: Annotated[Any, ⟨Source("A/B/C")]): ...',
        "data.key",
    ),
    "a property": (
        "    ⟨@property\n    @Variable\n    def a(self): ...",
        "Remove @property",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_problem_points_at_the_word_that_is_wrong(marked: Marked, kind: str) -> None:
    """An editor jumps there; a line alone leaves one guessing among five annotations."""
    members, words = KINDS[kind]

    problems, wanted = marked(in_runs(members))

    assert {(each.line, each.column) for each in problems} == wanted
    assert len(wanted) == 1
    assert words in str(problems[0])
    assert not problems[0].is_note


NOTES = {
    "a read of what nobody wrote": in_runs(
        "    @Variable\n    def a(self):\n        return ⟨self.calibration"
    ),
    "a read by a name that is not spelt out": in_runs(
        "    @Variable\n    def a(self, x: int = 1):\n        return ⟨getattr(self, 'b' + 'c')"
    ),
    "a group of which there is none": HEAD
    + "@Group\nclass ⟨Unused:\n    @Variable\n    def e(self, data): ...\n"
    "class Runs(Run):\n    @Variable\n    def a(self, data): ...\n",
    "a group outside of the table": in_runs("") + "\n⟨other = Xgm()\n",
    "a generator of a DAMNIT file": "from damnit_ctx import Variable\n@Variable\n"
    "def ⟨a(run):\n    yield 1\n@Variable\ndef b(run): ...\n",
    "a misspelt summary of a DAMNIT file": "from damnit_ctx import Variable\n"
    '@Variable(summary=⟨"meen")\ndef a(run): ...\n',
}


@pytest.mark.parametrize("kind", NOTES)
def test_a_note_forbids_nothing(marked: Marked, kind: str) -> None:
    """It is told where it is, and the table is there all the same."""
    notes, wanted = marked(NOTES[kind])

    assert [(each.line, each.column) for each in notes] == sorted(wanted)
    assert all(each.is_note and each.remedy for each in notes)


def test_a_mark_that_cannot_be_evaluated_is_told(marked: Marked) -> None:
    """Kept as text by the future import, it would silently mean the run's data."""
    problems, wanted = marked(
        "from __future__ import annotations\n"
        + in_runs('    @Variable\n    def a(self, x: ⟨Anotated[int, "var#trains"]): ...')
    )

    assert {(each.line, each.column) for each in problems} == wanted
    assert "name 'Anotated' is not defined" in str(problems[0])


def test_several_classes_each_with_problems(marked: Marked) -> None:
    """One that cannot even be made keeps nothing of the others from being told."""
    problems, wanted = marked(
        HEAD
        + """
import ⟨not_a_module

class First(Run):
    @Variable(tags=⟨"", ⟨unit="mm")
    def a(self, data): ...

class Second(Run):
    @Variable
    def ⟨count(self, data): ...

    @Variable
    def b(self, x: ⟨"var#cuont"): ...

    @Variable
    def c(self): return ⟨self.d

    @Variable
    def d(self): return self.c

    @Variable
    def e(self): return ⟨self.e

class Third(First):
    @Variable
    def z(self, data): ...

LIMIT = ⟨int("x")
""".replace("import ⟨not", "⟨import not")
    )

    assert {(each.line, each.column) for each in problems} == wanted
    assert [each.line for each in problems] == sorted(each.line for each in problems)


def test_what_is_wrong_in_a_group_in_a_file_beside_it_points_there(
    folder: Path, loaded: Loaded
) -> None:
    """The line of the context file would be that of something else."""
    beside = folder / "beside_the_groups.py"
    beside.write_text(
        HEAD + "@Group\nclass Xgm:\n    @Variable(summary='meen')\n    def energy(self, data): ..."
    )

    with pytest.raises(ContextProblems) as raised:
        loaded(
            "from knockoff import Run\nfrom beside_the_groups import Xgm\n"
            "class Runs(Run):\n    xgm = Xgm()\n"
        )

    (problem,) = raised.value.problems
    assert problem.file == str(beside)
    assert (problem.line, problem.column) == (9, 23)


@pytest.mark.parametrize(
    ("text", "place"),
    [("x = (1,\n", (1, 5)), ("a = 1\nb = a.c\n", (2, 5)), ("import no_such_one\n", (1, 1))],
)
def test_what_breaks_in_a_file_beside_it_points_there(
    folder: Path, loaded: Loaded, text: str, place: tuple[int, int]
) -> None:
    """Also where it cannot even be parsed."""
    beside = folder / "beside_that_breaks.py"
    beside.write_text(text)

    with pytest.raises(ContextProblems) as raised:
        loaded("from knockoff import Run, Variable\nimport beside_that_breaks\n")

    (problem,) = raised.value.problems
    assert (problem.file, problem.line, problem.column) == (str(beside), *place)


GOOD = """
from damnit_ctx import Cell, Group, Skip, Variable
import numpy as np

STATE = {}

@Group(tags="xgm")
class XGM:
    device: str
    factor: float = 1.0

    @Variable(title="Energy", summary="nanmean", units="mJ")
    def energy(self, run):
        return np.ones(3) * self.factor

    @Variable()
    def peak(self, run, energy: "self#energy"):
        return energy.max()

xgm = XGM(device="SA2", title="XGM SA2")

@Variable(title="Trains", data="raw", tags=["run", "time"])
def n_trains(run, number: "meta#run_number", sample: "mymdc#sample_name" = None):
    STATE["n"] = len(run.train_ids)
    return STATE["n"]

@Variable(summary="max")
def count(run, n: "var#n_trains", every: "var#xgm.*", x: "param#x" = 3):
    return getattr(np, "ones")(n)

@Variable(cluster=True, transient=True)
def heavy(run, n: "var#count" = None):
    return (each for each in range(3))

@Variable
def last(run, heavy: "var#heavy"):
    if not heavy:
        raise Skip("nothing")
    return Cell(list(heavy), summary_value=3, bold=True)
"""


def test_a_good_file_gives_no_alarm(loaded: Loaded) -> None:
    """Whoever is told of problems that are none stops reading."""
    assert loaded(GOOD).description.notes == ()


@pytest.mark.parametrize(
    "path",
    sorted(Path(str(files("knockoff"))).joinpath("contexts").glob("*.py")),
    ids=lambda path: path.stem,
)
def test_the_shipped_files_give_no_alarm(path: Path) -> None:
    """They are what people start from."""
    assert load(path).description.notes == ()


def test_a_circle_hides_no_other_problem(marked: Marked) -> None:
    """Who has mended one circle does not want to be told of the next thing then."""
    problems, wanted = marked(
        HEAD
        + """
class Runs(Run):
    @Variable
    def a(self): return ⟨self.b

    @Variable
    def b(self): return self.a

    @Variable(direction=before_event)
    def early(self): return ⟨self.late

    @Variable
    def late(self, data): ...

    @Variable(data=⟨"raw")
    def raw(self): return self.corrected

    @Variable(data="proc")
    def corrected(self): return self.b

class Others(Run):
    @Variable
    def here(self, there: ⟨Annotated[int, "var#Thirds.there"]): ...

class Thirds(Run):
    @Variable
    def there(self, here: Annotated[int, "var#Others.here"]): ...
"""
    )

    assert {(each.line, each.column) for each in problems} == wanted
    assert len(problems) == 4


def test_what_a_group_makes_of_itself_is_there(loaded: Loaded) -> None:
    """Its class does not show what ``__post_init__`` assigns."""
    context = loaded("""
from knockoff import Group, Run, Variable

@Group
class Xgm:
    device: str

    def __post_init__(self):
        self.output = f"{self.device}:output"

    @Variable
    def energy(self, data):
        return self.output

class Runs(Run):
    xgm = Xgm(device="A/B/C")
""")

    assert context.description.notes == ()
