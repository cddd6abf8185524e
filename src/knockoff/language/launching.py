"""`launch`: hand a variable over to a program that goes on when its method has ended."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence


class Launch(BaseException):
    """Ends a method whose value a program of its own is going to submit.

    It is no `Exception`, so that ``except Exception`` around it lets it through.
    """

    def __init__(self, command: tuple[str, ...], folder: str) -> None:
        super().__init__(command, folder)
        self.command = command
        self.folder = folder

    def __str__(self) -> str:
        return in_words(self.command)


def launch(
    command: str | Sequence[str | os.PathLike[str]],
    *,
    folder: str | os.PathLike[str] | None = None,
) -> NoReturn:
    """Start a program that computes the value of this variable, and end the method.

    The cell is *waiting for outside* until the program, or whatever it has started,
    calls ``knockoff submit`` or `knockoff.submit`. The program is started when the row
    says so, outlives the worker and the listener, and costs none of their limits.

    Parameters
    ----------
    command:
        Program and arguments, as in ``["sbatch", "fit.sh", "42"]``; a text is a command
        line of the shell.
    folder:
        Where it starts; else the current folder, which is that of the context file.

    Raises
    ------
    Launch
        Always: the method has nothing more to do, so ``return launch(…)`` and
        ``launch(…)`` are the same.
    TypeError, ValueError
        `command` is none.
    """
    words: tuple[str, ...]
    if isinstance(command, str):
        words = ("/bin/sh", "-c", command)
    elif isinstance(command, (bytes, os.PathLike)):
        raise TypeError(
            f"command must be a text, or a list such as ['sbatch', 'fit.sh'], not {command!r}."
        )
    else:
        words = tuple(os.fspath(each) for each in command)
    if not all(isinstance(each, str) for each in words):
        raise TypeError(
            f"every word of a command must be a text: {words!r}. Use str(…) for numbers."
        )
    if not words or not words[-1 if isinstance(command, str) else 0].strip():
        raise ValueError("command is empty: there is nothing to launch.")
    if any("\0" in each for each in words):
        raise ValueError("a command cannot have a zero byte in it.")
    raise Launch(words, os.path.abspath(folder or "."))  # noqa: PTH100  # keeps links as they are


def in_words(command: Sequence[str]) -> str:
    """A command as somebody would type it.

    >>> in_words(["sbatch", "my job.sh"]), in_words(["/bin/sh", "-c", "sleep 1; true"])
    ("sbatch 'my job.sh'", 'sleep 1; true')
    """
    if len(command) == 3 and tuple(command[:2]) == ("/bin/sh", "-c"):
        return command[2]
    return shlex.join(command)
