"""docs/commands.md from the command line's own help, by typer's writer of documents."""

import re
from typing import Final

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

from app.cli.__main__ import application
from app.cli.output import EXIT_CODES
from tools.reference.tables import table

_HEAD: Final = """\
# Commands

Written by `make reference` from the commands' own help; what is changed here is lost.

`python -m app.cli COMMAND`, or `forescale COMMAND` with `bin/` in PATH. The image's entry point is the same. Commands
that ask a running service take `--server`, `--tls-server-name`, `--ca-file` and `--token-file`, and say why nothing is
served where nothing is.
"""


def commands_page() -> str:
    """The page."""
    group = get_command(application())
    text = get_docs_for_click(obj=group, ctx=typer.Context(group), name="forescale")
    first = text.index("\n## ") + 1
    told = re.sub(r"^\* `--help`.*\n", "", text[first:], flags=re.MULTILINE)
    told = re.sub(r"\*\*Options\*\*:\n+(?=## |\Z)", "", told)
    codes = table(("exit code", "of every command"), [(str(number), meaning) for number, meaning in EXIT_CODES.items()])
    return f"{_HEAD}\n{codes}\n\n{told}"
