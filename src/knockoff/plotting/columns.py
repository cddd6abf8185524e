"""Columns of the table against each other: one point per run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any, Final

from knockoff.plotting.errors import PlotError
from knockoff.plotting.words import escaped, heading, labelled, paragraph, word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from plotly.graph_objects import Figure

MOST_COLOURS: Final = 12
"""Words that can be told apart by colour."""


@dataclass(frozen=True)
class Column:
    """A column of the table, as the axis of a figure."""

    name: str
    """The field in the run document, dotted: ``"xgm_sa2.corrected"``."""

    title: str
    units: str = ""


def figure_of_columns(
    rows: Sequence[Mapping[str, Any]],
    x: Column,
    y: Column,
    colour: Column | None = None,
    *,
    zone: tzinfo = timezone.utc,
) -> Figure:
    """Draw one column against another, one point for each run that has both.

    Against the run number or a time the points are joined in that order, with a
    gap where a run has no value. Pointing at one shows run and comment.

    Parameters
    ----------
    rows:
        Run documents as MongoDB gives them.
    colour:
        A column that colours the points: by a scale for numbers, else word by word.
    zone:
        The time zone in which times are shown.

    Raises
    ------
    PlotError
        No run has both values, or they are of a kind that has no place on an axis.
    """
    import plotly.graph_objects as go

    places = [(_drawn(value_at(row, x.name), x, zone), row) for row in rows]
    present = [(place, row) for place, row in places if place is not None]
    in_order = x.name == "run" or any(isinstance(place, datetime) for place, _ in present)
    if in_order:
        present.sort(key=lambda each: each[0])
    runs = [row for _, row in present]
    up = [_drawn(value_at(row, y.name), y, zone) for row in runs]
    seen = sum(value is not None for value in up)
    if not seen:
        raise PlotError(
            f"No run has both {x.title!r} and {y.title!r}",
            "Choose other columns, or process the runs first.",
        )
    points: dict[str, Any] = {
        "x": [place for place, _ in present],
        "y": up,
        "hovertext": [_hover(row, (x, y, colour), zone) for row in runs],
        "hoverinfo": "text",
        "connectgaps": False,
    }
    figure = go.Figure()
    for trace in _coloured(points, runs, colour, joined=in_order):
        figure.add_trace(go.Scatter(trace))
    without = len(rows) - seen
    figure.update_layout(
        title=heading(
            f"{y.title} against {x.title}",
            [f"{seen} runs", f"{without} without a value" if without else ""],
        ),
        xaxis_title=_label(x, points["x"], zone),
        yaxis_title=_label(y, up, zone),
        template="plotly_white",
        legend_title=escaped(colour.title) if colour else None,
    )
    return figure


def value_at(row: Mapping[str, Any], name: str) -> Any:
    """The value of a dotted field; None if it is not there."""
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if hasattr(value, "get") else None
    return value


def _drawn(value: Any, column: Column, zone: tzinfo) -> Any:
    """The value as Plotly takes it; None where there is nothing to draw."""
    if value is None:
        return None
    if isinstance(value, str):
        return word(value) or None
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime):
        return _in_zone(value, zone)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (int, float)):
        return value if math.isfinite(value) else None
    raise PlotError(
        f"{column.title!r} holds a {type(value).__name__}, which has no place on an axis",
        "Choose a column of numbers, times or words.",
    )


def _in_zone(value: datetime, zone: tzinfo) -> datetime:
    """Local time without its zone, which Plotly cannot show."""
    aware = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
    return aware.astimezone(zone).replace(tzinfo=None)


def _label(column: Column, drawn: list[Any], zone: tzinfo) -> str:
    is_time = any(isinstance(value, datetime) for value in drawn)
    return labelled(column.title, str(zone) if is_time else column.units)


def _hover(
    row: Mapping[str, Any], columns: tuple[Column, Column, Column | None], zone: tzinfo
) -> str:
    lines = [f"<b>run {escaped(row.get('run', '?'))}</b>"]
    shown = {each.name: each for each in columns if each is not None and each.name != "run"}
    for name, column in shown.items():
        text = _text(value_at(row, name), zone)
        lines.append(f"{escaped(column.title)}: {escaped(f'{text} {column.units}')}")
    if row.get("comment"):
        lines.append(f"<i>{paragraph(str(row['comment']))}</i>")
    return "<br>".join(lines)


def _text(value: Any, zone: tzinfo) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return f"{_in_zone(value, zone):%Y-%m-%d %H:%M:%S}"
    return "–" if value is None else str(value)


def _coloured(
    points: dict[str, Any],
    rows: list[Mapping[str, Any]],
    colour: Column | None,
    *,
    joined: bool,
) -> list[dict[str, Any]]:
    """One trace, or one for each word of the column that colours them."""
    mode = "lines+markers" if joined else "markers"
    if colour is None:
        return [{**points, "mode": mode}]
    values = [value_at(row, colour.name) for row in rows]
    if all(value is None or _is_number(value) for value in values):
        scale = {"color": values, "showscale": True, "colorscale": "Viridis"}
        marker = {**scale, "colorbar": {"title": labelled(colour.title, colour.units)}}
        return [{**points, "mode": "markers", "marker": marker}]
    spoken = ["–" if value is None else str(value) for value in values]
    words = sorted(set(spoken))
    if len(words) > MOST_COLOURS:
        raise PlotError(
            f"{colour.title!r} has {len(words)} different values, too many to tell by colour",
            f"Choose a column of numbers, or one of at most {MOST_COLOURS} words.",
        )
    traces = []
    for each in words:
        chosen = [place for place, value in enumerate(spoken) if value == each]
        part = {
            name: [whole[place] for place in chosen] if isinstance(whole, list) else whole
            for name, whole in points.items()
        }
        traces.append({**part, "mode": "markers", "name": word(each), "showlegend": True})
    return traces


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
