"""What keeps results from being taken away: jobs, and programs that their cells wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from knockoff.database.jobentries import UNCHANGED, refuse_while_worked_on
from knockoff.errors import EditError
from knockoff.recording.outside import waiting_in

if TYPE_CHECKING:
    from collections.abc import Collection

    from knockoff.database.client import Database
    from knockoff.database.transactions import Session
    from knockoff.recording.outside import Waiting


class ProgramAtWorkError(EditError):
    """A launched program computes what is to be taken away."""

    def __init__(self, waiting: Waiting, so_far: str = UNCHANGED) -> None:
        super().__init__(waiting, so_far)
        self.waiting = waiting
        self.so_far = so_far

    def __str__(self) -> str:
        each = self.waiting
        return (
            f"{self.so_far}: {each.variable} of run {each.key.run} waits for a program that was "
            f"launched for it, {each.shown}. Wait until it has submitted its value, or stop it: "
            f"`knockoff cancel {each.key.run}`."
        )


async def refuse_while_at_work(
    database: Database,
    tables: Collection[str],
    runs: Collection[int] | None = None,
    session: Session | None = None,
    *,
    variable: str | None = None,
    so_far: str = UNCHANGED,
) -> None:
    """Let results be taken away only if nobody is computing them, here or outside.

    Parameters
    ----------
    tables:
        In which cells may wait for programs; jobs count in all.
    variable:
        Whose programs count; None for all.
    so_far:
        What was done until now, as the errors tell it.

    Raises
    ------
    AtWorkError, ProgramAtWorkError
        Somebody alive is; of these runs, or of any.
    """
    await refuse_while_worked_on(database, runs, session, so_far=so_far)
    for each in await waiting_in(database, tables, runs, session):
        if not each.is_gone and variable in (None, each.variable):
            raise ProgramAtWorkError(each, so_far)
