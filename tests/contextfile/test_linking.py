"""Names in a context file are looked up: what reads what, in which order, on which data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from knockoff.contextfile.description import TableDescription, VariableDescription
    from knockoff.contextfile.loading import Context
    from knockoff.contextfile.problems import Problem

    Loaded = Callable[[str], Context]
    Problems = Callable[[str], tuple[Problem, ...]]
    Described = Callable[[str], TableDescription]

WORDS = """
from typing import Annotated, Any
from knockoff import (
    Editable, Group, Insert, Run, Source, Update, Variable, after_event, before_event,
)
"""


@pytest.fixture
def described(loaded: Loaded) -> Described:
    """The first table of a file with this text, below the usual imports."""

    def describe(text: str) -> TableDescription:
        return next(iter(loaded(WORDS + text).tables.values())).description

    return describe


@pytest.fixture
def faults(problems: Problems) -> Callable[[str], tuple[Problem, ...]]:
    """What is wrong with a file with this text, below the usual imports."""
    return lambda text: problems(WORDS + text)


def variable(table: TableDescription, name: str) -> VariableDescription:
    """A variable by its dotted name."""
    return table.variable(name)


# Reading self.x is a dependency


def test_reading_self_is_a_dependency(described: Described) -> None:
    """Written anywhere in the body, also in a comprehension, a nested function or an f-string."""
    table = described(
        """
class Runs(Run):
    @Variable
    def total(self) -> float:
        def inner() -> float:
            return self.a
        return inner() + sum(self.b for _ in range(2)) + len(f"{self.c}") + getattr(self, "d")

    @Variable
    def a(self, data) -> float:
        return 1.0

    @Variable
    def b(self, data) -> float:
        return 1.0

    @Variable
    def c(self, data) -> float:
        return 1.0

    @Variable
    def d(self, data) -> float:
        return 1.0
"""
    )

    assert set(variable(table, "total").reads) == {"a", "b", "c", "d"}
    assert [each.name for each in table.variables] == ["a", "b", "c", "d", "total"]
    assert variable(table, "total").place == 0


def test_a_plain_method_reads_for_whoever_calls_it(described: Described) -> None:
    """Also a property, and a method that calls another."""
    table = described(
        """
class Runs(Run):
    @Variable
    def a(self, data) -> float:
        return 1.0

    @Variable
    def b(self) -> float:
        return self.doubled() + self.as_property

    def doubled(self) -> float:
        return 2 * self.once_more()

    def once_more(self) -> float:
        return self.a

    @property
    def as_property(self) -> float:
        return self.threshold

    threshold: Annotated[float, Editable] = 1.0
"""
    )

    assert variable(table, "b").reads == ("a",)
    assert variable(table, "b").fields_read == ("threshold",)


def test_a_method_that_calls_itself_is_no_problem(described: Described) -> None:
    """Recursion is Python's business, and looking for names must end."""
    table = described(
        """
class Runs(Run):
    @Variable
    def a(self, data) -> int:
        return self.countdown(3)

    def countdown(self, n: int) -> int:
        return self.countdown(n - 1) if n else 0
"""
    )

    assert variable(table, "a").reads == ()


def test_fields_that_are_read_are_known(described: Described) -> None:
    """An edit of one makes due what reads it, and nothing else."""
    table = described(
        """
class Runs(Run):
    threshold: Annotated[float, Editable(title="Hit threshold", units="mV")] = 0.5

    @Variable
    def hits(self, data) -> float:
        return self.threshold

    @Variable
    def label(self, data) -> str:
        return f"{self.run} {self.comment}"
"""
    )

    assert variable(table, "hits").fields_read == ("threshold",)
    assert variable(table, "label").fields_read == ("run", "comment")
    (field,) = table.fields
    assert (field.name, field.title, field.units) == ("threshold", "Hit threshold", "mV")
    assert (field.default, field.editable, field.schema) == (0.5, True, {"type": "number"})


