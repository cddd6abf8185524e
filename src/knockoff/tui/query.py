"""Which runs somebody wants to see: plain words, and conditions such as ``trains > 100``."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from knockoff.errors import KnockoffError
from knockoff.tui.rows import ABSENT, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from knockoff.tui.cells import Hand
    from knockoff.tui.columns import Column

_ORDERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    "==": operator.eq,
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}

_TERM = r""""[^"]*"|'[^']*'|[^\s<>=!~]+"""
_CONDITION = re.compile(rf"({_TERM})\s*(>=|<=|!=|==|!~|=|>|<|~)\s*({_TERM})")
_WORD = re.compile(r""""[^"]*"|'[^']*'|\S+""")


class QueryError(KnockoffError):
    """A filter that cannot be understood."""


@dataclass(frozen=True)
class Condition:
    """One column compared with one value."""

    column: Column
    sign: str
    wanted: str

    def holds(self, row: Row, hand: Hand) -> bool:
        """Whether `row` fulfils it; a row without a value fulfils only ``!=`` and ``!~``."""
        value = row.value(self.column.name)
        if value is None or value is ABSENT:
            return self.sign.startswith("!")
        if self.sign.endswith("~"):
            found = self.wanted.lower() in hand.text(value).lower()
            return found != self.sign.startswith("!")
        compare = _ORDERS[self.sign]
        if isinstance(value, bool):
            return compare(
                hand.text(value),
                {"true": "yes", "false": "no"}.get(self.wanted.lower(), self.wanted.lower()),
            )
        if isinstance(value, int | float):
            number = _number(self.wanted)
            return self.sign == "!=" if number is None else compare(value, number)
        if isinstance(value, datetime):
            written = f"{hand.local(value):%Y-%m-%d %H:%M:%S}"
            return compare(written[: len(self.wanted)], self.wanted)
        return compare(hand.text(value).lower(), self.wanted.lower())


@dataclass(frozen=True)
class Query:
    """All conditions hold, and every word is found somewhere in the run's texts."""

    conditions: tuple[Condition, ...] = ()
    words: tuple[str, ...] = ()
    searched: tuple[Column, ...] = ()

    @property
    def fields(self) -> frozenset[str]:
        """What has to be read of every run to decide."""
        names = {condition.column.name for condition in self.conditions}
        if self.words:
            names.update(*(column.fields for column in self.searched if column.is_text))
            names.update(column.name for column in self.searched if column.is_text)
            names.add("knockoff.problems")
        return frozenset(names)

    def picks(self, row: Row, hand: Hand) -> bool:
        """Whether this run is to be seen."""
        if not all(condition.holds(row, hand) for condition in self.conditions):
            return False
        if not self.words:
            return True
        text = self._text(row, hand)
        return all(word in text for word in self.words)

    def _text(self, row: Row, hand: Hand) -> str:
        parts = [str(row.run), *("running" for _ in row.active)]
        for column in self.searched:
            value = row.value(column.name) if column.is_text else ABSENT
            if value is not ABSENT and value is not None:
                parts.append(hand.text(value))
            if (problem := row.problem(column.key)) is not None:
                parts.extend(str(problem.get(part) or "") for part in ("state", "kind", "message"))
        return "\n".join(parts).lower()


def read_query(text: str, columns: Sequence[Column]) -> Query:
    """Read what somebody typed: ``trains > 100 and sample ~ gold``, or just ``gold``.

    Signs are ``> >= < <= = != ~ !~``, where ``~`` means "contains". Columns may be
    named by title, field or the end of either; names and values with blanks stand
    in quotes. Plain words are looked for in the texts, problems and run numbers.

    Raises
    ------
    QueryError
        A condition names no column, or one of several.
    """
    conditions = tuple(
        Condition(_column(_bare(name), columns), sign, _bare(wanted))
        for name, sign, wanted in _CONDITION.findall(text)
    )
    rest = _CONDITION.sub(" ", text)
    if signs := re.search(r"[<>=!~]=?", rest):
        raise QueryError(
            f"{signs[0]!r} needs a column before it and a value behind it, as in trains > 100."
        )
    words = tuple(_bare(word).lower() for word in _WORD.findall(rest))
    words = tuple(word for word in words if word and word not in ("and", "&", "&&"))
    return Query(conditions, words, tuple(columns))


def _column(name: str, columns: Sequence[Column]) -> Column:
    wanted = name.lower()
    for names in (_full_names, _last_names):
        found = [column for column in columns if wanted in names(column)]
        if len(found) == 1:
            return found[0]
        if found:
            several = ", ".join(repr(column.name) for column in found[:4])
            raise QueryError(f"{name!r} may be {several}: write one of them in full.")
    found = [column for column in columns if wanted in column.name.lower()]
    if len(found) == 1:
        return found[0]
    near = ", ".join(repr(column.name) for column in found[:4])
    raise QueryError(f"There is no column {name!r}" + (f"; did you mean {near}?" if near else "."))


def _full_names(column: Column) -> tuple[str, ...]:
    return (column.name.lower(), column.key.lower(), column.title.lower())


def _last_names(column: Column) -> tuple[str, ...]:
    return (column.name.lower().rpartition(".")[2], column.label.lower())


def _bare(term: str) -> str:
    return term[1:-1] if len(term) > 1 and term[0] == term[-1] and term[0] in "\"'" else term


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
