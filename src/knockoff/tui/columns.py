"""One column of the table, as the column registry describes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from knockoff.tui.source import Document

INDEX_FIELDS: Final = frozenset({"run", "knockoff.states", "knockoff.active"})
"""What the table knows of every run, on the screen or not."""

PAGE_FIELDS: Final = INDEX_FIELDS | {"knockoff.data", "knockoff.attempt", "knockoff.stale"}

_NOTES: Final = frozenset({"comment", "tags", "status"})
_QUIET: Final = frozenset({"tags", "status", "added_at"})

_NUMBERS: Final = frozenset({"int", "float", "number", "integer"})


@dataclass(frozen=True)
class Column:
    """One variable, one field that people type, or one thing that every run has."""

    name: str
    """The field's path in a run document, as in ``xgm_sa2.pulse_energy``."""
    title: str
    """What stands before the last slash is the title of the group."""
    units: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    kind: str = "variable"
    type: str = ""
    data: str = "raw"
    is_filled: bool = True
    """For a field: a plain hook of the context file fills it."""
    is_former: bool = False
    """The context file no longer has it; its values are still there."""
    schema: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def from_document(cls, document: Document) -> Column:
        """Read an entry of the registry; what is missing in it is left empty."""
        name = str(document["name"])
        return cls(
            name=name,
            title=str(document.get("title") or name.replace(".", "/")),
            units=str(document.get("units") or ""),
            description=str(document.get("description") or ""),
            tags=tuple(str(tag) for tag in document.get("tags") or ()),
            kind=str(document.get("kind") or "variable"),
            type=str(document.get("type") or ""),
            data=str(document.get("data") or "raw"),
            is_filled=bool(document.get("filled", True)),
            is_former=bool(document.get("former", False)),
            schema=document.get("schema") or {},
        )

    @cached_property
    def key(self) -> str:
        """The variable's name under `knockoff.…` and in preview ids: dots are slashes there."""
        return self.name.replace(".", "/")

    @cached_property
    def group(self) -> str:
        """The words over this and its neighbours; empty for a column of its own."""
        return self.title.rpartition("/")[0].strip()

    @cached_property
    def label(self) -> str:
        """The words over this column alone."""
        return self.title.rpartition("/")[2].strip()

    @property
    def is_computed(self) -> bool:
        """A method fills it; an empty cell of it has a reason."""
        return self.kind == "variable" or (self.kind == "field" and self.is_filled)

    @property
    def is_typed(self) -> bool:
        """People type it."""
        return self.kind == "editable" or self.name in _NOTES

    @property
    def is_quiet(self) -> bool:
        """Not shown until somebody asks for it."""
        return self.is_former or self.name in _QUIET

    @property
    def is_number(self) -> bool:
        """Numbers are read from the right."""
        return self.type in _NUMBERS

    @property
    def is_text(self) -> bool:
        """Plain words of a filter are looked for in it."""
        return self.type in ("str", "string", "list", "")

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """What of a document draws a cell of this column; tracebacks are not needed for it."""
        if not self.is_computed:
            return (self.name,)
        return (
            self.name,
            *(f"knockoff.arrays.{self.key}.{part}" for part in ("kind", "dtype", "shape")),
            *(f"knockoff.problems.{self.key}.{part}" for part in ("state", "kind", "message")),
            f"knockoff.style.{self.key}",
            f"knockoff.units.{self.key}",
        )


RUN: Final = Column("run", "Run", description="The run number.", kind="builtin", type="int")

_BUILTIN: Final = (
    RUN,
    Column(
        "start_time",
        "Started",
        description="When the first train was recorded.",
        kind="builtin",
        type="datetime",
    ),
    Column("comment", "Comment", description="What people say.", kind="builtin", type="str"),
)


def columns_of(registry: Iterable[Document]) -> tuple[Column, ...]:
    """What every table has, then the registry in its order; it may describe the former better."""
    described = {str(entry["name"]): Column.from_document(entry) for entry in registry}
    first = tuple(described.pop(column.name, column) for column in _BUILTIN)
    return (*first, *described.values())
