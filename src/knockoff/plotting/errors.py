"""What plotting raises."""

from __future__ import annotations

from knockoff.errors import KnockoffError


class PlotError(KnockoffError):
    """Something that cannot be drawn, or a figure that cannot be written."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy}"
