"""What follows for all variables of a file together: their order, and the data they wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from knockoff.contextfile.places import place_of_option
from knockoff.contextfile.sharing import tell_sharing
from knockoff.language.order import circles_in, in_order, without_circles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from knockoff.contextfile.drafts import Draft
    from knockoff.contextfile.linking import Linker

_REMEDY: Final = "Let one of them read the run's data instead."


def put_in_order(linkers: Sequence[Linker]) -> None:
    """Order the variables of each table, and tell what they inherit from what they read.

    A variable that reads corrected data, in its own table or in another one, needs
    corrected data; the same for the cluster. What cannot be is added to the problems
    of the table.
    """
    ordered = [_in_table(linker) for linker in linkers]
    _Together(linkers).promote()
    for linker, names in zip(linkers, ordered, strict=True):
        linker.ordered = _by_side(linker, names)
        tell_sharing(linker.drafts, linker.ordered)


def _in_table(linker: Linker) -> tuple[str, ...]:
    """The order in one table; what is in a circle stands where the circle breaks."""
    reads = {name: draft.all_reads for name, draft in linker.drafts.items()}
    circles = circles_in(reads)
    for circle in circles:
        draft, read = linker.drafts[circle[0]], circle[1 % len(circle)]
        linker.problem(draft, _said(circle), _REMEDY, linker.place_of_read(draft, read))
    ordered = in_order(without_circles(reads, circles))
    for name in ordered:
        draft = linker.drafts[name]
        late = [
            read
            for read in reads[name]
            if read in linker.drafts and linker.drafts[read].direction == "after"
        ]
        if draft.direction == "before" and late:
            linker.problem(
                draft,
                f"{name} runs before the event but reads {late[0]}, which runs after it.",
                f"Give {late[0]} direction=before_event, or {name} direction=after_event.",
                linker.place_of_read(draft, late[0]),
            )
    return ordered


def _said(circle: tuple[str, ...]) -> str:
    if len(circle) == 1:
        return f"{circle[0]} reads itself, so it can never be computed."
    return f"variables wait for each other: {' → '.join((*circle, circle[0]))}."


def _by_side(linker: Linker, ordered: tuple[str, ...]) -> tuple[str, ...]:
    """Before the event, after it, and last what is heavy, so that nothing waits for it."""

    def side(name: str) -> int:
        draft = linker.drafts[name]
        return 0 if draft.direction == "before" else 1 + draft.cluster

    return tuple(sorted(ordered, key=side))


class _Together:
    """The variables of all tables, each by ``collection/variable``."""

    def __init__(self, linkers: Sequence[Linker]) -> None:
        self._linkers = {linker.source.collection: linker for linker in linkers}

    def _order(self) -> tuple[str, ...]:
        """One after another; each circle through several tables is a problem."""
        reads = {
            f"{collection}/{name}": (
                *(f"{collection}/{read}" for read in draft.all_reads),
                *draft.reads_elsewhere,
                *draft.may_read_elsewhere,
            )
            for collection, linker in self._linkers.items()
            for name, draft in linker.drafts.items()
        }
        circles = circles_in(reads)
        for circle in circles:
            if len({name.rpartition("/")[0] for name in circle}) == 1:
                continue  # told of the table already
            linker, draft = self._found(circle[0])
            linker.problem(
                draft,
                _said(tuple(map(self._spoken, circle))),
                _REMEDY,
                linker.place_of_read(draft, circle[1]),
            )
        return in_order(without_circles(reads, circles))

    def promote(self) -> None:
        """Give each variable the data and the machine that those need which it reads."""
        for qualified in self._order():
            linker, draft = self._found(qualified)
            collection = qualified.rpartition("/")[0]
            read = {
                **{name: linker.drafts[name] for name in draft.all_reads},
                **{
                    self._spoken(name): self._found(name)[1]
                    for name in (*draft.reads_elsewhere, *draft.may_read_elsewhere)
                    if name.rpartition("/")[0] != collection
                },
            }
            _promote(linker, draft, read)

    def _found(self, qualified: str) -> tuple[Linker, Draft]:
        collection, _, name = qualified.rpartition("/")
        linker = self._linkers[collection]
        return linker, linker.drafts[name]

    def _spoken(self, qualified: str) -> str:
        collection, _, name = qualified.rpartition("/")
        return f"{self._linkers[collection].source.name}.{name}"


def _promote(linker: Linker, draft: Draft, read: dict[str, Any]) -> None:
    wanted = draft.variable.data if draft.variable else None
    proc = [name for name, each in read.items() if each.data == "proc"]
    if wanted == "raw" and proc:
        linker.problem(
            draft,
            f"{draft.name} has data='raw' but reads {proc[0]}, which needs proc.",
            "Leave data= out, or set it to 'proc'.",
            place_of_option(draft.function, "data"),
        )
    draft.data = wanted or ("proc" if proc else "raw")
    draft.cluster = bool(draft.variable and draft.variable.cluster) or any(
        each.cluster for each in read.values()
    )
