"""The series of a snapshot under the names of /metrics, past and future: what Grafana's doors are asked for.

demand, served, required and pods reach back a day at most; the forecast reaches ahead, and back as it was a lead time
before each point; all others are known now alone.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.serving.parting import parts_of
from app.snapshot import Snapshot
from app.telemetry import (
    ACTING,
    COVERAGE,
    DEMAND,
    FORECAST,
    LEAD,
    PART_DEMAND,
    PART_FORECAST,
    PODS,
    REQUIRED,
    SERVED,
    SKILL,
    Metric,
)

_ROUND_OFF = 1e-9  # 0.3 / 0.1 is three pods

_Times = NDArray[np.int64]
_Values = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """One series: times ascending in Unix seconds, values without NaN. reach_seconds: a value stands for so long."""

    labels: Mapping[str, str]
    times_s: _Times
    values: _Values
    reach_seconds: int


METRICS: Mapping[str, Metric] = {
    one.name: one
    for one in (DEMAND, SERVED, REQUIRED, PODS, FORECAST, PART_DEMAND, PART_FORECAST, ACTING, LEAD, COVERAGE, SKILL)
}


def lines_of(snapshot: Snapshot, row: int, name: str, *, now: float) -> Iterator[Line]:
    """All series of a workload under one metric's name."""
    forecast = snapshot.forecasts[row]
    labels = {"__name__": name, "namespace": forecast.namespace, "name": forecast.name}
    if name == FORECAST.name:
        yield from _forecast(snapshot, row, labels)
    elif name in _PARTED:
        yield from _parts(snapshot, row, labels)
    elif name in _PAST:
        times_s, values = _PAST[name](snapshot, row, now)
        yield _line(labels, times_s, values, snapshot.history_step_seconds)
    else:
        if name == LEAD.name:
            labels["origin"] = snapshot.lead_origin[row]
        now_s = np.asarray([snapshot.cut_s], dtype=np.int64)
        value = np.asarray([_NOW[name](snapshot, row)])
        yield _line(labels, now_s, value, math.ceil(snapshot.staleness_seconds))


def _line(labels: Mapping[str, str], times_s: _Times, values: NDArray[np.floating], reach_seconds: int) -> Line:
    known = np.isfinite(values)
    return Line(labels, times_s[known], values[known].astype(np.float64), reach_seconds)


def _forecast(snapshot: Snapshot, row: int, labels: Mapping[str, str]) -> Iterator[Line]:
    before_s = _past_times(snapshot, snapshot.past_quantiles.shape[1])
    times_s = np.concatenate([before_s, snapshot.ahead_s(snapshot.quantiles.shape[1])])
    for place, level in enumerate(snapshot.levels):
        values = np.concatenate([snapshot.past_quantiles[row, :, place], snapshot.quantiles[row, :, place]])
        yield _line({**labels, "quantile": f"{level:g}"}, times_s, values, snapshot.horizon_step_seconds)


def _parts(snapshot: Snapshot, row: int, labels: Mapping[str, str]) -> Iterator[Line]:
    """Of each part what was measured last, or each quantile ahead."""
    ahead_s = snapshot.ahead_s(snapshot.quantiles.shape[1])
    for part in parts_of(snapshot, row):
        named = {**labels, **part.labels}
        if labels["__name__"] == PART_DEMAND.name:
            at_s = np.asarray([part.at_s], dtype=np.int64)
            yield _line(named, at_s, np.asarray([part.now]), part.reach_seconds)
            continue
        for place, level in enumerate(snapshot.levels):
            quantile = {**named, "quantile": f"{level:g}"}
            yield _line(quantile, ahead_s, part.ahead[:, place], snapshot.horizon_step_seconds)


def _past_times(snapshot: Snapshot, steps: int) -> _Times:
    """Times of the last columns of the history's grid."""
    step, columns = snapshot.history_step_seconds, snapshot.history.shape[1]
    last_s = snapshot.history_start_s + (columns - 1) * step
    times_s: _Times = last_s + step * np.arange(1 - steps, 1, dtype=np.int64)
    return times_s


def _demand(snapshot: Snapshot, row: int, now: float) -> tuple[_Times, NDArray[np.floating]]:
    """The history, and the newest number at its time."""
    times_s, values = _past_times(snapshot, snapshot.history.shape[1]), snapshot.history[row]
    newest_s = snapshot.data_s[row]
    if not (np.isfinite(newest_s) and newest_s > times_s[-1]):
        return times_s, values
    return np.append(times_s, np.int64(newest_s)), np.append(values, snapshot.demand[row])


def _served(snapshot: Snapshot, row: int, now: float) -> tuple[_Times, NDArray[np.floating]]:
    value = snapshot.served[row] if snapshot.refusal(row, now) is None else np.nan
    return _with_now(snapshot, snapshot.past_served[row], value)


def _required(snapshot: Snapshot, row: int, now: float) -> tuple[_Times, NDArray[np.floating]]:
    return _with_now(snapshot, snapshot.past_required[row], snapshot.required[row])


def _pods(snapshot: Snapshot, row: int, now: float) -> tuple[_Times, NDArray[np.floating]]:
    times_s, values = _served(snapshot, row, now)
    return times_s, np.ceil(values / snapshot.forecasts[row].spec.capacity_per_pod - _ROUND_OFF)


def _with_now(snapshot: Snapshot, past: NDArray[np.float32], value: float) -> tuple[_Times, NDArray[np.floating]]:
    times_s = _past_times(snapshot, past.size)
    if snapshot.cut_s <= times_s[-1]:
        return times_s, past
    return np.append(times_s, np.int64(snapshot.cut_s)), np.append(past.astype(np.float64), value)


_PAST: Mapping[str, Callable[[Snapshot, int, float], tuple[_Times, NDArray[np.floating]]]] = {
    DEMAND.name: _demand,
    SERVED.name: _served,
    REQUIRED.name: _required,
    PODS.name: _pods,
}
_NOW: Mapping[str, Callable[[Snapshot, int], float]] = {
    ACTING.name: lambda snapshot, row: float(snapshot.acting[row]),
    LEAD.name: lambda snapshot, row: float(snapshot.lead_seconds[row]),
    COVERAGE.name: lambda snapshot, row: float(snapshot.coverage[row]),
    SKILL.name: lambda snapshot, row: float(snapshot.skill[row]),
}


_PARTED = (PART_DEMAND.name, PART_FORECAST.name)


def rows_in(snapshot: Snapshot, namespace: str | None) -> Sequence[int]:
    """The workloads that a caller who reads one namespace (None: all) sees."""
    if namespace is None:
        return range(len(snapshot.forecasts))
    return [row for row, one in enumerate(snapshot.forecasts) if one.namespace == namespace]
