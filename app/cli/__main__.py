"""`python -m app.cli`: finds the command, each of which is a file of its own.

Only the one that is called is imported: the service would carry the libraries of all others with it, 120 MB.
"""

import sys
from collections.abc import Sequence
from importlib import import_module

import typer

from app.cli.output import EXIT_CODES

COMMANDS = {
    "serve": "serve:serve",
    "demo": "demo:demo",
    "forecast": "forecast:forecast",
    "explain": "explain:explain",
    "what-if": "what_if:what_if_command",
    "replay": "replay:replay",
    "tune": "tune:tune",
    "check": "check:check",
    "validate": "validate:validate",
    "doctor": "doctor:doctor",
    "settings": "settings:settings",
    "certificates": "certificates:certificates",
}


def application(words: Sequence[str] = ()) -> typer.Typer:
    """The command that `words` begin with, or all, for help and completion."""
    app = typer.Typer(
        name="forescale",
        help="Forecasts the load of workloads from Prometheus history and serves it to the Kubernetes HPA.",
        epilog=f"Exit codes: {'; '.join(f'{code} {meaning}' for code, meaning in EXIT_CODES.items())}.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_several)
    for name in [words[0]] if words and words[0] in COMMANDS else COMMANDS:
        module, _, function = COMMANDS[name].partition(":")
        app.command(name)(getattr(import_module(f"app.cli.{module}"), function))
    return app


def _several() -> None:
    """A callback makes typer expect the command's name also where it knows one command alone."""


if __name__ == "__main__":
    application(sys.argv[1:])(prog_name="forescale")
