"""Rows for people and for programs: a table, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import click

Cell = str | int | bool | datetime | None
Row = Mapping[str, Cell]


def _format(*forms: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    told = "How to print: for people, or for programs."
    return click.option("--format", "form", type=click.Choice(forms), default=forms[0], show_default=True, help=told)


format_option = _format("table", "json", "csv")  # of a command that prints rows
facts_format_option = _format("table", "json")  # of a command that prints one thing


def print_rows(rows: Sequence[Row], columns: Sequence[str], form: str) -> None:
    """Print these columns of the rows: `table`, `json` (a list of objects) or `csv` (RFC 4180, with a header)."""
    if form == "json":
        print_json([{column: row.get(column) for column in columns} for row in rows])
    elif form == "csv":
        click.echo(csv_text(rows, columns), nl=False)
    elif sys.stdout.isatty():
        _print_rich(rows, columns)
    else:
        click.echo(plain_text(rows, columns))


def print_json(value: object) -> None:
    """Print a value as JSON; times become ISO 8601. Half of a surrogate pair, which UTF-8 has not, is escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=_json)
    click.echo(text.encode("utf-8", "backslashreplace").decode())


def csv_text(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Write rows as CSV (RFC 4180).

    A text that a spreadsheet would take for a formula gets a ' before it, since names come from outside.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_csv_cell(row.get(column)) for column in columns])
    return out.getvalue()


def plain_text(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Write rows as columns of aligned text under a header."""
    from rich.cells import cell_len  # a CJK character takes two places

    lines = [[column.replace("_", " ").upper() for column in columns]]
    lines += [[shown(row.get(column)) for column in columns] for row in rows]
    widths = [max(cell_len(line[number]) for line in lines) for number in range(len(columns))]
    return "\n".join(
        "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def shown(value: Cell) -> str:
    """Write a value for people. Control characters are replaced: a friend's name must not steer an admin's terminal."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        case _:
            return "".join(char if char.isprintable() else "\ufffd" for char in str(value))


def ago(span: timedelta) -> str:
    """Write a span of time in its greatest unit: 38 s, 5 min, 3 h, 2 d."""
    seconds = max(int(span.total_seconds()), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _print_rich(rows: Sequence[Row], columns: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    told = [column for column in columns if any(row.get(column) is not None for row in rows)] or columns
    for number, column in enumerate(told):
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=not number)  # the first one is to be copied
    for row in rows:
        table.add_row(*(Text(shown(row.get(column))) for column in told))  # as text: names may hold [markup]
    Console(highlight=False).print(table)


def _csv_cell(value: Cell) -> str:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value.isoformat() if isinstance(value, datetime) else "" if value is None else str(value)


def _json(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
