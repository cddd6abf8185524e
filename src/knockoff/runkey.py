"""Which run: a proposal number and a run number, checked once and then trusted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from knockoff.errors import RunKeyError

DataKind = Literal["raw", "proc"]
"""What of a run is on disk: as recorded, or corrected by the facility."""

LARGEST_PROPOSAL: Final = 999_999
LARGEST_RUN: Final = 99_999

_DIGITS = re.compile(r"[0-9]{1,8}", re.ASCII)
_DOCUMENT_ID = re.compile(r"p([0-9]{6})r([0-9]{4,5})", re.ASCII)


def proposal_number(value: object) -> int:
    """Read a proposal number as messages and people write it: 1234, "1234" or "001234".

    Raises
    ------
    RunKeyError
        `value` is neither an int nor ASCII digits, or not within 1 to 999999.
    """
    return _number(value, "proposal", LARGEST_PROPOSAL)


def run_number(value: object) -> int:
    """Read a run number as messages and people write it: 42, "42" or "0042".

    Raises
    ------
    RunKeyError
        `value` is neither an int nor ASCII digits, or not within 1 to 99999.
    """
    return _number(value, "run", LARGEST_RUN)


def _number(value: object, what: str, largest: int) -> int:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise RunKeyError(
            f"{what} must be a whole number such as 42 or '0042', not {_shown(value)}."
        )
    if not 1 <= value <= largest:
        raise RunKeyError(f"{what} must lie within 1 to {largest}, not {_shown(value)}.")
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True, order=True)
class RunKey:
    """One run of one proposal."""

    proposal: int
    run: int

    def __post_init__(self) -> None:
        proposal_number(self.proposal)
        run_number(self.run)

    @property
    def document_id(self) -> str:
        """The `_id` of this run's document in every table, as in ``p001234r0042``."""
        return f"p{self.proposal:06d}r{self.run:04d}"

    @classmethod
    def from_document_id(cls, document_id: str) -> RunKey:
        """Read back what `document_id` wrote.

        Raises
        ------
        RunKeyError
            `document_id` does not look like ``p001234r0042``.
        """
        match = _DOCUMENT_ID.fullmatch(document_id)
        if match is None:
            raise RunKeyError(
                f"{_shown(document_id)} is no document id; one looks like 'p001234r0042'."
            )
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"p{self.proposal} r{self.run:04d}"
