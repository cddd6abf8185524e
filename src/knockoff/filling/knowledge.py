"""What is known of a run after one more result, for the process that goes on with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from knockoff.filling.messages import Result, RunTask


def task_after(task: RunTask, result: Result, outputs: Collection[str]) -> RunTask:
    """A task with one result known: its values if it has any, else why it has none."""
    row = {name: value for name, value in task.row.items() if name not in outputs}
    arrays = {name: value for name, value in task.arrays.items() if name not in outputs}
    exact = {name: value for name, value in task.exact.items() if name not in outputs}
    problems = {name: value for name, value in task.problems.items() if name not in outputs}
    done = tuple(name for name in task.done if name != result.variable)
    if result.problem is None:
        done = (*done, result.variable)
        row.update(result.fields)
        for name, cell in result.cells.items():
            if cell.array is not None:
                arrays[name] = cell.array
            if cell.exact is not None:
                exact[name] = cell.exact
            if cell.problem is not None and not cell.is_kept:
                problems[name] = (cell.outcome, cell.problem)
    else:
        problems.update(dict.fromkeys(outputs, (result.outcome, result.problem)))
    return replace(task, row=row, arrays=arrays, exact=exact, problems=problems, done=done)