def test_a_misspelt_name_is_told_with_the_one_that_was_meant(
    faults: Callable[[str], tuple[Problem, ...]],
) -> None:
    """At the place in the source, before anything runs."""
    (problem,) = faults(
        """
class Runs(Run):
    @Variable
    def hits(self, data) -> int:
        return 1

    @Variable
    def rate(self) -> float:
        return self.hit / 2
"""
    )

    assert (problem.line, problem.column) == (14, 16)
    assert problem.message == "rate reads self.hit, which is not there."
    assert problem.remedy == "Did you mean 'hits'?"


# Parameters


def test_marks_are_dependencies_and_a_default_makes_one_optional(described: Described) -> None:
    """What has no value then skips the variable, or leaves it its default."""
    table = described(
        """
class Runs(Run):
    @Variable
    def first(self, data) -> int:
        return 1

    @Variable
    def second(self, data) -> int:
        return 2

    @Variable
    def both(
        self,
        one: Annotated[int, "var#first"],
        two: Annotated[int, "self#second"] = 0,
        three: Annotated[int, "var#nowhere"] = 0,
    ) -> int:
        return one + two + three
"""
    )

    assert variable(table, "both").reads == ("first",)
    assert variable(table, "both").may_read == ("second",)


def test_a_pattern_means_all_that_match(described: Described) -> None:
    """As in DAMNIT, they are given as a dict."""
    table = described(
        """
class Runs(Run):
    @Variable
    def xgm_a(self, data) -> int:
        return 1

    @Variable
    def xgm_b(self, data) -> int:
        return 2

    @Variable
    def total(self, monitors: Annotated[dict[str, int], "var#xgm_*"]) -> int:
        return sum(monitors.values())
"""
    )

    assert variable(table, "total").reads == ()
    assert variable(table, "total").may_read == ("xgm_a", "xgm_b")


def test_a_parameter_that_nothing_fills_is_a_problem(
    faults: Callable[[str], tuple[Problem, ...]],
) -> None:
    """Only one parameter can be the run's data."""
    (problem,) = faults(
        """
class Runs(Run):
    @Variable
    def a(self, data, other) -> int:
        return 1
"""
    )

    assert "'other' of a" in problem.message
    assert '"var#other"' in problem.remedy


# Groups


GROUPS = """
@Group(tags=["XGM"])
class Xgm:
    device: str
    offset: float = 0.0

    def pulse_energy(self, data) -> Annotated[float, Variable(units="uJ", tags="energy")]:
        return 1.0

    def corrected(self) -> Annotated[float, Variable]:
        return self.pulse_energy + self.offset

@Group(title="Beam", sep=" - ")
class Beam:
    monitor: Xgm
    spare = Xgm(device="S")

    @Variable(title="Sum")
    def total(self) -> float:
        return self.monitor.corrected + self.spare.corrected
"""


def test_each_use_of_a_group_has_columns_of_its_own(described: Described) -> None:
    """With its titles, tags and parameters; one reads the other of the same instance."""
    table = described(
        GROUPS
        + """
class Runs(Run):
    sa2 = Xgm(title="XGM SA2", device="A", offset=1.1, tags="SASE2")
    sa3 = Xgm(device="B")

    @Variable
    def ratio(self) -> float:
        return self.sa2.corrected / self.sa3.corrected
"""
    )

    assert {each.name for each in table.variables} == {
        "sa2.pulse_energy", "sa2.corrected", "sa3.pulse_energy", "sa3.corrected", "ratio",
    }  # fmt: skip
    assert variable(table, "sa2.corrected").reads == ("sa2.pulse_energy",)
    assert variable(table, "ratio").reads == ("sa2.corrected", "sa3.corrected")
    assert variable(table, "sa2.pulse_energy").title == "XGM SA2/Pulse energy"
    assert variable(table, "sa3.pulse_energy").title == "Sa3/Pulse energy"
    assert variable(table, "sa2.pulse_energy").tags == ("SASE2", "energy")
    assert variable(table, "sa3.pulse_energy").tags == ("XGM", "energy")


