"""What the recorder and the worker say to each other about one run.

All of it is made of numbers, text, lists and dicts; values of a row are tagged
as `knockoff.arrays.wire` tags them, so that a date comes back as a date.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Outcome = Literal["done", "skipped", "failed", "blocked", "timed out", "killed"]
"""How a variable ended. The last two are told by the supervisor, since its process is gone."""


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

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> CellProblem:
        """Read back what `dataclasses.asdict` and JSON made of it."""
        return cls(**{**document, "cause": tuple(document["cause"])})


@dataclass(frozen=True)
class RunTask:
    """The run to be filled, and what is known of it already."""

    proposal: int
    run: int
    collection: str
    attempt: str
    """Names the part files of this attempt: no two attempts of one run share it."""

    extracted_data: str
    """Absolute folder for arrays."""

    data_root: str | None = None
    row: dict[str, Any] = field(default_factory=dict)
    """Fields of the row, dotted, tagged; those of variables are their summaries."""

    arrays: dict[str, dict[str, Any]] = field(default_factory=dict)
    """References of arrays that are stored already, by dotted variable."""

    problems: dict[str, tuple[Outcome, CellProblem]] = field(default_factory=dict)
    """Why variables that are not computed again have no value, by dotted variable."""

    done: tuple[str, ...] = ()
    """Variables whose stored value is current."""

    mymdc: dict[str, Any] = field(default_factory=dict)
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
class Result:
    """A variable ended: its value, or why there is none."""

    variable: str
    outcome: Outcome
    code: str
    """Hash of the code that this process has loaded."""

    fields: dict[str, Any] = field(default_factory=dict)
    """Summaries by dotted field, tagged; empty if there is no value."""

    array: dict[str, Any] | None = None
    preview: dict[str, Any] | None = None
    style: dict[str, Any] | None = None
    units: str | None = None
    problem: CellProblem | None = None
    started_at: float = 0.0
    """Seconds since 1970."""

    seconds: float = 0.0
    peak_memory: int = 0
    """Largest resident size of the process so far, in bytes."""


@dataclass(frozen=True)
class Filled:
    """All variables of one request have ended."""

    variables: int


Message = Started | Result | Filled


def to_json(message: Message) -> dict[str, Any]:
    """A message as a dict, with its kind."""
    return {"kind": type(message).__name__, **asdict(message)}


def from_json(document: dict[str, Any]) -> Message:
    """Read back what `to_json` wrote.

    Raises
    ------
    ValueError
        It is no message.
    """
    content = dict(document)
    kind = content.pop("kind", None)
    try:
        if kind == "Started":
            return Started(**content)
        if kind == "Filled":
            return Filled(**content)
        if kind == "Result":
            problem = content.pop("problem", None)
            return Result(
                **content, problem=CellProblem.from_json(problem) if problem is not None else None
            )
    except (TypeError, KeyError) as error:
        raise ValueError(f"{kind} from the worker is not complete: {error}") from error
    raise ValueError(f"the worker sent {str(document)[:80]!r}, which is no message.")
