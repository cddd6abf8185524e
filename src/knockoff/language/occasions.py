"""When a method runs: Beanie's events by name, also where Beanie is not installed.

`Insert`, `Update`, `before_event` and `after_event` here look and read like
Beanie's, so a context file works with either. Both kinds are recognised by
what they say, never by identity.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Direction = Literal["before", "after"]
Event = Literal["Insert", "Update"]

F = TypeVar("F", bound="Callable[..., Any]")


class EventTypes(str, Enum):
    """What happens to a document; the values are Beanie's."""

    INSERT = "INSERT"
    UPDATE = "UPDATE"


class ActionDirections(str, Enum):
    """Before or after it happens; the values are Beanie's."""

    BEFORE = "BEFORE"
    AFTER = "AFTER"


Insert: Final = EventTypes.INSERT
Update: Final = EventTypes.UPDATE

_EVENTS: Final[dict[str, tuple[Event, ...]]] = {
    "INSERT": ("Insert",),
    "UPDATE": ("Update",),
    "SAVE": ("Insert", "Update"),
    "SAVE_CHANGES": ("Update",),
    "REPLACE": ("Update",),
    "VALIDATE_ON_SAVE": ("Insert", "Update"),
}


def before_event(*events: object) -> Callable[[F], F]:
    """Run the decorated method before `events` reach the database."""
    return _marked(events, ActionDirections.BEFORE)


def after_event(*events: object) -> Callable[[F], F]:
    """Run the decorated method after `events` have reached the database."""
    return _marked(events, ActionDirections.AFTER)


def _marked(events: tuple[object, ...], direction: ActionDirections) -> Callable[[F], F]:
    def mark(function: F) -> F:
        vars(function).update(
            has_action=True, event_types=list(_flat(events)), action_direction=direction
        )
        return function

    return mark


def is_hook(function: object) -> bool:
    """Whether `function` was decorated with `before_event` or `after_event`, Beanie's or ours."""
    return bool(getattr(function, "has_action", False))


def direction_of(word: object) -> Direction:
    """Read `before_event`, `after_event`, a direction of Beanie's, or the plain word.

    Raises
    ------
    TypeError
        `word` is none of these.
    """
    named = getattr(word, "value", None) or getattr(word, "__name__", None) or word
    text = str(named).removesuffix("_event").lower()
    if text == "before":
        return "before"
    if text == "after":
        return "after"
    raise TypeError(f"direction must be before_event or after_event, not {word!r}.")


def events_of(words: object) -> tuple[Event, ...]:
    """Read one event or several, Beanie's or ours, as the events a run document has.

    A save is an Insert the first time and an Update from then on. Delete has
    nothing to fill, so it gives no event.

    Raises
    ------
    TypeError
        One of `words` is no document event.
    """
    events: list[Event] = []
    for word in _flat((words,)):
        name = str(getattr(word, "value", word)).upper()
        if name == "DELETE":
            continue
        if name not in _EVENTS:
            raise TypeError(f"event must be Insert or Update, or both, not {word!r}.")
        events.extend(event for event in _EVENTS[name] if event not in events)
    return tuple(events)


def _flat(words: tuple[object, ...]) -> Iterable[object]:
    for word in words:
        if isinstance(word, list | tuple):
            yield from _flat(tuple(word))
        else:
            yield word
