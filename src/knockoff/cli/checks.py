"""What can be wrong around a workspace, one look for each, and the way out of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from knockoff.errors import KnockoffError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from knockoff.cli.place import Place
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace

Verdict = Literal["ok", "warning", "problem"]

LITTLE: Final = 5e9
"""Bytes on a disk from which on the next shift should not be begun."""

TOO_LITTLE: Final = 200e6
"""Bytes without which MongoDB stops."""


@dataclass(frozen=True)
class Finding:
    """What one look has shown."""

    about: str
    verdict: Verdict
    said: str
    remedy: str = ""


async def check_all(place: Place) -> list[Finding]:
    """Look at everything, also at what comes after a problem."""
    try:
        workspace, settings = place.open()
    except KnockoffError as error:
        return [Finding("workspace", "problem", str(error))]
    findings = [Finding("workspace", "ok", f"{workspace.folder} of proposal {workspace.proposal}")]
    findings += _permissions(workspace)
    findings += _disk(workspace)
    async for finding in _outside(place, workspace, settings):
        findings.append(finding)
    return findings


async def _outside(
    place: Place, workspace: Workspace, settings: Settings
) -> AsyncIterator[Finding]:
    """What takes its time."""
    from knockoff.cli.workerchecks import interpreter_found, sandbox_found

    yield _data(workspace, settings)
    yield _limits(settings)
    interpreter = await interpreter_found(workspace, settings)
    yield interpreter
    if interpreter.verdict != "problem":
        sandbox = await sandbox_found(workspace, settings)
        yield sandbox
        if sandbox.verdict != "problem":
            yield await _context_file(workspace, place)
    yield await _server(workspace, settings)
    yield await _broker(settings)
    async for finding in _catalogue(workspace, settings):
        yield finding


def _permissions(workspace: Workspace) -> list[Finding]:
    folders = (workspace.folder, workspace.arrays_folder, workspace.logs_folder)
    findings = []
    for folder in folders:
        if not folder.is_dir():
            findings.append(
                Finding(
                    "permissions", "warning", f"{folder} is missing.", f"mkdir -m 2770 {folder}"
                )
            )
        elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            findings.append(
                Finding(
                    "permissions",
                    "problem",
                    f"You may not write in {folder}, which belongs to {folder.owner()}.",
                    f"Ask {folder.owner()} to run: chmod 2770 {folder}",
                )
            )
        elif folder.stat().st_mode & stat.S_IWOTH:
            findings.append(
                Finding(
                    "permissions",
                    "warning",
                    f"Everybody may write in {folder}, also outside of the proposal.",
                    f"chmod o-rwx {folder}",
                )
            )
    return findings or [Finding("permissions", "ok", "folders can be written")]


def _disk(workspace: Workspace) -> list[Finding]:
    """One finding for each disk that the workspace is on."""
    seen: dict[int, Path] = {}
    for folder in (workspace.folder, workspace.database_folder, workspace.arrays_folder):
        if folder.exists():
            seen.setdefault(folder.stat().st_dev, folder)
    return [_room(folder) for folder in seen.values()]


def _room(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    said = f"{free / 1e9:.1f} GB free for {folder}"
    if free < TOO_LITTLE:
        return Finding("disk", "problem", said, "Make room: MongoDB stops when the disk is full.")
    if free < LITTLE:
        return Finding("disk", "warning", said, "Make room before the next shift.")
    return Finding("disk", "ok", said)


def _data(workspace: Workspace, settings: Settings) -> Finding:
    from knockoff.rundata.finding import runs_on_disk

    try:
        runs = runs_on_disk(workspace.proposal, settings.data_root)
    except KnockoffError as error:
        return Finding(
            "data",
            "problem",
            str(error),
            _remedy_for_data(settings),
        )
    said = f"{len(runs['raw'])} raw and {len(runs['proc'])} proc runs under {settings.data_root}"
    return Finding("data", "ok", said)


def _limits(settings: Settings) -> Finding:
    from knockoff.engine.machine import limits_of_a_run, lowered
    from knockoff.filling.memory import gigabytes

    workers = settings.workers
    cpus, memory = limits_of_a_run(workers.cpus, workers.memory)
    less = lowered(workers.cpus, workers.memory)
    if less is not None:
        return Finding("limits", "ok", less)
    given = f"{cpus} processor{'s' * (cpus != 1)} and {gigabytes(memory)} of memory"
    return Finding("limits", "ok", f"the variables of one run may use {given}")


def _remedy_for_data(settings: Settings) -> str:
    origin = settings.origin("data_root")
    if origin == "default":
        return 'Nothing sets data_root; write it into knockoff.toml, as in: data_root = "/data"'
    return f"data_root is set by {origin}; change it there."


async def _context_file(workspace: Workspace, place: Place) -> Finding:
    from knockoff.cli.context import described

    file = workspace.context_file
    if not file.is_file():
        return Finding(
            "context file",
            "problem",
            f"There is no {file}.",
            f"Begin one with: knockoff context new -o {file}",
        )
    try:
        description = await described(file, place)
    except KnockoffError as error:
        return Finding("context file", "problem", str(error), "Correct it; the table waits for it.")
    count = sum(len(table.variables) for table in description.tables)
    return Finding("context file", "ok", f"{count} variables in {file}")


async def _server(workspace: Workspace, settings: Settings) -> Finding:
    from knockoff.database.opening import open_database

    try:
        async with open_database(workspace, settings) as database:
            told = await database.client.server_info()
    except KnockoffError as error:
        return Finding("server", "problem", str(error))
    where = "embedded" if settings.is_embedded else settings.origin("database")
    return Finding("server", "ok", f"MongoDB {told['version']} answers ({where})")


async def _catalogue(workspace: Workspace, settings: Settings) -> AsyncIterator[Finding]:
    """Whether MyMdC answers; nothing where nobody has set it up."""
    from knockoff.errors import CatalogueError
    from knockoff.mymdc.catalogue import Access
    from knockoff.mymdc.errors import NotSetUpError

    access = Access(settings.mymdc, workspace.proposal, settings.data_root)
    try:
        async with access.open() as mymdc:
            title = await mymdc.title(workspace.proposal)
    except NotSetUpError:
        return
    except CatalogueError as error:
        yield Finding("catalogue", "warning", str(error), "Cells that read MyMdC wait until then.")
    else:
        yield Finding("catalogue", "ok", f"MyMdC knows the proposal as {title!r}")


async def _broker(settings: Settings) -> Finding:
    from knockoff.events.access import reasons_against
    from knockoff.listener.listening import profile_in, security_in

    try:
        profile = profile_in(settings.kafka)
        async with asyncio.timeout(30):
            reasons = await reasons_against(profile.brokers, security_in(settings.kafka))
    except (KnockoffError, TimeoutError) as error:
        return Finding("broker", "problem", str(error) or "no broker answers")
    if len(reasons) < len(profile.brokers):
        return Finding("broker", "ok", f"{', '.join(profile.brokers)} ({profile.name}) answers")
    said = "\n".join(f"{broker}: {reason}" for broker, reason in reasons.items())
    return Finding(
        "broker",
        "warning",
        said,
        "No run is announced here. Set kafka.brokers in knockoff.toml; "
        "`knockoff process` works without.",
    )
