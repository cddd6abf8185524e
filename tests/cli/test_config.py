"""`knockoff config` shows settings with their origins, and sets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "data").mkdir()
    made = Shell(tmp_path)("init", "1234", "--folder", "ws", "--data-root", "data")
    assert made.status == 0, made.said
    return Shell(tmp_path / "ws")


def test_all_settings_are_listed_with_type_value_origin_and_what_they_are(shell: Shell) -> None:
    """One place answers what is set, and why it is not what one has written."""
    done = shell("config", "--json", KNOCKOFF_WORKERS__PARALLEL="7")
    listed = {each.pop("key"): each for each in json.loads(done.out)}

    assert listed["workers.parallel"] == {
        "origin": "KNOCKOFF_WORKERS__PARALLEL",
        "about": "How many runs are computed at the same time.",
        "kind": "whole number",
        "value": 7,
    }
    assert listed["data_root"]["origin"] == str(shell.folder / "knockoff.toml")
    assert listed["workers.timeout"]["origin"] == "default"
    assert listed["sandbox.enabled"]["value"] is False
    assert listed["kafka.brokers"]["value"] is None

    printed = shell("config").out
    assert "workers.timeout = 3600\n" in printed
    assert f"data_root = {shell.folder.parent / 'data'}  ({shell.folder / 'knockoff.toml'})\n" in (
        printed
    )


def test_one_value_is_printed_alone_for_scripts(shell: Shell) -> None:
    """``$(knockoff config workers.timeout)`` is a number."""
    done = shell("config", "workers.timeout")

    assert (done.status, done.out) == (0, "3600\n")
    assert "[number] (default)" in done.said
    assert "kafka.brokers" in shell("config", "kafka").out


def test_a_value_is_set_and_unset(shell: Shell) -> None:
    """From then on every command takes it; and where the environment wins, one is told."""
    assert shell("config", "workers.timeout", "600").status == 0
    assert shell("config", "workers.timeout").out == "600\n"

    done = shell("config", "workers.timeout", "700", KNOCKOFF_WORKERS__TIMEOUT="5")
    assert "KNOCKOFF_WORKERS__TIMEOUT is set in this environment and wins" in done.said

    assert shell("config", "workers.timeout", "--unset").status == 0
    assert shell("config", "workers.timeout").out == "3600\n"


def test_wrong_ones_end_with_status_1_and_a_remedy(shell: Shell) -> None:
    """What is near is named."""
    done = shell("config", "workers.paralel", "3")
    assert (done.status, done.out) == (1, "")
    assert "Did you mean workers.parallel" in done.said
    assert shell("config", "workers.paralel").status == 1
    assert shell("config", "workers.timeout", "-1").status == 1
    assert shell("config", "--unset").status == 2


def test_a_secret_can_be_given_unseen_and_is_never_shown(shell: Shell) -> None:
    """Command lines are in the shell's history, and in everybody's list of processes."""
    (shell.folder / "knockoff.toml").chmod(0o600)

    done = shell.apart("config", "mymdc.client_secret", "-", typed="hunter2\n")

    assert done.status == 0, done.said
    assert 'client_secret = "hunter2"' in (shell.folder / "knockoff.toml").read_text()
    shown = shell("config").out + shell("config", "--json").out
    assert "***" in shown
    assert "hunter2" not in shown + done.said + done.out


def test_without_a_workspace_the_defaults_are_shown(tmp_path: Path) -> None:
    """One may look before one makes a workspace; there is just nothing to write into."""
    nowhere = Shell(tmp_path)

    assert nowhere("config", "workers.timeout").out == "3600\n"
    assert nowhere("config", "workers.timeout", "5").status == 1
