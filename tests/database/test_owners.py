"""Who does something, also where the system has no names."""

import os

import pytest

from knockoff.database.owners import this_person


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("no entry")])
def test_a_person_without_a_name_is_told_by_number(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A container runs under any number; results and edits must be stored there too."""

    def nobody(uid: int) -> object:
        raise error

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)

    assert this_person() == f"uid{os.getuid()}"


def test_a_person_has_the_name_that_the_system_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number stands in only where there is no name."""
    monkeypatch.setenv("LOGNAME", "alice")

    assert this_person() == "alice"
