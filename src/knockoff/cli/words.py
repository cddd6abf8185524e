"""What commands say on stderr while they work, and how their help shows examples."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


AS_OF = "As it was then: 2026-03-02, '2026-03-02 10:00', 10:00, yesterday or '2h ago'."


def examples(*lines: str) -> str:
    """The end of a command's help: lines as they are typed, kept as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def say(text: str) -> None:
    """Tell something that is not data."""
    typer.echo(text, err=True)


def agreed(question: str, yes: bool) -> bool:
    """Ask on stderr before something is gone for good; `yes` is an answer given beforehand."""
    if yes:
        return True
    try:
        if typer.confirm(question, err=True):
            return True
    except typer.Abort:
        say("")
        say("knockoff: Nobody has answered; --yes answers beforehand.")
    say("Nothing was changed.")
    return False


def counted(count: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "row"), counted(12000, "row")
    ('1 row', '12,000 rows')
    """
    return f"{count:,} {what}{'s' * (count != 1)}"


def size(nbytes: int) -> str:
    """Bytes for people.

    >>> size(950), size(1_234_567)
    ('950 B', '1.2 MB')
    """
    for unit, of in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if nbytes >= of:
            return f"{nbytes / of:.1f} {unit}"
    return f"{nbytes} B"


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """A bar on stderr while something takes its time; where nobody looks, nothing.

    What is yielded is called with a few words whenever one of `total` things is done.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeRemaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemaining())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)

        def done(words: str) -> None:
            bar.update(task, advance=1, description=f"{what}: {words}")

        yield done
