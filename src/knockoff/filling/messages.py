"""What the recorder and the worker say to each other about one run.

All of it is made of numbers, text, lists and dicts; values of a row are tagged
as `knockoff.arrays.wire` tags them, so that a date comes back as a date.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Literal

WAITING_FOR_MYMDC: Final = "waiting for mymdc"
"""The outcome of a variable that reads what the catalogue does not know yet."""

WAITING_FOR_OUTSIDE: Final = "waiting for outside"
"""The outcome of a variable whose value a program of its own is going to submit."""

Outcome = Literal[
    "done",
    "skipped",
    "failed",
    "blocked",
    "timed out",
    "killed",
    "waiting for mymdc",
    "waiting for outside",
]
"""How a variable ended; of the dead, timed out and killed, the supervisor tells."""


@dataclass(frozen=True)
class Cause:
    """One variable at the root of a problem, and the way to it."""

    path: tuple[str, ...]
    """From what the blocked variable reads itself to the root."""

    state: Outcome
    kind: str
    message: str
    file: str = ""
    """Name of the context file, without its folder."""

    line: int = 0
    context_line: str = ""


@dataclass(frozen=True)
class CellProblem:
    """Why a cell has no value."""

    kind: str
    """Class of the exception, or ``"Skip"``."""

    message: str
    line: int = 0
    """In the context file; 0 if it was not raised there."""

    context_line: str = ""
    traceback: str = ""
    """At most 8 kB, the newest frames."""

    cause: tuple[str, ...] = ()
    """For a blocked variable: the path to the variable that failed, nearest first."""

    causes: tuple[Cause, ...] = ()
    """Everything that keeps a variable from its value, each root once, the worst first."""

    outside: dict[str, Any] = field(default_factory=dict)
    """Of a variable that waits for a program: ``command``, ``folder``, and what is known of it."""

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> CellProblem:
        """Read back what `dataclasses.asdict` and JSON made of it."""
        causes = (
            Cause(**{**each, "path": tuple(each["path"])}) for each in document.get("causes", ())
        )
        told = {**document, "cause": tuple(document["cause"]), "causes": tuple(causes)}
        return cls(**told)


@dataclass(frozen=True)
class RunTask:
    """The run to be filled, and what is known of it already."""

    proposal: int
    run: int
    collection: str
    attempt: str
    """Names the part files of this attempt: no two attempts of one run share it."""

    extracted_data: str
    """Absolute folder for arrays; if empty they are not written at all."""

    data_root: str | None = None
    row: dict[str, Any] = field(default_factory=dict)
    """Fields of the row, dotted, tagged; those of variables are their summaries."""

    arrays: dict[str, dict[str, Any]] = field(default_factory=dict)
    """References of arrays that are stored already, by dotted column."""

    exact: dict[str, str] = field(default_factory=dict)
    """By dotted column what a stored value really is, where the row cannot say so."""

    problems: dict[str, tuple[Outcome, CellProblem]] = field(default_factory=dict)
    """Why columns that are not computed again have no value, by dotted column."""

    done: tuple[str, ...] = ()
    """Variables whose stored value is current."""

    mymdc: dict[str, Any] = field(default_factory=dict)
    """What the catalogue says of the run, by field, tagged; what it does not say is missing."""

    waits: dict[str, str] = field(default_factory=dict)
    """Why fields of the catalogue are missing, as told to people."""

    parameters: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The same as a dict."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> RunTask:
        """Read back what `to_json` wrote."""
        problems = {
            name: (outcome, CellProblem.from_json(problem))
            for name, (outcome, problem) in document["problems"].items()
        }
        return cls(**{**document, "done": tuple(document["done"]), "problems": problems})


@dataclass(frozen=True)
class Started:
    """A variable begins."""

    variable: str


@dataclass(frozen=True)
class CellResult:
    """What one cell is to hold, or why it shows nothing although its variable ended well."""

    value: Any = None
    """What the field shows, tagged."""

    exact: str | None = None
    """What was returned, as `arrays.values.exact_text` writes it; None if `value` is just that."""

    array: dict[str, Any] | None = None
    preview: dict[str, Any] | None = None
    style: dict[str, Any] | None = None
    units: str | None = None
    outcome: Outcome = "done"
    problem: CellProblem | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the value is stored beside what is shown, also where nothing can be shown."""
        return self.array is not None or self.exact is not None

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> CellResult:
        """Read back what `to_json` wrote."""
        problem = document.get("problem")
        read = None if problem is None else CellProblem.from_json(problem)
        return cls(**{**document, "problem": read})


