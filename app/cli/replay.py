"""`forescale replay`: what the forecast would have asked for in a past, and whether that would have paid."""

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import joblib
import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.output import Output, OutputOption, errors_told, print_document
from app.cli.report import write_report
from app.cli.tables import as_json, show
from app.errors import ConfigurationError
from app.inquiries import WhatIfTerms
from app.pipeline.whatif import Replayed, answer, what_if
from app.sources.history_file import HistoryFile, read_history
from app.workloads.fields import check_time_zone


class Backend(StrEnum):
    """Value of --backend: who runs several histories side by side."""

    LOKY = "loky"
    DASK = "dask"
    RAY = "ray"


def _known_zone(name: str | None) -> str | None:
    try:
        return None if name is None else check_time_zone(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


TimeZoneOption = Annotated[
    str | None,
    typer.Option(callback=_known_zone, help="IANA name. Default: the LoadForecast's; of a file UTC."),
]


def replay(
    histories: Annotated[list[Path], typer.Argument(help="CSV files (.gz too) with the columns timestamp,value.")],
    lead: Annotated[int, typer.Option(min=1, max=240, help="Minutes that a new pod needs until it is ready.")] = 5,
    every: Annotated[int, typer.Option(min=1, max=60, help="Minutes between two forecasts.")] = 1,
    price: Annotated[float | None, typer.Option(min=0.1, help="A missing pod-minute in idle ones. Default 20.")] = None,
    budget: Annotated[float | None, typer.Option(min=1e-4, max=0.5, help="Instead: share of time short.")] = None,
    pod_capacity: Annotated[
        float | None, typer.Option(help="What a pod serves. Default: a 20th of the mean before --start.")
    ] = None,
    time_zone: TimeZoneOption = None,
    start: Annotated[str, typer.Option(help="Where the scored part begins: a share or a time.")] = "0.5",
    fleet: Annotated[bool, typer.Option("--fleet", help="Only the experts that thousands of workloads get.")] = False,
    out: Annotated[Path | None, typer.Option("-o", help="CSV timestamp,capacity; a folder for several.")] = None,
    report: Annotated[Path | None, typer.Option(help="HTML page with a plot; a folder for several.")] = None,
    pod_hour_cost: Annotated[float | None, typer.Option(min=0, help="Money that a pod-hour costs.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Histories side by side.")] = 1,
    backend: Annotated[Backend, typer.Option(help="joblib's backend for --jobs.")] = Backend.LOKY,
    output: OutputOption = Output.TEXT,
    json_: Annotated[bool, typer.Option("--json", help="The same as --output json.")] = False,
) -> None:
    """Replay histories: what an HPA would have cost by reacting, with the forecast, and with a perfect one."""
    with errors_told():
        terms = WhatIfTerms(
            lead_minutes=lead,
            price=worth_of(price, budget),
            capacity_per_pod=pod_capacity,
            every_minutes=every,
            fleet=fleet,
            pod_hour_cost=pod_hour_cost,
            time_zone=time_zone,
        )
        tasks = [joblib.delayed(_one)(path, terms, start, len(histories) == 1) for path in histories]
        results = _run(tasks, jobs, backend)
        for done in results:
            _write(done, out, report, several=len(histories) > 1)
    told = [answer(done) for done in results]
    if output is Output.TEXT and not json_:
        for one in told:
            show(one)
    else:
        print_document([as_json(one) for one in told], Output.JSON if json_ else output)


def worth_of(price: float | None, budget: float | None) -> float:
    """A missing pod-minute in idle ones, from either; default 20. Raises ConfigurationError for both."""
    if price is not None and budget is not None:
        raise ConfigurationError("--price and --budget say the same in two ways; give one")
    return price or (20.0 if budget is None else (1 - budget) / budget)


def _one(path: Path, terms: WhatIfTerms, start: str, progress: bool) -> Replayed:
    file = read_history(path)
    with progress_bar(file.name, shown=progress) as told:
        return what_if(file, terms, first=_first_scored(file, start), on_progress=told)


def _first_scored(file: HistoryFile, start: str) -> int:
    """The minute at which the scored part begins."""
    minutes = file.demand.size
    try:
        share = float(start)
    except ValueError:
        stamp = pd.to_datetime(start, utc=True, errors="coerce")
        if pd.isna(stamp):
            raise ConfigurationError(
                f"--start {start}: write a share such as 0.5 or a time such as 2026-01-31T00:00Z"
            ) from None
        first = int((stamp.timestamp() - file.known.start_s) // 60)
    else:
        first = int(minutes * share)
    if not 0 < first < minutes:
        raise ConfigurationError(f"--start {start}: lies outside of {file.name}, which has {minutes} minutes")
    return first


class progress_bar:  # noqa: N801 - a context manager that reads as a function
    """A bar on standard error while a terminal is there."""

    def __init__(self, name: str, *, shown: bool) -> None:
        columns = (TextColumn(name), BarColumn(), TextColumn("{task.percentage:3.0f}%"), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), disable=not (shown and sys.stderr.isatty()))

    def __enter__(self) -> Callable[[float], None]:
        self._bar.start()
        task = self._bar.add_task("replay", total=1.0)
        return lambda share: self._bar.update(task, completed=share)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _run(tasks: list[object], jobs: int, backend: Backend) -> list[Replayed]:
    if backend is Backend.LOKY or len(tasks) == 1:
        return _gathered(tasks, jobs)
    if backend is Backend.RAY:
        return _on_ray(tasks, jobs)
    try:
        from dask.distributed import Client, LocalCluster
    except ImportError as error:
        raise ConfigurationError(
            "--backend dask needs the package dask[distributed]: pip install 'dask[distributed]'"
        ) from error
    cluster = LocalCluster(n_workers=jobs, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)  # type: ignore[no-untyped-call]
    with cluster, Client(cluster), joblib.parallel_config(backend="dask"):  # type: ignore[no-untyped-call]
        return _gathered(tasks, None)


def _on_ray(tasks: list[object], jobs: int) -> list[Replayed]:
    try:
        from ray.util.joblib import register_ray  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise ConfigurationError("--backend ray needs the package ray: pip install ray") from error
    register_ray()
    with joblib.parallel_config(backend="ray"):
        return list(joblib.Parallel(n_jobs=jobs)(tasks))  # tells nothing under way


def _gathered(tasks: list[object], jobs: int | None) -> list[Replayed]:
    """In the order of the tasks; of several a bar counts those that are done."""
    with progress_bar(f"{len(tasks)} histories", shown=len(tasks) > 1) as told:
        found: list[Replayed] = []
        for done in joblib.Parallel(n_jobs=jobs, return_as="generator")(tasks):
            found.append(done)
            told(len(found) / len(tasks))
    return found


def _write(done: Replayed, out: Path | None, report: Path | None, *, several: bool) -> None:
    """The capacity as CSV and the page as HTML, where they are asked for."""
    stem = done.file.name.removesuffix(".gz").removesuffix(".csv")
    if out is not None:
        path = _place(out, f"{stem}.csv", several=several)
        times = pd.to_datetime(done.rehearsed.times_s, unit="s", utc=True).strftime("%Y-%m-%dT%H:%M:%SZ")
        pd.DataFrame({"timestamp": times, "capacity": np.round(done.rehearsed.capacity, 9)}).to_csv(path, index=False)
    if report is not None:
        write_report(_place(report, f"{stem}.html", several=several), done)


def _place(given: Path, name: str, *, several: bool) -> Path:
    if not several:
        return given
    given.mkdir(parents=True, exist_ok=True)
    return given / name