def test_groups_hold_groups(described: Described) -> None:
    """As a parameter, or in the class body; each with its way as its name."""
    table = described(
        GROUPS
        + """
class Runs(Run):
    beam = Beam(monitor=Xgm(device="M"))
"""
    )

    assert variable(table, "beam.total").reads == ("beam.monitor.corrected", "beam.spare.corrected")
    assert variable(table, "beam.total").title == "Beam - Sum"
    assert variable(table, "beam.monitor.corrected").reads == ("beam.monitor.pulse_energy",)


def test_a_group_inherits(described: Described) -> None:
    """A derived group has the variables of the first, with its own in place of theirs."""
    table = described(
        GROUPS
        + """
@Group
class Better(Xgm):
    factor: float = 2.0

    @Variable
    def corrected(self) -> float:
        return self.pulse_energy * self.factor

class Runs(Run):
    xgm = Better(device="A")
"""
    )

    assert [each.name for each in table.variables] == ["xgm.pulse_energy", "xgm.corrected"]
    assert variable(table, "xgm.corrected").reads == ("xgm.pulse_energy",)


def test_a_run_class_inherits(loaded: Loaded) -> None:
    """What two tables have in common is written once."""
    context = loaded(
        WORDS
        + """
class Common(Run):
    @Variable
    def trains(self, data) -> int:
        return 1

class Spectra(Common):
    @Variable
    def rate(self) -> float:
        return self.trains / 10
"""
    )

    spectra = context.tables["spectra"].description
    assert [each.name for each in spectra.variables] == ["trains", "rate"]


def test_a_class_that_is_no_table_lends_its_variables(described: Described, folder: Path) -> None:
    """Also one from a module beside the context file."""
    (folder / "lending.py").write_text(
        """
from knockoff import Variable

class Timing:
    @Variable
    def delay(self, data) -> float:
        return 1.0
"""
    )
    table = described(
        """
import lending

class Counting:
    @Variable
    def trains(self, data) -> int:
        return 1

class Runs(Counting, lending.Timing, Run):
    @Variable
    def rate(self) -> float:
        return self.trains * self.delay
"""
    )

    assert {each.name for each in table.variables} == {"trains", "delay", "rate"}
    assert variable(table, "rate").reads == ("trains", "delay")


# Order, circles, promotion


def test_a_circle_is_named(faults: Callable[[str], tuple[Problem, ...]]) -> None:
    """From variable to variable, through groups too."""
    (problem,) = faults(
        """
@Group
class Monitor:
    @Variable
    def b(self, c: Annotated[int, "var#c"]) -> int:
        return c

class Runs(Run):
    monitor = Monitor()

    @Variable
    def a(self) -> int:
        return self.monitor.b

    @Variable
    def c(self) -> int:
        return self.a
"""
    )

    assert problem.message.startswith("variables wait for each other: ")
    around = problem.message.partition(": ")[2].partition(".")[0]
    assert "a" in around
    assert problem.message.count(" → ") == 3


def test_what_reads_corrected_data_waits_for_it(described: Described) -> None:
    """And whoever reads that in turn; what is on the cluster draws its readers there."""
    table = described(
        """
class Runs(Run):
    @Variable(data="proc", cluster=True)
    def image(self, data) -> float:
        return 1.0

    @Variable
    def hits(self) -> float:
        return self.image

    @Variable
    def rate(self) -> float:
        return self.hits

    @Variable
    def other(self, data) -> float:
        return 1.0
"""
    )

    assert {each.name: (each.data, each.cluster) for each in table.variables} == {
        "image": ("proc", True),
        "hits": ("proc", True),
        "rate": ("proc", True),
        "other": ("raw", False),
    }


def test_a_raw_variable_that_reads_corrected_data_is_a_problem(
    faults: Callable[[str], tuple[Problem, ...]],
) -> None:
    """Whoever wrote data="raw" meant it."""
    (problem,) = faults(
        """
class Runs(Run):
    @Variable(data="proc")
    def image(self, data) -> float:
        return 1.0

    @Variable(data="raw")
    def hits(self) -> float:
        return self.image
"""
    )

    assert problem.message == "hits has data='raw' but reads image, which needs proc."


