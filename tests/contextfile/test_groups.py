"""Groups of both of DAMNIT's dialects: where their columns lie, and what they read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from knockoff.filling.filling import Filling
from knockoff.filling.messages import Result, RunTask
from knockoff.rundata.synthetic import write_run
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.contextfile.description import TableDescription
    from knockoff.contextfile.loading import Context
    from knockoff.contextfile.problems import Problem

    Loaded = Callable[[str], Context]
    Problems = Callable[[str], tuple[Problem, ...]]
    Filled = Callable[[str], dict[str, Result]]

WORDS = """
from damnit_ctx import Group, GroupError, Skip, Variable

@Group(tags=["XGM"])
class Xgm:
    device: str = "A"
    offset: float = 0.0

    @Variable(title="Energy", tags="beam")
    def energy(self, run):
        return 10.0

    @Variable(title="Corrected")
    def corrected(self, run, energy: "self#energy"):
        return energy + self.offset
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with run 3 of proposal 1234."""
    root = tmp_path_factory.mktemp("data")
    write_run(root, RunKey(1234, 3), trains=4, pulses=2, sequences=1)
    return root


@pytest.fixture
def filled(loaded: Loaded, folder: Path, root: Path) -> Filled:
    """Compute all variables of a file that begins with `WORDS`, for that run."""

    def fill(text: str) -> dict[str, Result]:
        context = loaded(WORDS + text)
        (table,) = context.tables.values()
        task = RunTask(1234, 3, "runs", "1", str(folder / "arrays"), str(root))
        told: list[Any] = []
        Filling(context, task).fill(list(table.formulas), told.append)
        return {each.variable: each for each in told if isinstance(each, Result)}

    return fill


@pytest.fixture
def described(loaded: Loaded) -> Callable[[str], TableDescription]:
    """The one table of a file that begins with `WORDS`."""
    return lambda text: loaded(WORDS + text).tables["runs"].description


@pytest.fixture
def faults(problems: Problems) -> Callable[[str], list[str]]:
    """What is wrong with a file that begins with `WORDS`."""
    return lambda text: [str(each) for each in problems(WORDS + text)]


def values(results: dict[str, Result]) -> dict[str, Any]:
    """What was computed, by column."""
    return {name: value for each in results.values() for name, value in each.fields.items()}


def titles(table: TableDescription) -> dict[str, str]:
    """Of each variable."""
    return {each.name: each.title for each in table.variables}


# Today's dialect: names


def test_a_group_is_called_as_it_is_assigned(described: Callable[[str], TableDescription]) -> None:
    """Or as its ``name=`` says, which may have dots in it."""
    table = described(
        """
xgm_sa2 = Xgm(offset=1.5, tags=["SA2"])
other = Xgm(name="beam.xgm_sa3", title="XGM SA3")
"""
    )

    assert titles(table) == {
        "xgm_sa2.energy": "Xgm sa2/Energy",
        "xgm_sa2.corrected": "Xgm sa2/Corrected",
        "beam.xgm_sa3.energy": "XGM SA3/Energy",
        "beam.xgm_sa3.corrected": "XGM SA3/Corrected",
    }
    assert table.variable("xgm_sa2.energy").tags == ("SA2", "beam")
    assert table.variable("beam.xgm_sa3.corrected").tags == ("XGM",)


BEAM = """
@Group
class Beam:
    xgm: Xgm
    factor: float = 2.0

    @Variable
    def scaled(self, run, energy: "self#xgm.corrected"):
        return energy * self.factor
"""


def test_a_group_in_a_group_has_the_way_to_it_as_its_name(filled: Filled) -> None:
    """It has no name of its own, so there is no other."""
    results = filled(BEAM + "beam = Beam(xgm=Xgm(offset=1.0))\n")

    assert values(results) == {
        "beam.xgm.energy": 10.0, "beam.xgm.corrected": 11.0, "beam.scaled": 22.0,
    }  # fmt: skip


def test_a_group_with_a_name_lies_at_the_top_wherever_it_is_held(filled: Filled) -> None:
    """As in DAMNIT: the name says all of it."""
    results = filled(BEAM + 'beam = Beam(xgm=Xgm(name="xgm_hed", offset=1.0))\n')

    assert values(results) == {
        "xgm_hed.energy": 10.0, "xgm_hed.corrected": 11.0, "beam.scaled": 22.0,
    }  # fmt: skip


def test_a_group_that_several_hold_is_computed_once(filled: Filled) -> None:
    """Under its shortest name: that at the top of the file."""
    results = filled(
        BEAM
        + """
