"""An exception from a variable as people need it: what, where in their file, and the way there."""

from __future__ import annotations

import linecache
import re
import traceback
from typing import TYPE_CHECKING, Any, Final

from knockoff.filling.messages import CellProblem
from knockoff.language.cell import Skip
from knockoff.language.variable import undeclared

if TYPE_CHECKING:
    from knockoff.contextfile.tables import Table

LONGEST_TRACEBACK: Final = 8_000
LONGEST_MESSAGE: Final = 2_000

_NO_ATTRIBUTE = re.compile(r"object has no attribute '(\w+)'")


def problem_of(error: BaseException, context_file: str, table: Table) -> CellProblem:
    """Describe what a variable raised; the line is the innermost one of the context file."""
    frames = traceback.extract_tb(error.__traceback__)
    line = next((each.lineno for each in reversed(frames) if each.filename == context_file), 0)
    text = "".join(traceback.format_exception(error)[1 + _ours(frames) :])
    return CellProblem(
        kind="Skip" if isinstance(error, Skip) else type(error).__name__,
        message=_storable(_message(error, table))[:LONGEST_MESSAGE],
        line=line or 0,
        context_line=_storable(linecache.getline(context_file, line or 0).strip()) if line else "",
        traceback="" if isinstance(error, Skip) else _storable(text)[-LONGEST_TRACEBACK:],
    )


def _ours(frames: Any) -> int:
    """How many frames at the top are knockoff's own, which tell a reader nothing."""
    count = 0
    for frame in frames:
        if "knockoff/filling" not in frame.filename.replace("\\", "/"):
            break
        count += 1
    return count


def _message(error: BaseException, table: Table) -> str:
    if isinstance(error, Skip):
        return error.reason
    if isinstance(error, SystemExit):
        return f"sys.exit({error.code!r}) was called; raise Skip to leave a cell empty."
    if isinstance(error, AttributeError):
        match = _NO_ATTRIBUTE.search(_said(error))
        name = error.name or (match[1] if match else "")
        for known in table.formulas:
            if known.rpartition(".")[2] == name:
                return undeclared(known)
    return _said(error)


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as fault:  # noqa: BLE001  # __str__ is user code as well
        return f"its message cannot be told: {type(fault).__name__}"


def _storable(text: str) -> str:
    """With halves of surrogate pairs, which no UTF-8 has, as Python writes them."""
    return text.encode("utf-8", "backslashreplace").decode()
