"""The one line at the bottom where people type: a filter, a run, a comment, a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

if TYPE_CHECKING:
    from textual.app import ComposeResult


class Prompt(Horizontal):
    """Hidden until it asks; says what was answered, and nothing when Escape was."""

    DEFAULT_CSS = """
    Prompt { display: none; height: 1; background: $panel; }
    Prompt.asking { display: block; }
    Prompt > #question { width: auto; padding: 0 1; color: $primary; text-style: bold; }
    Prompt > Input {
        border: none; height: 1; padding: 0; width: 1fr;
        background: $panel; background-tint: $foreground 0%;
        &:focus { border: none; background-tint: $foreground 0%; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]

    @dataclass
    class Answered(Message):
        """Somebody pressed Enter."""

        purpose: str
        text: str

    class Left(Message):
        """The prompt is closed, answered or not."""

    def __init__(self) -> None:
        super().__init__()
        self._purpose = ""

    def compose(self) -> ComposeResult:
        """A question and a line to answer."""
        yield Static(id="question", markup=False)
        yield Input(compact=True)

    @property
    def is_asking(self) -> bool:
        """Somebody is typing."""
        return self.has_class("asking")

    def ask(self, purpose: str, question: str, text: str = "", hint: str = "") -> None:
        """Open with `text` to be changed; `purpose` comes back with the answer."""
        self._purpose = purpose
        self.query_one("#question", Static).update(question)
        line = self.query_one(Input)
        line.value = text
        line.placeholder = hint
        line.cursor_position = len(text)
        self.add_class("asking")
        line.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answer and close."""
        event.stop()
        purpose = self._purpose
        self.action_leave()
        self.post_message(self.Answered(purpose, event.value.strip()))

    def action_leave(self) -> None:
        """Close without an answer."""
        self.remove_class("asking")
        self.post_message(self.Left())
