"""Which series of an answer are a workload's, and which of their numbers are."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.reasons import Reason
from app.sources.base import Answer, LabelledHistory
from app.workloads.spec import LoadForecast
from models.cleaning import rows_on_grid


@dataclass(frozen=True)
class Trouble:
    """Why a workload got no number in this pass."""

    reason: Reason
    text: str


def measured_by(forecast: LoadForecast) -> tuple[object, ...]:
    """What the numbers of a workload depend on: its query, and the labels of its series."""
    demand = forecast.spec.demand
    return demand.query, tuple(sorted(demand.series_labels.items()))


@dataclass(frozen=True)
class Group:
    """The LoadForecasts that share a query."""

    query: str
    forecasts: tuple[LoadForecast, ...]

    def matches(self, answer: Answer) -> dict[str, list[LabelledHistory]]:
        """The series of each LoadForecast (by its key): all whose labels include its seriesLabels."""
        found: dict[str, list[LabelledHistory]] = {}
        by_labels: dict[tuple[str, ...], dict[tuple[str | None, ...], list[LabelledHistory]]] = {}
        for forecast in self.forecasts:
            wanted = forecast.spec.demand.series_labels
            names = tuple(sorted(wanted))
            if names not in by_labels:
                by_labels[names] = _index(answer.series, names)
            found[forecast.key] = by_labels[names].get(tuple(wanted[name] for name in names), [])
        return found

    def pick(self, answer: Answer) -> tuple[dict[str, LabelledHistory], dict[str, Trouble]]:
        """The only series of each LoadForecast, at one time; a trouble where there is none, or more than one."""
        found: dict[str, LabelledHistory] = {}
        troubles: dict[str, Trouble] = {}
        matches = self.matches(answer)
        for forecast in self.forecasts:
            series = matches[forecast.key]
            if len(series) == 1:
                found[forecast.key] = series[0]
            else:
                troubles[forecast.key] = _mismatch(len(series), forecast.spec.demand.series_labels, answer)
        return found, troubles


def only_numbers(
    matches: Sequence[Sequence[LabelledHistory]], *, start_s: int, steps: int, step_seconds: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Of the series of each workload the number at each time, and where several have one: there it is NaN.

    Over weeks one series follows another: a label changes with each new pod. Layer by layer: as a rule there is one.
    """
    values = np.full((len(matches), steps), np.nan, dtype=np.float32)
    several = np.zeros(values.shape, dtype=np.bool_)
    end_s = start_s + (steps - 1) * step_seconds
    for depth in range(max(map(len, matches), default=0)):
        rows = [row for row, series in enumerate(matches) if len(series) > depth]
        histories = [matches[row][depth].history for row in rows]
        layer = rows_on_grid(histories, start_s=start_s, steps=steps, step_seconds=step_seconds, now_s=end_s)
        several[rows] |= np.isfinite(values[rows]) & np.isfinite(layer)
        values[rows] = np.where(np.isfinite(layer), layer, values[rows])
    values[several] = np.nan
    return values, several


def _index(
    series: Sequence[LabelledHistory], names: tuple[str, ...]
) -> dict[tuple[str | None, ...], list[LabelledHistory]]:
    index: dict[tuple[str | None, ...], list[LabelledHistory]] = defaultdict(list)
    for one in series:
        index[tuple(one.labels.get(name) for name in names)].append(one)
    return index


def _mismatch(matches: int, wanted: Mapping[str, str], answer: Answer) -> Trouble:
    if matches:
        text = f"the query returned {matches} series for seriesLabels {dict(wanted)}; add labels until one is left"
        return Trouble(Reason.AMBIGUOUS_QUERY, text)
    notes = f"; the store says: {'; '.join(answer.notes)}" if answer.notes else ""
    return Trouble(Reason.NO_DATA, f"none of {len(answer.series)} series has the labels {dict(wanted)}{notes}")
