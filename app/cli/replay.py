"""`forescale replay`: what the forecast would have asked for in a past, and whether that would have paid."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import joblib
import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.output import errors_told, print_json, print_table
from app.cli.report import write_report
from app.errors import ConfigurationError
from app.pipeline.rehearsal import RehearsalOptions, Rehearsed, rehearse
from app.planning.score import Comparison, Setting, compare
from app.sources.history_file import HistoryFile, read_history

_PODS_ON_AVERAGE = 20  # where no capacity is given
_LITTLE = 0.005  # of the cost; less is noise


class Backend(StrEnum):
    """Value of --backend: who runs several histories side by side."""

    LOKY = "loky"
    DASK = "dask"
    RAY = "ray"


def replay(
    histories: Annotated[list[Path], typer.Argument(help="CSV files (.gz too) with the columns timestamp,value.")],
    lead: Annotated[int, typer.Option(min=1, max=240, help="Minutes that a new pod needs until it is ready.")] = 5,
    every: Annotated[int, typer.Option(min=1, max=60, help="Minutes between two forecasts.")] = 1,
    price: Annotated[float | None, typer.Option(min=0.1, help="A missing pod-minute in idle ones. Default 20.")] = None,
    budget: Annotated[float | None, typer.Option(min=1e-4, max=0.5, help="Instead: share of time short.")] = None,
    pod_capacity: Annotated[
        float | None, typer.Option(help="What a pod serves. Default: a 20th of the mean before --start.")
    ] = None,
    start: Annotated[str, typer.Option(help="Where the scored part begins: a share or a time.")] = "0.5",
    fleet: Annotated[bool, typer.Option("--fleet", help="Only the experts that thousands of workloads get.")] = False,
    out: Annotated[Path | None, typer.Option("-o", help="CSV timestamp,capacity; a folder for several.")] = None,
    report: Annotated[Path | None, typer.Option(help="HTML page with a plot; a folder for several.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Histories side by side.")] = 1,
    backend: Annotated[Backend, typer.Option(help="joblib's backend for --jobs.")] = Backend.LOKY,
) -> None:
    """Replay histories: what an HPA would have cost by reacting, with the forecast, and with a perfect one."""
    with errors_told():
        if price is not None and budget is not None:
            raise ConfigurationError("--price and --budget say the same in two ways; give one")
        worth = price or (20.0 if budget is None else (1 - budget) / budget)
        tasks = [
            joblib.delayed(_one)(path, lead, every, worth, pod_capacity, start, fleet, len(histories) == 1)
            for path in histories
        ]
        results = _run(tasks, jobs, backend)
        for done in results:
            _write(done, out, report, several=len(histories) > 1)
    if as_json:
        print_json([done.as_json() for done in results])
    else:
        for done in results:
            done.show()


class Done:
    """One replayed history, its options, and what it would have cost."""

    def __init__(
        self, file: HistoryFile, options: RehearsalOptions, first: int, rehearsed: Rehearsed, comparison: Comparison
    ) -> None:
        self.file, self.options, self.first = file, options, first
        self.rehearsed, self.comparison = rehearsed, comparison

    @property
    def sentence(self) -> str:
        """Whether prediction helped, in plain words."""
        best, ours = self.comparison.reactive, self.comparison.forecast
        saved = best.cost - ours.cost
        if saved > _LITTLE * best.cost:
            hours = (best.pod_minutes - ours.pod_minutes) / 60
            short = best.short_pod_minutes - ours.short_pod_minutes
            return (
                f"The forecast would have cost {saved / best.cost:.1%} less than the best way of reacting: "
                f"{abs(hours):,.0f} pod-hours {'fewer' if hours >= 0 else 'more'}, "
                f"{abs(short):,.0f} pod-minutes short {'fewer' if short >= 0 else 'more'}."
            )
        if saved < -_LITTLE * best.cost:
            return f"Prediction would not have helped here: it would have cost {-saved / best.cost:.1%} more."
        return "Prediction would not have helped here: it would have cost as much as reacting at its best."

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """The table's rows."""
        found = self.comparison
        named = (
            (f"HPA reacting, best in hindsight ({found.best_target})", found.reactive),
            ("HPA reacting at 70%", found.reactive_70),
            ("HPA with the forecast", found.forecast),
            ("perfect forecast", found.perfect),
        )
        return [
            (name, f"{one.cost:.3f}", f"{one.pod_minutes:,.0f}", f"{one.short_pod_minutes:,.0f}", f"{one.overload:.2%}")
            for name, one in named
        ]

    def show(self) -> None:
        """The table and the sentence."""
        minutes = self.rehearsed.capacity.size - self.first
        print(
            f"{self.file.name}: {minutes:,} minutes scored, lead {self.options.lead_minutes} min, "
            f"price {self.options.price:g}, a pod serves {self.options.capacity_per_pod:.4g}"
        )
        print_table(HEADER, self.rows())
        print(
            f"gap closed: {self.comparison.gap_closed:.1%}; the forecast acted "
            f"{self.rehearsed.acting[self.first :].mean():.0%} of the time"
        )
        print(self.sentence + "\n")

    def as_json(self) -> dict[str, object]:
        """For programs."""
        found = self.comparison
        return {
            "history": self.file.name,
            "options": asdict(self.options),
            "scored_minutes": int(self.rehearsed.capacity.size - self.first),
            "reactive": asdict(found.reactive) | {"target": found.best_target},
            "reactive_70": asdict(found.reactive_70),
            "forecast": asdict(found.forecast),
            "perfect": asdict(found.perfect),
            "gap_closed": found.gap_closed,
            "acting_share": float(self.rehearsed.acting[self.first :].mean()),
            "sentence": self.sentence,
        }


