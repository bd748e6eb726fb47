"""`python -m app.cli`: registers the commands, each of which is a file of its own."""

import typer

from app.cli.certificates import certificates
from app.cli.check import check
from app.cli.dashboards import dashboards
from app.cli.demo import demo
from app.cli.doctor import doctor
from app.cli.explain import explain
from app.cli.forecast import forecast
from app.cli.replay import replay
from app.cli.serve import serve
from app.cli.settings import settings
from app.cli.validate import validate
from app.cli.what_if import what_if_command

app = typer.Typer(
    name="forescale",
    help="Forecasts the load of workloads from Prometheus history and serves it to the Kubernetes HPA.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (serve, demo, forecast, explain, replay, check, validate, doctor, dashboards, settings, certificates):
    app.command()(command)
app.command(name="what-if")(what_if_command)

if __name__ == "__main__":
    app(prog_name="forescale")
