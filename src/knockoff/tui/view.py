"""How one person wants the table: which columns, in which order, sorted and filtered by what."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from knockoff.tui.columns import Column
    from knockoff.tui.source import Document

NARROWEST: Final = 3
WIDEST: Final = 80


@dataclass(frozen=True)
class Sort:
    """The column that the rows stand in order of."""

    name: str
    descending: bool = False


@dataclass(frozen=True)
class View:
    """Immutable: everything that people do to the table makes a new one.

    Columns that are not there (any more, or yet) may be named; they are kept, so
    that a variable that comes back stands where it stood.
    """

    order: tuple[str, ...] = ()
    """Every column known when somebody last arranged them; empty: as the context file has them."""
    hidden: frozenset[str] = frozenset()
    pinned: tuple[str, ...] = ("run",)
    widths: tuple[tuple[str, int], ...] = ()
    sort: Sort | None = field(default=None)
    query: str = ""

    def arranged(self, columns: Sequence[Column]) -> tuple[Column, ...]:
        """Every column in this view's order; an unknown one stands behind its predecessor."""
        by_name = {column.name: column for column in columns}
        names = [name for name in self.order if name in by_name]
        before = ""
        for column in columns:
            if column.name not in names:
                names.insert(names.index(before) + 1 if before else 0, column.name)
            before = column.name
        return tuple(by_name[name] for name in names)

    def unseen(self, columns: Sequence[Column]) -> frozenset[str]:
        """Columns that came after somebody had chosen some.

        A choice of columns is work; what comes later waits in the list of columns
        until somebody asks for it. Who has hidden nothing sees it at once.
        """
        if self.hidden <= _quiet(columns):
            return frozenset()
        return _names_of(columns) - set(self.order) - self.hidden - _quiet(columns)

    def away(self, columns: Sequence[Column]) -> frozenset[str]:
        """Columns that are not drawn: hidden, new, or quiet ones that nobody asked for."""
        never_asked = _quiet(columns) - set(self.order)
        return (self.hidden | self.unseen(columns) | never_asked) - {"run"}

    def shown(self, columns: Sequence[Column]) -> tuple[Column, ...]:
        """The columns to draw, pinned ones first."""
        away = self.away(columns)
        kept = [column for column in self.arranged(columns) if column.name not in away]
        return tuple(sorted(kept, key=lambda column: column.name not in self.pinned))

    def width(self, name: str) -> int | None:
        """The width that somebody gave to this column."""
        return dict(self.widths).get(name)

    def seen(self, columns: Sequence[Column]) -> View:
        """The same columns shown, and none unseen any more."""
        order = tuple(column.name for column in self.arranged(columns))
        return replace(self, order=order, hidden=self.hidden | self.away(columns))

    def hide(self, name: str, columns: Sequence[Column]) -> View:
        """Without this column; the run number always stays."""
        if name == "run":
            return self
        seen = self.seen(columns)
        return replace(seen, hidden=seen.hidden | {name})

    def show(self, name: str, columns: Sequence[Column]) -> View:
        """With this column."""
        seen = self.seen(columns)
        return replace(seen, hidden=seen.hidden - {name})

    def show_all(self, columns: Sequence[Column]) -> View:
        """With every column there is."""
        return replace(self.seen(columns), hidden=frozenset())

    def moved(self, name: str, steps: int, columns: Sequence[Column]) -> View:
        """With this column further right by `steps` shown columns, or left if negative."""
        seen = self.seen(columns)
        shown = [column.name for column in seen.shown(columns)]
        if name not in shown:
            return self
        start = shown.index(name)
        target = shown[min(max(start + steps, 0), len(shown) - 1)]
        if (target in self.pinned) != (name in self.pinned) or target == name:
            return self
        order = [other for other in seen.order if other != name]
        order.insert(order.index(target) + (steps > 0), name)
        return replace(seen, order=tuple(order))

    def pin(self, name: str) -> View:
        """With this column fixed at the left, or free again; the run number always is fixed."""
        if name == "run":
            return self
        if name in self.pinned:
            return replace(self, pinned=tuple(other for other in self.pinned if other != name))
        return replace(self, pinned=(*self.pinned, name))

    def widened(self, name: str, width: int) -> View:
        """With this column `width` terminal cells wide."""
        width = min(max(width, NARROWEST), WIDEST)
        return replace(self, widths=tuple({**dict(self.widths), name: width}.items()))

    def sorted_by(self, name: str) -> View:
        """Sorted by this column: upwards, then downwards, then by run again."""
        if self.sort is None or self.sort.name != name:
            return replace(self, sort=Sort(name))
        return replace(self, sort=None if self.sort.descending else Sort(name, descending=True))

    def filtered(self, query: str) -> View:
        """With only the runs that `query` picks."""
        return replace(self, query=query)

    def as_document(self) -> dict[str, Any]:
        """What is kept for the next time: the columns. A filter would only hide new runs then."""
        return {
            "order": list(self.order),
            "hidden": sorted(self.hidden),
            "pinned": list(self.pinned),
            "widths": [list(width) for width in self.widths],
        }

    @classmethod
    def from_document(cls, document: Document | None) -> View:
        """Read what was kept; whatever makes no sense in it counts as not there."""
        document = document or {}
        pinned = _names(document.get("pinned"))
        widths = document.get("widths")
        return cls(
            order=_names(document.get("order")),
            hidden=frozenset(_names(document.get("hidden"))),
            pinned=pinned if "run" in pinned else ("run", *pinned),
            widths=tuple(
                (pair[0], pair[1])
                for pair in (widths if isinstance(widths, list) else ())
                if isinstance(pair, list)
                and len(pair) == 2
                and isinstance(pair[0], str)
                and isinstance(pair[1], int)
            ),
        )


def _names_of(columns: Sequence[Column]) -> frozenset[str]:
    return frozenset(column.name for column in columns)


def _quiet(columns: Sequence[Column]) -> frozenset[str]:
    return frozenset(column.name for column in columns if column.is_quiet)


def _names(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()
