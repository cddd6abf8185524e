"""Editors and type checkers see the values of variables, not their methods."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

MISTAKES = """
from __future__ import annotations

from typing import TYPE_CHECKING

from knockoff import Group, Run, Variable

if TYPE_CHECKING:
    from extra_data import DataCollection


@Group
class Xgm:
    device: str

    @Variable
    def pulses(self, data: DataCollection) -> int:
        return 3


class Runs(Run):
    xgm = Xgm(devise="A")  # error: call-arg

    @Variable
    def hits(self) -> str:
        return self.xgm.pulses  # error: return-value

    @Variable(title="Rate", unit="%")  # error: call-overload
    def rate(self) -> float:
        return self.hits / 2  # error: operator

    @Variable
    def missing(self) -> int:
        return self.xgm.pulse  # error: attr-defined
"""


def mypy(path: Path) -> tuple[set[tuple[int, str]], str]:
    """Check a file strictly; lines and codes of its errors, and all that mypy said."""
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", ROOT / ".mypy_cache", path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r":(\d+): error: .*\[([a-z-]+)\]$", checked.stdout, re.MULTILINE)
    return {(int(line), code) for line, code in found}, checked.stdout + checked.stderr


def test_values_and_queries_have_their_types() -> None:
    """``self.hits`` is an int, ``Runs.hits > 10`` a query, a group's values are found by name."""
    errors, said = mypy(HERE / "context.py")

    assert not errors, said
    assert "Success" in said


def test_mistakes_are_found_where_they_are(tmp_path: Path) -> None:
    """In particular a misspelt variable or parameter."""
    path = tmp_path / "mistakes.py"
    path.write_text(MISTAKES)
    expected = {
        (number, match[1])
        for number, line in enumerate(MISTAKES.splitlines(), 1)
        if (match := re.search(r"# error: ([a-z-]+)$", line))
    }

    errors, said = mypy(path)

    assert expected <= errors, said
    assert {line for line, _ in errors} == {line for line, _ in expected}, said
