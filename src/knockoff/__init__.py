"""Run tables that fill themselves: the words of a context file, and of a notebook."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from beanie import Insert, Update, after_event, before_event

    from knockoff.filling.pipeline import Pipeline
    from knockoff.language.cell import Cell, Skip
    from knockoff.language.group import Group, Grouped
    from knockoff.language.launching import launch
    from knockoff.language.marks import Editable, Source
    from knockoff.language.variable import Variable
    from knockoff.recording.submitcall import submit, submit_async
    from knockoff.runs.run import Run, table

__all__ = [
    "Cell",
    "Editable",
    "Group",
    "Grouped",
    "Insert",
    "Pipeline",
    "Run",
    "Skip",
    "Source",
    "Update",
    "Variable",
    "after_event",
    "before_event",
    "launch",
    "submit",
    "submit_async",
    "table",
]

_HOMES = {
    "Cell": "knockoff.language.cell",
    "Editable": "knockoff.language.marks",
    "Group": "knockoff.language.group",
    "Grouped": "knockoff.language.group",
    "Pipeline": "knockoff.filling.pipeline",
    "Skip": "knockoff.language.cell",
    "Source": "knockoff.language.marks",
    "Variable": "knockoff.language.variable",
    "launch": "knockoff.language.launching",
    "submit": "knockoff.recording.submitcall",
    "submit_async": "knockoff.recording.submitcall",
}


def __getattr__(name: str) -> Any:
    """Fetch a word when it is first used, so that importing knockoff costs nothing."""
    if name in _HOMES:
        word = getattr(importlib.import_module(_HOMES[name]), name)
    elif name == "Run":
        word = _run()
    elif name == "table":
        _run()
        word = importlib.import_module("knockoff.runs.run").table
    elif name in __all__:
        word = _event(name)
    else:
        raise AttributeError(f"module 'knockoff' has no attribute {name!r}")
    globals()[name] = word
    return word


def __dir__() -> list[str]:
    return sorted(__all__)


def _run() -> Any:
    """Beanie's kind of run class, or the plain one where Beanie is not installed."""
    if importlib.util.find_spec("beanie") is None:
        from knockoff.language.plain import Run as PlainRun

        return PlainRun
    from knockoff.runs.run import Run
    from knockoff.runs.slot import Slot

    Slot.make = _notebook_filler
    return Run


def _event(name: str) -> Any:
    """Beanie's own events and decorators, or ours of the same meaning."""
    if importlib.util.find_spec("beanie") is None:
        return getattr(importlib.import_module("knockoff.language.occasions"), name)
    return getattr(importlib.import_module("beanie"), name)


def _notebook_filler() -> Any:
    from knockoff.recording.notebook import NotebookFiller

    return NotebookFiller()
