"""Several outputs of one method: told from its return hint, checked, and made again."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from knockoff.contextfile.loading import load
from knockoff.contextfile.outputs import ReturnedElseError, return_class
from knockoff.contextfile.problems import ContextProblems
from knockoff.language.cell import Cell
from knockoff.language.variable import Variable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from knockoff.contextfile.tables import Table


@dataclasses.dataclass
class Plain:
    """As people write it."""

    a: int
    b: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class Strict:
    """Neither of its fields can be assigned."""

    a: int
    b: Any


@dataclasses.dataclass
class Converting:
    """Its ``__init__`` may run once only."""

    a: int
    b: Any
    _cache: list[int] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.a += 1


class Named(NamedTuple):
    """A tuple."""

    a: int
    b: Any = None


class Typed(TypedDict, total=False):
    """A dict."""

    a: int
    b: Any


class Model(BaseModel):
    """A Pydantic model that cannot be changed."""

    model_config = ConfigDict(frozen=True)

    a: int
    b: Any = None


KINDS: tuple[Any, ...] = (Plain, Strict, Converting, Named, Typed, Model)


def hinted(hint: object) -> Callable[[], Any]:
    """A function with that return hint."""

    def function() -> None:
        return

    function.__annotations__["return"] = hint
    return function


@given(kind=st.sampled_from(KINDS), a=st.integers(), b=st.one_of(st.none(), st.text(), st.floats()))
def test_an_object_taken_apart_is_made_again(kind: Any, a: int, b: Any) -> None:
    """Whatever its class: what dependants read of a stored object is what was returned."""
    of = return_class(hinted(kind))
    assert of is not None
    before = kind(a=a, b=b)

    again = of.made(of.values_of(before))

    assert type(again) is type(before)
    assert of.names == ("a", "b")
    assert repr(again) == repr(before)


@given(kind=st.sampled_from(KINDS), a=st.integers())
def test_an_object_in_which_values_are_exchanged_stays_itself(kind: Any, a: int) -> None:
    """A `Cell` in a field is there for the table; the method's own object is not touched."""
    of = return_class(hinted(kind))
    assert of is not None
    before = kind(a=a, b=Cell(3)) if kind is not Model else Model.model_construct(a=a, b=Cell(3))

    after = of.with_values(before, {"b": 3})

    assert of.values_of(after)["b"] == 3
    assert isinstance(of.values_of(before)["b"], Cell)
    assert of.values_of(after)["a"] == of.values_of(before)["a"]


@pytest.mark.parametrize(
    "hint",
    [
        Plain, "Plain", Cell[Plain], Plain | None, Annotated[Plain, Variable],
        Annotated[Cell[Plain], Variable(title="P")], Annotated[Plain | None, Variable],
    ],
    ids=str,
)  # fmt: skip
def test_every_way_to_write_the_hint_means_the_same(hint: object) -> None:
    """What stands around the class says how a cell looks, and not what is returned."""
    of = return_class(hinted(hint))
    assert of is not None
    assert (of.kind, of.names) == (Plain, ("a", "b"))


@pytest.mark.parametrize(
    "hint", [int, "float", None, dict, dict[str, int], tuple[int, str], Cell, Cell[int], Any,
             Plain | Named, list[Plain], "Missing"], ids=str,
)  # fmt: skip
def test_every_other_hint_means_one_value(hint: object) -> None:
    """A dict without declared keys, for instance, is one cell."""
    assert return_class(hinted(hint)) is None


def test_what_is_no_object_of_the_class_is_refused() -> None:
    """With both types in the message, and not as an error of ours."""
    of = return_class(hinted(Plain))
    assert of is not None
    with pytest.raises(ReturnedElseError, match="type int, and its hint says Plain"):
        of.values_of(3)


WORDS = """
from dataclasses import dataclass
from typing import Annotated, TypedDict
from knockoff import Group, Run, Variable
"""


def loaded(folder: Path, text: str) -> Table:
    """The table of a context file with this text."""
    path = folder / "context.py"
    path.write_text(WORDS + text)
    return load(path).tables["runs"]


