"""A setting is written into knockoff.toml or refused, and nothing else in the file changes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from knockoff.errors import SettingsError
from knockoff.settings import read_settings
from knockoff.settings.writing import unset, write_setting

BEFORE = """\
# Ours, since March
proposal = 1234   # do not touch

[workers]
# the big node
timeout = 20

[kafka]
topics = [
    "runs",   # all of them
]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "knockoff.toml"
    file.write_text(BEFORE)
    file.chmod(0o660)
    return file


def test_only_the_value_in_question_changes(file: Path) -> None:
    """People have written into this file why it is as it is."""
    assert write_setting(file, "workers.timeout", "30") == "30"

    assert file.read_text() == BEFORE.replace("timeout = 20", "timeout = 30")
    assert stat.S_IMODE(file.stat().st_mode) == 0o660
    assert [each.name for each in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("workers.parallel", "3", 3),
        ("workers.timeout", "0.5", 0.5),
        ("sandbox.enabled", "true", True),
        ("kafka.brokers", "a:9092,b:9092", ("a:9092", "b:9092")),
        ("kafka.kinds", '{"closed": "raw"}', {"closed": "raw"}),
        ("kafka.security.protocol", "SSL", "SSL"),
        ("context_python", "venv", "venv"),
        ("data_root", "runs", None),
        ("time_zone", "Europe/Paris", None),
    ],
)
def test_what_was_written_is_what_is_read_and_goes_again(
    file: Path, key: str, text: str, value: object
) -> None:
    """Each kind of value comes back as it was meant; taken out, no trace of it is left."""
    old = read_settings(file)

    write_setting(file, key, text)
    new = read_settings(file)

    (setting,) = (each for each in new.listed() if each.key == key)
    assert setting.origin == str(file)
    if value is not None:
        found: object = new
        for name in key.split("."):
            found = getattr(found, name)
        assert found == value
    assert file.read_text().endswith("\n")
    assert unset(file, key)
    assert not unset(file, key)
    if key != "workers.timeout":
        assert file.read_text().strip() == BEFORE.strip()
        assert read_settings(file) == old


def test_a_path_stays_relative_to_the_workspace(file: Path) -> None:
    """A workspace that was moved still finds its data."""
    write_setting(file, "data_root", "runs")

    assert 'data_root = "runs"' in file.read_text()
    assert read_settings(file).data_root == file.parent / "runs"


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("workers.paralel", "3", r"no such setting\. Did you mean workers\.parallel"),
        ("parallel", "3", r"Did you mean workers\.parallel"),
        ("kafka", "3", r"is a group\. Say which of it: .*kafka\.brokers"),
        ("proposal", "3", "knockoff init"),
        ("workers.parallel", "0", "greater than or equal to 1"),
        ("workers.parallel", "many", "'many' cannot be used"),
        ("time_zone", "Mars/Olympus", "time_zone"),
        ("database", "http://x", "should be 'embedded' or start with mongodb"),
    ],
)
def test_what_cannot_be_is_refused_and_the_file_stays(
    file: Path, key: str, text: str, message: str
) -> None:
    """A typing error must not stop tonight's listener."""
    with pytest.raises(SettingsError, match=message):
        write_setting(file, key, text)

    assert file.read_text() == BEFORE


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("kafka.security.password", "hunter2"),
        ("mymdc.client_secret", "hunter2"),
        ("database", "mongodb://me:hunter2@host/"),
    ],
)
def test_a_secret_goes_only_into_a_file_of_ones_own(file: Path, key: str, secret: str) -> None:
    """The group of the proposal reads knockoff.toml, and is larger than one thinks."""
    with pytest.raises(SettingsError, match="others may read") as refused:
        write_setting(file, key, secret)
    assert "hunter2" not in str(refused.value)
    assert file.read_text() == BEFORE

    file.chmod(0o600)
    assert "hunter2" not in write_setting(file, key, secret)
    assert "hunter2" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "hunter2" not in repr(list(read_settings(file).listed()))


def test_a_misspelt_key_can_be_taken_out_of_the_file(file: Path) -> None:
    """Otherwise the command that mends settings would be stopped by what is to be mended."""
    file.write_text(BEFORE + "[sandbox]\nenabeld = true\n")
    with pytest.raises(SettingsError):
        read_settings(file)

    assert unset(file, "sandbox.enabeld")

    assert file.read_text().strip() == BEFORE.strip()
    read_settings(file)


def test_a_link_to_the_file_stays_one(file: Path, tmp_path: Path) -> None:
    """Some keep their settings under version control elsewhere."""
    link = tmp_path / "elsewhere" / "knockoff.toml"
    link.parent.mkdir()
    link.symlink_to(file)

    write_setting(link, "workers.parallel", "3")

    assert link.is_symlink()
    assert read_settings(file).workers.parallel == 3
