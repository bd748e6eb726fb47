"""`forescale dashboards`: Grafana dashboards, made by the code that names the metrics."""

import json
from pathlib import Path
from typing import Annotated

import typer

from app.dashboards.fleet import fleet_dashboard
from app.dashboards.forecast import forecast_dashboard

FILES = {"forecast.json": forecast_dashboard, "fleet.json": fleet_dashboard}


def text_of(name: str) -> str:
    """Of one of FILES."""
    return json.dumps(FILES[name]().json(), indent=1) + "\n"


def dashboards(
    folder: Annotated[Path, typer.Option("-o", "--out", help="Where the JSON files go.")] = Path(),
) -> None:
    """Write the Grafana dashboards: one for a workload's forecast, one for the fleet and the service."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).write_text(text_of(name))
        print(folder / name)
