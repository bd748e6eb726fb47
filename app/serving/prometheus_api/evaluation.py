"""Selectors over a snapshot: at one time, over a range of times, and as raw samples."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.serving.lines import METRICS, Line, lines_of, rows_in
from app.serving.prometheus_api.answers import QueryError, number
from app.serving.prometheus_api.expressions import Matcher, Selector
from app.snapshot import Snapshot

MOST_POINTS = 11_000  # of a series, as in Prometheus
_MOST_NUMBERS = 5_000_000  # of an answer: 100 MB of text

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """What a query sees. namespace: the only one that the caller may read, None: all."""

    snapshot: Snapshot
    namespace: str | None
    now: float

    def lines(self, wanted: Selector) -> Iterator[Line]:
        """All series that a selector takes; workloads are sorted out before any series is cut."""
        names = [name for name in METRICS if _meets(wanted, {"__name__": name})]
        for row in rows_in(self.snapshot, self.namespace):
            forecast = self.snapshot.forecasts[row]
            if _meets(wanted, {"namespace": forecast.namespace, "name": forecast.name}):
                for name in names:
                    for line in lines_of(self.snapshot, row, name, now=self.now):
                        if wanted.accepts(line.labels):
                            yield line


def _meets(wanted: Selector, known: Mapping[str, str]) -> bool:
    """Whether the matchers on these labels hold."""
    return all(one.accepts(known) for one in wanted.matchers if one.name in known)


def instant(scene: Scene, wanted: Selector, *, at_s: float) -> list[dict[str, object]]:
    """A vector: the value of each series at a time; none where it has none."""
    found: list[dict[str, object]] = []
    for line in scene.lines(wanted):
        values = _at(line, np.asarray([at_s - wanted.offset_seconds]))
        if np.isfinite(values[0]):
            found.append({"metric": line.labels, "value": [at_s, number(float(values[0]))]})
    return found


def matrix(scene: Scene, wanted: Selector, *, at_s: float) -> list[dict[str, object]]:
    """The samples of a range selector, of (at - range, at]."""
    end_s = at_s - wanted.offset_seconds
    found: list[dict[str, object]] = []
    for line in scene.lines(wanted):
        inside = (line.times_s > end_s - (wanted.range_seconds or 0)) & (line.times_s <= end_s)
        if inside.any():
            found.append({"metric": line.labels, "values": _pairs(line.times_s[inside], line.values[inside])})
    return found


def over(scene: Scene, wanted: Selector, times_s: _Floats) -> list[dict[str, object]]:
    """A matrix: the values at each of the times. Raises QueryError where that would be too much."""
    found: list[dict[str, object]] = []
    count = 0
    for line in scene.lines(wanted):
        values = _at(line, times_s - wanted.offset_seconds)
        known = np.isfinite(values)
        if known.any():
            count += int(known.sum())
            if count > _MOST_NUMBERS:
                text = f"more than {_MOST_NUMBERS:,} samples; name a workload, or ask for a longer step"
                raise QueryError("execution", text)
            found.append({"metric": line.labels, "values": _pairs(times_s[known], values[known])})
    return found


def grid(start_s: float, end_s: float, step_seconds: float) -> _Floats:
    """The times of a range query. Raises QueryError as Prometheus does."""
    if end_s < start_s:
        raise QueryError("bad_data", 'invalid parameter "end": end timestamp must not be before start time')
    if (end_s - start_s) / step_seconds >= MOST_POINTS:
        text = f"exceeded maximum resolution of {MOST_POINTS:,} points per timeseries; try a longer step"
        raise QueryError("bad_data", text)
    steps = np.arange(int((end_s - start_s) / step_seconds + 1e-9) + 1, dtype=np.float64)
    return start_s + step_seconds * steps


def label_sets(scene: Scene, wanted: Sequence[Selector]) -> list[Mapping[str, str]]:
    """Of all series that any of the selectors takes; of all there are where there is none."""
    everything = Selector((Matcher("__name__", "=~", ".+"),))
    found = {tuple(line.labels.items()): line.labels for one in wanted or [everything] for line in scene.lines(one)}
    return list(found.values())


def _at(line: Line, times_s: _Floats) -> _Floats:
    """The newest value that is not older than the line reaches; NaN where there is none."""
    place = np.searchsorted(line.times_s, times_s, side="right") - 1
    if not line.times_s.size:
        return np.full(times_s.shape, np.nan)
    known = (place >= 0) & (times_s - line.times_s[place] < line.reach_seconds)
    return np.where(known, line.values[place], np.nan)


def _pairs(times_s: NDArray[np.floating] | NDArray[np.int64], values: _Floats) -> list[list[object]]:
    return [[time_s, number(value)] for time_s, value in zip(times_s.tolist(), values.tolist(), strict=True)]
