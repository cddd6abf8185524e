"""What comes from a process that runs user code, believed only after a look at it."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from knockoff.contextfile.description import ContextDescription
from knockoff.contextfile.problems import Problem
from knockoff.errors import WorkerError
from knockoff.filling.messages import (
    Filled,
    Message,
    Result,
    Started,
    refuse_other_versions,
)
from knockoff.filling.orders import Ended, Forked

_DESCRIPTION: Final = TypeAdapter(ContextDescription)
_PROBLEMS: Final = TypeAdapter(tuple[Problem, ...])
_FILES: Final = TypeAdapter(dict[str, tuple[int, int]])
_MESSAGES: Final[dict[str, TypeAdapter[Any]]] = {
    kind.__name__: TypeAdapter(kind) for kind in (Started, Result, Filled)
}
_REPORTS: Final[dict[str, TypeAdapter[Any]]] = {
    kind.__name__.lower(): TypeAdapter(kind) for kind in (Forked, Ended)
}


def message_from(content: bytes) -> Message:
    """Read what a fork says about a run.

    Raises
    ------
    WorkerError
        It is no message.
    """
    try:
        return message_from_json(json.loads(content))
    except ValueError as error:
        raise WorkerError(f"the process of the run sent no message: {_short(error)}") from error


def message_from_json(document: Any) -> Message:
    """Check a message that was JSON, as one line of a spool.

    Raises
    ------
    ValueError
        It is no message, or one of another version of knockoff.
    """
    kind = document.get("kind") if isinstance(document, dict) else None
    if kind not in _MESSAGES:
        raise ValueError(f"{_short(document)} is no message")
    refuse_other_versions(document)
    message: Message = _MESSAGES[kind].validate_python(document)
    return message


def report_from(document: dict[str, Any]) -> Forked | Ended:
    """Read what a zygote says about a fork.

    Raises
    ------
    WorkerError
        It is no report.
    """
    for kind, content in document.items():
        if kind in _REPORTS:
            return _checked(_REPORTS[kind], content)  # type: ignore[no-any-return]
    raise WorkerError(f"the worker process sent {_short(document)}, which is no report.")


def description_from(document: Any) -> ContextDescription:
    """Read what a zygote says about its context file.

    Raises
    ------
    WorkerError
        It is no description.
    """
    return _checked(_DESCRIPTION, document)  # type: ignore[no-any-return]


def problems_from(document: Any) -> tuple[Problem, ...]:
    """Read what is wrong with a context file; raises as `description_from`."""
    return _checked(_PROBLEMS, document)  # type: ignore[no-any-return]


def files_from(document: Any) -> dict[str, tuple[int, int]]:
    """Read modification times (in ns) and sizes by path; raises as `description_from`."""
    return _checked(_FILES, document)  # type: ignore[no-any-return]


def _checked(adapter: TypeAdapter[Any], document: Any) -> Any:
    try:
        return adapter.validate_python(document)
    except ValidationError as error:
        raise WorkerError(f"the worker process sent what it must not: {_short(error)}") from error


def _short(what: object) -> str:
    text = " ".join(str(what).split())
    return text if len(text) <= 200 else f"{text[:200]}…"
