"""Problems of a context file, each with the line it is about and a mark below the word."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from knockoff.contextfile.description import ContextDescription
    from knockoff.contextfile.problems import Problem

WIDTH: Final = 80
_MARGIN: Final = 6
"""Cells in front of the bar: a line number and a space."""


def told(problem: Problem) -> str:
    """A problem in at most 80 columns, the words of the message wrapped."""
    word = "note: " if problem.is_note else ""
    place = _near(problem.place)
    lines = _wrapped(f"{place}: {word}{problem.message}", "")
    lines[0] = lines[0].replace(place, typer.style(place, bold=True), 1)
    lines += _marked(problem)
    if problem.remedy:
        indent = " " * _MARGIN
        lines += _wrapped(f"{indent}{problem.remedy}", indent)
    return "\n".join(lines)


def found_as_json(
    file: Path, problems: Iterable[Problem], description: ContextDescription | None = None
) -> str:
    """The problems as a list of objects, and with them what is in a good file."""
    listed: list[dict[str, Any]] = [each.to_json() for each in problems]
    whole: dict[str, Any] = {"file": str(file), "good": description is not None}
    if description is not None:
        whole |= description.to_json()
        del whole["source"], whole["notes"]
    return json.dumps(whole | {"problems": listed}, indent=2, default=str, ensure_ascii=False)


def counted(problems: Iterable[Problem]) -> str:
    """As in "2 problems and 1 note"; empty for none."""
    listed = list(problems)
    notes = sum(each.is_note for each in listed)
    parts = ((len(listed) - notes, "problem"), (notes, "note"))
    return " and ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in parts if count)


def _marked(problem: Problem) -> list[str]:
    """The line of the file, and below it a caret."""
    line = _line_of(problem)
    if not line.strip():
        return []
    line = line.expandtabs(1)
    shown, column = line.rstrip(), max(problem.column, 1) - 1
    room = WIDTH - _MARGIN - 2
    if len(shown) > room:
        start = max(0, min(column - room // 2, len(shown) - room))
        shown, column = shown[start : start + room], column - start
    bar = f"{problem.line:>{_MARGIN - 1}} | "
    caret = typer.style("^", fg="yellow" if problem.is_note else "red", bold=True)
    lines = [f"{bar}{shown}"]
    if problem.column:
        lines.append(f"{' ' * (_MARGIN - 1)} | {' ' * column}{caret}")
    return lines


def _line_of(problem: Problem) -> str:
    try:
        lines = Path(problem.file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    return lines[problem.line - 1] if 0 < problem.line <= len(lines) else ""


def _near(place: str) -> str:
    """A path below the current folder as it is typed there."""
    here = f"{Path.cwd()}/"
    return place.removeprefix(here)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        subsequent_indent=indent or "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