HEADER = ("policy", "J", "pod-minutes", "pod-minutes short", "overload")


def _one(
    path: Path,
    lead: int,
    every: int,
    price: float,
    pod_capacity: float | None,
    start: str,
    fleet: bool,
    progress: bool,
) -> Done:
    file = read_history(path)
    first = _first_scored(file, start)
    capacity = pod_capacity or float(file.demand[:first].mean()) / _PODS_ON_AVERAGE
    if not capacity > 0:
        raise ConfigurationError(f"{path}: there is no load before --start to size a pod by; give --pod-capacity")
    options = RehearsalOptions(lead, every, price, capacity, file.delay_minutes, fleet)
    with _progress(file.name, shown=progress) as told:
        rehearsed = rehearse(file.known, options, on_progress=told)
    demand = file.demand[first:]
    setting = Setting(demand, capacity, lead, price)
    comparison = compare(rehearsed.capacity[first:], setting, before=file.demand[:first])
    return Done(file, options, first, rehearsed, comparison)


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


class _progress:  # noqa: N801 - a context manager that reads as a function
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


def _run(tasks: list[object], jobs: int, backend: Backend) -> list[Done]:
    if backend is Backend.LOKY or len(tasks) == 1:
        return list(joblib.Parallel(n_jobs=jobs)(tasks))
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
        return list(joblib.Parallel()(tasks))


def _on_ray(tasks: list[object], jobs: int) -> list[Done]:
    try:
        from ray.util.joblib import register_ray  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise ConfigurationError("--backend ray needs the package ray: pip install ray") from error
    register_ray()
    with joblib.parallel_config(backend="ray"):
        return list(joblib.Parallel(n_jobs=jobs)(tasks))


def _write(done: Done, out: Path | None, report: Path | None, *, several: bool) -> None:
    """The capacity as CSV and the page as HTML, where they are asked for."""
    stem = done.file.name.removesuffix(".gz").removesuffix(".csv")
    if out is not None:
        path = _place(out, f"{stem}.csv", several=several)
        times = pd.to_datetime(done.rehearsed.times_s, unit="s", utc=True).strftime("%Y-%m-%dT%H:%M:%SZ")
        pd.DataFrame({"timestamp": times, "capacity": np.round(done.rehearsed.capacity, 9)}).to_csv(path, index=False)
    if report is not None:
        write_report(
            _place(report, f"{stem}.html", several=several),
            done.file,
            done.options,
            done.rehearsed,
            first=done.first,
            header=HEADER,
            rows=done.rows(),
            sentence=done.sentence,
        )


def _place(given: Path, name: str, *, several: bool) -> Path:
    if not several:
        return given
    given.mkdir(parents=True, exist_ok=True)
    return given / name
