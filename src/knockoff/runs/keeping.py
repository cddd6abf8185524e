"""Values that somebody has rolled back to: kept for as long as what would replace them is the same.

The row remembers under ``knockoff.rolled_back`` what would have been computed when somebody
chose an older result instead: by which code, from which inputs. While that has not changed,
the older result stays, although other code made it. When it has, the choice was about
something else, and the variable is due like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

ROLLED_BACK: Final = "rolled_back"
"""The part of ``knockoff`` in a row; keys are variables with slashes."""


def mark_of(row: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    """What a row says of the roll back of a variable; None if there was none."""
    marks = row.get("knockoff", {}).get(ROLLED_BACK)
    mark = marks.get(key) if isinstance(marks, Mapping) else None
    return mark if isinstance(mark, Mapping) else None


def is_kept(row: Mapping[str, Any], key: str, code: str, stamp: str) -> bool:
    """Whether a variable holds an older result on purpose.

    Parameters
    ----------
    row:
        The document as it is stored.
    key:
        The variable, with slashes.
    code:
        Hash of its code as it is now.
    stamp:
        Stamp of its inputs as they are now.
    """
    mark = mark_of(row, key)
    return mark is not None and (mark.get("code"), mark.get("inputs")) == (code, stamp)


def stamp_as_read(row: Mapping[str, Any], key: str, code: str, stamp: str) -> list[Any]:
    """What readers of a variable depend on: how that was made which the row holds of it.

    It is told by the code and inputs of the older result where that is kept, so that a
    reader which was computed from it once is current again, and one from the newer is not.
    """
    if not is_kept(row, key, code, stamp):
        return [stamp, code]
    ours = row["knockoff"]
    held = [ours.get("inputs", {}).get(key), ours.get("code", {}).get(key)]
    # the same code made both from the same, and yet somebody prefers one
    return held if held != [stamp, code] else [*held, ours[ROLLED_BACK][key].get("to")]
