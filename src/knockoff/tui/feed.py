"""Carries rows and changes from the source into the store, ten times per second at most."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from knockoff.errors import DatabaseError
from knockoff.tui.columns import PAGE_FIELDS, columns_of
from knockoff.tui.rows import Row
from knockoff.tui.store import asked
from knockoff.tui.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from knockoff.tui.cells import Trend
    from knockoff.tui.columns import Column
    from knockoff.tui.source import Change, Document, Link, Source
    from knockoff.tui.store import RunStore

log = logging.getLogger(__name__)

BREATH_S: Final = 0.1
"""Changes that come closer to each other than this are drawn together."""

REARRANGE_S: Final = 1.0
"""Rows that are sorted or filtered by what changes move no more often than this."""

AHEAD: Final = 40
"""Rows read above and below the screen, so that scrolling finds them there."""


@dataclass(frozen=True)
class News:
    """What the screen has to draw again."""

    rows: frozenset[str] = frozenset()
    table: bool = False
    """Other rows or columns than before."""


class Feed:
    """The only one in this room who waits for the database.

    `follow` runs as long as the table is open; everything else only says what is
    wanted, and returns at once. A wish that cannot be fulfilled while the database
    is away is fulfilled when it is back.
    """

    def __init__(self, source: Source, store: RunStore, tell: Callable[[News], None]) -> None:
        self.link: Link | Literal["connecting"] = "connecting"
        self.heard_at: float | None = None
        self.trouble = ""
        self.refusal = ""
        """What is wrong with the context file, where the one before it is used."""
        self.is_loaded = False
        self._source = source
        self._store = store
        self._tell = tell
        self._work = asyncio.Event()
        self._busy = False
        self._due_at = 0.0
        self._reload = False
        self._recount = False
        self._rearrange = False
        self._rearranged_at = 0.0
        self._dirty: set[str] = set()
        self._sketched: dict[str, tuple[int, tuple[Column, ...]]] = {}
        self._wanted: tuple[int, int, tuple[Column, ...]] = (0, 0, ())

    async def follow(self) -> None:
        """Take in every change until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._serve())
            async with aclosing(self._source.changes()) as changes:
                async for change in changes:
                    self._take(change)

    def want(self, first: int, last: int, columns: Sequence[Column]) -> None:
        """These rows and columns are on the screen."""
        self._wanted = (first, last, tuple(columns))
        self._work.set()

    def look(self, view: View) -> None:
        """Show the table by this view; what is missing for it is read.

        Raises
        ------
        QueryError
            The filter makes no sense; the table stays as it is.
        """
        was = (self._store.view.sort, self._store.view.query)
        self._store.look(view)
        self._recount = self._recount or was != (view.sort, view.query)
        self._work.set()

    def again(self, key: str) -> None:
        """Read this row again."""
        self._dirty.add(key)
        self._work.set()

    @property
    def is_idle(self) -> bool:
        """Everything that was wanted has been read."""
        return self.is_loaded and not (self._work.is_set() or self._busy or self._dirty)

    async def whole(self, key: str, column: Column) -> tuple[Row | None, Sequence[Document]]:
        """Everything about one cell, tracebacks too, and its previews; None if the row is gone."""
        fields = asked(
            {
                *PAGE_FIELDS,
                column.name,
                *(f"knockoff.{part}.{column.key}" for part in ("arrays", "problems")),
            }
        )
        row = next((Row(found) for found in await self._source.rows(fields, [key])), None)
        if row is None or row.array(column.key) is None:
            return row, ()
        stem = f"{self._source.table}/{row.run}/{column.key}"
        return row, await self._source.previews([f"{stem}/trend", f"{stem}/png"])

    async def bring(self, key: str) -> Row | None:
        """A row as the table draws it, read now if it was not yet."""
        if self._store.row(key) is None:
            await self._read([key])
        return self._store.row(key)

    async def keep(self, view: View) -> None:
        """Remember how the columns stand."""
        await self._source.keep_view(view.as_document())

    def _take(self, change: Change) -> None:
        if change.link != self.link:
            back = self.link == "offline"
            self.link = change.link
            self._tell(News())
            if back:
                self._work.set()
        self._reload = self._reload or change.everything or change.variables
        self._dirty |= change.rows
        for preview in change.previews:
            self._forget_trends_of(preview)
        if change.everything or change.variables or change.rows or change.previews:
            self.heard_at = time.monotonic()
            self._soon()

    def _soon(self) -> None:
        """Work at once after a silence, else after the rest of a breath."""
        delay = self._due_at - time.monotonic()
        if delay <= 0:
            self._work.set()
        else:
            asyncio.get_running_loop().call_later(delay, self._work.set)

    async def _serve(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            self._busy = True
            try:
                await self._fulfil()
            except DatabaseError as error:
                log.info("%s", error)
                self.trouble = str(error)
                self._tell(News())
                asyncio.get_running_loop().call_later(REARRANGE_S, self._work.set)
            else:
                self.trouble = ""
            finally:
                self._busy = False

    async def _fulfil(self) -> None:
        if self._reload:
            await self._load()
        if self._recount:
            await self._count()
        if self._dirty:
            await self._freshen()
            self._due_at = time.monotonic() + BREATH_S
        if self._rearrange:
            self._move()
        await self._fill()
        await self._sketch()

    async def _load(self) -> None:
        """Read columns and runs; what changes meanwhile comes as a change of its own."""
        store = self._store
        self._reload = False
        dirty, self._dirty = self._dirty, set()
        try:
            if not self.is_loaded:
                store.view = View.from_document(await self._source.view())
            columns = columns_of(await self._source.variables())
            self.refusal = await self._source.refusal()
            store.define(columns)
            store.index([Row(found) for found in await self._source.rows(store.fact_fields)])
            await self._read(store.missing(len(store.order) - AHEAD, len(store.order)))
        except DatabaseError:
            self._reload = True
            self._dirty |= dirty
            raise
        self.is_loaded = True
        self._tell(News(table=True))

    async def _count(self) -> None:
        """Read of every run what the view sorts and filters by."""
        fields = self._store.fact_fields
        found = await self._source.rows(fields)
        if fields == self._store.fact_fields:
            self._recount = False
            self._store.index([Row(row) for row in found])
            self._tell(News(table=True))
        else:
            self._work.set()

    async def _freshen(self) -> None:
        """Read changed rows: whole if they are to be seen, else what is known of every row."""
        store = self._store
        dirty, self._dirty = self._dirty, set()
        first, last, _ = self._wanted
        near = set(store.order[max(first, 0) : last])
        seen = {key for key in dirty if key in near or store.fact(key) is None}
        try:
            found = [Row(row) for row in await self._source.rows(store.page_fields, seen)]
            whole = {row.key for row in found}
            if others := dirty - seen:
                found += [Row(row) for row in await self._source.rows(store.fact_fields, others)]
        except DatabaseError:
            self._dirty |= dirty
            raise
        gone = dirty - {row.key for row in found}
        store.forget(dirty)
        store.drop(gone)
        moved = store.note(found)
        store.put([row for row in found if row.key in whole])
        if moved and store.is_arranged:
            self._rearrange = True
        self._tell(
            News(rows=frozenset(dirty), table=bool(gone) or (moved and not store.is_arranged))
        )

    def _move(self) -> None:
        """Sort and filter anew, but not while people could not follow it with their eyes."""
        wait = self._rearranged_at + REARRANGE_S - time.monotonic()
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._work.set)
            return
        self._rearrange = False
        self._rearranged_at = time.monotonic()
        self._store.arrange()
        self._tell(News(table=True))

    async def _fill(self) -> None:
        """Read what is on the screen, then what is around it."""
        first, last, _ = self._wanted
        if missing := self._store.missing(first, last):
            await self._read(missing)
            self._work.set()  # the screen may have moved on meanwhile
        elif missing := self._store.missing(first - AHEAD // 2, last + AHEAD // 2):
            around = self._store.missing(first - AHEAD, last + AHEAD)
            await self._read(around)

    async def _read(self, keys: Sequence[str]) -> None:
        store = self._store
        epoch, fields = store.epoch, store.page_fields
        rows = [Row(found) for found in await self._source.rows(fields, keys)]
        if not store.page_fields <= fields:
            self._work.set()
            return
        store.put(rows)
        store.drop([*(set(keys) - {row.key for row in rows})])
        self._tell(News(rows=frozenset(keys), table=store.epoch != epoch))

    async def _sketch(self) -> None:
        """Read the trendlines of the array cells on the screen."""
        first, last, columns = self._wanted
        store = self._store
        keys = store.order[max(first, 0) : last]
        looked = {key: (store.versions.get(key, 0), columns) for key in keys}
        fresh = [key for key in keys if self._sketched.get(key) != looked[key]]
        wanted = store.without_trend(fresh, columns)
        if not wanted:
            self._sketched = looked
            return
        ids: dict[str, tuple[str, str]] = {}
        for key, variable in wanted:
            if (row := store.fact(key)) is not None:
                ids[f"{self._source.table}/{row.run}/{variable}/trend"] = (key, variable)
        found = {str(preview["_id"]): preview for preview in await self._source.previews(ids)}
        for identifier, (key, variable) in ids.items():
            store.trend(key, variable, points_of(found.get(identifier)))
        self._tell(News(rows=frozenset(key for key, _ in wanted)))

    def _forget_trends_of(self, preview: str) -> None:
        run = preview.split("/")[1]
        key = self._store.key_of_run(int(run)) if run.isdecimal() else None
        if key is not None:
            self._store.forget_trends(key)


def points_of(preview: Any) -> Trend:
    """The points of a trendline; whatever is no number is a gap, and no preview has none."""
    points: Iterable[Any] = ((preview or {}).get("trend") or {}).get("y") or ()
    return tuple(float(y) if isinstance(y, int | float) else math.nan for y in points)
