"""A Python prompt on a proposal's database, for machines without mongosh."""

from __future__ import annotations

import asyncio
import code
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from knockoff.database.client import Database
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace


def talk(workspace: Workspace, settings: Settings) -> None:
    """Open the prompt; the server is there until it is closed.

    ``db`` answers at once, as in ``db.runs.find_one({"run": 42})``; the classes of the
    context file are there by name, and ``wait`` waits for what Beanie does:
    ``wait(Runs.find(Runs.hits > 10).to_list())``.
    """
    from knockoff.database.opening import open_database

    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            opened = stack.enter_async_context(open_database(workspace, settings))
            database: Database = runner.run(_awaited(opened))
            classes = runner.run(_classes(database))
            names: dict[str, Any] = {"db": database.delegate, "wait": runner.run, **classes}
            known = "".join(f", {name}" for name in classes)
            banner = (
                f"Database {database.name}. Here are db{known}.\n"
                'db.runs.find_one({"run": 42}); wait(...) waits for a query of a class.'
            )
            code.interact(banner, local=names, exitmsg="")
        finally:
            runner.run(stack.aclose())


async def _awaited(awaitable: Coroutine[Any, Any, Any]) -> Any:
    return await awaitable


async def _classes(database: Database) -> dict[str, Any]:
    """The run classes as described last, by name; none before the first run."""
    from knockoff.database.registry import current_context
    from knockoff.recording.filler import ServiceFiller
    from knockoff.recording.tables import open_tables
    from knockoff.runs.described import read_description

    described = await current_context(database)
    if described is None:
        return {}
    context = read_description(described)
    tables = await open_tables(database, context, ServiceFiller(context), register_it=False)
    return {each.__name__: each for each in tables.classes.values()}
