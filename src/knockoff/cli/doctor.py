"""`knockoff doctor`: look whether everything a workspace needs is there."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import examples, say

if TYPE_CHECKING:
    from knockoff.cli.checks import Finding


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=examples("knockoff doctor", "knockoff doctor --json"))(doctor)


def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """Check what a workspace needs.

    Server, disk, broker, data, permissions and context file, each with what to do. Ends
    with status 1 if there is a problem; a warning is none.
    """
    from knockoff.cli.checks import check_all

    findings = asyncio.run(check_all(place_of(context)))
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in findings], indent=2))
    else:
        for finding in findings:
            typer.echo(_line(finding))
    problems = sum(each.verdict == "problem" for each in findings)
    if problems:
        say(f"{problems} problem{'s' * (problems > 1)}.")
        raise typer.Exit(1)


def _line(finding: Finding) -> str:
    colour = {"ok": "green", "warning": "yellow", "problem": "red"}[finding.verdict]
    verdict = typer.style(f"{finding.verdict:<8}", fg=colour)
    remedy = f"\n{' ' * 24}{finding.remedy}" if finding.remedy else ""
    said = finding.said.replace("\n", f"\n{' ' * 24}")
    return f"{verdict} {finding.about:<14} {said}{remedy}"
