"""Variables run after those they read, and circles are named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockoff.language.order import CircularVariablesError, circles_in, in_order, without_circles

NAMES = [f"v{number}" for number in range(12)]


@st.composite
def reads_without_circles(draw: st.DrawFn) -> dict[str, list[str]]:
    """Each variable reads some of those before it in a hidden order, written down in another."""
    hidden = draw(st.permutations(NAMES))
    reads = {
        name: draw(st.lists(st.sampled_from([*hidden[:place], "proposal"]), max_size=4))
        for place, name in enumerate(hidden)
    }
    return {name: reads[name] for name in draw(st.permutations(NAMES))}


@given(reads_without_circles())
def test_each_variable_comes_after_those_it_reads(reads: dict[str, list[str]]) -> None:
    """However they are written down; each exactly once."""
    ordered = in_order(reads)

    assert sorted(ordered) == sorted(NAMES)
    for name, needed in reads.items():
        assert all(ordered.index(each) < ordered.index(name) for each in needed if each in NAMES)


@given(reads_without_circles())
def test_the_same_file_always_runs_in_the_same_order(reads: dict[str, list[str]]) -> None:
    """Whatever the hash seed of the process."""
    turned = {name: list(reversed(needed)) for name, needed in reads.items()}

    assert in_order(reads) == in_order(turned)


@given(reads_without_circles(), st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
def test_every_circle_is_named(reads: dict[str, list[str]], circle: list[str]) -> None:
    """Each in it reads the next, the last the first; and it is a circle that is there."""
    for name, following in zip(circle, [*circle[1:], circle[0]], strict=True):
        reads[name] = [*reads[name], following]

    with pytest.raises(CircularVariablesError) as raised:
        in_order(reads)

    named = raised.value.circle
    for name, following in zip(named, [*named[1:], named[0]], strict=True):
        assert following in reads[name]
    assert " → ".join([*named, named[0]]) in str(raised.value)


def test_variables_that_are_free_keep_the_order_of_the_file() -> None:
    """So that people find their columns and logs in the order in which they wrote them."""
    assert in_order({"c": [], "a": [], "b": ["a"]}) == ("c", "a", "b")


def test_what_is_left_without_circles_has_an_order() -> None:
    """Only the steps of the circle go; whatever else is read comes first still."""
    reads = {"a": ["b", "c"], "b": ["a", "c"], "c": [], "d": ["a"]}

    left = without_circles(reads, circles_in(reads))

    assert left == {"a": ("c",), "b": ("c",), "c": (), "d": ("a",)}
    assert in_order(left) == ("c", "a", "b", "d")
