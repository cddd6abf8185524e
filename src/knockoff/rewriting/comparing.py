"""Whether a rewritten file says the same as the original."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from knockoff.contextfile.description import ContextDescription, VariableDescription

_SAME = ("title", "data", "tags", "units", "cluster", "transient", "description", "events")


def differences(
    original: ContextDescription, new: ContextDescription, renamed: Mapping[str, str]
) -> Iterator[str]:
    """One sentence for each thing that is not as it was; none if they say the same.

    Parameters
    ----------
    renamed:
        New names of columns and groups, by old.
    """
    before, after = _variables(original), _variables(new)
    for name, old in before.items():
        called = new_name(name, renamed)
        found = after.pop(called, None)
        if found is None:
            yield f"the column {called} is missing"
            continue
        for what in _SAME:
            was, now = getattr(old, what), getattr(found, what)
            if was != now:
                yield f"{what} of {called} is {now!r}, and was {was!r}"
        was, now = {new_name(each, renamed) for each in _reads(old)}, set(_reads(found))
        if was != now:
            yield f"{called} reads {_listed(now)}, and read {_listed(was)}"
    for name in after:
        yield f"the column {name} was not there before"


def new_name(name: str, renamed: Mapping[str, str]) -> str:
    """A dotted name with its first part, or the whole of it, renamed."""
    first, dot, rest = name.partition(".")
    return renamed.get(name, f"{renamed.get(first, first)}{dot}{rest}")


def _variables(description: ContextDescription) -> dict[str, VariableDescription]:
    return {each.name: each for table in description.tables for each in table.variables}


def _reads(variable: VariableDescription) -> tuple[str, ...]:
    return (*variable.reads, *variable.may_read)


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "nothing"
