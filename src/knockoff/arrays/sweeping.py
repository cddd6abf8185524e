"""Part files that nothing refers to any more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from knockoff.arrays.parts import UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta
    from pathlib import Path

    from knockoff.arrays.references import ArrayReference


def unreferenced(
    folder: Path, references: Iterable[ArrayReference], *, older_than: timedelta
) -> list[Path]:
    """Part files in ``extracted_data`` that none of `references` points at, sorted by path.

    Files left unfinished by a killed process are among them. A file younger than `older_than`
    is not: its reference may be on its way to MongoDB, or somebody may still be reading it.
    """
    kept = {folder / reference.file for reference in references}
    written_before = time.time() - older_than.total_seconds()
    patterns = ("p*_r*/*.h5", f"p*_r*/*.h5{UNFINISHED}", f"p*_r*.h5{UNFINISHED}")
    return sorted(
        path
        for pattern in patterns
        for path in folder.glob(pattern)
        if path not in kept and path.lstat().st_mtime <= written_before
    )
