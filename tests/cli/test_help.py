"""Help is complete, correct and quick."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

from knockoff.cli.app import app
from knockoff.cli.root import hoisted

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAVY = ("textual", "pymongo", "numpy", "xarray", "plotly", "h5py", "beanie", "motor", "aiokafka")


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command with the words that call it."""
    command = typer.main.get_command(app) if command is None else command
    yield " ".join(("knockoff", *path)), command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


ALL = dict(commands())


def examples(command: Any) -> list[str]:
    """The lines of a command's examples, without what explains them or takes their output."""
    lines = str(command.epilog).partition("Examples:")[2].strip().splitlines()
    return [re.split(r" {3,}| > \S+$", line.strip())[0] for line in lines]


def test_all_commands_of_the_tutorial_are_there() -> None:
    """A test on every command must not pass because there is none."""
    wanted = "init process listen runs show comment set plot doctor tui"
    wanted += " context@check context@show context@new db@start db@stop db@status db@uri"
    wanted += " db@shell db@share demo demo@data"
    assert {f"knockoff {each.replace('@', ' ')}" for each in wanted.split()} <= ALL.keys()


@pytest.mark.parametrize("call", ALL)
def test_help_says_what_a_command_does_and_shows_an_example(call: str) -> None:
    """An example says in a second what a list of options says in a minute."""
    command = ALL[call]
    assert command.help
    shown = examples(command)
    assert shown
    assert call in " ".join(shown)
    options = [each for each in command.params if each.param_type_name == "option"]
    assert [each.name for each in options if not each.help] == []


@pytest.mark.parametrize("call", ALL)
def test_examples_are_accepted_by_the_parser(call: str) -> None:
    """An example that does not work is worse than none."""
    for line in examples(ALL[call]):
        program, *words = shlex.split(line)
        if program != "knockoff":
            continue
        words = hoisted(words)
        while words and words[0] in ("-p", "-w"):
            words = words[2:]
        command: Any = typer.main.get_command(app)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        command.make_context(call, words)


@pytest.mark.parametrize(
    "words", ["--help", "runs --help", "db --help", "demo --help", "plot --help", "--version"]
)
def test_help_loads_nothing_heavy(words: str) -> None:
    """Help has to be there at once, also where the disk with the libraries is slow."""
    code = (
        "import sys\n"
        f"sys.argv = ['knockoff', *{words.split()!r}]\n"
        "from knockoff.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print('loaded:', *loaded, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "loaded:"
    assert done.stdout
