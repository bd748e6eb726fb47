"""`forescale check`: LoadForecasts against the store that they would be measured by."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.output import Output, OutputOption, errors_told, print_document
from app.cli.replay import progress_bar
from app.clock import SystemClock
from app.errors import AppError, ConfigurationError
from app.pipeline.lint import Remark, lint
from app.settings import Settings, load_settings
from app.workloads.file import read_file
from app.workloads.spec import LoadForecast

_MARKS = {"ok": "ok     ", "warning": "warning", "error": "error  "}


def check(
    files: Annotated[list[Path], typer.Argument(help="YAML files with LoadForecasts.")],
    prometheus_url: Annotated[str | None, typer.Option(help="Default: as the service's settings say.")] = None,
    days: Annotated[float, typer.Option(min=2, max=366, help="Of history to look at.")] = 28,
    output: OutputOption = Output.TEXT,
) -> None:
    """Lint LoadForecasts: does the query return data, in which unit, with what gaps and season, and would it pay?

    Reads FORESCALE_PROMETHEUS_* as the service does. Exit code 1 where one cannot work.
    """
    with errors_told():
        settings = _settings(prometheus_url)
        found = {one.key: _remarks(one, settings, days) for file in files for one in _forecasts(file)}
    if output is Output.TEXT:
        for key, remarks in found.items():
            print(key)
            for one in remarks:
                print(f"  {_MARKS[one.level]} {one.subject:<8} {one.text}")
    else:
        print_document({key: [vars(one) for one in remarks] for key, remarks in found.items()}, output)
    if any(one.level == "error" for remarks in found.values() for one in remarks):
        raise typer.Exit(1)


def _settings(prometheus_url: str | None) -> Settings:
    given = {} if prometheus_url is None else {"prometheus_url": prometheus_url}
    return load_settings(host="127.0.0.1", authentication="none", **given)


def _forecasts(file: Path) -> list[LoadForecast]:
    documents = read_file(file)
    for document in documents:
        for problem in document.problems:
            raise ConfigurationError(f"{file}:{document.line}: {document.key}: {problem}")
    return [one.forecast for one in documents if one.forecast is not None]


def _remarks(forecast: LoadForecast, settings: Settings, days: float) -> list[Remark]:
    try:
        with progress_bar(forecast.key, shown=True) as told:
            return lint(forecast, settings, days=days, clock=SystemClock(), on_progress=told)
    except AppError as error:
        return [Remark("error", "query", str(error))]
