"""A workload's load, pods, latency, utilisation and start-ups, from a CSV file or from the store: what tuning needs."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.clock import Clock
from app.errors import ConfigurationError
from app.pipeline.workload_history import workload_history
from app.settings import Settings
from app.sources.csv import TIMESTAMP, read_columns
from app.sources.history_file import MINUTE_SECONDS, HistoryFile, on_minutes
from app.tuning.measured import Measured
from app.workloads.spec import LoadForecast
from models.series import RawHistory

BESIDE = ("pods", "latency_seconds", "utilisation", "startup_seconds")

_Floats = NDArray[np.float64]


def measured_file(path: Path) -> tuple[HistoryFile, Measured]:
    """Columns `timestamp`, one of demand, and any of BESIDE. Raises ConfigurationError."""
    columns = read_columns(path)
    demands = [name for name in columns if name not in BESIDE]
    if len(demands) != 1:
        raise ConfigurationError(
            f"{path}: needs one column of demand beside {TIMESTAMP}, not {demands}; it may have {', '.join(BESIDE)} too"
        )
    file = on_minutes(columns[demands[0]], name=path.name)
    startups = columns.get("startup_seconds")
    beside = {
        name: _on_grid(columns[name], file, name)
        for name in BESIDE[:3]
        if name in columns and columns[name].values.size
    }
    return file, _measured(file, beside, None if startups is None else startups.values)


def measured_workload(
    forecast: LoadForecast,
    queries: Mapping[str, str],
    *,
    days: float,
    settings: Settings,
    clock: Clock,
    on_progress: Callable[[float], None],
) -> tuple[HistoryFile, Measured]:
    """queries: PromQL of one series each, by the names of BESIDE; a series of start-ups changes with each new pod.

    Raises SourceError, and ConfigurationError where there is too little.
    """
    share = 1 / (1 + len(queries))

    def read(one: LoadForecast, done: float) -> HistoryFile:
        return workload_history(
            one, days=days, settings=settings, clock=clock, on_progress=lambda part: on_progress(done + share * part)
        )

    file = read(forecast, 0.0)
    beside: dict[str, _Floats] = {}
    for number, (name, query) in enumerate(queries.items()):
        found = read(_asking(forecast, query), share * (1 + number))
        known = found.known
        beside[name] = _on_grid(
            RawHistory(known.times_s.astype(np.float64), known.values[0].astype(np.float64)), file, name
        )
    startups = beside.pop("startup_seconds", None)
    return file, _measured(file, beside, None if startups is None else _changes(startups))


def _asking(forecast: LoadForecast, query: str) -> LoadForecast:
    """The same workload with another question, whose answer is one series."""
    demand = forecast.spec.demand.model_copy(update={"query": query, "series_labels": {}})
    return forecast.model_copy(update={"spec": forecast.spec.model_copy(update={"demand": demand})})


def _measured(file: HistoryFile, beside: Mapping[str, _Floats], startups: _Floats | None) -> Measured:
    shift = file.delay_minutes
    known = np.isfinite(file.known.values[0])
    return Measured(
        name=file.name,
        demand=file.demand,
        known=np.concatenate([known[shift:], np.zeros(shift, dtype=np.bool_)]),
        pods=beside.get("pods"),
        latency_s=beside.get("latency_seconds"),
        utilisation=beside.get("utilisation"),
        startups_s=None if startups is None else startups[np.isfinite(startups)],
    )


def _on_grid(history: RawHistory, file: HistoryFile, name: str) -> _Floats:
    """Means of each minute of the file's grid, NaN where there is none; a longer step's value stands until the next."""
    start_s, minutes = file.known.start_s, file.demand.size
    good = np.isfinite(history.values)
    place = ((history.times_s[good] - start_s) // MINUTE_SECONDS).astype(np.int64)
    inside = (place >= 0) & (place < minutes)
    count = np.bincount(place[inside], minlength=minutes)
    if not count.any():
        raise ConfigurationError(f"{file.name}: {name} has no number in the time that the demand covers")
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place[inside], weights=history.values[good][inside], minlength=minutes) / count
    step = file.delay_minutes + 1
    for _ in range(step - 1):
        mean = np.where(np.isnan(mean), np.concatenate([[np.nan], mean[:-1]]), mean)
    found: _Floats = mean
    return found


def _changes(values: _Floats) -> _Floats:
    """Each number that differs from the one before."""
    known = values[np.isfinite(values)]
    return known[np.concatenate([[True], np.diff(known) != 0])] if known.size else known
