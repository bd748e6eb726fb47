"""Is a LoadForecast any good? Its query asked, its history looked at, and the forecast replayed on it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import promql_parser
from numpy.typing import NDArray

from app.clock import Clock
from app.inquiries import WhatIfTerms
from app.pipeline.whatif import what_if
from app.pipeline.workload_history import workload_history
from app.settings import Settings
from app.sources.history_file import HistoryFile
from app.workloads.spec import LoadForecast

LEAST_DAYS = 14  # a fit and a verdict need that much before the forecast may act
MOST_GAPS = 0.05
NOTICED = 0.3  # autocorrelation at a day or a week from which on there is a season

_DAY_MINUTES = 1_440
_MEBIBYTE = 2**20


@dataclass(frozen=True)
class Remark:
    """level: ok, warning or error. text: what was found and, unless it is fine, what to change."""

    level: str
    subject: str
    text: str


def lint(
    forecast: LoadForecast, settings: Settings, *, days: float, clock: Clock, on_progress: Callable[[float], None]
) -> list[Remark]:
    """Reads the history as the service would. Raises SourceError and ConfigurationError where there is none."""
    file = workload_history(
        forecast, days=days, settings=settings, clock=clock, on_progress=lambda one: on_progress(one / 4)
    )
    remarks = [*_history(file, days), *lookback(forecast, settings), _unit(forecast, file), _season(file)]
    remarks += _sizes(forecast)
    if file.demand.size >= 2 * _DAY_MINUTES:
        remarks.append(_skill(forecast, file, on_progress))
    return remarks


def _history(file: HistoryFile, days: float) -> list[Remark]:
    found = file.demand.size / _DAY_MINUTES
    level = "ok" if found >= min(LEAST_DAYS, days) else "warning"
    advice = "" if level == "ok" else f"; below {LEAST_DAYS} days the forecast rarely acts: wait, or backfill"
    gaps = float(np.isnan(file.known.values).mean())
    worst = _longest(np.isnan(file.known.values[0]))
    return [
        Remark(level, "history", f"the query returns data of {found:.1f} days{advice}"),
        Remark(
            "ok" if gaps <= MOST_GAPS else "warning",
            "gaps",
            f"{gaps:.1%} of the minutes are missing, the longest gap is {worst} min"
            + ("" if gaps <= MOST_GAPS else "; is the scrape reliable, and the range of rate() four scrapes long?"),
        ),
    ]


def lookback(forecast: LoadForecast, settings: Settings) -> list[Remark]:
    """A warning where the newest number is a plain selector's, summed up or not: the store gives such a one for some
    time after its last sample, as if it were of now. Recorded series are as old as what they were recorded from.
    """
    if settings.source != "prometheus":
        return []
    try:
        found = promql_parser.parse(forecast.spec.demand.query)
    except ValueError:  # a store may understand more than Prometheus does
        return []
    while isinstance(found, promql_parser.ParenExpr | promql_parser.AggregateExpr):
        found = found.expr
    if not isinstance(found, promql_parser.VectorSelector) or ":" in (found.name or ""):
        return []
    text = (
        f"{found} goes on for the store's lookback, five minutes by default, when its samples end, and only then "
        "begins to age; a gauge is better asked for by last_over_time(...[1m]) or avg_over_time(...[1m])"
    )
    return [Remark("warning", "lookback", text)]


def _unit(forecast: LoadForecast, file: HistoryFile) -> Remark:
    """Pods that the load would take tell whether capacityPerPod is in the unit of the query."""
    each = forecast.spec.capacity_per_pod
    pods = file.demand / each
    text = (
        f"between {file.demand.min():.4g} and {file.demand.max():.4g} {forecast.spec.demand.unit}: "
        f"{pods.mean():.1f} pods on average, {np.ceil(pods.max()):.0f} at most, at {each:g} each"
    )
    if pods.max() <= 1:
        return Remark("warning", "unit", f"{text}; one pod is always enough, is capacityPerPod in the query's unit?")
    if pods.mean() > 10_000:
        return Remark("warning", "unit", f"{text}; that is more than a Deployment has, is the query a rate?")
    return Remark("ok", "unit", text)


def _sizes(forecast: LoadForecast) -> list[Remark]:
    """Which requests a vertical autoscaler may give, where sizes change what a pod counts for."""
    scaling = forecast.spec.capacity_scaling
    if scaling is None:
        return []
    unit, shown = (_MEBIBYTE, "Mi") if scaling.resource == "memory" else (1, " cores")
    span = scaling.reference - scaling.idle
    least, most = (
        f"{(scaling.idle + factor * span) / unit:.4g}{shown}" for factor in (scaling.min_factor, scaling.max_factor)
    )
    text = (
        f"capacityPerPod is that of a {scaling.resource} request of {scaling.reference / unit:.4g}{shown} of container "
        f"{scaling.container}; from {least} to {most} a pod counts by its size, beyond as at that end"
    )
    return [Remark("ok", "sizes", text)]


def _season(file: HistoryFile) -> Remark:
    found = {
        name: _autocorrelation(file.demand, lag)
        for name, lag in (("day", _DAY_MINUTES), ("week", 7 * _DAY_MINUTES))
        if file.demand.size >= 2 * lag
    }
    told = ", ".join(f"{name} {value:.2f}" for name, value in found.items()) or "too short to tell"
    if any(value >= NOTICED for value in found.values()):
        return Remark("ok", "season", f"autocorrelation: {told}")
    return Remark("warning", "season", f"autocorrelation: {told}; without a season only trends and bursts are foreseen")


def _skill(forecast: LoadForecast, file: HistoryFile, on_progress: Callable[[float], None]) -> Remark:
    spec = forecast.spec
    terms = WhatIfTerms(
        lead_minutes=max(round(spec.lead.fallback_seconds / 60), 1),
        price=spec.price,
        capacity_per_pod=spec.capacity_per_pod,
        fleet=True,
        stabilization_minutes=spec.scale_down_stabilization_seconds // 60,
        time_zone=spec.time_zone,
    )
    found = what_if(file, terms, on_progress=lambda share: on_progress(0.25 + 0.75 * share)).comparison
    saved = 1 - found.forecast.cost / found.reactive.cost
    text = f"replayed on the second half: {-saved:+.1%} cost against reacting at its best"
    if saved > 0:
        return Remark("ok", "skill", text)
    return Remark("warning", "skill", f"{text}; mode Auto would serve the measured demand most of the time")


def _autocorrelation(values: NDArray[np.float64], lag: int) -> float:
    smooth = np.convolve(values, np.full(15, 1 / 15), mode="valid")
    left, right = smooth[lag:] - smooth.mean(), smooth[:-lag] - smooth.mean()
    scale = float(np.sqrt((left**2).sum() * (right**2).sum()))
    return float((left * right).sum() / scale) if scale > 0 else 0.0


def _longest(missing: NDArray[np.bool_]) -> int:
    """Length of the longest run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], missing.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))
