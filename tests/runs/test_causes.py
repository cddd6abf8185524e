"""The tree that people see of why a cell is blocked."""

from __future__ import annotations

from typing import Any

from knockoff.runs.causes import ASCII, tree_of


def cause(*path: str, **about: Any) -> dict[str, Any]:
    """One entry as MongoDB has it."""
    told = {"state": "failed", "kind": "KeyError", "message": "'x'", "file": "context.py"}
    return {"path": list(path), **told, "line": 31, **about}


SKIPPED = {"state": "skipped", "kind": "Skip", "message": "dark run", "line": 0}


def test_one_way_is_one_line() -> None:
    """With the code that failed below it."""
    assert tree_of({"causes": [cause("hits", "xgm.energy", context_line='return data["x"]')]}) == [
        "hits ← xgm.energy failed: KeyError: 'x' (context.py:31)",
        '    return data["x"]',
    ]


def test_ways_branch_where_they_part() -> None:
    """What they have in common is written once."""
    causes = [
        cause("hits", "mask", "xgm.energy", context_line="a"),
        cause("hits", "mask", "motor", state="timed out", message="stopped after 3 s."),
        cause("hits", "dark", **SKIPPED),
        cause("gain", state="killed", kind="SIGKILL", message="killed: by a person.", line=0),
    ]

    assert tree_of({"causes": causes}) == [
        "├ hits",
        "│ ├ mask",
        "│ │ ├ xgm.energy failed: KeyError: 'x' (context.py:31)",
        "│ │ │     a",
        "│ │ └ motor timed out: stopped after 3 s. (context.py:31)",
        "│ └ dark skipped: dark run",
        "└ gain killed: by a person.",
    ]


def test_a_plain_terminal_gets_plain_strokes() -> None:
    """Where the other signs are garbage."""
    lines = tree_of({"causes": [cause("hits", "a"), cause("b", **SKIPPED)]}, ASCII)

    assert lines == [
        "|- hits <- a failed: KeyError: 'x' (context.py:31)",
        "`- b skipped: dark run",
    ]


def test_what_failed_itself_has_no_tree() -> None:
    """Nor has a row that another version wrote, or somebody edited."""
    assert tree_of({"state": "failed", "kind": "KeyError"}) == []
    assert tree_of({"causes": None}) == []
    assert tree_of({"causes": [{"path": []}, "nonsense"]}) == []
