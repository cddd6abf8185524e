"""Figures that people made themselves with Plotly, and tables and Datasets as figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from knockoff.plotting.errors import PlotError
from knockoff.plotting.numbers import numbers_of
from knockoff.plotting.panels import line_traces, panel_of
from knockoff.plotting.words import escaped, heading, labelled, word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from plotly.graph_objects import Figure

MOST_LINES: Final = 30
"""Columns of a table that are drawn into one figure."""

MOST_PANELS: Final = 12
"""Arrays of a Dataset that are drawn below each other."""

MOST_ROWS: Final = 1000
"""Rows of a table without numbers that are shown."""


def figure_of_chart(document: Mapping[str, Any], name: str) -> Figure:
    """A figure of Plotly from its JSON, as its author made it; `name` is its title if it has none.

    What this version of Plotly does not know is left out.

    Raises
    ------
    PlotError
        It is no figure.
    """
    import plotly.graph_objects as go

    traces, layout = document.get("data"), document.get("layout", {})
    well_formed = isinstance(traces, list) and all(isinstance(each, dict) for each in traces)
    if not well_formed or not isinstance(layout, dict):
        raise PlotError(f"{name} is no figure of Plotly", "Reprocess the variable.")
    try:
        figure = go.Figure(dict(document), skip_invalid=True)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise PlotError(
            f"{name} is no figure that this Plotly can show: {reason}", "Reprocess the variable."
        ) from error
    if not figure.layout.title.text:
        figure.update_layout(title=heading(name))
    return figure


def figure_of_table(table: Any, name: str) -> Figure:
    """Draw a DataFrame: its columns of numbers as lines along its index, or all of it as text."""
    import numpy as np
    import plotly.graph_objects as go

    if table.shape[0] == 0 or table.shape[1] == 0:
        raise PlotError(f"{name} is a table without rows or columns", "Choose another run.")
    figure = go.Figure()
    notes = []
    shown = [place for place, dtype in enumerate(table.dtypes) if _is_number(dtype)]
    for place in shown[:MOST_LINES]:
        column = table.iloc[:, place]
        if not isinstance(column.dtype, np.dtype):
            column = column.astype(float)
        figure.add_traces(line_traces(numbers_of(column), str(table.columns[place])))
    if len(shown) > MOST_LINES:
        notes.append(f"the first {MOST_LINES} of {len(shown)} columns of numbers")
    if not shown:
        rows = table.iloc[:MOST_ROWS]
        columns = [rows.iloc[:, place] for place in range(min(MOST_LINES, table.shape[1]))]
        figure.add_trace(
            go.Table(
                header={"values": [word(each) for each in table.columns[:MOST_LINES]]},
                cells={"values": [[escaped(each) for each in column] for column in columns]},
            )
        )
        if len(table) > MOST_ROWS:
            notes.append(f"the first {MOST_ROWS} of {len(table)} rows")
        if table.shape[1] > MOST_LINES:
            notes.append(f"the first {MOST_LINES} of {table.shape[1]} columns")
    index = ", ".join(str(each) for each in table.index.names if each is not None)
    figure.update_layout(
        title=heading(name, notes),
        xaxis_title=labelled(index or "row", ""),
        template="plotly_white",
    )
    return figure


def figure_of_dataset(dataset: Any, name: str) -> Figure:
    """Draw the arrays of a Dataset that have numbers and an axis, one below the other.

    Raises
    ------
    PlotError
        None of them has.
    """
    from plotly.subplots import make_subplots

    panels = []
    for title, array in dataset.data_vars.items():
        try:
            panels.append(panel_of(array, str(title)))
        except PlotError:
            continue  # text, a single number: the others are still worth seeing
    if not panels:
        raise PlotError(
            f"{name} is a Dataset without an array of numbers in it",
            "Return one that has, or look at it with `xarray.open_dataset`.",
        )
    shown = panels[:MOST_PANELS]
    figure = make_subplots(
        rows=len(shown),
        cols=1,
        subplot_titles=[escaped(panel.title) for panel in shown],
        vertical_spacing=0.4 / (len(shown) + 1),
    )
    for row, panel in enumerate(shown, 1):
        for trace in panel.traces:
            trace.update(showlegend=False)
            if trace.type == "heatmap":  # beside its own panel, and not beside all
                height = 1 / len(shown)
                middle = 1 - (row - 0.5) * height
                trace.update(colorbar={"len": 0.9 * height, "y": middle})
            figure.add_trace(trace, row, 1)
        figure.update_xaxes(title=panel.x, row=row, col=1)
        figure.update_yaxes(title=panel.y, row=row, col=1)
        if panel.is_image:
            figure.update_yaxes(autorange="reversed", row=row, col=1)
    notes = [f"the first {MOST_PANELS} of {len(panels)} arrays"] if panels[MOST_PANELS:] else []
    figure.update_layout(
        title=heading(name, notes), template="plotly_white", height=max(450, 320 * len(shown))
    )
    return figure


def _is_number(dtype: Any) -> bool:
    return getattr(dtype, "kind", "O") in "biuf"
