"""Variables that hand something on through globals, as files of functions do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from knockoff.runs.stamps import due_variables, input_stamps

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.contextfile.description import TableDescription
    from knockoff.contextfile.loading import Context

BEGINNING = "from damnit_ctx import Variable\nRESULTS = {}\nLATEST = None\n"


def table(context: Context) -> TableDescription:
    return context.tables["runs"].description


def computed_with(context: Context) -> dict[str, tuple[str, ...]]:
    return {each.name: each.computed_with for each in table(context).variables}


@pytest.mark.parametrize(
    "left",
    [
        "global LATEST; LATEST = 1",
        "global LATEST; LATEST += 1",
        "RESULTS['a'] = 1",
        "RESULTS['a']['b'] = 1",
        "RESULTS.update(a=1)",
        "RESULTS.setdefault('a', []).append(1)",
    ],
)
def test_what_uses_a_global_is_computed_with_what_fills_it(
    loaded: Callable[[str], Context], left: str
) -> None:
    """One function for several columns, as people write it where a function has one value."""
    context = loaded(
        f"{BEGINNING}@Variable\ndef a(run):\n    {left}\n"
        "@Variable\ndef b(run, a: 'var#a'):\n    return RESULTS['a'], LATEST\n"
        "@Variable\ndef c(run):\n    return 1\n"
    )

    assert computed_with(context) == {"a": (), "b": ("a",), "c": ()}


@pytest.mark.parametrize(
    "own",
    [
        "found = []; found.append(1); return found",
        "RESULTS = {}; RESULTS['a'] = 1",
        "return len(RESULTS)",
        "return [LATEST for LATEST in range(3)]",
    ],
)
def test_what_is_a_functions_own_is_shared_with_nobody(
    loaded: Callable[[str], Context], own: str
) -> None:
    """Otherwise everything would be computed again with everything."""
    context = loaded(
        f"{BEGINNING}@Variable\ndef a(run):\n    {own}\n"
        "@Variable\ndef b(run, a: 'var#a'):\n    return RESULTS, LATEST, found\n"
    )

    assert computed_with(context)["b"] == ()


def test_it_is_computed_once_more_although_its_own_value_is_current(
    loaded: Callable[[str], Context],
) -> None:
    """Raw data came first; now proc is there, in another process, where the global is empty."""
    context = loaded(
        f"{BEGINNING}@Variable\ndef a(run):\n    RESULTS['x'] = 5\n    return 1\n"
        "@Variable\ndef reads_a(run, a: 'var#a'):\n    return a\n"
        "@Variable(data='proc')\ndef b(run):\n    return RESULTS['x']\n"
    )
    description = table(context)
    row: dict[str, Any] = {"knockoff": {"data": ["raw"]}}
    assert [each.name for each in due_variables(description, row, "Insert")] == ["a", "reads_a"]
    stamps = input_stamps(description, row)
    row["knockoff"] = {
        "data": ["raw", "proc"],
        "code": {name: description.variable(name).code for name in ("a", "reads_a")},
        "inputs": {name: stamps[name] for name in ("a", "reads_a")},
    }

    assert [each.name for each in due_variables(description, row, "Update")] == ["a", "b"]