def test_what_runs_before_the_event_cannot_read_what_runs_after(
    faults: Callable[[str], tuple[Problem, ...]],
) -> None:
    """It would always be too early."""
    (problem,) = faults(
        """
class Runs(Run):
    @Variable
    def late(self, data) -> float:
        return 1.0

    @Variable(direction=before_event)
    def early(self) -> float:
        return self.late
"""
    )

    assert "early runs before the event but reads late" in problem.message


def test_what_runs_before_the_event_comes_first(described: Described) -> None:
    """Beanie's own words are understood, stacked above the method or in the decorator."""
    table = described(
        """
class Runs(Run):
    @Variable
    def late(self, data) -> float:
        return 1.0

    @Variable(event=Insert, direction=before_event)
    def early(self, data) -> float:
        return 1.0

    @before_event(Insert)
    def earlier(self, data) -> Annotated[float, Variable]:
        return 1.0
"""
    )

    assert [(each.name, each.direction, each.events) for each in table.variables] == [
        ("early", "before", ("Insert",)),
        ("earlier", "before", ("Insert",)),
        ("late", "after", ("Insert", "Update")),
    ]


# Plain hooks


def test_a_hook_fills_the_fields_that_it_assigns(described: Described) -> None:
    """So that whoever reads one of them waits for the hook."""
    table = described(
        """
class Runs(Run):
    foo: int | None = None
    bop: str

    @before_event(Insert)
    def start(self):
        self.foo = 1
        self.finish()

    def finish(self):
        self.bop = "x"

    @Variable(direction=before_event)
    def length(self) -> int:
        return len(self.bop)
"""
    )

    assert variable(table, "start").hook
    assert variable(table, "start").outputs == ("foo", "bop")
    assert variable(table, "length").reads == ("start",)
    assert [field.name for field in table.fields] == ["foo", "bop"]


def test_a_hook_that_only_reads_and_writes_one_field_does_not_wait_for_itself(
    described: Described,
) -> None:
    """Counting up in a hook is common in Beanie."""
    table = described(
        """
class Runs(Run):
    seen: int = 0

    @after_event(Update)
    def count_up(self):
        self.seen += 1
"""
    )

    assert variable(table, "count_up").outputs == ("seen",)
    assert variable(table, "count_up").reads == ()
    assert variable(table, "count_up").fields_read == ()


LOST = """
@Group
class Monitor:
    @Variable
    def energy(self, data) -> float:
        return 1.0

class Runs(Run):
    monitor = Monitor()
    label: str
    limit: Annotated[float, Editable] = 1.0
    _cache: int = 0

    @Variable
    def hits(self, data) -> int:
        self._cache = 1
        return 1
"""


@pytest.mark.parametrize(
    ("method", "message", "remedy"),
    [
        (
            "@Variable\n    def a(self, data) -> int:\n        self.label = 'x'",
            "a assigns self.label, which is lost",
            "Return it",
        ),
        (
            "@Variable\n    def a(self, data) -> int:\n        self.hits += 1",
            "a assigns self.hits, which is lost",
            "Return it",
        ),
        (
            "@after_event(Insert)\n    def a(self):\n        self.hits = 3",
            "a assigns self.hits, which the variable of that name computes",
            "another name",
        ),
        (
            "@after_event(Insert)\n    def a(self):\n        self.comment = 'x'",
            "a assigns self.comment, which is not the context file's to fill",
            "a field of your own",
        ),
        (
            "@after_event(Insert)\n    def a(self):\n        self.labl = 'x'",
            "a assigns self.labl, and the class has no such field",
            "labl: str",
        ),
    ],
)
def test_an_assignment_that_would_be_lost_is_told(
    faults: Callable[[str], tuple[Problem, ...]], method: str, message: str, remedy: str
) -> None:
    """At its place in the source: nothing that people write is dropped without a word."""
    (problem,) = faults(f"{LOST}\n    {method}\n")

    assert problem.message.startswith(message)
    assert remedy in problem.remedy
    assert problem.line > 20
    assert problem.column == 9


