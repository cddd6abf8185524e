"""What every row has, whatever its class."""

from __future__ import annotations

from datetime import datetime  # pydantic reads it
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
)
from pydantic import model_validator as validator_of_model

from knockoff.runkey import RunKey

_KEY = frozenset({"proposal", "run"})


class RowFields(BaseModel):
    """The fields of a run that no variable computes.

    A plain model and never a Beanie document: `init_beanie` turns the attributes
    of a document's bases into query expressions, and what is built on them next
    would store those.
    """

    model_config = ConfigDict(populate_by_name=True, arbitrary_types_allowed=True)

    id: str | None = Field(default=None, alias="_id")
    """As in ``p001234r0042``; follows from proposal and run."""

    proposal: int
    run: int
    start_time: datetime | None = None
    """Of the first train, UTC; None while no data is there."""

    added_at: datetime | None = None
    comment: str | None = None
    tags: list[str] | None = None
    status: str | None = None
    knockoff: dict[str, Any] = Field(default_factory=dict)
    """What knockoff knows of the row: states, arrays, problems, hashes."""

    _loaded: dict[str, Any] | None = PrivateAttr(default=None)
    """People's fields as they are in the database; None before the row is there."""

    _edited: frozenset[str] | None = PrivateAttr(default=None)
    """The fields that were written last; None before the first edit."""
    _as_of: datetime | None = PrivateAttr(default=None)
    """When the row was like this; None for one as it is."""

    _fill: Any = PrivateAttr(default=None)
    """Whoever is filling this very document just now."""

    @property
    def key(self) -> RunKey:
        """Which run this is."""
        return RunKey(self.proposal, self.run)

    @validator_of_model(mode="wrap")
    @classmethod
    def _one_bad_field_hides_no_row(
        cls, data: Any, handler: ModelWrapValidatorHandler[RowFields]
    ) -> RowFields:
        """Read a stored row even where an older context stored another type in a field."""
        try:
            row = handler(data)
        except ValidationError as error:
            if not (isinstance(data, dict) and "_id" in data):
                raise
            bad = {str(each["loc"][0]) for each in error.errors() if each["loc"]}
            key = RunKey.from_document_id(str(data["_id"]))
            kept = {name: value for name, value in data.items() if name not in bad}
            row = handler({"proposal": key.proposal, "run": key.run, **kept})
            row.__dict__.update({name: data[name] for name in bad - _KEY & data.keys()})
        if row.id is None:
            row.id = row.key.document_id
        return row
