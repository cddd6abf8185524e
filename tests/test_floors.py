"""Each room stands on its own, and the worker's half without the recorder's libraries.

What imports what is held by the contracts in pyproject.toml; here is tried what
an interpreter really loads.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import warnings
from pathlib import Path

import grimp
import pytest

import knockoff

PACKAGE = Path(knockoff.__file__).parent
WORKERS_HALF = (
    "errors", "runkey", "logs", "language", "contextfile", "arrays", "rundata", "filling",
)  # fmt: skip
RECORDERS_LIBRARIES = {
    "pydantic", "pydantic_core", "pydantic_settings", "beanie", "motor", "pymongo", "bson",
    "aiokafka", "confluent_kafka", "plotly", "textual", "typer", "httpx",
}  # fmt: skip


def modules_of(room: str) -> list[str]:
    """Every module of a room, or the room itself if it is a single file."""
    if (PACKAGE / f"{room}.py").is_file():
        return [f"knockoff.{room}"]
    files = sorted((PACKAGE / room).rglob("*.py"))
    names = (file.relative_to(PACKAGE.parent).with_suffix("").parts for file in files)
    return [".".join(name[:-1] if name[-1] == "__init__" else name) for name in names]


ROOMS = sorted(
    path.stem
    for path in PACKAGE.iterdir()
    if (path.suffix == ".py" and not path.stem.startswith("__")) or (path / "__init__.py").is_file()
)


def loaded_by(modules: list[str]) -> set[str]:
    """Import `modules` in a new interpreter and say what it holds then, top level only."""
    code = (
        "import importlib, json, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_can_be_entered_first(room: str) -> None:
    """A circle of imports shows only in an interpreter that begins with the wrong room."""
    assert "knockoff" in loaded_by(modules_of(room))


@pytest.mark.parametrize("room", [room for room in WORKERS_HALF if room in ROOMS])
def test_the_workers_half_loads_nothing_of_the_recorders(room: str) -> None:
    """It runs in a proposal's own Python, and never near the database."""
    assert loaded_by(modules_of(room)) & RECORDERS_LIBRARIES == set()


@pytest.mark.parametrize("room", [room for room in WORKERS_HALF if room in ROOMS])
def test_the_workers_half_is_written_in_python_3_10(room: str) -> None:
    """That is what the oldest environment of a proposal has; newer words do not compile there."""
    for module in modules_of(room):
        path = PACKAGE.parent / module.replace(".", "/")
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        ast.parse(file.read_text(encoding="utf-8"), str(file), feature_version=(3, 10))


def test_nothing_inside_comes_in_through_the_front_door() -> None:
    """`knockoff/__init__.py` is for context files and notebooks; inside it would be a circle."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # grimp's, about files it does not know
        graph = grimp.build_graph("knockoff", cache_dir=None)

    inside = graph.find_modules_that_directly_import("knockoff")

    assert {name for name in inside if not name.startswith("knockoff.contexts")} == set()
