"""How commands print: text for eyes, JSON or YAML for programs, errors to standard error.

Exit codes: 0 done, 1 an error or a failed check, 2 wrong usage, 3 nothing is served for this workload.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum

import typer
import yaml
from rich import box
from rich.console import Console
from rich.table import Table

from app.errors import AppError


class Output(StrEnum):
    """Value of --output."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


NOTHING_SERVED = 3
"""Exit code where a workload's value is refused."""


def print_json(value: object) -> None:
    """One JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_document(value: object, output: Output) -> None:
    """One document in the form that is asked for."""
    if output is Output.YAML:
        print(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), end="")
    else:
        print_json(value)


def print_rich_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """For eyes: as wide as the terminal; numbers to the right."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for place, name in enumerate(header):
        table.add_column(name, justify="left" if place == 0 else "right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; the last one is left ragged."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        print("  ".join([*cells, row[-1]]).rstrip())


@contextmanager
def errors_told() -> Iterator[None]:
    """What the service raises on purpose becomes one line; everything else is a defect and keeps its traceback."""
    try:
        yield
    except AppError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
