"""What is known of a table: its runs in order, the rows read so far, how numbers are written."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from knockoff.tui.cells import LOADING, Cell, Hand, Trend
from knockoff.tui.columns import INDEX_FIELDS, PAGE_FIELDS, RUN, Column
from knockoff.tui.numbers import NumberFormat
from knockoff.tui.query import Query, QueryError, read_query
from knockoff.tui.rows import ABSENT, Row
from knockoff.tui.text import cells_of, one_line
from knockoff.tui.view import View

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_RUN: Final = attrgetter("run")

MOST_ROWS: Final = 1500
"""Rows kept in memory; a few megabytes at 200 columns."""

SAMPLE: Final = 60
"""Rows looked at to choose widths and decimals."""

WIDTHS: Final = {"int": 8, "float": 9, "bool": 5, "datetime": 12, "str": 16, "run": 4}
NARROWEST_FREE: Final = 9
WIDEST_FREE: Final = 24
ARRAY_WIDTH: Final = 16


@dataclass(frozen=True)
class Place:
    """One column where it is drawn."""

    column: Column
    width: int
    title: str
    right: bool = False
    """Its cells are numbers, and end below each other."""
    over: str = ""
    """The first words of a long title, where there is a line above for them."""


class RunStore:
    """Rows come in by `index` and `put`; cells go out by `cell`. Knows no database, no terminal.

    `versions` tells the drawer which rows changed, `epoch` that everything did.
    """

    def __init__(self, hand: Hand) -> None:
        self.hand = hand
        self.columns: tuple[Column, ...] = (RUN,)
        self.view = View()
        self.query = Query()
        self.places: tuple[Place, ...] = (Place(RUN, WIDTHS["run"], RUN.label, right=True),)
        self.order: list[str] = []
        self.versions: dict[str, int] = {}
        self.epoch = 0
        self._facts: dict[str, Row] = {}
        self._of_run: dict[int, str] = {}
        self._rows: OrderedDict[str, Row] = OrderedDict()
        self._positions: dict[str, int] | None = None
        self._numbers: dict[str, NumberFormat] = {}
        self._widths: dict[str, int] = {}
        self._sampled: dict[str, int] = {}
        self._numeric: set[str] = set()
        self._known_well: set[str] = set()
        self._trends: dict[tuple[str, str], Trend] = {}
        self._page_fields: frozenset[str] | None = None
        self._troubled: set[str] = set()
        self._typed: dict[tuple[str, str], str] = {}
        self._stored: set[tuple[str, str]] = set()

    # What is shown -----------------------------------------------------------------

    def define(self, columns: Sequence[Column]) -> None:
        """These are the columns now; what was read of the rows may lack some of them."""
        self.columns = tuple(columns)
        self._rows.clear()
        self._trends.clear()
        try:
            self.look(self.view)
        except QueryError:  # the column that it filters by is gone
            self.look(self.view.filtered(""))

    def look(self, view: View) -> None:
        """Show the table by `view`; to sort or filter by it, `arrange` after `facts` are read.

        Raises
        ------
        QueryError
            The filter of `view` makes no sense; nothing is changed.
        """
        before = self.page_fields
        self._page_fields = None
        self.query = read_query(view.query, self.columns) if view.query else Query()
        self.view = view
        self._place()
        if not self.page_fields <= before:
            self._rows.clear()

    @property
    def page_fields(self) -> frozenset[str]:
        """What has to be read of a row to draw it."""
        if self._page_fields is None:
            shown = {name for place in self.places for name in place.column.fields}
            self._page_fields = asked(shown | PAGE_FIELDS | self.fact_fields)
        return self._page_fields

    @property
    def fact_fields(self) -> frozenset[str]:
        """What has to be read of every row to sort, filter and count."""
        sort = {self.view.sort.name} if self.view.sort else set()
        return asked(INDEX_FIELDS | sort | self.query.fields)

    @property
    def is_arranged(self) -> bool:
        """Rows stand otherwise than by run, or some are left out."""
        return self.view.sort is not None or bool(self.view.query)

    @property
    def unseen(self) -> frozenset[str]:
        """Columns that came after this person had chosen theirs."""
        return self.view.unseen(self.columns)

    # Rows --------------------------------------------------------------------------

    def index(self, facts: Iterable[Row]) -> None:
        """These, in this order, are all the runs there are."""
        self._facts = {row.key: row for row in facts}
        self._of_run = {row.run: row.key for row in self._facts.values()}
        self._troubled = {row.key for row in self._facts.values() if row.is_troubled}
        self.arrange()

    def arrange(self) -> None:
        """Filter and sort by what `facts` say; a row without a value comes last."""
        rows: Iterable[Row] = sorted(self._facts.values(), key=_RUN)
        if self.query.conditions or self.query.words:
            rows = (row for row in rows if self.query.picks(row, self.hand))
        if (sort := self.view.sort) is not None:
            keyed = [(_rank(row.value(sort.name)), row) for row in rows]
            with_value = [pair for pair in keyed if pair[0] is not None]
            with_value.sort(key=lambda pair: pair[0] or (), reverse=sort.descending)
            rows = [row for _, row in with_value] + [row for rank, row in keyed if rank is None]
        self.order = [row.key for row in rows]
        self._positions = None

    def note(self, facts: Iterable[Row]) -> bool:
        """Take in what was read anew of some rows; True if rows came or should move."""
        moved = False
        for row in facts:
            known = row.key in self._facts
            self._facts[row.key] = row
            self._of_run[row.run] = row.key
            (self._troubled.add if row.is_troubled else self._troubled.discard)(row.key)
            self._touch(row.key)
            if self.is_arranged:
                moved = True
            elif not known:
                self._insert(row)
                moved = True
        return moved

    def put(self, rows: Iterable[Row]) -> None:
        """Keep whole rows; the ones that were looked at least recently make room."""
        fresh = list(rows)
        for row in fresh:
            for shown in [shown for shown in self._stored if shown[0] == row.key]:
                self._stored.discard(shown)
                self._typed.pop(shown, None)
            self._rows[row.key] = row
            self._rows.move_to_end(row.key)
            self._touch(row.key)
        while len(self._rows) > MOST_ROWS:
            self._rows.popitem(last=False)
        self._learn(fresh)

    def forget(self, keys: Iterable[str]) -> None:
        """These rows changed and are read again when they are looked at."""
        for key in keys:
            self._rows.pop(key, None)
            self._touch(key)

    def drop(self, keys: Collection[str]) -> None:
        """These rows are gone."""
        if not keys:
            return
        for key in keys:
            if (row := self._facts.pop(key, None)) is not None:
                self._of_run.pop(row.run, None)
            self._troubled.discard(key)
            self._rows.pop(key, None)
        gone = set(keys)
        self.order = [key for key in self.order if key not in gone]
        self._positions = None

    def missing(self, first: int, last: int) -> list[str]:
        """Which rows from `first` to before `last` still have to be read."""
        return [key for key in self.order[max(first, 0) : last] if key not in self._rows]

    def row(self, key: str) -> Row | None:
        """A row as far as it was read; None before it was."""
        return self._rows.get(key)

    def fact(self, key: str) -> Row | None:
        """What is known of any row: run, states, and what is sorted and filtered by."""
        return self._facts.get(key)

    def position(self, key: str) -> int | None:
        """Where a row stands now."""
        if self._positions is None:
            self._positions = {key: index for index, key in enumerate(self.order)}
        return self._positions.get(key)

    def key_of_run(self, run: int) -> str | None:
        """The row of a run, filtered out or not."""
        return self._of_run.get(run)

    @property
    def newest(self) -> str | None:
        """The row with the highest run number among those that are shown."""
        if not self.order:
            return None
        return self.order[-1] if self.view.sort is None else max(self.order, key=self._run)

    @property
    def total(self) -> int:
        """How many runs there are, filtered out or not."""
        return len(self._facts)

    @property
    def troubled(self) -> int:
        """How many of all runs have a failed variable."""
        return len(self._troubled)

    # Cells -------------------------------------------------------------------------

    def cell(self, key: str, place: Place) -> Cell:
        """What stands in a cell; blank while its row is being read."""
        column = place.column
        if (typed := self._typed.get((key, column.name))) is not None:
            return Cell((typed,), "stale", place.right)
        row = self._rows.get(key)
        if row is None:
            if column.name != "run" or key not in self._facts:
                return LOADING
            row = self._facts[key]
        numbers = self._numbers.get(column.name, NumberFormat())
        trend = self._trends.get((key, column.key))
        return self.hand.cell(column, row, numbers, place.width, right=place.right, trend=trend)

    def typed(self, key: str, name: str, text: str) -> None:
        """Show what somebody typed, until it was `stored` and its row read again, or `refused`."""
        self._typed[(key, name)] = text
        self._touch(key)

    def stored(self, key: str, name: str) -> None:
        """What was typed is in the database."""
        self._stored.add((key, name))

    def refused(self, key: str, name: str) -> None:
        """What was typed is not in the database; the cell shows again what is."""
        self._typed.pop((key, name), None)
        self._touch(key)

    def without_trend(
        self, keys: Iterable[str], columns: Iterable[Column]
    ) -> list[tuple[str, str]]:
        """Row and variable keys of the array cells whose trendline was not looked for yet."""
        computed = [column for column in columns if column.is_computed]
        return [
            (key, column.key)
            for key in keys
            if (row := self._rows.get(key)) is not None
            for column in computed
            if (key, column.key) not in self._trends
            and row.array(column.key) is not None
            and row.value(column.name) in (None, ABSENT)
        ]

    def trend(self, key: str, variable: str, points: Trend) -> None:
        """Keep a trendline; an empty one says that there is none."""
        self._trends[(key, variable)] = points
        self._touch(key)

    def forget_trends(self, key: str) -> None:
        """The trendlines of this row are looked for again."""
        for known in [known for known in self._trends if known[0] == key]:
            del self._trends[known]
        self._touch(key)

    # How it looks ------------------------------------------------------------------

    def _touch(self, key: str) -> None:
        self.versions[key] = self.versions.get(key, 0) + 1

    def _insert(self, row: Row) -> None:
        """A new run goes where its number belongs: nearly always to the end."""
        if not self.order or self._run(self.order[-1]) <= row.run:
            self.order.append(row.key)
            if self._positions is not None:
                self._positions[row.key] = len(self.order) - 1
            return
        self.order.insert(bisect_right(self.order, row.run, key=self._run), row.key)
        self._positions = None

    def _run(self, key: str) -> int:
        return self._facts[key].run

    def _learn(self, rows: Sequence[Row]) -> None:
        """Choose widths once and decimals as they are needed, from what is on the screen."""
        sample = rows[:SAMPLE]
        changed = False
        for place in self.places:
            column = place.column
            if column.name in self._known_well:
                continue
            values = [row.value(column.name) for row in sample]
            floats = [value for value in values if isinstance(value, float)]
            if column.name not in self._numeric and any(map(_is_number, values)):
                self._numeric.add(column.name)
                changed = True
            if floats:
                before = self._numbers.get(column.name, NumberFormat())
                after = before.learned(floats)
                self._numbers[column.name] = after
                changed = changed or after != before
            if self._sampled.get(column.name, 0) < SAMPLE:
                changed = self._measure(column, sample) or changed
            elif column.name not in self._numbers or self._numbers[column.name].is_final:
                self._known_well.add(column.name)
        if changed:
            self._place()

    def _measure(self, column: Column, rows: Sequence[Row]) -> bool:
        """Let a column grow with its first values; later ones find it as it is."""
        numbers = self._numbers.get(column.name, NumberFormat())
        lengths = [length for row in rows if (length := self._length(column, row, numbers))]
        before = self._widths.get(column.name, 0)
        width = min(max([before, *lengths]), WIDEST_FREE)
        self._sampled[column.name] = self._sampled.get(column.name, 0) + len(lengths)
        if width:
            self._widths[column.name] = width
        return width != before

    def _length(self, column: Column, row: Row, numbers: NumberFormat) -> int:
        value = row.value(column.name)
        if value is not ABSENT and value is not None:
            return cells_of(self.hand.short(value, numbers))
        return ARRAY_WIDTH if row.array(column.key) is not None else 0

    def _place(self) -> None:
        shown = self.view.shown(self.columns)
        two_lines = any(column.group for column in shown)
        self.places = tuple(
            self._placed(column, two_lines and not column.group) for column in shown
        )
        self.epoch += 1

    def _placed(self, column: Column, two_lines: bool) -> Place:
        title, over = one_line(column.label), ""
        room = self._content(column)
        if two_lines and _titled(title, column.units) > room + 2:
            over, title = max(
                ((title[:blank], title[blank + 1 :]) for blank in _blanks(title)),
                key=lambda lines: -max(len(lines[0]), _titled(lines[1], column.units)),
                default=("", title),
            )
        needed = max(len(over), _titled(title, column.units))
        width = self.view.width(column.name) or min(max(room, needed), max(WIDEST_FREE, room))
        right = column.is_number or column.name in self._numeric
        return Place(column, width, title, right, over)

    def _content(self, column: Column) -> int:
        """The width that the values need."""
        if column.name == "run":
            return max(WIDTHS["run"], len(str(max(self._of_run, default=0))))
        return max(
            self._widths.get(column.name, WIDTHS.get(column.type, ARRAY_WIDTH)), NARROWEST_FREE
        )


def asked(names: Collection[str]) -> frozenset[str]:
    """`names` without what lies inside another one: MongoDB refuses to be asked for both."""
    wanted = frozenset(names)
    return frozenset(
        name
        for name in wanted
        if not any(name[:end] in wanted for end, sign in enumerate(name) if sign == ".")
    )


def _titled(title: str, units: str) -> int:
    return cells_of(title) + (1 + cells_of(units) if units else 0)


def _blanks(title: str) -> list[int]:
    return [index for index, character in enumerate(title) if character == " "]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rank(value: Any) -> tuple[int, Any] | None:
    """Values of one column in one order, whatever their types; None for no value."""
    if value is None or value is ABSENT or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, int | float):
        return (0, value)
    if isinstance(value, datetime):
        return (1, value.timestamp())
    return (2, str(value).lower())
