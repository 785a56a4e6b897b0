"""What commands print: rows under headers, or JSON."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

json_option: Callable[[Any], Any] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON."
)


def print_json(value: object) -> None:
    """Print a value as indented JSON; moments are ISO 8601."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_result(result: Mapping[str, object], as_json: bool, *lines: str) -> None:
    """Print what a command did: an object of JSON, or its lines for people."""
    if as_json:
        print_json(dict(result))
        return
    for line in lines:
        click.echo(line)


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]], as_json: bool) -> None:
    """Print rows: as a list of objects, aligned on a terminal, else separated by tabs.

    Absent values are null in JSON, else `-`.
    """
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    titles = [column.replace("_", " ") for column in columns]
    lines = ([("-" if cell is None else str(cell)) for cell in row] for row in rows)
    if not sys.stdout.isatty():
        for line in (titles, *lines):
            click.echo("\t".join(line))
        return
    table = [titles, *lines]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        click.echo("  ".join(map(str.ljust, line, widths)).rstrip())
