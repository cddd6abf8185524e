"""Which rows somebody asks for in words, as a filter that MongoDB may safely be given."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from knockoff.errors import KnockoffError
from knockoff.filling.messages import WAITING_FOR_MYMDC, WAITING_FOR_OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Filter = dict[str, Any]

LONGEST: Final = 1000
"""Characters of a condition."""

LONGEST_TEXT: Final = 200
"""Characters of one text that is looked for: long patterns are slow ones."""

STATES: Final = (
    *("failed", "skipped", "blocked", "timed out", "killed", "stale", "cancelled", "waiting"),
    WAITING_FOR_MYMDC,
    WAITING_FOR_OUTSIDE,
)

_OPERATORS: Final = {">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte"}

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted>"[^"]*"|'[^']*')
      | (?P<sign>>=|<=|!=|==|!~|=|>|<|~)
      | (?P<bracket>[(),])
      | (?P<word>[^\s()<>=!~,"']+)
    )""",
    re.VERBOSE,
)

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(:\d\d)?)?")


class FilterError(KnockoffError, ValueError):
    """A condition that cannot be understood; says where, and how it is written."""

    def __init__(self, text: str, place: int, reason: str) -> None:
        super().__init__(text, place, reason)
        self.text = text
        self.place = place
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"{self.reason[0].upper()}{self.reason[1:]}\n"
            f"  {self.text}\n"
            f"  {' ' * self.place}^\n"
            'A condition looks like: hits > 10 and comment ~ "knife edge"'
        )


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    place: int

    @property
    def bare(self) -> str:
        return self.text[1:-1] if self.kind == "quoted" else self.text

    def says(self, *words: str) -> bool:
        return self.kind != "quoted" and self.text.lower() in words


def filter_of(
    text: str,
    columns: Sequence[Mapping[str, Any]],
    zone: tzinfo = UTC,
    stale: Mapping[str, Mapping[str, str]] | None = None,
) -> Filter:
    """Read a condition such as ``hits > 10 and (comment ~ knife or not lasing = yes)``.

    Signs are ``= != > >= < <=``, and ``~ !~`` for "contains", whatever the case.
    ``hits is empty`` and ``hits is failed`` ask for the state of a cell, ``run in
    (3, 5)`` for one of several values; ``and``, ``or``, ``not`` and brackets join
    conditions. A day or minute stands for all of it. Only operators that compare come
    out, never one that runs code, and only fields that the table has go in.

    Parameters
    ----------
    columns:
        The registry of columns; a column is named by its field, its title, or the end of
        either.
    zone:
        The time zone of the times in `text`.
    stale:
        Which cells are stale, as `knockoff.database.stale` tells it: that is not stored
        in the rows. Needed where `asks_for_stale`.

    Raises
    ------
    FilterError
        It cannot be understood; the message points at the place.
    """
    return _Reader(text, columns, zone, stale).whole()


def asks_for_stale(text: str) -> bool:
    """Whether a condition may ask which cells are stale."""
    return re.search(r"\bstale\b", text, re.IGNORECASE) is not None


