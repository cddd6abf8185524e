"""What goes wrong is one message, a status, and never a traceback."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from knockoff.cli.root import RootGroup
from knockoff.errors import BrokerError, DatabaseError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Shell


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("show 99", 1, "There is no run 99 in the table. The nearest are 1, 2, 3."),
        ("set 1 treshold 3", 1, "Did you mean 'threshold'?"),
        ("set 1 hits 3", 1, "hits is computed"),
        ("set 1 threshold much", 1, "threshold cannot be 'much'"),
        ("set 99 threshold 1", 1, "There is no row of p1234 r0099"),
        ("runs --where hitz>3", 1, "did you mean hits?"),
        ("runs --where hits>", 1, "A value is expected here"),
        ("runs --sort nothing", 1, "there is no column nothing"),
        ("runs --columns trains,nix", 1, "there is no column nix"),
        ("runs --table other", 1, "There is no table 'other'; there are runs."),
        ("runs --json --csv", 1, "Choose one"),
        ("process 3-1", 2, "Write it as 1-3."),
        ("process one", 2, "'one' is no run"),
        ("process 1 --variables hitz", 1, "Did you mean 'hits'?"),
        ("plot 1 trains", 1, "its value is a single one"),
        ("plot 1 broken", 1, "failed: KeyError"),
        ("plot 1 energy -o energy.png", 2, "energy.png should end in .html"),
        ("plot 99 energy", 1, "There is no run 99"),
        ("tui", 1, "This is no terminal."),
        ("db share", 1, "Name one group"),
        ("init 1234 --folder .", 1, "is a workspace already"),
        ("show many", 2, "valid integer"),
        ("nonsense", 2, "nonsense"),
    ],
)
def test_errors_name_what_and_the_way_out(
    knockoff: Shell, words: str, status: int, said: str
) -> None:
    """Whoever reads it at three in the morning knows what to type next."""
    done = knockoff(*words.split())
    assert (done.status, done.out) == (status, "")
    assert said in done.said
    assert "Traceback" not in done.said


def test_outside_of_a_workspace_the_remedy_is_said(knockoff: Shell, tmp_path: Path) -> None:
    """The first thing that goes wrong for a new user."""
    done = replace(knockoff, folder=tmp_path)("runs")
    assert done.status == 1
    assert "knockoff init 1234" in done.said


def test_away_from_the_facility_init_says_how_to_begin(knockoff: Shell, tmp_path: Path) -> None:
    """The README's first command, on a laptop that has no data root."""
    away = replace(knockoff, folder=tmp_path)
    done = away("init", "1234", EXTRA_DATA_DATA_ROOT=str(tmp_path / "none"))
    assert done.status == 1
    assert "knockoff init 1234 --folder FOLDER --data-root DATA" in done.said


def test_much_verbosity_shows_where_it_was_raised(knockoff: Shell) -> None:
    """For whoever mends knockoff itself."""
    assert "Traceback" in knockoff("-vv", "show", "99").said


def test_the_server_of_somebody_else_is_not_ours_to_stop(knockoff: Shell) -> None:
    """A workspace on a real server says so instead of starting another."""
    done = knockoff("db", "start", KNOCKOFF_DATABASE="mongodb://127.0.0.1:9/")
    assert done.status == 1
    assert "KNOCKOFF_DATABASE" in done.said
    unreachable = knockoff("runs", KNOCKOFF_DATABASE="mongodb://ada:s3cret@127.0.0.1:9/")
    assert unreachable.status == 1
    assert "does not answer" in unreachable.said
    assert "s3cret" not in unreachable.said


def test_ctrl_c_is_calm(knockoff: Shell, tmp_path: Path) -> None:
    """It ends with the shell's status for it, and without a page of frames."""
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import pathlib, time\npathlib.Path(__file__ + '.on').touch()\ntime.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "knockoff", "context", "check", str(slow)],
        cwd=knockoff.folder,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        deadline = time.monotonic() + 60
        while not slow.with_name("slow.py.on").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        command.send_signal(signal.SIGINT)
        _, said = command.communicate(timeout=30)
    assert command.returncode == 130
    assert "Traceback" not in said


def test_several_errors_at_once_are_all_told() -> None:
    """Tasks that fail together come as a group, of which nothing may be lost."""
    app = typer.Typer(cls=RootGroup)
    app.callback()(lambda: None)

    @app.command()
    def work() -> None:
        raise ExceptionGroup("both", [DatabaseError("no server"), BrokerError("no broker")])

    done = CliRunner().invoke(app, ["work"])
    assert done.exit_code == 1
    assert done.stderr == "knockoff: no server\nknockoff: no broker\n"
