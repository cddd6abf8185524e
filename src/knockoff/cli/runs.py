"""`knockoff runs`: the table, for people and for programs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from knockoff.cli.place import place_of
from knockoff.cli.words import AS_OF, examples, say
from knockoff.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from knockoff.cli.reading import StoredTable
    from knockoff.settings import Settings
    from knockoff.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "knockoff runs",
            "knockoff runs --where 'hits > 10 and comment ~ knife' --sort -hits",
            "knockoff runs --columns trains,hits,comment --csv > runs.csv",
            "knockoff runs --where 'hits is failed' --json",
            "knockoff runs --where 'hits is stale'",
            "knockoff runs --as-of '2026-03-02 10:00'     the table as it was then",
        )
    )(runs)


def runs(
    context: typer.Context,
    columns: Annotated[
        str, typer.Option(help="Columns to show, separated by commas; all is every one.")
    ] = "",
    where: Annotated[
        str, typer.Option(help="Which runs, as in: hits > 10 and comment ~ knife")
    ] = "",
    sort: Annotated[
        str, typer.Option(help="Column to sort by; with a - in front, largest first.")
    ] = "run",
    table: Annotated[str | None, typer.Option(help="Which table, if there are several.")] = None,
    as_of: Annotated[str, typer.Option(metavar="TIME", help=AS_OF)] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a Markdown table.")
    ] = False,
) -> None:
    """Print the table of runs.

    As many columns of it as fit the terminal, or all that are asked for. A cell without
    a value says why; a value behind a ~ is stale: its code or what it reads has changed
    since, and `knockoff reprocess` makes it anew. Columns are named by field or title.
    """
    from knockoff.cli import written

    if as_json + as_csv + as_markdown > 1:
        raise SettingsError("Choose one of --json, --csv and --markdown.")
    workspace, settings = place_of(context).open()
    found, shown, rows = asyncio.run(
        _read(workspace, settings, table, columns=columns, where=where, sort=sort, as_of=as_of)
    )
    if as_json:
        typer.echo(written.json_of(shown, rows))
    elif as_csv:
        typer.echo(written.csv_of(shown, rows, settings.time_zone), nl=False)
    elif as_markdown:
        typer.echo(written.markdown_of(shown, rows, settings.time_zone))
    else:
        looked_at = shown if columns else _worth_a_look(shown, rows)
        _print(looked_at, rows, settings, everything=bool(columns))
        if not rows:
            say("No run fits." if where else f"The table {found.name} has no runs yet.")


async def print_table(workspace: Workspace, settings: Settings) -> None:
    """Print all of the first table of a workspace."""
    _, shown, rows = await _read(workspace, settings, None, columns="", where="", sort="run")
    _print(_worth_a_look(shown, rows), rows, settings, everything=True)


def _print(
    shown: Sequence[Mapping[str, Any]],
    rows: Sequence[dict[str, Any]],
    settings: Settings,
    *,
    everything: bool,
) -> None:
    from knockoff.cli.grid import text_of

    text, hidden = text_of(shown, rows, settings.time_zone, everything=everything)
    typer.echo(text)
    if hidden:
        say(_about_hidden(hidden))


def _about_hidden(hidden: Sequence[str]) -> str:
    count = len(hidden)
    names = ", ".join(hidden[:6]) + (" ..." if count > 6 else "")
    return f"{count} more column{'s' * (count != 1)}: {names}  (--columns all shows them below)"


async def _read(
    workspace: Workspace,
    settings: Settings,
    table: str | None,
    *,
    columns: str,
    where: str,
    sort: str,
    as_of: str = "",
) -> tuple[StoredTable, list[Mapping[str, Any]], list[dict[str, Any]]]:
    from knockoff.cli.reading import open_tables
    from knockoff.cli.written import in_order
    from knockoff.database.filters import asks_for_stale, filter_of

    async with open_tables(workspace, settings, table, as_of) as tables:
        found = tables[0]
        if len(tables) > 1:
            others = ", ".join(each.name for each in tables[1:])
            say(f"This is the table {found.name}; --table shows the others: {others}")
        stale = await found.stale() if asks_for_stale(where) else None
        condition = filter_of(where, found.columns, settings.time_zone, stale)
        shown = _chosen(columns, found)
        by = found.column(sort.removeprefix("-"))
        rows = await found.rows(condition)
    return found, shown, in_order(rows, str(by["name"]), largest_first=sort.startswith("-"))


def _chosen(words: str, table: StoredTable) -> list[Mapping[str, Any]]:
    if words in ("", "all"):
        return list(table.columns)
    chosen = [table.column(word.strip()) for word in words.split(",") if word.strip()]
    run = table.columns[0]
    return chosen if run in chosen else [run, *chosen]


def _worth_a_look(
    columns: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Leave out what nobody asked for: former columns, and our own that are empty everywhere."""
    quiet = ("tags", "status", "comment")
    return [
        column
        for column in columns
        if not column.get("former")
        and column["name"] != "added_at"
        and (column["name"] not in quiet or any(row.get(column["name"]) for row in rows))
    ]
