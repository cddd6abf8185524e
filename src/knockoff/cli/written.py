"""Rows written for programs: JSON, CSV, Markdown."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from typing import Any

from knockoff.cli.cells import Cells
from knockoff.runs.causes import causes_of
from knockoff.runs.stamps import value_at
from knockoff.runs.states import state_of
from knockoff.tui.columns import Column


def json_of(columns: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> str:
    """A JSON list of `plain_row`."""
    return json.dumps([plain_row(columns, row) for row in rows], indent=2, ensure_ascii=False)


def plain_row(columns: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> dict[str, Any]:
    """Values by column, and under ``states`` why cells are empty; fit for JSON.

    Times are UTC in ISO 8601; NaN, which JSON does not have, is null.
    """
    plain: dict[str, Any] = {}
    states: dict[str, Any] = {}
    for entry in columns:
        column = Column.from_document(entry)
        plain[column.name] = plain_value(value_at(row, column.name))
        if column.is_computed:
            state = state_of(row, column.name, column.data)
            if state.word != "done":
                about: dict[str, Any] = {
                    "state": state.word,
                    "kind": state.kind,
                    "reason": state.reason,
                    "causes": [plain_value(asdict(each)) for each in causes_of(row, column.name)],
                }
                states[column.name] = {name: each for name, each in about.items() if each}
    return {**plain, "states": states}


def plain_value(value: Any) -> Any:
    """A stored value as JSON can have it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime):
        return _aware(value).astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(name): plain_value(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(each) for each in value]
    return value if isinstance(value, str | int | float | None) else str(value)


def csv_of(
    columns: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], zone: tzinfo
) -> str:
    """Comma-separated values at full precision; a cell without a value is empty.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    names = [str(column["name"]) for column in columns]
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(names)
    lines.writerows([_for_csv(value_at(row, name), zone) for name in names] for row in rows)
    return text.getvalue()


def markdown_of(
    columns: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], zone: tzinfo
) -> str:
    """A table as GitHub and most electronic logbooks read it."""
    cells = Cells(columns, rows, zone)
    heads = [
        _for_markdown(f"{column.title} [{column.units}]" if column.units else column.title)
        for column in cells.columns
    ]
    rules = ["---:" if right else "---" for right in cells.right]
    lines = [heads, rules]
    lines += [[_for_markdown(cell.text) for cell in line] for line in cells.lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def in_order(
    rows: Sequence[dict[str, Any]], name: str, *, largest_first: bool = False
) -> list[dict[str, Any]]:
    """Rows by the value of a column; those without one come last either way."""
    known = [row for row in rows if value_at(row, name) is not None]
    unknown = [row for row in rows if value_at(row, name) is None]
    return sorted(known, key=lambda row: _rank(row, name), reverse=largest_first) + unknown


def _rank(row: Mapping[str, Any], name: str) -> tuple[int, float | str]:
    value = value_at(row, name)
    if isinstance(value, datetime):
        return 0, _aware(value).timestamp()
    if isinstance(value, int | float):
        return (0, value) if value == value else (-1, 0.0)  # noqa: PLR0124  # NaN is not itself
    return 1, str(value)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _for_csv(value: Any, zone: tzinfo) -> Any:
    if isinstance(value, datetime):
        return _aware(value).astimezone(zone).isoformat(" ", "seconds")
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(plain_value(value), ensure_ascii=False)
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


def _for_markdown(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").strip()
