"""The order in which variables run: each after those it reads."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from knockoff.errors import VariableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class CircularVariablesError(VariableError):
    """Variables that wait for each other, so that none can ever be computed."""

    def __init__(self, circle: tuple[str, ...]) -> None:
        super().__init__(circle)
        self.circle = circle

    def __str__(self) -> str:
        arrows = " → ".join((*self.circle, self.circle[0]))
        return (
            f"variables wait for each other: {arrows}. Let one of them read the run's data instead."
        )


def in_order(reads: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Sort variables so that each comes after those it reads.

    Among variables that are free to go, the order of `reads` decides, so that
    the same file always runs in the same order.

    Parameters
    ----------
    reads:
        What each variable reads; names that are no keys are no variables and do not matter.

    Raises
    ------
    CircularVariablesError
        Some of them wait for each other.
    """
    place = {name: index for index, name in enumerate(reads)}
    sorter: TopologicalSorter[str] = TopologicalSorter(
        {name: [read for read in needed if read in place] for name, needed in reads.items()}
    )
    try:
        sorter.prepare()
    except CycleError as error:
        circle = tuple(reversed(error.args[1][1:]))
        raise CircularVariablesError(circle) from None
    ordered: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=place.__getitem__)
        ordered.extend(ready)
        sorter.done(*ready)
    return tuple(ordered)


def circles_in(reads: Mapping[str, Iterable[str]]) -> tuple[tuple[str, ...], ...]:
    """Every circle of variables that wait for each other, as far as they share no step.

    In each, a variable reads the one behind it, and the last reads the first.

    Parameters
    ----------
    reads:
        As `in_order` takes it.
    """
    left = {name: list(dict.fromkeys(needed)) for name, needed in reads.items()}
    found: list[tuple[str, ...]] = []
    while (circle := _circle_in(left)) is not None:
        found.append(circle)
        for name, read in zip(circle, (*circle[1:], circle[0]), strict=True):
            left[name].remove(read)
    return tuple(found)


def without_circles(
    reads: Mapping[str, Iterable[str]], circles: Iterable[tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """`reads` without the steps of its circles, so that there is an order of what is left."""
    steps = {
        step for circle in circles for step in zip(circle, (*circle[1:], circle[0]), strict=True)
    }
    return {
        name: tuple(read for read in needed if (name, read) not in steps)
        for name, needed in reads.items()
    }


def _circle_in(reads: Mapping[str, Iterable[str]]) -> tuple[str, ...] | None:
    try:
        in_order(reads)
    except CircularVariablesError as error:
        return error.circle
    return None
