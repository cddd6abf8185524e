"""`knockoff config`: what can be set, what it is set to and by whom; and setting it."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import examples, say
from knockoff.errors import SettingsError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from knockoff.cli.place import Place
    from knockoff.settings import Setting, Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "knockoff config                              every setting",
            "knockoff config workers                      those of a group",
            "knockoff config workers.timeout              one value",
            "knockoff config workers.timeout 600          into the workspace's knockoff.toml",
            "knockoff config kafka.brokers a:9092,b:9092",
            "knockoff config workers.timeout --unset      out of it again",
        ),
        context_settings={"ignore_unknown_options": True},  # so that -1 is a value, if a wrong one
    )(config)


def config(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Setting or group; all if left out.")] = "",
    value: Annotated[
        str | None, typer.Argument(help="What it is to be; - to have it asked for, unseen.")
    ] = None,
    unset: Annotated[
        bool, typer.Option("--unset", help="Take it out of knockoff.toml again.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """Show settings with where they come from, or change one.

    What is changed stands in the workspace's knockoff.toml, whose comments stay. The
    environment wins over that file. A listener takes new settings when it is started again.
    """
    place = place_of(context)
    if unset:
        _unset(place, key, value)
    elif value is not None:
        _set(place, key, value)
    else:
        _show(place, key, as_json=as_json)


def _show(place: Place, key: str, *, as_json: bool) -> None:
    from knockoff.settings.choices import keys_below
    from knockoff.settings.reading import refusal_of_key

    settings = _settings(place)
    below = keys_below(key) if key else None
    if below == []:
        raise SettingsError(refusal_of_key(key))
    shown = [each for each in settings.listed() if below is None or each.key in below]
    if as_json:
        typer.echo(json.dumps([_plain(each) for each in shown], indent=2, ensure_ascii=False))
    elif below == [key]:
        (setting,) = shown
        typer.echo(setting.shown)
        say(f"{_about(setting)} ({setting.origin})")
    else:
        typer.echo("\n".join(_lines(shown)))


def _set(place: Place, key: str, value: str) -> None:
    from knockoff.settings.writing import write_setting

    typed = _asked(key) if value == "-" else value
    file = place.find().settings_file
    say(f"{key} is now {write_setting(file, key, typed)} in {file}.")
    _say_what_wins(key)
    if key == "context_python" or key.startswith("sandbox."):
        asyncio.run(_say_what_is_wrong(place))


async def _say_what_is_wrong(place: Place) -> None:
    """What the next run would tell else: that a Python lacks h5py, that bubblewrap is missing."""
    from knockoff.cli.workerchecks import interpreter_found, sandbox_found

    workspace, settings = place.open()
    for look in (interpreter_found, sandbox_found):
        finding = await look(workspace, settings)
        if finding.verdict == "problem":
            say(f"Not usable yet: {finding.said.strip().rstrip('.')}. {finding.remedy}".rstrip())
            return


def _unset(place: Place, key: str, value: str | None) -> None:
    from knockoff.settings.writing import unset

    if not key or value is not None:
        raise typer.BadParameter("say which setting, and no value", param_hint="--unset")
    file = place.find().settings_file
    if unset(file, key):
        say(f"{key} is not set in {file} any more.")
    else:
        say(f"{key} was not set in {file}.")
    _say_what_wins(key)


def _say_what_wins(key: str) -> None:
    import os

    from knockoff.settings.reading import variable_of

    variable = variable_of(key)
    if os.environ.get(variable):
        say(f"{variable} is set in this environment and wins over the file.")


def _asked(key: str) -> str:
    """A value that neither a shell's history nor a list of processes shows."""
    return getpass.getpass(f"{key}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def _settings(place: Place) -> Settings:
    """Those of the workspace; where there is none, those of everybody here."""
    from knockoff.settings import read_settings

    try:
        return place.open()[1]
    except WorkspaceError:
        if place.folder is not None or place.proposal is not None:
            raise
        say("No workspace here: these are the defaults, and what the environment says.")
        return read_settings()


def _lines(settings: Iterable[Setting]) -> Iterable[str]:
    for each in settings:
        key = typer.style(each.key, bold=True)
        by = "" if each.origin == "default" else f"  ({each.origin})"
        yield f"{key} = {each.shown or 'not set'}{by}"
        yield typer.style(f"    {_about(each)}", dim=True)


def _about(setting: Setting) -> str:
    return f"{setting.about} [{setting.kind}]"


def _plain(setting: Setting) -> dict[str, Any]:
    return {name: each for name, each in asdict(setting).items() if name != "shown"}