@Group
class Hall:
    beam: Beam
    xgm: Xgm

    @Variable
    def both(self, run, scaled: "self#beam.scaled", deep: "self#beam.xgm.energy"):
        return [scaled, deep, self.xgm.corrected, self.beam.xgm.corrected]

xgm = Xgm(offset=1.0)
hall = Hall(beam=Beam(xgm=xgm, factor=3.0), xgm=xgm)
"""
    )

    assert values(results) == {
        "xgm.energy": 10.0, "xgm.corrected": 11.0, "hall.beam.scaled": 33.0,
        "hall.both": [33.0, 10.0, 11.0, 11.0],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "g = Xgm()\nalias = g\n",
            "one group is called both 'g' and 'alias', so its columns have no single name. "
            "Give it a name, as in name='g'.",
        ),
        (
            BEAM + "shared = [Xgm()]\na = Beam(xgm=shared[0])\nb = Beam(xgm=shared[0])\n",
            "one group is called both 'a.xgm' and 'b.xgm'",
        ),
        (
            'a = Xgm(name="dup")\nb = Xgm(name="dup", title="B")\n',
            "there are two groups called 'dup'. Give one of them another name=.",
        ),
        ("@Group\nclass Bad:\n    sep: str\n", "Bad defines sep, which every group has already"),
        ('@Group\nclass Bad:\n    tags = ["no"]\n', "Bad defines tags, which every group has"),
        (
            BEAM + "beam = Beam(xgm=Xgm())\n@Variable\ndef x(run, y: 'var#beam.xgm.enrgy'): ...\n",
            "Did you mean 'beam.xgm.energy'?",
        ),
        (
            BEAM.replace("self#xgm.corrected", "self#xgm.corected") + "beam = Beam(xgm=Xgm())\n",
            "Did you mean 'xgm.corrected'?",
        ),
        (
            BEAM.replace("self#xgm.corrected", "self#factor.corrected") + "b = Beam(xgm=Xgm())\n",
            "b.scaled asks for 'self#factor.corrected', which is not there",
        ),
        (
            "@Group\nclass Loop:\n    other: object = None\n    @Variable\n"
            '    def v(self, run, x: "self#other.v"): ...\n'
            "a = Loop()\nb = Loop(other=a)\na.other = b\n",
            "variables wait for each other",
        ),
        (
            "@Group\nclass Two:\n    v: object\n    @Variable\n"
            '    def w(self, run, x: "self#v"): ...\n'
            "two = Two(v=Xgm().energy)\n",
            "two.v is given a variable that is not in this table",
        ),
    ],
)
def test_what_is_wrong_with_groups_is_told(
    faults: Callable[[str], list[str]], text: str, message: str
) -> None:
    """Before anything runs, and with the remedy."""
    assert any(message in each for each in faults(text))


def test_an_alias_with_a_name_is_no_problem(filled: Filled) -> None:
    """The name says which of both counts."""
    results = filled('g = Xgm(name="xgm")\nalias = g\n')

    assert values(results) == {"xgm.energy": 10.0, "xgm.corrected": 10.0}


# Today's dialect: what a group is given


def test_a_group_is_given_variables(filled: Filled) -> None:
    """Of the file or of another group; they are computed where they stand."""
    results = filled(
        """
@Variable
def base(run):
    return 1

@Group
class Next:
    value: Variable

    @Variable
    def one_more(self, run, before: "self#value"):
        return before + 1

    @Variable
    def plain(self, run):
        return 100 + self.value

a = Next(value=base)
b = Next(value=a.one_more)

@Group
class Far:
    of: Next
    from_the_start: Variable = base

    @Variable
    def default(self, run, value: "self#from_the_start"):
        return value + self.from_the_start

    @Variable
    def read(self, run, deep: "self#of.value"):
        return deep

