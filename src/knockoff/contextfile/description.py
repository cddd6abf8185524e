"""A context file as plain data: all that the recorder learns of it, without its code.

The worker, which loads user code, describes the file; the recorder builds its
Beanie classes from that. The two meet in JSON, so everything here is made of
numbers, text, tuples and dicts.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any, Final

from knockoff.contextfile.problems import Problem  # noqa: TC001  # read back at run time
from knockoff.language.occasions import Direction, Event  # noqa: TC001  # read back at run time
from knockoff.runkey import DataKind  # noqa: TC001  # read back at run time

DESCRIPTION_VERSION: Final = 1


@dataclass(frozen=True)
class ColumnDescription:
    """What a table says of one column that a variable fills."""

    name: str
    """Dotted."""

    title: str
    description: str = ""
    units: str | None = None
    tags: tuple[str, ...] = ()
    type: str = ""
    summary: str | None = None
    """How an array becomes what the cell shows: ``"mean"``, or a function's qualified name."""


@dataclass(frozen=True)
class VariableDescription:
    """One method, the columns it fills, and what is known of it before anything runs."""

    name: str
    """Dotted: ``"hits"``, or ``"xgm_sa2.pulse_energy"`` in a group."""

    title: str
    outputs: tuple[str, ...]
    """The fields it fills, dotted: its own, those of its parts, or what a plain hook assigns."""

    data: DataKind
    """What has to be on disk before it is due."""

    events: tuple[Event, ...]
    direction: Direction
    code: str
    """Hash of the source that computes it; comments and docstrings do not count."""

    reads: tuple[str, ...] = ()
    """Variables it cannot do without."""

    may_read: tuple[str, ...] = ()
    """Variables that have a default where it reads them."""

    computed_with: tuple[str, ...] = ()
    """Variables before it that leave something in globals of the file which it uses."""

    fields_read: tuple[str, ...] = ()
    """Fields of the row, typed by people or known of the run, that it reads."""

    catalogue_reads: tuple[str, ...] = ()
    """What of MyMdC it reads, with or without a default: ``("sample_name",)``."""

    reads_elsewhere: tuple[str, ...] = ()
    """Variables of other tables of the file that it cannot do without: ``spectrum_runs/energy``."""

    may_read_elsewhere: tuple[str, ...] = ()
    """The same with a default where it reads them."""

    fields_elsewhere: tuple[str, ...] = ()
    """Fields of the run's rows in other tables that it reads: ``spectrum_runs/threshold``."""

    description: str = ""
    units: str | None = None
    tags: tuple[str, ...] = ()
    type: str = ""
    summary: str | None = None
    """As of a column; with several outputs, each has its own."""

    line: int = 0
    place: int = 0
    """Where its column stands, counted in the order of the source."""

    parts: tuple[ColumnDescription, ...] = ()
    """The columns of a method with several outputs, as in ``beam.mean``; of others there are
    none."""

    hook: bool = False
    cluster: bool = False
    transient: bool = False
    timeout: float | None = None
    """In seconds."""

    retries: int | None = None
    cpus: int | None = None
    memory: int | None = None
    """In bytes."""

    gpus: int | None = None

    @property
    def columns(self) -> tuple[ColumnDescription, ...]:
        """What a table shows of it: its parts if it has any, else one column."""
        if self.parts:
            return self.parts
        texts = (self.name, self.title, self.description, self.units)
        return (ColumnDescription(*texts, self.tags, self.type, self.summary),)


@dataclass(frozen=True)
class FieldDescription:
    """One field that the class declares itself."""

    name: str
    title: str
    schema: dict[str, Any]
    """JSON schema of its values; empty where anything goes."""

    editable: bool = False
    default: Any = None
    description: str = ""
    units: str | None = None
    tags: tuple[str, ...] = ()
    type: str = ""
    place: int = 0
    """Among the columns, as of a variable."""

    @property
    def stored_default(self) -> Any:
        """The default as a row has it: a date and time is one, in UTC if it has no zone."""
        if self.schema.get("format") != "date-time" or not isinstance(self.default, str):
            return self.default
        moment = datetime.fromisoformat(self.default)
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class IndexDescription:
    """An index that the class asks for in its ``Settings``."""

    keys: tuple[tuple[str, Any], ...]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TableDescription:
    """One run class."""

    name: str
    collection: str
    variables: tuple[VariableDescription, ...]
    """In the order in which they run."""

    fields: tuple[FieldDescription, ...] = ()
    indexes: tuple[IndexDescription, ...] = ()
    description: str = ""

    def variable(self, name: str) -> VariableDescription:
        """The variable of that name.

        Raises
        ------
        KeyError
            There is none.
        """
        for variable in self.variables:
            if variable.name == name:
                return variable
        raise KeyError(name)

    def filler_of(self, column: str) -> VariableDescription | None:
        """The variable or hook that fills a column; None if no method does."""
        for variable in self.variables:
            if column in variable.outputs:
                return variable
        return None


def source_hash(content: bytes) -> str:
    """By which a context file is known: of its bytes, comments and all."""
    return hashlib.sha256(content).hexdigest()[:16]


@dataclass(frozen=True)
class ContextDescription:
    """One context file."""

    path: str
    source_hash: str
    """Of the file's bytes; names the source kept in the database."""

    tables: tuple[TableDescription, ...]
    source: str = ""
    version: int = DESCRIPTION_VERSION
    notes: tuple[Problem, ...] = ()
    """What is worth reading although the file can be used."""

    versions: tuple[tuple[str, str], ...] = ()
    """What the process has that loaded it: name and version of Python and of packages."""

    @property
    def exact_source(self) -> str | None:
        """The source, where its UTF-8 is the file's bytes; None for a file in another encoding."""
        is_exact = source_hash(self.source.encode()) == self.source_hash
        return self.source if is_exact else None

    def to_json(self) -> dict[str, Any]:
        """The same as dicts and lists."""
        return asdict(self)
