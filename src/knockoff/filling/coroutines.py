"""The result of an async variable, also where an event loop is running already."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


def awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run `coroutine` to its end in a loop of its own.

    A notebook, or an async variable that executes a pipeline, has a loop running in
    this thread, and a thread cannot run two: the coroutine gets another thread then.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(contextvars.copy_context().run, asyncio.run, coroutine).result()
