"""The list of commands, for those who look for a word and not for a key."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import App, SystemCommand
from textual.binding import Binding

if TYPE_CHECKING:
    from collections.abc import Iterator


def commands_of(app: App[Any]) -> Iterator[SystemCommand]:
    """Whatever the application has a key for, each with its first key."""
    for binding in app.BINDINGS:
        if isinstance(binding, Binding):
            first = replace(binding, key=binding.key.partition(",")[0])
            does = partial(app.run_action, binding.action)
            yield SystemCommand(binding.description, f"Key {app.get_key_display(first)}", does)
