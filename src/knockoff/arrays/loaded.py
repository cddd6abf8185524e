"""Types that this process has imported already, found without importing anything.

A value of a library's type can only have been made by a process that has that library, so a
library that is not loaded need not be asked. Whoever reads a stored value back gets the class of
a context file where that file is loaded, and a plain value elsewhere.
"""

from __future__ import annotations

import sys
from typing import Any


def loaded_type(module: str, *names: str) -> type | None:
    """The type of this name: ``loaded_type("numpy", "ma", "MaskedArray")``; None if not loaded."""
    found: Any = sys.modules.get(module)
    for name in names:
        found = vars(found).get(name) if hasattr(found, "__dict__") else None
    return found if isinstance(found, type) else None


def is_of(value: object, module: str, *names: str) -> bool:
    """Whether `value` is of this type; what an object says of its own class does not count."""
    found = loaded_type(module, *names)
    return found is not None and issubclass(type(value), found)


def has_method(type_: type, name: str) -> bool:
    """Whether the class itself, and not the class of the class, has something of that name."""
    return any(name in vars(each) for each in type_.__mro__)


def place_of(type_: type) -> str:
    """Where a class stands, as `type_at` reads it: ``"shapes:Beam.Profile"``."""
    return f"{type_.__module__}:{type_.__qualname__}"


def type_at(place: str) -> type | None:
    """The class that stands there, if its module is loaded."""
    module, _, names = place.partition(":")
    return loaded_type(module, *names.split("."))