def test_a_hook_in_a_group_is_told(faults: Callable[[str], tuple[Problem, ...]]) -> None:
    """A group has no fields that it could fill."""
    (problem,) = faults(
        """
@Group
class Monitor:
    @after_event(Insert)
    def fill(self):
        pass

class Runs(Run):
    monitor = Monitor()

    @Variable
    def hits(self, data) -> int:
        return 1
"""
    )

    assert problem.message == "monitor.fill is a hook in a group, which has no fields to fill."


def test_what_is_heavy_runs_last_with_all_that_depends_on_it(described: Described) -> None:
    """So that no quick number waits an hour for a heavy one it has nothing to do with."""
    table = described(
        """
class Runs(Run):
    @Variable(cluster=True)
    def heavy(self, data) -> int:
        return 1

    @Variable
    def of_heavy(self, x: Annotated[int, "var#heavy"] = 0) -> int:
        return x

    @Variable
    def light(self, data) -> int:
        return 1

    @Variable
    def of_light(self) -> int:
        return self.light
"""
    )

    assert [each.name for each in table.variables] == ["light", "of_light", "heavy", "of_heavy"]


# Other tables of the same file


SPECTRA = """
@Group
class Monitor:
    @Variable(data="proc", cluster=True)
    def energy(self, data) -> float:
        return 1.0

class SpectrumRuns(Run):
    gain: Annotated[float, Editable] = 1.0
    label: str | None = None
    xgm = Monitor()

    @Variable
    def energy(self, data) -> float:
        return 1.0

    @Variable(transient=True)
    def helper(self, data) -> float:
        return 1.0

    @after_event(Insert)
    def name_it(self):
        self.label = "x"

"""


def reading(mark: str, *, more: str = "", decorator: str = "@Variable") -> str:
    """A class whose variable `x` asks for `mark`, above the class that it reads."""
    method = f"    {decorator}\n    def x(self, value: Annotated[Any, '{mark}']) -> float:\n"
    return f"class Runs(Run):\n{method}        return 1.0\n{more}\n{SPECTRA}"


def test_a_mark_may_name_a_column_of_another_class(described: Described) -> None:
    """Whichever class comes first, and also of a group there."""
    plain = variable(described(reading("var#SpectrumRuns.energy")), "x")
    grouped = variable(described(reading("var#SpectrumRuns.xgm.energy")), "x")
    pattern = variable(described(reading("var#SpectrumRuns.*energy")), "x")

    assert plain.reads_elsewhere == ("spectrum_runs/energy",)
    assert plain.reads == plain.may_read == plain.fields_elsewhere == ()
    assert grouped.reads_elsewhere == ("spectrum_runs/xgm.energy",)
    assert set(pattern.reads_elsewhere) == {*plain.reads_elsewhere, *grouped.reads_elsewhere}


def test_corrected_data_and_the_cluster_draw_readers_in_other_tables(described: Described) -> None:
    """As within one table: what reads waits for as much as what is read."""
    grouped = variable(described(reading("var#SpectrumRuns.xgm.energy")), "x")
    plain = variable(described(reading("var#SpectrumRuns.energy")), "x")

    assert (grouped.data, grouped.cluster) == ("proc", True)
    assert (plain.data, plain.cluster) == ("raw", False)


def test_a_field_of_another_class_is_read_with_the_hook_that_fills_it(described: Described) -> None:
    """Typed by people or filled by a hook: both are columns."""
    typed = variable(described(reading("var#SpectrumRuns.gain")), "x")
    filled = variable(described(reading("var#SpectrumRuns.label")), "x")

    assert (typed.fields_elsewhere, typed.reads_elsewhere) == (("spectrum_runs/gain",), ())
    assert filled.fields_elsewhere == ("spectrum_runs/label",)
    assert filled.reads_elsewhere == ("spectrum_runs/name_it",)