class _Reader:
    """Reads from left to right; each method takes what it understands."""

    def __init__(
        self,
        text: str,
        columns: Sequence[Mapping[str, Any]],
        zone: tzinfo,
        stale: Mapping[str, Mapping[str, str]] | None,
    ) -> None:
        self._stale = stale
        self._text = " ".join(text.split())
        self._columns = columns
        self._zone = zone
        self._tokens = self._split()
        self._next = 0

    def whole(self) -> Filter:
        if not self._tokens:
            return {}
        found = self._any()
        if self._next < len(self._tokens):
            raise self._wrong("this is not expected here; join conditions with and / or.")
        return found

    def _split(self) -> list[_Token]:
        if len(self._text) > LONGEST:
            raise FilterError(self._text[:60], 0, f"it is longer than {LONGEST} characters.")
        tokens: list[_Token] = []
        place = 0
        while place < len(self._text):
            match = _TOKEN.match(self._text, place)
            if match is None or match.lastgroup is None:
                raise FilterError(self._text, place, "this cannot be read; is a quote missing?")
            tokens.append(
                _Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup))
            )
            place = match.end()
        return tokens

    def _any(self) -> Filter:
        parts = [self._all()]
        while self._takes("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else {"$or": parts}

    def _all(self) -> Filter:
        parts = [self._one()]
        while self._takes("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else {"$and": parts}

    def _one(self) -> Filter:
        if self._takes("not"):
            return {"$nor": [self._one()]}
        if self._takes("("):
            inner = self._any()
            if not self._takes(")"):
                raise self._wrong("a closing bracket is missing.")
            return inner
        return self._condition()

    def _condition(self) -> Filter:
        token = self._taken("a column is expected here.")
        column = self._column(token)
        if self._takes("is"):
            return self._state(column)
        if self._takes("in"):
            return self._among(column)
        sign = self._taken(f"a sign such as = or > is expected behind {token.text}.")
        if sign.kind != "sign":
            self._next -= 1
            raise self._wrong(f"a sign such as = or > is expected behind {token.text}.")
        return self._compared(column, sign.text, self._value())

    def _state(self, column: Mapping[str, Any]) -> Filter:
        name = str(column["name"])
        if self._takes("not"):
            return {"$nor": [self._state(column)]}
        word = self._taken("a state such as empty or failed is expected here.")
        state = word.bare.lower()
        if state == "timed" and self._takes("out"):
            state = "timed out"
        if state == "waiting" and self._takes("for"):
            if self._takes("mymdc"):
                state = WAITING_FOR_MYMDC
            elif self._takes("outside"):
                state = WAITING_FOR_OUTSIDE
        if state == "empty":
            array = f"knockoff.arrays.{name.replace('.', '/')}"
            return {name: {"$in": [None, ""]}, array: None}
        if state not in STATES:
            self._next -= 1
            raise self._wrong(f"a cell can be empty, {', '.join(STATES)}.")
        if state == "stale":
            if self._stale is None:
                self._next -= 1
                raise self._wrong("which cells are stale is not known here.")
            key = name.replace(".", "/")
            return {"_id": {"$in": [row for row, cells in self._stale.items() if key in cells]}}
        return {f"knockoff.problems.{name.replace('.', '/')}.state": state}

    def _among(self, column: Mapping[str, Any]) -> Filter:
        if not self._takes("("):
            raise self._wrong("values in brackets are expected here, as in (3, 5).")
        parts = [self._compared(column, "=", self._value())]
        while self._takes(","):
            parts.append(self._compared(column, "=", self._value()))
        if not self._takes(")"):
            raise self._wrong("a closing bracket is missing.")
        return {"$or": parts}

    def _compared(self, column: Mapping[str, Any], sign: str, token: _Token) -> Filter:
        name = str(column["name"])
        if sign in ("!=", "!~"):
            return {"$nor": [self._compared(column, sign[1], token)]}
        if sign == "~":
            if len(token.bare) > LONGEST_TEXT:
                raise FilterError(self._text, token.place, f"at most {LONGEST_TEXT} characters.")
            return {name: {"$regex": re.escape(token.bare), "$options": "i"}}
        if column.get("type") == "datetime":
            return {name: self._within(sign, token)}
        values = self._meant(column, token)
        if sign in ("=", "=="):
            return {name: {"$eq": values[0]} if len(values) == 1 else {"$in": values}}
        return {name: {_OPERATORS[sign]: values[0]}}

    def _meant(self, column: Mapping[str, Any], token: _Token) -> list[Any]:
        """The value that is written, as stored in this column; several where both are likely."""
        kind, text = str(column.get("type") or ""), token.bare
        if kind == "str":
            return [text]
        if kind == "bool" and text.lower() in ("yes", "true", "1", "no", "false", "0"):
            return [text.lower() in ("yes", "true", "1")]
        number = _number(text)
        if kind in ("int", "float"):
            if number is None:
                raise FilterError(
                    self._text, token.place, f"{column['name']} is a number, which this is not."
                )
            return [number]
        if token.kind == "quoted":
            return [text]
        if number is not None:
            return [number, text]
        return [text.lower() == "yes", text] if text.lower() in ("yes", "no") else [text]

    def _within(self, sign: str, token: _Token) -> dict[str, datetime]:
        """A day or minute stands for all of it: after it, within it, before it."""
        match = _MOMENT.fullmatch(token.bare)
        try:
            first = datetime.fromisoformat(token.bare) if match else None
        except ValueError:
            first = None
        if match is None or first is None:
            raise FilterError(
                self._text, token.place, 'a time is written as 2026-03-02 or "2026-03-02 10:00".'
            )
        length = timedelta(days=1)
        if match[2]:
            length = timedelta(seconds=1) if match[3] else timedelta(minutes=1)
        begin = first.replace(tzinfo=self._zone).astimezone(UTC)
        end = (first + length).replace(tzinfo=self._zone).astimezone(UTC)
        meant: dict[str, dict[str, datetime]] = {
            ">": {"$gte": end},
            ">=": {"$gte": begin},
            "<": {"$lt": begin},
            "<=": {"$lt": end},
        }
        return meant.get(sign, {"$gte": begin, "$lt": end})

    def _column(self, token: _Token) -> Mapping[str, Any]:
        if token.kind not in ("word", "quoted"):
            self._next -= 1
            raise self._wrong("a column is expected here.")
        try:
            return column_named(token.bare, self._columns)
        except KeyError as error:
            raise FilterError(self._text, token.place, str(error.args[0])) from None

    def _value(self) -> _Token:
        token = self._taken("a value is expected here.")
        if token.kind not in ("word", "quoted"):
            self._next -= 1
            raise self._wrong("a value is expected here; one with blanks stands in quotes.")
        if token.kind == "quoted" or self._next == len(self._tokens):
            return token
        time = self._tokens[self._next]
        if _MOMENT.fullmatch(token.text) and re.fullmatch(r"\d\d:\d\d(:\d\d)?", time.text):
            self._next += 1
            return _Token("quoted", f'"{token.text} {time.text}"', token.place)
        return token

    def _takes(self, word: str) -> bool:
        here = self._next < len(self._tokens) and self._tokens[self._next].says(word)
        self._next += here
        return here

    def _taken(self, expected: str) -> _Token:
        if self._next == len(self._tokens):
            raise self._wrong(expected)
        self._next += 1
        return self._tokens[self._next - 1]

    def _wrong(self, reason: str) -> FilterError:
        at_end = self._next >= len(self._tokens)
        place = len(self._text) if at_end else self._tokens[self._next].place
        return FilterError(self._text, place, reason)


def column_named(name: str, columns: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The column that somebody means by its field, its title, or the end of either.

    Raises
    ------
    KeyError
        None or several are called so; its argument is a sentence for people.
    """
    wanted = name.lower()
    for names in (_in_full, _in_short):
        found = [column for column in columns if wanted in names(column)]
        if len(found) == 1:
            return found[0]
        if found:
            several = ", ".join(str(column["name"]) for column in found[:4])
            raise KeyError(f"{name} may be {several}: write one of them in full.")
    known = [str(column["name"]) for column in columns]
    near = get_close_matches(name, known, n=3) or [each for each in known if wanted in each.lower()]
    hint = f"; did you mean {' or '.join(near[:3])}?" if near else "; `knockoff runs` shows them."
    raise KeyError(f"there is no column {name}{hint}")


def _in_full(column: Mapping[str, Any]) -> tuple[str, ...]:
    name, title = str(column["name"]).lower(), str(column.get("title") or "").lower()
    return (name, name.replace(".", "/"), title)


def _in_short(column: Mapping[str, Any]) -> tuple[str, ...]:
    name, _, title = _in_full(column)
    return (name.rpartition(".")[2], title.rpartition("/")[2])


def _number(text: str) -> int | float | None:
    try:
        number = int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return None
    return number if abs(number) < 2**63 else float(number)  # MongoDB's integers have 64 bits
