"""What an error that a file is the matter of consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from knockoff.errors import ArrayError

if TYPE_CHECKING:
    from pathlib import Path


class ArrayFileError(ArrayError):
    """A file could not be used as it was to be; each kind has its own sentence."""

    def __init__(self, path: Path, reason: str, remedy: str) -> None:
        super().__init__(path, reason, remedy)
        self.path = path
        self.reason = reason
        self.remedy = remedy
