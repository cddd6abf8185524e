"""`Run` where Beanie is not installed: a class to hold variables, and nothing else."""

from __future__ import annotations

from typing import Any, ClassVar

from knockoff.language.members import OWN_MARK, Members, members_of_class, split_class


class Run:
    """A table of runs, described but not connected to a database.

    Another interpreter that only computes loads context files with this one.
    """

    __knockoff_members__: ClassVar[Members] = Members()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = split_class(cls)
        setattr(cls, OWN_MARK, own)
        cls.__knockoff_members__ = members_of_class(cls)
        for name in (*own.variables, *own.groups):
            delattr(cls, name)  # so that a value is found only where one was handed over
