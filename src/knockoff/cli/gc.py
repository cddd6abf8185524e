"""`knockoff gc`: free the disk of what was replaced, and bring the runs' files up to date."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import counted, examples, progress, say, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from knockoff.recording.runfiles import RunFiles
    from knockoff.recording.sweep import Sweep
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "knockoff gc",
            "knockoff gc --dry-run",
            "knockoff gc 1-20 --keep 2",
            "knockoff gc --keep-deleted",
            "knockoff gc --index",
        )
    )(gc)


def gc(
    context: typer.Context,
    runs: Annotated[
        list[str] | None, typer.Argument(help="Runs: 42, 1-20 or 3,5,7-9; else all.")
    ] = None,
    keep: Annotated[
        int, typer.Option(min=0, help="How many replaced versions of each array stay.")
    ] = 0,
    grace: Annotated[
        float,
        typer.Option(min=0, help="Minutes that a file stays to which a result may still refer."),
    ] = 60,
    keep_deleted: Annotated[
        bool,
        typer.Option("--keep-deleted", help="Leave what `knockoff undelete` can bring back."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    index: Annotated[
        bool, typer.Option("--index", help="Sweep nothing; write the runs' files anew.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Sweep arrays that were replaced or deleted, and leftovers of killed processes.

    Runs and columns that were deleted cannot be had back afterwards; if only some runs are
    named, those, and columns still can.
    Their entries in the history stay, without the array. Files of runs that are older than
    their rows are written anew. A listener may be at work meanwhile: what is being filled is
    left alone. Whoever has an older run file open and has not read a large array from it yet
    will not find it any more.
    """
    from knockoff.cli.runspec import runs_in
    from knockoff.errors import RunKeyError

    try:
        wanted = runs_in(runs) if runs and "all" not in runs else None
    except RunKeyError as error:
        raise typer.BadParameter(str(error), param_hint="RUNS") from error
    workspace, settings = place_of(context).open()
    wish = _Wish(
        wanted,
        keep,
        timedelta(minutes=grace),
        dry_run=dry_run,
        index=index,
        keep_deleted=keep_deleted,
    )
    done = asyncio.run(_swept(workspace, settings, wish))
    if as_json:
        typer.echo(json.dumps(done.plain(dry_run=dry_run), indent=2))
    else:
        for line in done.lines(dry_run=dry_run):
            typer.echo(line)
    for file, reason in done.failed:
        say(f"knockoff: {workspace.arrays_folder / file} could not be deleted: {reason}.")
    if done.failed:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Wish:
    runs: Sequence[int] | None
    keep: int
    grace: timedelta
    dry_run: bool
    index: bool
    keep_deleted: bool


@dataclass(frozen=True)
class _Done:
    files_written: int
    sweep: Sweep | None
    failed: Sequence[tuple[str, str]]

    def plain(self, *, dry_run: bool) -> dict[str, Any]:
        """For programs."""
        swept = self.sweep.swept if self.sweep else ()
        waiting = self.sweep.waiting if self.sweep else ()
        gone = [{"file": each.file, "bytes": each.nbytes, "why": why} for each, why in swept]
        return {
            "dry_run": dry_run,
            "freed_bytes": self.sweep.freed if self.sweep else 0,
            "swept": gone,
            "waiting": [{"file": each.file, "bytes": each.nbytes} for each in waiting],
            "not_undoable": [each.what for each in (self.sweep.deletions if self.sweep else ())],
            "failed": [{"file": file, "reason": reason} for file, reason in self.failed],
            "run_files_written": self.files_written,
        }

    def lines(self, *, dry_run: bool) -> list[str]:
        """For people."""
        would = "would be " if dry_run else ""
        lines = []
        if self.sweep is not None:
            if dry_run:
                lines += [
                    f"{size(each.nbytes):>10}  {why:<11}  {each.file}"
                    for each, why in self.sweep.swept
                ]
            runs = len({each.run for each, _ in self.sweep.swept})
            files = counted(len(self.sweep.swept), "file")
            freed = size(self.sweep.freed)
            lines.append(f"{files} of {counted(runs, 'run')} {would}swept, {freed} {would}freed.")
            if gone := [each.what for each in self.sweep.deletions]:
                end = "could not be undone any more" if dry_run else "cannot be undone any more"
                lines.append(f"The deletion of {', '.join(gone)} {end}.")
            if self.sweep.waiting:
                stay = counted(len(self.sweep.waiting), "file")
                lines.append(f"{stay} left alone for now: too young, or the run is being filled.")
        if self.files_written or self.sweep is None:
            written = counted(self.files_written, "run file")
            lines.append(f"{written} {would}written anew.")
        return lines


async def _swept(workspace: Workspace, settings: Settings, wish: _Wish) -> _Done:
    from knockoff.database.opening import open_database
    from knockoff.recording.runfiles import RunFiles
    from knockoff.recording.sweep import carry_out, plan_sweep

    folder = workspace.arrays_folder
    async with open_database(workspace, settings) as database:
        files = RunFiles(database, folder, workspace.proposal)
        written = await _written(files, wish)
        if wish.index:
            return _Done(written, None, ())
        sweep = await plan_sweep(
            database,
            folder,
            workspace.proposal,
            runs=wish.runs,
            keep=wish.keep,
            keep_deleted=wish.keep_deleted,
            grace=wish.grace,
        )
        if wish.dry_run:
            return _Done(written, sweep, ())
        failed = await carry_out(database, folder, sweep)
    return _Done(written, sweep, [(each.file, reason) for each, reason in failed])


async def _written(files: RunFiles, wish: _Wish) -> int:
    """How many runs' files were written, or would be."""
    due = await (files.all_runs(wish.runs) if wish.index else files.stale(wish.runs))
    if wish.dry_run or not due:
        return len(due)
    written = 0
    with progress("Writing", len(due)) as tell:
        for run in due:
            written += len(await files.write([run]))
            tell(f"run {run}")
    return written