def test_a_class_may_name_itself_and_a_default_makes_another_one_optional(
    described: Described,
) -> None:
    """A method that two tables inherit says in each the same."""
    own = described(
        "class Runs(Run):\n"
        "    @Variable\n    def a(self, data) -> int:\n        return 1\n\n"
        "    @Variable\n    def b(self, a: Annotated[int, 'var#Runs.a'],"
        " c: Annotated[int, 'var#SpectrumRuns.energy'] = 1,"
        " d: Annotated[int, 'var#SpectrumRuns.nowhere'] = 1) -> int:\n        return a\n" + SPECTRA
    )

    assert variable(own, "b").reads == ("a",)
    assert variable(own, "b").reads_elsewhere == ()
    assert variable(own, "b").may_read_elsewhere == ("spectrum_runs/energy",)


@pytest.mark.parametrize(
    ("mark", "message", "remedy"),
    [
        (
            "var#SpectrumRuns.enrgy",
            "x asks for 'var#SpectrumRuns.enrgy', which SpectrumRuns does not have.",
            "Did you mean 'energy'?",
        ),
        (
            "var#SpectrumRun.energy",
            "x asks for 'var#SpectrumRun.energy', which is not there.",
            "Did you mean 'SpectrumRuns.energy'?",
        ),
        (
            "var#SpectrumRuns.zzz*",
            "x asks for 'var#SpectrumRuns.zzz*', which SpectrumRuns does not have.",
            "There are energy, gain, helper, label, xgm.energy.",
        ),
        (
            "var#SpectrumRuns.helper",
            "x reads SpectrumRuns.helper, which is transient",
            "Take transient=True off SpectrumRuns.helper.",
        ),
    ],
)
def test_what_is_not_in_the_other_class_is_told_with_what_is(
    mark: str, message: str, remedy: str, faults: Callable[[str], tuple[Problem, ...]]
) -> None:
    """The class or the column may be misspelt; the nearest name has both."""
    (problem,) = faults(reading(mark))

    assert problem.message.startswith(message)
    assert problem.remedy.startswith(remedy)
    assert problem.line > 1


def test_before_the_event_there_is_no_other_table(
    faults: Callable[[str], tuple[Problem, ...]],
) -> None:
    """Its row may come later, and this one is not even stored."""
    (problem,) = faults(
        reading("var#SpectrumRuns.energy", decorator="@Variable(direction=before_event)")
    )

    assert "x runs before the event but reads SpectrumRuns.energy" in problem.message


def test_raw_cannot_read_what_another_table_makes_of_corrected_data(
    faults: Callable[[str], tuple[Problem, ...]],
) -> None:
    """Named with its class, since it may be called the same here."""
    (problem,) = faults(reading("var#SpectrumRuns.xgm.energy", decorator="@Variable(data='raw')"))

    assert "reads SpectrumRuns.xgm.energy, which needs proc" in problem.message


def test_a_circle_through_two_tables_is_named_with_the_classes(
    faults: Callable[[str], tuple[Problem, ...]],
) -> None:
    """Two tables may read each other, two variables may not."""
    (problem,) = faults(
        """
class Runs(Run):
    @Variable
    def a(self, b: Annotated[int, "var#SpectrumRuns.b"]) -> int:
        return b

    @Variable
    def c(self) -> int:
        return self.a

class SpectrumRuns(Run):
    @Variable
    def b(self, c: Annotated[int, "var#Runs.c"]) -> int:
        return c
"""
    )

    around = problem.message.removeprefix("variables wait for each other: ").split(" → ")
    assert len(around) == 4
    assert {each.rstrip(".") for each in around} == {"Runs.a", "SpectrumRuns.b", "Runs.c"}


# Overriding


def test_whatever_takes_a_name_in_a_derived_class_takes_the_column(loaded: Loaded) -> None:
    """As in Python: a plain method, a field or another kind of member hides what was there."""
    context = loaded(
        WORDS
        + """
class Base(Run):
    @Variable
    def a(self, data) -> int:
        return 1

    @Variable
    def b(self, data) -> int:
        return 1

    @Variable
    def c(self, data) -> int:
        return 1

class Derived(Base):
    c: Annotated[int, Editable] = 3

    def a(self):
        return 5

    @Variable
    def d(self) -> int:
        return self.a() + self.c
"""
    )
    table = context.tables["derived"].description

    assert [each.name for each in table.variables] == ["b", "d"]
    assert [each.name for each in table.fields] == ["c"]
    assert (table.variable("d").reads, table.variable("d").fields_read) == ((), ("c",))
    assert [each.name for each in context.tables["base"].description.variables] == ["a", "b", "c"]