@dataclass(frozen=True)
class Result:
    """A variable ended: what its cells hold, or why there is nothing to hold."""

    variable: str
    outcome: Outcome
    code: str
    """Hash of the code that this process has loaded."""

    cells: dict[str, CellResult] = field(default_factory=dict)
    """By dotted field; empty if there is no value at all."""

    problem: CellProblem | None = None
    """Of all its cells."""

    started_at: float = 0.0
    """Seconds since 1970."""

    seconds: float = 0.0
    peak_memory: int = 0
    """Largest resident size of the process so far, in bytes."""

    @property
    def cell(self) -> CellResult:
        """That of a variable with one output; an empty one if it has no value."""
        return self.cells.get(self.variable, CellResult())

    @property
    def fields(self) -> dict[str, Any]:
        """What the row shows, tagged, by dotted field; those without a value are left out."""
        return {name: cell.value for name, cell in self.cells.items() if cell.problem is None}


@dataclass(frozen=True)
class Filled:
    """All variables of one request have ended."""

    variables: int


Message = Started | Result | Filled


@dataclass(frozen=True)
class Request:
    """What a worker is to compute next; a ticket for each variable comes beside it."""

    variables: tuple[str, ...]
    known: tuple[Result, ...] = ()
    """What other processes of the run have found out meanwhile."""

    tries: dict[str, int] = field(default_factory=dict)
    """How often variables were tried before, in processes that are gone."""

    def to_json(self) -> dict[str, Any]:
        """The same as a dict."""
        known = [to_json(each) for each in self.known]
        return {"variables": list(self.variables), "known": known, "tries": self.tries}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Request:
        """Read back what `to_json` wrote."""
        known = (from_json(each) for each in document["known"])
        results = tuple(each for each in known if isinstance(each, Result))
        return cls(tuple(document["variables"]), results, document["tries"])


def to_json(message: Message) -> dict[str, Any]:
    """A message as a dict, with its kind; of cells only what they have is told."""
    document = {"kind": type(message).__name__, **asdict(message)}
    if isinstance(message, Result):
        document["cells"] = {
            name: {what: each for what, each in cell.items() if each is not None}
            for name, cell in document["cells"].items()
        }
    return document


def from_json(document: dict[str, Any]) -> Message:
    """Read back what `to_json` wrote.

    Raises
    ------
    ValueError
        It is no message, or one of another version of knockoff.
    """
    content = dict(document)
    kind = content.pop("kind", None)
    refuse_other_versions(document)
    try:
        if kind == "Started":
            return Started(**content)
        if kind == "Filled":
            return Filled(**content)
        if kind == "Result":
            cells = {name: CellResult.from_json(each) for name, each in content["cells"].items()}
            problem = content["problem"]
            read = None if problem is None else CellProblem.from_json(problem)
            return Result(**{**content, "cells": cells, "problem": read})
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{kind} from the worker is not complete: {error}") from error
    raise ValueError(f"the worker sent {str(document)[:80]!r}, which is no message.")


def refuse_other_versions(document: dict[str, Any]) -> None:
    """Refuse a result with more in it than this knockoff knows: its value would be lost.

    Raises
    ------
    ValueError
        It has such a part; the message names it.
    """
    known = {"kind", *(each.name for each in fields(Result))}
    unknown = sorted(document.keys() - known)
    if document.get("kind") == "Result" and unknown:
        raise ValueError(
            f"the result of {str(document.get('variable'))[:80]!r} was written by another version "
            f"of knockoff (it has {', '.join(unknown)}), and is computed again"
        )