far = Far(of=b)
"""
    )

    assert values(results) == {
        "base": 1, "a.one_more": 2, "a.plain": 101,
        "b.one_more": 3, "b.plain": 102, "far.read": 2, "far.default": 2,
    }  # fmt: skip


def test_what_a_group_was_not_given_skips_what_needs_it(filled: Filled) -> None:
    """And its readers, each with the reason; a default is used instead."""
    results = filled(
        """
@Group
class Monitor:
    upstream: Xgm | None = None
    value: Variable | None = None

    @Variable
    def needs(self, run, energy: "self#upstream.energy"): return energy

    @Variable
    def reads(self, run, needs: "self#needs"): return needs

    @Variable
    def may_do_without(self, run, energy: "self#upstream.energy" = 42): return energy

    @Variable
    def needs_value(self, run, value: "self#value"): return value

    @Variable
    def alone(self, run): return 1

monitor = Monitor()
"""
    )

    assert values(results) == {"monitor.may_do_without": 42, "monitor.alone": 1}
    assert results["monitor.needs"].outcome == "skipped"
    assert results["monitor.needs"].problem is not None
    assert results["monitor.needs"].problem.message == (
        "self.upstream is None, so there is no upstream.energy"
    )
    assert results["monitor.reads"].outcome == "skipped"
    assert results["monitor.needs_value"].outcome == "skipped"


def test_a_pattern_means_variables_of_the_same_group(filled: Filled) -> None:
    """Or of one that it was given, wherever that lies."""
    results = filled(
        BEAM
        + """
@Group
class Sums:
    beam: Beam

    @Variable
    def part_a(self, run): return 1

    @Variable
    def part_b(self, run): return 2

    @Variable
    def own(self, run, parts: "self#part_*"): return sum(parts.values())

    @Variable
    def others(self, run, parts: "self#beam.xgm.*"): return sorted(parts)

xgm = Xgm()
sums = Sums(beam=Beam(xgm=xgm))
"""
    )

    assert values(results)["sums.own"] == 3
    assert values(results)["sums.others"] == ["xgm.corrected", "xgm.energy"]


def test_parameters_are_of_any_kind(filled: Filled) -> None:
    """With the words of dataclasses, and what is worked out after they are set."""
    results = filled(
        """
from dataclasses import field

@Group
class Kinds:
    several: list = field(default_factory=list)
    pair: tuple = (1, 2)

    def __post_init__(self):
        self.count = len(self.several) + len(self.pair)

    def _helper(self):
        return self.count * 10

    @Variable
    def total(self, run):
        return self._helper() + sum(self.several)

kinds = Kinds(several=[3, 4])
"""
    )

    assert values(results) == {"kinds.total": 47}


# Today's dialect: inheritance


def test_a_decorated_subclass_keeps_variables_fields_and_tags(
    described: Callable[[str], TableDescription],
) -> None:
    """Tags that it is given take the place of its parent's."""
    table = described(
        """
@Group
class Better(Xgm):
    factor: float = 1.0

    @Variable
    def scaled(self, run, corrected: "self#corrected"): return corrected * self.factor

@Group(tags="ALT")
class Other(Xgm):
    pass

class Mixin:
    @Variable
    def mixed(self, run): return 1

@Group
class Mixed(Mixin, Xgm):
    pass

better = Better(offset=2.0)
other = Other()
mixed = Mixed()
"""
    )

    assert {each.name for each in table.variables} == {
        "better.energy", "better.corrected", "better.scaled",
        "other.energy", "other.corrected", "mixed.energy", "mixed.corrected", "mixed.mixed",
    }  # fmt: skip
    assert table.variable("better.scaled").tags == ("XGM",)
    assert table.variable("other.energy").tags == ("ALT", "beam")


# The older dialect


def test_a_title_stands_above_the_class_or_comes_first(
    described: Callable[[str], TableDescription],
) -> None:
    """With a separator of its own; parameters may be given by position, too."""
    table = described(
        """
@Group(title="Detector", tags="DET", sep=" | ")
class Detector:
    name_of_it: str = "AGIPD"
    gain: int = 1

    @Variable(title="Photons")
    def photons(self, run): return 1

first = Detector()
second = Detector("AGIPD 4M", "AGIPD")
third = Detector(title="Third", gain=2)

@Group
class Needy:
    device: str
    number: int

    @Variable
    def v(self, run): return self.number

needy = Needy("SOURCE", 2)
titled = Needy("Titled", "SOURCE", number=3)
numbered = Needy(5, number=4)
"""
    )

    assert titles(table) == {
        "first.photons": "Detector | Photons",
        "second.photons": "AGIPD 4M | Photons",
        "third.photons": "Third | Photons",
        "needy.v": "Needy/V",
        "titled.v": "Titled/V",
        "numbered.v": "Numbered/V",
    }


