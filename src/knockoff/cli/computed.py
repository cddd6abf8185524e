"""What became of runs that were computed, as `process` and `reprocess` tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knockoff.cli.words import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from knockoff.contextfile.description import ContextDescription
    from knockoff.recording.recorder import Recorder
    from knockoff.runkey import RunKey


async def outcome_of(recorder: Recorder, run: RunKey) -> dict[str, Any]:
    """The run, and which of its variables failed in any table."""
    from knockoff.database.rows import find_row
    from knockoff.runs.stamps import dotted
    from knockoff.runs.states import TROUBLES

    failed: list[str] = []
    for table in recorder.tables.classes:
        row = await find_row(recorder.database, table, run) or {}
        problems = row.get("knockoff", {}).get("problems", {})
        failed += [dotted(key) for key, each in problems.items() if each.get("state") in TROUBLES]
    return {"proposal": run.proposal, "run": run.run, "failed": sorted(failed)}


def say_what_failed(done: Sequence[dict[str, Any]]) -> None:
    """Say which variables failed in which runs, those of the same runs together."""
    said = list(_alike(done))
    for names, numbers in said:
        say(f"Failed: {names} in {numbers}.")
    if said:
        say("`knockoff show RUN` says why.")


def _alike(done: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Variables that failed in the same runs, and those runs, as in ``runs 1-3, 7``."""
    from knockoff.cli.runspec import spoken_runs

    where: dict[str, list[int]] = {}
    for each in done:
        for name in each["failed"]:
            where.setdefault(name, []).append(int(each["run"]))
    alike: dict[str, list[str]] = {}
    for name in sorted(where):
        alike.setdefault(spoken_runs(where[name]), []).append(name)
    for numbers, names in alike.items():
        yield ", ".join(names), numbers


def refuse_unknown(context: ContextDescription, only: Sequence[str]) -> None:
    """Refuse names that are no variables, before anything is computed.

    Raises
    ------
    VariableError
        There is no such variable; the nearest one is named.
    """
    from knockoff.contextfile.problems import nearest
    from knockoff.errors import VariableError

    known = [variable.name for table in context.tables for variable in table.variables]
    for name in only:
        if name not in known:
            raise VariableError(f"There is no variable {name!r}. {nearest(name, known)}".strip())
