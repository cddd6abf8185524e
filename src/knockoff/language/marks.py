"""What stands in `Annotated[...]` beside `Variable`: `Editable` and `Source`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
