"""What stands in `Annotated[...]`: beside `Variable` there are `Editable` and `Source`."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Editable:
    """A field that people type into; variables that read it are due again when it changes."""

    title: str | None = None
    """Column header; the field's name in words if not given."""

    description: str | None = None
    units: str | None = None
    tags: str | Iterable[str] = ()


@dataclass(frozen=True)
class Source:
    """One key of one source of the run, read for you as an array with ``trainId``.

    A run without that source or key skips the variable, and the cell names it.
    """

    source: str
    """As extra-data lists it, for instance ``"SA2_XTD1_XGM/XGM/DOOCS:output"``, or an alias."""

    key: str
    """For instance ``"data.intensityTD"``."""


def marks_in(kind: Any) -> tuple[Any, ...]:
    """All that stands beside a type; ``Annotated[int, …] | None`` has it within a union."""
    origin = get_origin(kind)
    if origin is Annotated:
        return get_args(kind)[1:]
    if origin in (Union, types.UnionType):
        return tuple(mark for each in get_args(kind) for mark in marks_in(each))
    return ()
