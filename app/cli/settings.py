"""`forescale settings`: what can be set, with defaults and reasons."""

from enum import StrEnum
from typing import Annotated

import typer

from app.cli.output import Output, errors_told, print_document, print_table
from app.settings import Settings, load_settings


class Form(StrEnum):
    """Value of --output."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
    ENV = "env"


def settings(
    output: Annotated[Form, typer.Option(help="env: lines to put into a file")] = Form.TEXT,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether the environment's settings can be used.")
    ] = False,
) -> None:
    """List all settings: variable, default, what it is and why."""
    if check:
        with errors_told():
            load_settings()
        print("the settings can be used")
        return
    rows = [(f"FORESCALE_{name.upper()}", _default(name), _description(name)) for name in Settings.model_fields]
    if output in (Form.JSON, Form.YAML):
        found = [{"variable": name, "default": default, "description": text} for name, default, text in rows]
        print_document(found, Output(output))
    elif output is Form.ENV:
        for name, default, text in rows:
            print(f"# {text}\n{'' if default else '# '}{name}={default}")
    else:
        print_table(("VARIABLE", "DEFAULT", "WHAT IT IS"), rows)


def _default(name: str) -> str:
    default = Settings.model_fields[name].default
    return "" if default is None else str(default)


def _description(name: str) -> str:
    return Settings.model_fields[name].description or ""
