"""Groups that a context file writes down and then does not use: most likely forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knockoff.contextfile.places import place_at_top
from knockoff.contextfile.problems import Problem
from knockoff.language.group import inner_groups
from knockoff.language.members import GROUP_MARK, is_group

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from knockoff.contextfile.tables import TableSource


def unused_groups(
    file: str, module: str, names: Mapping[str, Any], sources: Iterable[TableSource]
) -> list[Problem]:
    """A note for each group, class or instance, of which no table has a column.

    Parameters
    ----------
    module:
        The name under which the file was run; what it imports may well be used elsewhere.
    names:
        Those of the file.
    """
    used = [group for source in sources for group in _all(source.members.groups.values())]
    held = [
        *used,
        *(group for value in names.values() if is_group(value) for group in _all([value])),
    ]
    notes: list[Problem] = []
    for name, value in names.items():
        if _is_group_class(value) and value.__module__ == module:
            if not any(isinstance(each, value) for each in held) and not _is_base(value, names):
                remedy = f"Write {name.lower()} = {name}(…) in the run class, or take it out."
                notes.append(_note(file, name, f"no table has a group of class {name}.", remedy))
        elif is_group(value) and not any(value is each for each in used):
            remedy = f"Write {name} = {name} in the run class, or take it out."
            notes.append(_note(file, name, f"the group {name} belongs to no table.", remedy))
    return notes


def _note(file: str, name: str, message: str, remedy: str) -> Problem:
    place = place_at_top(file, name)
    return Problem(place.file, place.line, place.column, message, remedy, "note")


def _is_group_class(value: object) -> bool:
    return isinstance(value, type) and hasattr(value, GROUP_MARK)


def _is_base(cls: type, names: Mapping[str, Any]) -> bool:
    """Whether another group of the file builds on it.

    A decorated class is made anew from what was written, so that names tell, and not identity.
    """
    return any(
        _is_group_class(other) and cls.__name__ in {base.__name__ for base in other.__mro__[1:]}
        for other in names.values()
        if other is not cls
    )


def _all(groups: Iterable[object]) -> Iterator[object]:
    for group in groups:
        yield group
        yield from _all(inner_groups(group).values())
