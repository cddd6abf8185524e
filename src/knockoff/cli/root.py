"""The outermost command: global options wherever they stand, errors as one message."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any, Final

import typer
from typer.core import TyperGroup

from knockoff.errors import KnockoffError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

INTERRUPTED: Final = 130
"""Exit status after Ctrl-C, as shells have it: 128 and the number of the signal."""

_WITH_VALUE: Final = ("-p", "--proposal", "-w", "--workspace")
_FLAGS: Final = ("-v", "-vv", "--verbose")


class RootGroup(TyperGroup):
    """Runs the subcommand, and has the last word on how it ends."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Accept ``knockoff runs -p 1234`` for ``knockoff -p 1234 runs``."""
        return super().parse_args(ctx, hoisted(args))

    def invoke(self, ctx: Any) -> Any:
        """Turn what is raised into one message on stderr and an exit status."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except (KnockoffError, BaseExceptionGroup) as error:
            said = list(_told(error))
            if not said:
                raise
            if ctx.obj is not None and ctx.obj.verbosity > 1:
                traceback.print_exception(error, file=sys.stderr)
            for each in said:
                typer.echo(f"knockoff: {each}", err=True)
            raise typer.Exit(1) from None


def _told(error: BaseException) -> Iterator[str]:
    """Every message of a group of errors; none if one in it is not ours to tell."""
    if isinstance(error, BaseExceptionGroup):
        said = [list(_told(each)) for each in error.exceptions]
        if all(said):
            yield from dict.fromkeys(text for each in said for text in each)
    elif isinstance(error, KnockoffError):
        yield str(error)


def hoisted(args: Sequence[str]) -> list[str]:
    """Put the options that all commands share in front of the command.

    >>> hoisted(["runs", "--json", "-p", "1234"])
    ['-p', '1234', 'runs', '--json']
    """
    first: list[str] = []
    rest: list[str] = []
    waiting = iter(args)
    for word in waiting:
        if word == "--":
            rest += [word, *waiting]
        elif word in _WITH_VALUE:
            first += [word, *(value for value in [next(waiting, None)] if value is not None)]
        elif word in _FLAGS or word.startswith(("--proposal=", "--workspace=")):
            first.append(word)
        else:
            rest.append(word)
    return first + rest
