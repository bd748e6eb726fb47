"""`python -m app.cli`: registers the commands, each of which is a file of its own."""

import typer

from app.cli.certificates import certificates
from app.cli.demo import demo
from app.cli.replay import replay
from app.cli.serve import serve
from app.cli.settings import settings
from app.cli.validate import validate

app = typer.Typer(
    name="forescale",
    help="Forecasts the load of workloads from Prometheus history and serves it to the Kubernetes HPA.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (serve, demo, replay, validate, settings, certificates):
    app.command()(command)

if __name__ == "__main__":
    app()
