"""Names that a column cannot have are those that Beanie's documents have."""

from __future__ import annotations

from beanie import Document
from hypothesis import given
from hypothesis import strategies as st

from knockoff.contextfile.names import (
    DOCUMENT_NAMES,
    OUR_NAMES,
    PEOPLES_NAMES,
    attribute_for,
    stored_names,
)
from knockoff.runs.documents import PEOPLES_FIELDS, RunDocument
from knockoff.runs.rows import RowFields


def test_every_public_name_of_a_beanie_document_is_known() -> None:
    """A new Beanie brings new ones; a column of that name would break it from within."""
    of_beanie = {name for name in dir(Document) if not name.startswith("_")}

    assert of_beanie - set(RowFields.model_fields) <= DOCUMENT_NAMES


def test_every_name_of_our_own_document_is_known_or_has_a_reason() -> None:
    """What we add to a document must not be hidden by a column, either."""
    ours = {name for name in dir(RunDocument) if not name.startswith("_")}
    rows = {name for name in dir(RowFields) if not name.startswith("_")}

    assert set(PEOPLES_FIELDS) == PEOPLES_NAMES
    assert ours | rows | set(RowFields.model_fields) <= DOCUMENT_NAMES | OUR_NAMES | PEOPLES_NAMES


def test_a_field_called_like_a_method_has_another_attribute() -> None:
    """So that a DAMNIT file with a column `count` can be used from Python, too."""
    assert attribute_for("count") == "count_"
    assert attribute_for("hits") == "hits"


NAMES = (*sorted(DOCUMENT_NAMES)[:6], *sorted(OUR_NAMES | PEOPLES_NAMES), "hits", "_", "__")


@given(
    st.lists(
        st.tuples(st.sampled_from(["", "_"]), st.sampled_from(NAMES), st.sampled_from(["", "_"])),
        unique=True,
    )
)
def test_however_functions_are_called_each_has_a_column_of_its_own(
    parts: list[tuple[str, str, str]],
) -> None:
    """No two share a name or an attribute, and none takes away what a row has."""
    names = tuple(dict.fromkeys("".join(each) for each in parts))
    stored = {name: stored_names(names).get(name, name) for name in names}

    assert len(set(stored.values())) == len(names)
    assert len({attribute_for(name) for name in stored.values()}) == len(names)
    assert not set(stored.values()) & (OUR_NAMES | PEOPLES_NAMES)
    assert not any(name.startswith("_") for name in stored.values())
    assert all(stored[name] == name for name in names if name in DOCUMENT_NAMES or name == "hits")
