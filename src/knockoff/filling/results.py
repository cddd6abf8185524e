"""What a pipeline computed: values by name, and why some are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from knockoff.contextfile.assembling import PipelineError
from knockoff.contextfile.problems import nearest
from knockoff.errors import VariableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from knockoff.contextfile.loading import Context
    from knockoff.filling.messages import CellProblem, Outcome
    from knockoff.language.cell import Cell

_WIDEST: Final = 72
_HEADINGS: Final = ("variable", "value", "")


class NoValueError(VariableError, KeyError):
    """A variable of a pipeline has no value, or there is no such variable."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name} has no value: {self.reason}"


@dataclass(frozen=True)
class Progress:
    """How far a pipeline is: one variable begins, or has ended."""

    variable: str
    outcome: Outcome | None
    """None as long as it runs."""

    done: int
    total: int


class Results(Mapping[str, Any]):
    """Values by dotted name, as ``results["xgm.intensity"]``; in memory, and nowhere else.

    Names are those of the functions, also where a table would have to use another one.

    As a mapping it has the variables that have a value; asking for one that
    failed raises `NoValueError`, which says why.
    """

    def __init__(
        self,
        pipeline: str,
        context: Context,
        *,
        cells: dict[str, Cell[Any]],
        summaries: dict[str, Any],
        errors: dict[str, CellProblem],
        outcomes: dict[str, Outcome],
        transient: set[str],
        wholes: dict[str, Any],
    ) -> None:
        self.pipeline = pipeline
        """Its name."""

        self.context = context
        self.cells = cells
        """What was returned, with the look of the cell; transient variables are here, too."""

        self.summaries = summaries
        """What a table would show: of an array its summary, None where it has only a preview."""

        self.errors = errors
        """Why a variable has no value: kind, message, line. A `Skip` is one of them."""

        self.outcomes = outcomes
        """How each variable ended."""

        self._transient = transient
        self._wholes = wholes

    @property
    def ctx(self) -> Context:
        """The same as `context`, as DAMNIT calls it."""
        return self.context

    def __getitem__(self, name: str) -> Any:
        if name in self.cells:
            return self.cells[name].data
        if name in self._wholes and name not in self.outcomes:
            return self._wholes[name]  # of a method with several outputs
        if name in self.errors:
            raise NoValueError(name, self._reason(name))
        raise NoValueError(name, f"there is no such variable. {nearest(name, self.outcomes)}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.cells)

    def __len__(self) -> int:
        return len(self.cells)

    def save(self, *_: object, **__: object) -> NoReturn:
        """Refused, because a value in a table has a context file and a history behind it.

        Raises
        ------
        PipelineError
            Always; it says what to do instead.
        """
        raise PipelineError(
            "What a pipeline computes stays in memory.",
            "To have it in the table, put its variables into the context file "
            "and run `knockoff process`.",
        )

    # As people see it

    def __repr__(self) -> str:
        rows = [(name, *self._shown(name)) for name in self.outcomes]
        widths = [max((len(row[place]) for row in rows), default=0) for place in (0, 1)]
        lines = [
            f"{name:{widths[0]}}  {value:{widths[1]}}  {look}".rstrip()
            for name, value, look in rows
        ]
        return "\n".join((self._title(), *lines))

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{each}</th>" for each in _HEADINGS)
        rows = "".join(self._row(name) for name in self.outcomes)
        return f"<p>{escape(self._title())}</p><table><tr>{head}</tr>{rows}</table>"

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.cells)

    def _row(self, name: str) -> str:
        cell = self.cells.get(name)
        look = "font-weight: bold;" if cell is not None and cell.bold else ""
        if cell is not None and cell.background:
            look += f"background: {cell.background};"
        value, note = map(escape, self._shown(name))
        style = f' style="{escape(look)}"' if look else ""
        return f"<tr><td>{escape(name)}</td><td{style}>{value}</td><td>{note}</td></tr>"

    def _title(self) -> str:
        counted = Counter(self.outcomes.values())
        told = ", ".join(f"{count} {outcome}" for outcome, count in counted.items())
        return f"Pipeline {self.pipeline}: {told or 'no variables'}"

    def _shown(self, name: str) -> tuple[str, str]:
        """What stands beside a name: its value, and a remark."""
        if name in self.errors:
            return "", _cut(f"{self.outcomes[name]}: {self._reason(name)}")
        cell, summary = self.cells[name], self.summaries.get(name)
        value = _cut(_text(cell.data if summary is None else summary))
        shown = f"{value} {cell.units}" if cell.units else value
        return shown, "transient" if name in self._transient else ""

    def _reason(self, name: str) -> str:
        problem = self.errors[name]
        reason = problem.message or "no reason was given"
        if self.outcomes[name] == "failed":
            reason = f"{problem.kind}: {problem.message}"
        if problem.line:
            reason += f" ({Path(self.context.description.path).name}:{problem.line})"
        return reason


def _text(value: Any) -> str:
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape:
        return " ".join(f"{dtype or type(value).__name__} {shape}".split())
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…"
