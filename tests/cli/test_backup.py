"""`db backup` and `db restore` as people call them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from tests.cli.conftest import Shell

if TYPE_CHECKING:
    from pathlib import Path


def test_a_table_is_carried_to_another_workspace_in_one_file(
    knockoff: Shell, tmp_path: Path, runs_on_disk: Path
) -> None:
    """And a newer state of the same is replaced only by somebody who says so."""
    assert knockoff("comment", "2", "knife edge").status == 0
    rows = knockoff("runs", "--json").out
    made = knockoff("db", "backup", str(tmp_path), "--arrays")
    assert made.status == 0, made.said
    file = made.out.strip()
    assert file.startswith(str(tmp_path / "p001234-"))
    assert knockoff("db", "backup", file).status == 1
    assert json.loads(knockoff("db", "backup", file, "--force", "--json").out)["arrays"] == 0
    assert knockoff("db", "backup", file, "--force", "--arrays").status == 0

    words = ("--folder", "ws", "--data-root", str(runs_on_disk))
    assert Shell(tmp_path)("init", "1234", *words).status == 0
    there = Shell(tmp_path / "ws")
    shutil.copy(knockoff.folder / "context.py", there.folder / "context.py")
    assert there("db", "restore", file, "--check").status == 0
    assert there("db", "start").status == 0
    try:
        done = there("db", "restore", file)
        assert done.status == 0, done.said
        assert "not in" not in done.said
        assert there("runs", "--json").out == rows
        assert (there.folder / "extracted_data/p1234_r0001.h5").exists()
        assert there("comment", "2", "other").status == 0
        refused = there("db", "restore", file)
        assert (refused.status, "--replace" in refused.said) == (1, True)
        assert there.apart("db", "restore", file, "--replace").status == 1
        assert json.loads(there("runs", "--json").out)[1]["comment"] == "other"
        assert there("db", "restore", file, "--replace", "--yes").status == 0
        assert there("runs", "--json").out == rows
        assert there("process", "all").status == 0
        assert there("db", "restore", "--finish").said.strip() == "Nothing is half restored."
        assert there("db", "restore").status == 2
    finally:
        assert there("db", "stop", "--force").status == 0
        assert knockoff("comment", "2", "").status == 0