def test_the_order_of_bases_is_pythons(loaded: Loaded) -> None:
    """In a diamond the class that overrides comes before the one that both derive from."""
    context = loaded(
        WORDS
        + """
class Base(Run):
    @Variable(title="Of base")
    def a(self, data) -> int:
        return 1

class One(Base):
    pass

class Two(Base):
    @Variable(title="Of two")
    def a(self, data) -> int:
        return 2

class Mixed:
    @Variable(title="Mixed in")
    def b(self, data) -> int:
        return 3

class Both(Mixed, One, Two):
    @Variable
    def total(self) -> int:
        return self.a + self.b
"""
    )
    both = context.tables["both"].description

    assert both.variable("a").title == "Of two"
    assert both.variable("b").title == "Mixed in"
    assert both.variable("total").reads == ("a", "b")


SUPER = """
class Base(Run):
    @Variable
    def level(self, data) -> int:
        return 1

    @Variable
    def hits(self, data) -> int:
        return 1

    def scale(self):
        return self.level

class Derived(Base):
    @Variable
    def hits(self, data) -> int:
        return {call}

    def scale(self):
        return 2
"""


def test_super_of_a_variable_is_told_for_what_it_is(
    faults: Callable[[str], tuple[Problem, ...]],
) -> None:
    """A column is computed once and not called; the class has no such method at run time."""
    (problem,) = faults(SUPER.format(call="super().hits(data) + 1"))

    assert problem.message == "hits calls super().hits, which is a column there and no method."
    assert "_hits" in problem.remedy
    assert problem.column > 1


def test_super_of_a_plain_method_reads_for_its_caller(loaded: Loaded) -> None:
    """And its source counts, so that an edit there computes the column again."""
    context = loaded(WORDS + SUPER.format(call="super().scale() + 1"))
    edited = loaded(
        WORDS
        + SUPER.format(call="super().scale() + 1").replace(
            "return self.level", "return -self.level"
        )
    )
    hits, again = (
        each.tables["derived"].description.variable("hits") for each in (context, edited)
    )

    assert hits.reads == ("level",)
    assert hits.code != again.code


@pytest.mark.parametrize(
    ("parameter", "given"),
    [
        ('Annotated[int, "var#hits"] | None = None', ("var", "hits")),
        ("\"Optional[Annotated[int, 'var#hits']]\" = None", ("var", "hits")),
        ("\"Annotated[int, 'var#hits']\"", ("var", "hits")),
        ("\"'var#hits'\"", ("var", "hits")),
        ('Annotated[Any, Source("A/B/C", "data")] | None = None', ("source", "")),
        ("DataCollection | None = None", ("data", "")),
        ('Annotated["DataCollection", "the run"] | None = None', ("data", "")),
        ('"extra_data.DataCollection"', ("data", "")),
    ],
)
@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
def test_a_mark_is_found_wherever_a_hint_may_have_it(
    loaded: Loaded, parameter: str, given: tuple[str, str], future: str
) -> None:
    """In a union, and in text, which the future import makes text once more."""
    context = loaded(
        f"{future}from typing import Annotated, Any, Optional\n"
        "from extra_data import DataCollection\nfrom knockoff import Run, Source, Variable\n"
        "class Runs(Run):\n    @Variable\n    def hits(self) -> int: return 1\n"
        f"    @Variable\n    def a(self, *, data: DataCollection = 0, x: {parameter}): ...\n"
    )

    inputs = {each.parameter: each for each in context.tables["runs"].formulas["a"].inputs}
    assert (inputs["x"].kind, inputs["x"].name) == given
