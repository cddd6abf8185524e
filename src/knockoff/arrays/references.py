"""Where a bulk value lies: what MongoDB stores in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from knockoff.errors import ArrayError

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal[
    "ndarray", "masked", "dataarray", "dataset", "series", "dataframe", "image", "plotly", "json"
]  # fmt: skip
"""What the variable returned, and what reading gives back.

``image`` is a figure as an array ``(height, width, 4)`` of RGBA bytes, ``plotly`` one of Plotly as
a dict, which ``plotly.graph_objects.Figure`` takes. ``json`` is any other Python value (text,
bytes, list, dict ...) that is too big for a field.
"""

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class ArrayReference:
    """One value in one part file, described well enough to be shown without opening it."""

    file: str
    """Path relative to ``extracted_data``, as in ``p1234_r0042/runs.hits.1.h5``."""
    dataset: str
    """HDF5 path of the main dataset; of the group where there is none (dataset, dataframe)."""
    kind: Kind
    dtype: str
    """NumPy's name, as in ``float32``; empty where columns differ (dataset, dataframe)."""
    shape: tuple[int, ...]
    dims: tuple[str, ...] | None
    """Names of the axes; None for a bare ndarray."""
    nbytes: int
    """Size in memory; on disk it is compressed."""
    max_diff: float | None = None
    """Difference of the largest and the smallest number; None for what has no two numbers."""

    @property
    def group(self) -> str:
        """HDF5 path of the group that holds the value with its coordinates and attributes."""
        if self.kind in ("dataset", "dataframe"):
            return self.dataset
        return self.dataset.rpartition("/")[0] or "/"

    def to_json(self) -> dict[str, Any]:
        """As stored in MongoDB under ``knockoff.arrays``; what is None is left out."""
        document: dict[str, Any] = {
            "file": self.file,
            "dataset": self.dataset,
            "kind": self.kind,
            "dtype": self.dtype,
            "shape": list(self.shape),
            "nbytes": self.nbytes,
        }
        if self.dims is not None:
            document["dims"] = list(self.dims)
        if self.max_diff is not None:
            document["max_diff"] = self.max_diff
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ArrayReference:
        """Read back what `to_json` wrote.

        Raises
        ------
        ArrayError
            A key is missing or holds something else; the message names it.
        """
        try:
            kind = document["kind"]
            if kind not in KINDS:
                raise ArrayError(
                    f"An array of kind {kind!r} was written by a newer knockoff; "
                    f"this one reads {', '.join(KINDS)}. Update knockoff."
                )
            dims, max_diff = document.get("dims"), document.get("max_diff")
            return cls(
                file=str(document["file"]),
                dataset=str(document["dataset"]),
                kind=kind,
                dtype=str(document["dtype"]),
                shape=tuple(int(length) for length in document["shape"]),
                dims=None if dims is None else tuple(str(dim) for dim in dims),
                nbytes=int(document["nbytes"]),
                max_diff=None if max_diff is None else float(max_diff),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArrayError(
                f"This is no array reference: {error!r} in {dict(document)!r}. "
                "Reprocess the variable to write it anew."
            ) from error
