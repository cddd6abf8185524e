"""Which runs are meant by ``1-20``, ``3,5,7-9`` or ``all``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from knockoff.errors import RunKeyError
from knockoff.runkey import LARGEST_RUN, run_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PART = re.compile(r"[rR]?([0-9]+)(?:(?:-|\.\.)[rR]?([0-9]+))?", re.ASCII)


def runs_in(words: Sequence[str], on_disk: Iterable[int] = ()) -> list[int]:
    """The run numbers that `words` stand for, sorted and once each.

    Parameters
    ----------
    words:
        Numbers, ranges with both ends in them, or ``all``; joined by commas or given apart.
    on_disk:
        What ``all`` stands for.

    Raises
    ------
    RunKeyError
        Something is none of these.
    """
    runs: set[int] = set()
    for part in ",".join(words).replace(" ", ",").split(","):
        if part == "all":
            runs.update(on_disk)
        elif part:
            runs.update(_range(part))
    if not runs and not any("all" in word for word in words):
        raise RunKeyError("Which runs? Write them as 5, 1-20, 3,5,7-9 or all.")
    return sorted(runs)


def _range(part: str) -> range:
    match = _PART.fullmatch(part)
    if match is None:
        raise RunKeyError(f"{part!r} is no run. Write runs as 5, 1-20, 3,5,7-9 or all.")
    first = run_number(int(match[1]))
    if match[2] is None:
        return range(first, first + 1)
    last = run_number(min(int(match[2]), LARGEST_RUN + 1))
    if last < first:
        raise RunKeyError(f"{part} ends before it begins. Write it as {last}-{first}.")
    return range(first, last + 1)


def spoken_runs(runs: Iterable[int]) -> str:
    """Run numbers in words, neighbours as a range.

    >>> spoken_runs([3, 5, 6, 7])
    'runs 3, 5-7'
    """
    ranges: list[list[int]] = []
    for run in sorted(set(runs)):
        if ranges and run == ranges[-1][-1] + 1:
            ranges[-1][1:] = [run]
        else:
            ranges.append([run])
    numbers = ", ".join("-".join(map(str, each)) for each in ranges)
    return f"run {numbers}" if numbers.isdecimal() else f"runs {numbers}"
