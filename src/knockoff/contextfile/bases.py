"""What a class of variables has from the classes that it derives from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knockoff.language.members import GROUP_MARK, OWN_MARK
from knockoff.language.variable import Variable

if TYPE_CHECKING:
    from collections.abc import Callable


def bases_above(owner: object, function: Callable[..., Any]) -> tuple[type, ...]:
    """Where ``super()`` looks in a function: the classes behind the one that it is written in.

    Parameters
    ----------
    owner:
        The class of a table, or a group.
    function:
        As it is written in the body of `owner` or of one of its bases.
    """
    ways = (owner if isinstance(owner, type) else type(owner)).__mro__
    home = function.__qualname__.rpartition(".")[0]
    places = [place for place, each in enumerate(ways) if each.__qualname__ == home]
    return ways[max(places, default=0) + 1 :]


def is_column_of(base: type, name: str) -> bool:
    """Whether a class fills a column of that name, by a variable or hook."""
    members = vars(base).get(OWN_MARK) or vars(base).get(GROUP_MARK)
    if members is not None and (name in members.variables or name in members.hooks):
        return True
    return isinstance(vars(base).get(name), Variable)
