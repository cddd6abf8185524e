"""Context files that were used once: when each came into use, what was new in it, its source."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from knockoff.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, tzinfo

    from knockoff.database.registry import Edition
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace


@dataclass(frozen=True)
class Use:
    """One time that a context file took the place of another."""

    edition: Edition
    since: datetime
    new: tuple[str, ...] = ()
    """Variables that the one before did not have."""

    changed: tuple[str, ...] = ()
    """Variables with other code than before."""

    gone: tuple[str, ...] = ()


async def uses_in(workspace: Workspace, settings: Settings) -> list[Use]:
    """Every time that another context file came into use, the last one last."""
    from knockoff.database.opening import open_database
    from knockoff.database.registry import editions

    async with open_database(workspace, settings) as database:
        known = await editions(database)
    began = sorted(
        ((since, each) for each in known for since in each.came_into_use), key=lambda use: use[0]
    )
    uses: list[Use] = []
    for since, edition in began:
        before = uses[-1].edition if uses else None
        uses.append(_use(edition, since, before))
    return uses


def _use(edition: Edition, since: datetime, before: Edition | None) -> Use:
    now, then = edition.code, before.code if before is not None else {}
    several = len(edition.tables) > 1

    def told(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name if several else name.partition("/")[2] for name in names)

    return Use(
        edition,
        since,
        told([name for name in now if name not in then]),
        told([name for name in now if name in then and now[name] != then[name]]),
        told([name for name in then if name not in now]),
    )


def listed(uses: Sequence[Use], zone: tzinfo) -> str:
    """A line for each, aligned."""
    lines = [("since", "hash", "variables", "what was other than before")]
    lines += [
        (
            f"{use.since.astimezone(zone):%Y-%m-%d %H:%M:%S}",
            use.edition.source_hash,
            str(len(use.edition.code)),
            _told(use, is_first=use is uses[0]),
        )
        for use in uses
    ]
    widths = [max(len(line[place]) for line in lines) for place in range(4)]
    texts = [
        "  ".join(
            text.rjust(width) if place == 2 else text.ljust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    texts[0] = typer.style(texts[0], bold=True)
    return "\n".join(texts)


def _told(use: Use, *, is_first: bool) -> str:
    if is_first:
        return ""
    parts = {"new": use.new, "edited": use.changed, "gone": use.gone}
    said = [f"{word} {', '.join(names)}" for word, names in parts.items() if names]
    return "; ".join(said) or "no variable"


def listed_as_json(uses: Sequence[Use]) -> str:
    """For programs; times are UTC."""
    return json.dumps(
        [
            {
                "hash": use.edition.source_hash,
                "since": use.since.isoformat().replace("+00:00", "Z"),
                "code": use.edition.code,
                "new": list(use.new),
                "edited": list(use.changed),
                "gone": list(use.gone),
            }
            for use in uses
        ],
        indent=2,
        ensure_ascii=False,
    )


async def source_with(workspace: Workspace, settings: Settings, wanted: str) -> str:
    """The source of a context file, by the beginning of its hash or the code of a variable.

    Several have the same code of a variable: of those it is the newest.

    Raises
    ------
    WorkspaceError
        None is meant, or several.
    """
    from knockoff.database.opening import open_database
    from knockoff.database.registry import context_of, editions

    async with open_database(workspace, settings) as database:
        known = await editions(database)
        found = [each for each in known if each.source_hash.startswith(wanted.lower())]
        found = found or [each for each in known if wanted.lower() in each.code.values()][-1:]
        if len(found) > 1:
            several = ", ".join(each.source_hash for each in found[:4])
            raise WorkspaceError(f"{wanted} may be {several}: write more of it.")
        context = await context_of(database, found[0].source_hash) if found else None
        if context is None:
            raise WorkspaceError(
                f"No context file that was used here has the hash {wanted}, and no variable of "
                f"one has code with it. `knockoff context list` shows those that were."
            )
        return str(context["source"])
