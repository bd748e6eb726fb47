"""How commands print: text for eyes or JSON for programs, and errors to standard error with exit code 1."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum

import typer

from app.errors import AppError


class Output(StrEnum):
    """Value of --output."""

    TEXT = "text"
    JSON = "json"


def print_json(value: object) -> None:
    """One JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


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
