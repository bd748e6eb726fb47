"""Parts of demand: which there are, what each does at this time of day and week, and their shares of what lies ahead.

On a coarse grid of its own: shares change slowly. At a refit's time some weeks of each query are read and fitted, at
every column of the grid the last hour; between them nothing is asked. What is known stays in use while it is read anew.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.errors import SourceError
from app.planning.rollup import RECENT_SECONDS, Parts, shares_ahead
from app.settings import Settings
from app.sources.base import LabelledHistory, Source, whole
from app.telemetry import shortened
from app.workloads.optional import OTHER
from app.workloads.spec import LoadForecast
from models.cleaning import rows_on_grid
from models.forecasters.base import Fitted
from models.forecasters.seasonal_profile import SeasonalProfile
from models.series import Series

log = logging.getLogger(__name__)

GRID_SECONDS = 300
AHEAD_SECONDS = 6 * 3_600
MOST_SERIES = 1_000  # of a workload; more would be labels of single requests
_DAYS = 14
_SLICE_SAMPLES = 250_000
_QUERIES_PER_PASS = 2  # whose weeks are read in one pass

Name = tuple[str, ...]
Rows = dict[Name, dict[frozenset[tuple[str, str]], list[LabelledHistory]]]
"""Part -> labels of a series -> its slices."""


@dataclass(frozen=True)
class _Known:
    """What a fit left: names of the parts told apart, and the fitted model of these and of all others together."""

    fit_s: int
    identity: object
    names: tuple[Name, ...]
    model: Fitted


class PartsKeeper:
    """Keeps the parts of all LoadForecasts with spec.parts. Not thread-safe: one pass at a time."""

    def __init__(self, source: Source, settings: Settings, *, executor: Executor) -> None:
        step = settings.history_step_seconds
        self._source = source
        self._executor = executor
        self._step = step * max(GRID_SECONDS // step, 1)
        self._steps = int(min(_DAYS, settings.history_days) * 86_400) // self._step
        self._refit_seconds = settings.refit_seconds
        self._known: dict[str, _Known] = {}
        self._parts: dict[str, Parts] = {}
        self._asked_s: int | None = None

    def refresh(self, forecasts: Sequence[LoadForecast], *, cut_s: int) -> Mapping[str, Parts]:
        """key -> parts as of the grid's last time before the cut. Raises nothing of the source's."""
        wanted = {one.key: one for one in forecasts if one.spec.parts is not None}
        self._known = {key: known for key, known in self._known.items() if key in wanted}
        self._parts = {key: parts for key, parts in self._parts.items() if key in wanted}
        fit_s = cut_s // self._refit_seconds * self._refit_seconds // self._step * self._step
        due = [one for one in wanted.values() if self._outdated(one, fit_s)]
        read = list(_by_query(due).items())[:_QUERIES_PER_PASS]
        for found in self._executor.map(lambda each: self._learn(each[0], each[1], fit_s), read):
            self._parts.update(found)
        at_s = cut_s // self._step * self._step
        if at_s != self._asked_s or read:
            groups = list(_by_query([one for one in wanted.values() if one.key in self._known]).items())
            for found in self._executor.map(lambda each: self._look(each[0], each[1], at_s), groups):
                self._parts.update(found)
            self._asked_s = at_s
        return dict(self._parts)

    def _outdated(self, forecast: LoadForecast, fit_s: int) -> bool:
        known = self._known.get(forecast.key)
        return known is None or known.fit_s < fit_s or known.identity != _identity(forecast)

    def _learn(self, query: str, forecasts: Sequence[LoadForecast], fit_s: int) -> dict[str, Parts]:
        """Reads the weeks before fit_s and fits; gives the parts of those where that failed."""
        troubles: dict[str, Parts] = {}
        try:
            answers = self._weeks(query, fit_s)
        except SourceError as error:
            log.warning("no parts from %s: %s", shortened(query, 120), error)
            return {
                one.key: self._without(one, f"{type(error).__name__}: {shortened(str(error))}") for one in forecasts
            }
        for one in forecasts:
            rows = _rows(answers, one)
            if not rows or len(rows) > MOST_SERIES:
                troubles[one.key] = self._without(one, _mismatch(len(rows), len(answers)))
                continue
            series = self._panel(rows, last_s=fit_s, steps=self._steps)
            self._known[one.key] = self._fitted(one, list(rows), series, fit_s)
        return troubles

    def _weeks(self, query: str, fit_s: int) -> list[LabelledHistory]:
        """The query's series in slices, the newest last; as many at a time as their number allows."""
        series = max(len(whole(self._source.instant(query, at_s=fit_s)).series), 1)
        each = max(_SLICE_SAMPLES // series, 1)
        first_s = fit_s - (self._steps - 1) * self._step
        found: list[LabelledHistory] = []
        for start_s in range(first_s, fit_s + 1, each * self._step):
            end_s = min(start_s + (each - 1) * self._step, fit_s)
            found += whole(self._source.range(query, start_s=start_s, end_s=end_s, step_seconds=self._step)).series
        return found

    def _fitted(self, forecast: LoadForecast, names: list[Name], series: Series, fit_s: int) -> _Known:
        """The largest parts of these weeks, each on its own, and all others as one."""
        block = forecast.spec.parts
        assert block is not None
        total = np.nan_to_num(series.values).sum(axis=1, dtype=np.float64)
        other = (OTHER,) * len(block.labels)
        order = sorted(range(len(names)), key=lambda row: (names[row] == other, -total[row], names[row]))
        kept = tuple(names[row] for row in order[: block.max_parts] if names[row] != other)
        told = _told_apart(series, names, kept)
        return _Known(fit_s, _identity(forecast), kept, SeasonalProfile(zone=forecast.spec.time_zone).fit(told))

    def _look(self, query: str, forecasts: Sequence[LoadForecast], at_s: int) -> dict[str, Parts]:
        """Reads the last hour and looks ahead; what was known stays where that fails."""
        steps = max(RECENT_SECONDS // self._step, 1) + 1
        try:
            start_s = at_s - (steps - 1) * self._step
            answer = whole(self._source.range(query, start_s=start_s, end_s=at_s, step_seconds=self._step))
        except SourceError as error:
            note = f"{type(error).__name__}: {shortened(str(error))}"
            return {one.key: replace(self._parts.get(one.key, self._without(one, "")), note=note) for one in forecasts}
        found: dict[str, Parts] = {}
        for one in forecasts:
            rows = _rows(answer.series, one)
            series = self._panel(rows, last_s=at_s, steps=steps)
            found[one.key] = self._ahead(one, list(rows), series)
        return found

    def _ahead(self, forecast: LoadForecast, names: list[Name], series: Series) -> Parts:
        known, block = self._known[forecast.key], forecast.spec.parts
        assert block is not None
        recent = _lately(_told_apart(series, names, known.names))
        if recent is None:
            return self._without(forecast, "the query returns nothing now")
        start_s, steps = recent.last_s + self._step, AHEAD_SECONDS // self._step
        expected = known.model.level(recent)[:, -1:] * known.model.profile(start_s=start_s, steps=steps)
        hour = np.nan_to_num(recent.tail(max(RECENT_SECONDS // self._step, 1)).values).mean(axis=1, dtype=np.float64)
        shares = shares_ahead(hour, expected.astype(np.float64), step_seconds=self._step)
        labelled = (*known.names, (OTHER,) * len(block.labels))
        return Parts(tuple(block.labels), labelled, recent.last_s, self._step, recent.values[:, -1], shares)

    def _panel(self, rows: Rows, *, last_s: int, steps: int) -> Series:
        """One row a part. A series that is not there while others are counts as zero: what nobody calls has none."""
        start_s = last_s - (steps - 1) * self._step
        known, values = np.zeros(steps, dtype=np.bool_), np.zeros((len(rows), steps), dtype=np.float32)
        for row, series in enumerate(rows.values()):
            for pieces in series.values():
                whole = np.full(steps, np.nan, dtype=np.float32)
                histories = [one.history for one in pieces]
                for piece in rows_on_grid(
                    histories, start_s=start_s, steps=steps, step_seconds=self._step, now_s=float(last_s)
                ):
                    whole = np.where(np.isfinite(piece), piece, whole)
                known |= np.isfinite(whole)
                values[row] += np.nan_to_num(whole)
        return Series(start_s, self._step, np.where(known, values, np.float32(np.nan)))

    @staticmethod
    def _without(forecast: LoadForecast, note: str) -> Parts:
        block = forecast.spec.parts
        assert block is not None
        return Parts(tuple(block.labels), note=note)


def _lately(series: Series) -> Series | None:
    """Up to the last column, or to the one before it where a sample is late; None where both are empty."""
    last = np.flatnonzero(np.isfinite(series.values[:, -2:]).all(axis=0))
    if not last.size:
        return None
    end = max(series.steps - 2, 0) + int(last[-1]) + 1
    return Series(series.start_s, series.step_seconds, series.values[:, :end])


def _identity(forecast: LoadForecast) -> object:
    """What a fit depends on beside its time."""
    spec = forecast.spec
    return spec.parts_query, spec.parts, tuple(sorted(spec.demand.series_labels.items())), spec.time_zone


def _by_query(forecasts: Sequence[LoadForecast]) -> dict[str, list[LoadForecast]]:
    found: dict[str, list[LoadForecast]] = defaultdict(list)
    for one in forecasts:
        found[one.spec.parts_query].append(one)
    return found


def _rows(series: Sequence[LabelledHistory], forecast: LoadForecast) -> Rows:
    """The workload's series by their part, and within it by all their labels: slices of one series have the same.

    A series without one of the labels belongs to the rest.
    """
    block, picked = forecast.spec.parts, forecast.spec.demand.series_labels
    assert block is not None
    found: Rows = {}
    for one in series:
        if all(one.labels.get(name) == value for name, value in picked.items()):
            name = tuple(one.labels.get(label) or OTHER for label in block.labels)
            found.setdefault(name, {}).setdefault(frozenset(one.labels.items()), []).append(one)
    return found


def _told_apart(series: Series, names: Sequence[Name], kept: Sequence[Name]) -> Series:
    """Rows of the parts that are kept, in their order, and the sum of all others as the last one."""
    places = {name: row for row, name in enumerate(names)}
    known = np.isfinite(series.values).any(axis=0) if len(names) else np.zeros(series.steps, dtype=np.bool_)
    values: NDArray[np.float32] = np.where(known, np.zeros((len(kept) + 1, 1), dtype=np.float32), np.float32(np.nan))
    for row, name in enumerate(kept):
        if name in places:
            values[row] = series.values[places[name]]
    others = [row for row, name in enumerate(names) if name not in set(kept)]
    values[-1] += series.values[others].sum(axis=0)
    return Series(series.start_s, series.step_seconds, values)


def _mismatch(rows: int, series: int) -> str:
    if rows:
        return f"more than {MOST_SERIES} parts ({rows}); choose labels with fewer values"
    return f"none of {series} series has the labels of demand.seriesLabels"
