"""`knockoff db backup` and `knockoff db restore`."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003  # typer reads it
from typing import TYPE_CHECKING, Annotated, Any

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import agreed, counted, examples, progress, say, size
from knockoff.errors import DatabaseError

if TYPE_CHECKING:
    from knockoff.database.backupfile import Manifest
    from knockoff.database.client import Database
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog=examples(
            "knockoff db backup /backups          a file with number and date in its name",
            "knockoff db backup mine.zip --arrays",
        )
    )(backup)
    app.command(
        epilog=examples(
            "knockoff db restore mine.zip",
            "knockoff db restore mine.zip --check        only see whether it is whole",
            "knockoff db restore mine.zip --replace",
        )
    )(restore)


def backup(
    context: typer.Context,
    target: Annotated[Path, typer.Argument(help="The file, or a folder for it.")],
    arrays: Annotated[
        bool, typer.Option("--arrays", help="With the files of arrays; else they stay apart.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="In place of a file that is there.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Back the proposal's database up, into one file.

    Everything is in it: rows, comments, history, previews, jobs, edits, views, context files,
    indexes. A listener may be at work meanwhile: each document is whole, and what is
    computed while it is read may be in it or not; what is not, is due after a restore.
    Prints the name of the file.
    """
    workspace, settings = place_of(context).open()
    path = target / _name(workspace.proposal) if target.is_dir() else target
    if path.exists() and not force:
        raise DatabaseError(f"{path} is there already. Choose another name, or --force.")
    if not path.parent.is_dir():
        raise DatabaseError(f"{path.parent} is no folder. Make it first.")
    done = asyncio.run(_backed_up(workspace, settings, path, arrays=arrays))
    if as_json:
        typer.echo(json.dumps({"file": str(path), **_plain(done, path)}, indent=2))
    else:
        typer.echo(str(path))
    say(f"{_what(done)}, {size(path.stat().st_size)}.")


def restore(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="A file that `db backup` has made.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="In place of what is there; asks first.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; only verify the file.")
    ] = False,
    finish: Annotated[
        bool, typer.Option("--finish", help="End a restore that was killed at its end.")
    ] = False,
) -> None:
    """Restore a backup, whole or not at all.

    Into an empty database, or with --replace in place of all that is there. The file is
    verified first, and loaded beside what is there; until that is complete nothing is
    changed. A listener has to be stopped before. Arrays that are in the backup are put back as
    well.
    """
    if (file is None) is not finish:
        raise typer.BadParameter("Name a file, or --finish.", param_hint="FILE")
    workspace, settings = place_of(context).open()
    if file is None:
        finished = asyncio.run(_finished(workspace, settings))
        say("Finished; all of the backup is there." if finished else "Nothing is half restored.")
        return
    if not asyncio.run(_restored(workspace, settings, file, replace=replace, yes=yes, check=check)):
        raise typer.Exit(1)


def _name(proposal: int) -> str:
    return f"p{proposal:06d}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.knockoff.zip"


async def _backed_up(
    workspace: Workspace, settings: Settings, path: Path, *, arrays: bool
) -> Manifest:
    from knockoff.arrays.sweeping import files_in
    from knockoff.database.backup import back_up
    from knockoff.database.opening import open_database

    async with open_database(workspace, settings) as database:
        folder, proposal = workspace.arrays_folder, workspace.proposal
        names: list[str] = []
        if arrays:
            found = await asyncio.to_thread(files_in, folder, proposal)
            names = [each.file for each in found if not each.is_unfinished]
        total = len(await database.list_collection_names()) + len(names)
        with progress("Saving", total) as tell:
            return await back_up(
                database,
                proposal,
                path,
                arrays=[(name, folder / name) for name in names],
                tell=tell,
            )


async def _restored(
    workspace: Workspace,
    settings: Settings,
    file: Path,
    *,
    replace: bool,
    yes: bool,
    check: bool,
) -> bool:
    from knockoff.database.backupfile import opened
    from knockoff.database.opening import open_database
    from knockoff.database.restore import fits, restore, what_is_there

    with opened(file) as found:
        manifest = found.manifest
        total = len(manifest.members)
        with progress("Verifying", total) as tell:
            await asyncio.to_thread(found.verify, tell)
        typer.echo(
            f"{file}: whole; {_what(manifest)}; made {manifest.made_at} by {manifest.made_by}"
        )
        if check:
            return True
        async with open_database(workspace, settings) as database:
            await fits(database, workspace.proposal, found, replace=replace)
            there = await what_is_there(database)
            question = f"Replace all that is in {database.name} ({', '.join(there[:4])} …)?"
            if there and not await asyncio.to_thread(agreed, question, yes):
                return False
            with progress("Restoring", total) as tell:
                await restore(database, found, workspace.arrays_folder, tell)
            await _files_written(database, workspace)
    say(f"Restored {_what(manifest)}.")
    return True


async def _finished(workspace: Workspace, settings: Settings) -> bool:
    from knockoff.database.opening import open_unchecked
    from knockoff.database.restore import finish

    async with open_unchecked(workspace, settings) as database:
        return await finish(database)


async def _files_written(database: Database, workspace: Workspace) -> None:
    """The files of runs show what the rows do now; arrays that are not there are told of."""
    from knockoff.database.versions import in_use
    from knockoff.recording.runfiles import RunFiles

    folder = workspace.arrays_folder
    used = await in_use(database, workspace.proposal, None)
    missing = [each for each in used.files if not (folder / each).exists()]
    files = RunFiles(database, folder, workspace.proposal)
    for run in await files.stale():
        await files.write([run])
    if missing:
        are = "is" if len(missing) == 1 else "are"
        say(
            f"knockoff: {counted(len(missing), 'file')} of arrays that rows refer to {are} not in "
            f"{folder}: the backup was made without --arrays. Copy them there, or compute them "
            "again: `knockoff process all --force`."
        )


def _what(manifest: Manifest) -> str:
    arrays = f", {counted(len(manifest.arrays), 'file')} of arrays" if manifest.arrays else ""
    return (
        f"proposal {manifest.proposal}: {counted(manifest.documents, 'document')} in "
        f"{counted(len(manifest.collections), 'collection')}{arrays}"
    )


def _plain(manifest: Manifest, path: Path) -> dict[str, Any]:
    return {
        "bytes": path.stat().st_size,
        "proposal": manifest.proposal,
        "layout": manifest.layout,
        "collections": {each.name: each.documents for each in manifest.collections},
        "arrays": len(manifest.arrays),
    }
