"""Which variables of a table are meant: by name, by a piece of the title, by what they need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from knockoff.contextfile.assembling import PipelineError
from knockoff.contextfile.problems import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from knockoff.contextfile.tables import Table

RunDataKind = Literal["raw", "proc", "all"]
"""Which variables: those that need recorded data only, corrected data, or all of them."""


def run_data_kind(value: object) -> RunDataKind:
    """``"raw"``, ``"proc"`` or ``"all"``, also as a member of DAMNIT's ``RunData``; None is all.

    Raises
    ------
    PipelineError
        It is none of these.
    """
    kind = getattr(value, "value", value)
    known: dict[object, RunDataKind] = {each: each for each in get_args(RunDataKind)}
    if kind is None:
        return "all"
    if kind not in known:
        raise PipelineError(f"run_data must be 'raw', 'proc' or 'all', not {value!r}.")
    return known[kind]


def selected(
    table: Table,
    names: str | Iterable[str],
    pieces: str | Iterable[str],
    kind: RunDataKind,
    cluster: bool | None,
) -> frozenset[str]:
    """The variables that are meant, and all that these read.

    Parameters
    ----------
    names:
        Of variables or groups; if `pieces` are given, too, either is enough.
    pieces:
        Of titles or names, whatever their case.

    Raises
    ------
    PipelineError
        There is no such variable, or no title with such a piece.
    """
    variables = table.description.variables
    named = _named(table, _words(names)) | _titled(table, _words(pieces))
    everything = not _words(names) and not _words(pieces)
    return table.needed_by(
        each.name
        for each in variables
        if (everything or each.name in named)
        and kind in ("all", each.data)
        and cluster in (None, each.cluster)
    )


def _named(table: Table, names: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    for name in names:
        stored = table.scope.stored(name)
        meant = {each for each in table.formulas if f"{each}.".startswith(f"{stored}.")}
        filler = table.filler_of(stored)  # of one of several outputs
        meant |= {filler} & table.formulas.keys()
        if not meant:
            raise PipelineError(
                f"There is no variable {name!r} in the pipeline.", nearest(name, table.formulas)
            )
        found |= meant
    return found


def _titled(table: Table, pieces: tuple[str, ...]) -> set[str]:
    variables = table.description.variables
    texts = {each.name: f"{each.title}\n{each.name}".casefold() for each in variables}
    found: set[str] = set()
    for piece in pieces:
        meant = {name for name, text in texts.items() if piece.casefold() in text}
        if not meant:
            titles = ", ".join(each.title for each in variables)
            raise PipelineError(f"No title has {piece!r} in it.", f"There are: {titles}.")
        found |= meant
    return found


def _words(given: str | Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
