"""Every command that knockoff tells people to type is one that there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

import knockoff
from knockoff.cli.app import app
from knockoff.cli.root import hoisted

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(knockoff.__file__).parent
ROOT = PACKAGE.parents[1]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

CALL = re.compile(r"(?:`|: )knockoff((?: +[^\s`;|&<>()]+)+)")
"""In backquotes, or behind a colon, as in a remedy."""

WORD = re.compile(r"[a-z][a-z-]*[.,:]?")


def texts_of(path: Path) -> Iterator[str]:
    """What people may get to read: of code its strings, of a document its commands."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield from re.findall(r"`knockoff [^`\n]+`", text)
        for number, block in enumerate(re.split(r"^```.*$", text, flags=re.MULTILINE)):
            lines = block.splitlines() if number % 2 else ()
            yield from (f"`{each}`" for each in lines if each.startswith("knockoff "))
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            parts = (getattr(each, "value", "") for each in node.values)
            yield "".join(each if isinstance(each, str) else "X" for each in parts)


def unknown_in(text: str) -> list[str]:
    """Calls whose words lead to no command."""
    found = []
    for call in CALL.findall(text):
        words = hoisted(call.split())
        while len(words) > 1 and words[0].startswith("-"):
            words = (
                words[2:] if words[0] in ("-p", "-w", "--proposal", "--workspace") else words[1:]
            )
        command: Any = typer.main.get_command(app)
        while words and hasattr(command, "commands") and WORD.fullmatch(words[0]):
            word = words.pop(0).rstrip(".,:")
            if word not in command.commands:
                if not getattr(command, "invoke_without_command", False):
                    found.append(f"knockoff {call.strip()}")
                break
            command = command.commands[word]
    return found


@pytest.mark.parametrize(
    "path",
    [*sorted(PACKAGE.rglob("*.py")), *DOCUMENTS],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_command_that_is_named_is_there(path: Path) -> None:
    """Whoever follows a message in the middle of the night must not be told "no such command"."""
    assert [each for text in texts_of(path) for each in unknown_in(text)] == []


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("Try `knockoff recompute 3` now.", 1),
        ("Begin one with: knockoff contexts new", 1),
        ("`knockoff context chek` looks", 1),
        ("`knockoff -p 1234 shw 3`", 1),
        ("`knockoff process RUN` and `knockoff -p 12 context check X`", 0),
        ("knockoff is a word; knockoff needs it", 0),
    ],
)
def test_a_command_that_is_not_there_is_found(text: str, unknown: int) -> None:
    """The test above must be able to fail."""
    assert len(unknown_in(text)) == unknown