def test_a_subclass_that_is_not_decorated_inherits_title_and_tags(filled: Filled) -> None:
    """With fields, which can be given as those of the parent; what is written anew wins."""
    results = filled(
        """
@Group(title="Base", tags="BASE")
class Base:
    value: int = 1

    @Variable
    def step(self, run): return self.value

class Child(Base):
    more: int = 40

    @Variable
    def next_step(self, run, step: "self#step"): return step + self.more

class Other(Base):
    @Variable
    def step(run): return "overridden"

@Group(title="Grand")
class GrandChild(Child):
    pass

child = Child(value=2, tags=["own"])
default = Child(name="default", title="Default")
other = Other(title="Other")
grand = GrandChild(more=0)
"""
    )

    assert values(results) == {
        "child.step": 2, "child.next_step": 42,
        "default.step": 1, "default.next_step": 41,
        "other.step": "overridden", "grand.step": 1, "grand.next_step": 1,
    }  # fmt: skip


def test_title_and_tags_are_inherited_or_decorated_anew(
    described: Callable[[str], TableDescription],
) -> None:
    """A class that was decorated with a title speaks for itself and its undecorated children."""
    table = described(
        """
@Group(title="A", tags="A")
class A:
    @Variable
    def v(self, run): return 1

class B(A):
    @Variable(tags="own")
    def w(self, run): return 2

@Group
class C(A):
    pass

@Group(tags="D")
class D(B):
    pass

b = B()
c = C()
d = D()
"""
    )

    assert titles(table) == {
        "b.v": "A/V", "b.w": "A/W", "c.v": "C/V", "d.v": "D/V", "d.w": "D/W",
    }  # fmt: skip
    assert table.variable("b.w").tags == ("A", "own")
    assert table.variable("c.v").tags == ()
    assert table.variable("d.w").tags == ("D", "own")


def test_members_without_a_type_are_parts_of_each_instance(filled: Filled) -> None:
    """Two halls have two monitors, though the class was written with one."""
    results = filled(
        """
@Group
class Hall:
    xgm = Xgm("XGM", offset=1.0)
    spare: Xgm = Xgm(name="extra", offset=2.0)
    factor: float = 1.0

    @Variable(title="Total")
    def total(self, run, a: "self#xgm.corrected", b: "self#spare.corrected"):
        return self.factor * (a + b)

one = Hall("One")
two = Hall("Two", factor=2.0)
"""
    )

    assert values(results) == {
        "one.xgm.energy": 10.0, "one.xgm.corrected": 11.0,
        "one.extra.energy": 10.0, "one.extra.corrected": 12.0, "one.total": 23.0,
        "two.xgm.energy": 10.0, "two.xgm.corrected": 11.0,
        "two.extra.energy": 10.0, "two.extra.corrected": 12.0, "two.total": 46.0,
    }  # fmt: skip


def test_a_whole_file_of_the_older_dialect(filled: Filled, loaded: Loaded) -> None:
    """Groups had no name to be given then, so that a field could be called `name`."""
    text = """
@Group(title="DET", sep=" > ")
class Detector:
    name: str = "LPD"

    @Variable(title="Photons")
    def photons(self, run):
        return len(self.name)

@Group(title="MID Diag", tags=["Diag"], sep=" - ")
class Diagnostics:
    xgm: Xgm = None
    agipd = Detector(title="AGIPD", name="AGIPD1M")

    @Variable(title="Photons per energy")
    def ratio(self, run, photons: "self#agipd.photons", energy: "self#xgm.corrected"):
        return photons / energy

mid = Diagnostics(xgm=Xgm(title="XGM SA2", offset=4.0, tags=["SA2"]))
lpd = Detector("LPD 500K")
"""

    assert values(filled(text)) == {
        "mid.xgm.energy": 10.0, "mid.xgm.corrected": 14.0, "mid.agipd.photons": 7,
        "mid.ratio": 0.5, "lpd.photons": 3,
    }  # fmt: skip
    table = loaded(WORDS + text).tables["runs"].description
    assert table.variable("mid.agipd.photons").title == "MID Diag - AGIPD > Photons"
    assert table.variable("mid.xgm.energy").title == "MID Diag - XGM SA2/Energy"
    assert table.variable("mid.xgm.energy").tags == ("Diag", "SA2", "beam")


