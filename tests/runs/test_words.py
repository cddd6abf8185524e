"""In a notebook, too, a mistake is told in the words of a context file."""

from __future__ import annotations

import pytest

from knockoff import Run
from knockoff.language.variable import MisplacedError


def test_an_attribute_without_a_type_is_told_in_our_words() -> None:
    """Pydantic's speak of settings that a run class does not have."""
    with pytest.raises(MisplacedError, match="limit = … has no type") as raised:

        class Runs(Run):
            limit = 3

    assert "Write limit: float = … for a field" in raised.value.remedy
    assert "limit: ClassVar = …" in raised.value.remedy
    assert "pydantic" not in str(raised.value).lower()


def test_a_field_of_every_row_without_a_type_is_told_so_too() -> None:
    """It would take the field's place."""
    with pytest.raises(MisplacedError, match="comment = … has no type"):

        class Runs(Run):
            comment = "nothing"
