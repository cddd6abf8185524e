"""Which part of a context file was edited, as a stale cell tells it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from knockoff.contextfile.description import VariableDescription
from knockoff.contextfile.editions import edited_parts, parts_of

SOURCE = '''
import numpy as np

LIMIT = 3
OTHER = 4

def above(values):
    """Values above the limit."""
    return values > LIMIT

class Group:
    @Variable(title="Mean")
    def mean(self):
        return self.scaled().mean()

    def scaled(self):
        return self.factor * 2

class Runs(Run):
    xgm = Group(factor=2)

    @Variable(title="Hits")
    def hits(self):
        return above(self.energy).sum()

    @Variable(title="Energy")
    def energy(self):
        return OTHER
'''

NAMES = ("hits", "energy", "xgm.mean")


def edited(new: str, name: str) -> list[str]:
    """Names of the parts that differ for a variable, which is found by its line."""
    last = name.rpartition(".")[2]
    line = next(at for at, each in enumerate(new.splitlines(), 1) if f"def {last}(" in each)
    variable = VariableDescription(name, name, (name,), "raw", (), "after", "", line=line)
    return [part.name for part in edited_parts(SOURCE, new, variable, NAMES)]


def test_the_method_that_was_edited_is_named() -> None:
    """It is what most edits are of."""
    new = SOURCE.replace(".sum()", ".mean()")
    assert edited(new, "hits") == ["Runs.hits"]
    assert edited(new, "energy") == []


def test_so_is_what_it_uses_however_far_away() -> None:
    """A constant behind a function changes the result as much as the method itself."""
    assert edited(SOURCE.replace("LIMIT = 3", "LIMIT = 30"), "hits") == ["LIMIT"]
    assert edited(SOURCE.replace("values >", "values >="), "hits") == ["above"]
    assert edited(SOURCE.replace("factor * 2", "factor * 3"), "xgm.mean") == ["Group.scaled"]
    assert edited(SOURCE.replace("factor=2", "factor=5"), "xgm.mean") == ["Runs.xgm"]


def test_to_read_another_variable_is_not_to_use_its_code() -> None:
    """That one is stale itself, and tells why."""
    assert edited(SOURCE.replace("return OTHER", "return OTHER + 1"), "hits") == []


def test_comments_docstrings_and_places_do_not_count() -> None:
    """They do not make a cell stale, so they are not the reason for it."""
    new = SOURCE.replace("Values above", "Those above").replace("LIMIT = 3", "\n# new\nLIMIT = 3")
    assert all(edited(new, name) == [] for name in NAMES)


def test_lines_are_those_of_the_source() -> None:
    """People go there; a method begins with its decorator."""
    parts = parts_of(SOURCE)
    lines = SOURCE.splitlines()
    assert lines[parts["LIMIT"].line - 1] == "LIMIT = 3"
    assert "Hits" in lines[parts["Runs.hits"].line - 1]


@given(st.text())
def test_what_is_no_python_has_no_parts(text: str) -> None:
    """A source that is kept was good once, and is not trusted for that."""
    assert isinstance(parts_of(text), dict)
    assert parts_of(f"def {text}(:") == {}
