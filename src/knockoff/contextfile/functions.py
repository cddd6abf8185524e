"""Variables and groups at the top of a file or notebook, and what they are called."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from knockoff.language.members import Members, is_group, variable_from
from knockoff.language.variable import Variable

if TYPE_CHECKING:
    from collections.abc import Mapping


def functions_in(names: Mapping[str, Any], module: str, *, with_imported: bool = False) -> Members:
    """The variables and groups among the names of a file or notebook.

    Parameters
    ----------
    names:
        Those of the file.
    module:
        The name under which it was run.
    with_imported:
        Whether a variable that it imports is its own, too, as in DAMNIT.
    """
    found: dict[str, Variable[Any]] = {}
    groups: dict[str, object] = {}
    for name, value in names.items():
        if is_group(value) and not name.startswith("__"):
            groups[name] = value
            continue
        variable = variable_from(value, names)
        is_own = getattr(variable and variable.function, "__module__", None) == module
        if variable is not None and (is_own or (with_imported and isinstance(value, Variable))):
            found[name] = variable
    called = _called(found)
    members = Members(variables={called[name]: each for name, each in found.items()}, groups=groups)
    members.names = tuple(
        dict.fromkeys(called.get(name, name) for name in names if name in called or name in groups)
    )
    return members


def _called(found: Mapping[str, Variable[Any]]) -> dict[str, str]:
    """What the column of each is called: as its function is, or else as it is assigned.

    Functions that a factory made are all called as the one inside of it, which says nothing.
    """
    objects = {id(each): each for each in found.values()}
    count = Counter(_function_name(each) for each in objects.values())
    called = {}
    for name, variable in found.items():
        own = _function_name(variable)
        says_nothing = count[own] > 1 or not own.isidentifier() or _is_inner(variable.function)
        called[name] = name if says_nothing and name.isidentifier() else own
    return called


def _function_name(variable: Variable[Any]) -> str:
    return getattr(variable.function, "__name__", "")


def _is_inner(function: Any) -> bool:
    """Whether it is called as its ``def`` inside of another function."""
    outer, _, own = getattr(function, "__qualname__", "").rpartition(".")
    return outer.endswith("<locals>") and own == function.__name__