def problems(folder: Path, text: str) -> list[tuple[int, str]]:
    """Line and text of what is wrong with it; the first line below the words is 1."""
    with pytest.raises(ContextProblems) as caught:
        loaded(folder, text)
    above = WORDS.count("\n")
    return [(each.line - above, str(each)) for each in caught.value.problems]


def test_words_that_say_nothing_of_an_output_are_problems_at_their_lines(tmp_path: Path) -> None:
    """They would be lost without a word."""
    found = problems(
        tmp_path,
        """
@dataclass
class Beam:
    mean: float
    width: Annotated[float, Variable(data="proc", timeout=3)]

class Runs(Run):
    @Variable(units="mm", summary="mean")
    def beam(self) -> Beam: ...
""",
    )

    assert [line for line, _ in found] == [5, 5, 8, 8]
    text = "\n".join(each for _, each in found)
    assert "beam.width has data=, which is decided for all outputs of a method." in text
    assert "beam.width has timeout=" in text
    assert "beam has units=, and several outputs." in text
    assert "beam has summary=" in text


def test_names_and_titles_of_outputs_are_checked_as_those_of_columns_are(tmp_path: Path) -> None:
    """A key of a typed dict can be any text, and a title can be that of another column."""
    found = problems(
        tmp_path,
        """
Odd = TypedDict("Odd", {"photon energy": float})

class Beam(TypedDict):
    mean: float

class Runs(Run):
    @Variable
    def beam(self) -> Beam: ...

    @Variable(title="Beam/Mean")
    def other(self) -> float: ...

    @Variable
    def odd(self) -> Odd: ...
""",
    )

    assert [line for line, _ in found] == [5, 15]
    assert "beam.mean and other have the same title 'Beam/Mean'" in found[0][1]
    assert "cannot be called 'photon energy'" in found[1][1]


def test_an_output_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    """With the nearest name, as for a variable."""
    found = problems(
        tmp_path,
        """
class Beam(TypedDict):
    mean: float

class Runs(Run):
    @Variable
    def beam(self) -> Beam: ...

    @Variable
    def other(self, width: Annotated[float, "var#beam.meen"]) -> float: ...
""",
    )

    assert len(found) == 1
    assert "'beam.mean'" in found[0][1]


def test_who_reads_one_output_needs_no_other(tmp_path: Path) -> None:
    """So that one which cannot be stored does not block it."""
    table = loaded(
        tmp_path,
        """
class Beam(TypedDict):
    mean: float
    width: float

@Group
class Screen:
    @Variable
    def beam(self) -> Beam: ...

    @Variable
    def one(self) -> float:
        return self.beam.mean.real

    @Variable
    def marked(self, mean: Annotated[float, "self#beam.mean"]) -> float: ...

class Runs(Run):
    cam = Screen(name="camera")

    @Variable
    def two(self) -> float:
        return self.cam.beam.width

    @Variable
    def all(self) -> float:
        return len(self.cam.beam)
""".replace("def all", "def whole"),
    )

    needs = {name: formula.needs for name, formula in table.formulas.items()}
    assert needs["camera.one"] == needs["camera.marked"] == ("camera.beam.mean",)
    assert needs["two"] == ("camera.beam.width",)
    assert needs["whole"] == ("camera.beam", "camera.beam.mean", "camera.beam.width")
    for name in ("camera.one", "two", "whole"):
        assert table.formulas[name].description.reads == ("camera.beam",)


def test_another_output_or_summary_is_other_code(tmp_path: Path) -> None:
    """What was stored by the older hint is not current any more."""
    text = """
class Beam(TypedDict):
    mean: Annotated[float, Variable(summary="max")]

class Runs(Run):
    @Variable
    def beam(self) -> Beam: ...
"""

    def code(changed: str) -> str:
        return loaded(tmp_path, changed).formulas["beam"].description.code

    assert code(text) == code(text.replace("class Beam", "# the beam\nclass Beam"))
    assert code(text) != code(text.replace("max", "min"))
    assert code(text) != code(text.replace("class Runs", "    width: float\n\nclass Runs"))
