"""How commands print: text for eyes, JSON or YAML for programs, errors to standard error.

EXIT_CODES is what scripts may rely on; the help of `forescale` shows it.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

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


OutputOption = Annotated[Output, typer.Option(help="For eyes, or for programs.")]

EXIT_CODES: Mapping[int, str] = {
    0: "done, and nothing is wrong",
    1: "an error, or a check that found one",
    2: "wrong usage",
    3: "nothing is served for this workload",
}

_UNFOLDED = 500
_NUMBER = re.compile(r"[-+]?[\d,.]*%?$|-$")

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


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None) -> None:
    """For eyes, numbers to the right; as wide as the terminal, and never folded where there is none."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for place, name in enumerate(header):
        numbers = place > 0 and all(_NUMBER.match(row[place]) for row in rows)
        table.add_column(name, justify="right" if numbers else "left")
    for row in rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(width=_UNFOLDED)
    console.print(table)


@contextmanager
def errors_told() -> Iterator[None]:
    """What the service raises on purpose becomes one line; everything else is a defect and keeps its traceback."""
    try:
        yield
    except AppError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