def test_instances_may_share_the_title_of_their_class(
    filled: Filled, loaded: Loaded, problems: Problems
) -> None:
    """DAMNIT computes such a file; nobody wrote the same title twice, so it is only told."""
    text = """
@Group(title="Shared")
class Shared:
    base: int = 0

    @Variable(title="Value")
    def value(self, run):
        return self.base

one = Shared(base=1)
two = Shared(base=2)
"""
    assert values(filled(text)) == {"one.value": 1, "two.value": 2}
    notes = loaded(WORDS + text).description.notes
    (note,) = [each for each in notes if "title" in each.message]
    assert note.is_note
    assert "two.value and one.value have the same title 'Shared/Value'" in note.message

    found = problems(WORDS + 'one = Xgm(title="X")\ntwo = Xgm(title="X", offset=1)')
    assert not any(each.is_note for each in found)


# In run classes


def test_run_classes_take_both_dialects(filled: Filled) -> None:
    """The same groups, read through `self` as well."""
    results = filled(
        BEAM
        + """
from knockoff import Run

shared = Xgm(offset=5.0)

class Detector(Xgm):
    pass

class Runs(Run):
    xgm = shared
    beam = Beam(xgm=shared, factor=3.0)
    agipd = Detector("AGIPD")

    @Variable
    def base(self, data): return 1

    @Variable
    def total(self):
        return self.beam.scaled + self.xgm.energy + self.agipd.energy + self.beam.xgm.offset
"""
    )

    assert values(results) == {
        "xgm.energy": 10.0, "xgm.corrected": 15.0, "beam.scaled": 45.0,
        "agipd.energy": 10.0, "agipd.corrected": 10.0, "base": 1, "total": 70.0,
    }  # fmt: skip


def test_a_group_in_a_run_class_is_given_variables_of_the_class(filled: Filled) -> None:
    """Whichever way they are written."""
    results = filled(
        """
from typing import Annotated, Any
from knockoff import Run

@Group
class Twice:
    of: Any

    @Variable
    def value(self) -> int: return 2 * self.of

class Runs(Run):
    @Variable
    def one(self, data) -> int: return 1

    def two(self, data) -> Annotated[int, Variable]: return 2

    a = Twice(of=one)
    b = Twice(of=two)
    c = Twice(of=b.value)
"""
    )

    assert values(results) == {"one": 1, "two": 2, "a.value": 2, "b.value": 4, "c.value": 8}


def test_the_code_of_a_variable_changes_with_what_its_group_is_given(loaded: Loaded) -> None:
    """Else the old value would stand under the new link."""
    text = WORDS + BEAM + "one = Xgm()\ntwo = Xgm(title='Two')\nbeam = Beam(xgm={})\n"

    codes = {
        name: loaded(text.format(name)).tables["runs"].description.variable("beam.scaled").code
        for name in ("one", "two")
    }

    assert codes["one"] != codes["two"]


def test_a_link_follows_what_a_derived_class_replaced(loaded: Loaded) -> None:
    """The group is inherited as it is written: it reads the column of that name."""
    context = loaded("""
from typing import Any
from knockoff import Group, Run, Variable

@Group
class Xgm:
    device: str

    @Variable
    def energy(self, data): ...

@Group
class Sample:
    energy: Any
    offset: Any

    @Variable
    def dose(self): return self.energy + self.offset

class Runs(Run):
    xgm = Xgm(device="A")

    @Variable
    def offset(self): return 1

    sample = Sample(energy=xgm.energy, offset=offset)

class Others(Runs):
    xgm = Xgm(device="B")

    @Variable
    def offset(self): return 2
""")

    for table in context.tables.values():
        assert table.description.variable("sample.dose").reads == ("xgm.energy", "offset")
