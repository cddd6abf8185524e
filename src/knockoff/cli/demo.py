"""`knockoff demo`: a simulated beamtime, and synthetic runs to try a context file on."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path  # noqa: TC003  # typer reads it
from typing import TYPE_CHECKING, Annotated, Final

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import examples, progress, say

if TYPE_CHECKING:
    from knockoff.demo.beamtime import Beamtime, Plan

app = typer.Typer(
    help="A simulated beamtime on real parts.",
    invoke_without_command=True,
    rich_markup_mode=None,
    epilog=examples(
        "knockoff demo",
        "knockoff demo --headless --runs 8",
        "knockoff demo --folder demo-beamtime     keeps everything",
        "knockoff demo data runs --runs 5         only writes data",
    ),
)

TERMINATED: Final = 143
"""Exit status after SIGTERM, as shells have it: 128 and the number of the signal."""

Trains = Annotated[int, typer.Option(min=1, max=10_000, help="Trains in each run.")]


@app.callback()
def demo(
    context: typer.Context,
    headless: Annotated[
        bool, typer.Option("--headless", help="No table on the screen; print it at the end.")
    ] = False,
    runs: Annotated[
        int | None, typer.Option(min=1, max=1000, help="How many runs are taken.")
    ] = None,
    trains: Trains = 40,
    folder: Annotated[
        Path | None, typer.Option(help="Keep everything here; a second time goes on in it.")
    ] = None,
) -> None:
    """Watch a simulated beamtime fill its table.

    MongoDB, Kafka's protocol, run files and listener are real; only the instrument is not.
    Without a terminal it runs headless and ends with the finished table.
    """
    if context.invoked_subcommand is not None:
        return
    from knockoff.demo.beamtime import Plan

    is_headless = headless or not (sys.stdin.isatty() and sys.stdout.isatty())
    plan = Plan.hurried(runs, trains) if is_headless else Plan.at_leisure(runs, trains)
    try:
        asyncio.run(_run(context, plan, folder, headless=is_headless))
    except asyncio.CancelledError:  # by a signal; everything is put away by now
        raise typer.Exit(TERMINATED) from None


@app.command(epilog=examples("knockoff demo data runs --runs 5 --trains 200"))
def data(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="Folder that becomes a data root.")],
    runs: Annotated[int, typer.Option(min=1, max=99_999, help="How many runs.")] = 5,
    trains: Trains = 100,
    first: Annotated[int, typer.Option(min=1, max=99_999, help="Number of the first run.")] = 1,
) -> None:
    """Write synthetic runs.

    Raw and proc, as the facility would; prints their folders.
    """
    from knockoff.rundata.synthetic import write_runs

    proposal = place_of(context).proposal or 900_001
    with progress("Writing", runs) as tell:
        folders = write_runs(
            out, proposal, range(first, first + runs), trains, lambda key: tell(f"run {key.run}")
        )
    for folder in folders:
        typer.echo(folder)
    say(
        f"Proposal {proposal}. Try a context file on it:\n"
        f"  knockoff init {proposal} --folder trial --data-root {out} --context sa2\n"
        f"  knockoff -w trial process all"
    )


async def _run(context: typer.Context, plan: Plan, folder: Path | None, *, headless: bool) -> None:
    from knockoff.demo.beamtime import open_beamtime

    this = asyncio.current_task()
    if this is not None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, this.cancel)
    async with open_beamtime(plan, folder, say if headless else _silently) as beamtime:
        place_of(context).configure_logs("info", beamtime.log, on_stderr=False)
        if headless:
            await beamtime.finished()
            await _print_table(beamtime)
        else:
            from knockoff.cli.tui import watch

            await watch(beamtime.workspace, beamtime.settings)
    if folder is None and not headless:
        say("All of that is gone. To keep a beamtime: knockoff demo --folder demo-beamtime")
    elif folder is not None:
        say(f"Everything is kept. Look again with: knockoff -w {folder} tui")


def _silently(_: str) -> None:
    """The table on the screen says it all."""


async def _print_table(beamtime: Beamtime) -> None:
    from knockoff.cli.runs import print_table

    await print_table(beamtime.workspace, beamtime.settings)
