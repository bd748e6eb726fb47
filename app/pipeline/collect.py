"""From LoadForecasts to numbers in the panel: one request per distinct query, slices of the past, then tails."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np

from app import spans
from app.errors import QueryRejected, SourceError
from app.pipeline.history import HistoryPanel
from app.reasons import Reason
from app.sources.base import Answer, LabelledHistory, Source
from app.telemetry import shortened
from app.workloads.spec import LoadForecast
from models.cleaning import rows_on_grid

log = logging.getLogger(__name__)

_SLICE_SAMPLES = 250_000  # bounds the JSON of one answer (about 8 MB) and what parsing it costs in memory
_OVERLAP_SECONDS = 300  # the tail is read again this far back, so that late samples are seen


@dataclass(frozen=True)
class Trouble:
    """Why a workload got no number in this pass."""

    reason: Reason
    text: str


@dataclass(frozen=True)
class Freshest:
    """Newest value of each workload (key -> (time s, value)), and the trouble of those without one."""

    values: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    troubles: Mapping[str, Trouble] = field(default_factory=dict)


@dataclass(frozen=True)
class _Group:
    query: str
    forecasts: tuple[LoadForecast, ...]

    def pick(self, answer: Answer) -> tuple[dict[str, LabelledHistory], dict[str, Trouble]]:
        """The series of each LoadForecast: the only one whose labels include its seriesLabels."""
        found: dict[str, LabelledHistory] = {}
        troubles: dict[str, Trouble] = {}
        by_labels: dict[tuple[str, ...], dict[tuple[str | None, ...], list[LabelledHistory]]] = {}
        for forecast in self.forecasts:
            wanted = forecast.spec.demand.series_labels
            names = tuple(sorted(wanted))
            if names not in by_labels:
                by_labels[names] = _index(answer.series, names)
            matches = by_labels[names].get(tuple(wanted[name] for name in names), [])
            if len(matches) == 1:
                found[forecast.key] = matches[0]
            else:
                troubles[forecast.key] = _mismatch(len(matches), wanted, answer)
        return found, troubles


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


class Collector:
    """Keeps a HistoryPanel up to date from a source. Not thread-safe: one pass at a time."""

    def __init__(self, source: Source, panel: HistoryPanel, *, executor: Executor, samples_per_pass: int) -> None:
        self._source = source
        self._panel = panel
        self._executor = executor
        self._samples_per_pass = samples_per_pass
        self._read_from_s: dict[str, int] = {}  # key -> the history is complete from here on
        self._read_to_s: dict[str, int] = {}  # query -> the last column that was read
        self._queries: dict[str, str] = {}

    def complete(self, key: str) -> bool:
        """Whether the workload's whole past has been read."""
        first = self._panel.first_s
        return first is not None and self._read_from_s.get(key, 1 << 62) <= first

    def begun(self, key: str) -> bool:
        """Whether something of the workload's past has been read."""
        return key in self._read_from_s

    def share_read(self, key: str) -> float:
        """Of the workload's past, 0 to 1."""
        first, last = self._panel.first_s, self._panel.last_s
        if first is None or last is None or last == first:
            return 0.0
        return (last - self._read_from_s.get(key, last)) / (last - first)

    def collect(self, forecasts: Sequence[LoadForecast], *, cut_s: int) -> Freshest:
        """Reads what is new up to `cut_s`, some more of the past where it is missing, and the newest values."""
        self._forget_changed(forecasts)
        step = self._panel.step_seconds
        self._panel.select(forecast.key for forecast in forecasts)
        self._panel.advance(cut_s // step * step)
        groups = _grouped(forecasts)
        budget = self._samples_per_pass // max(len(groups), 1)
        read = spans.in_this_trace(lambda group: self._collect_group(group, cut_s, budget))
        work = list(self._executor.map(read, groups))
        values: dict[str, tuple[float, float]] = {}
        troubles: dict[str, Trouble] = {}
        for freshest in work:
            values.update(freshest.values)
            troubles.update(freshest.troubles)
        return Freshest(values, troubles)

    def _forget_changed(self, forecasts: Sequence[LoadForecast]) -> None:
        queries = {
            one.key: repr((one.spec.demand.query, sorted(one.spec.demand.series_labels.items()))) for one in forecasts
        }
        changed = {key for key, query in self._queries.items() if queries.get(key) != query}
        for key in changed:
            self._read_from_s.pop(key, None)
        self._panel.select(key for key in self._queries if key not in changed)
        self._queries = queries

    def _collect_group(self, group: _Group, cut_s: int, budget: int) -> Freshest:
        try:
            found, troubles = group.pick(self._source.instant(group.query, at_s=cut_s))
            self._read_tail(group, len(found))
            self._read_past(group, len(found), budget)
        except SourceError as error:
            return _failed(group, error)
        return Freshest({key: _newest(one) for key, one in found.items()}, troubles)

    def _read_tail(self, group: _Group, series: int) -> None:
        """From the last column that was read, less the overlap, to the newest: one slice, or more after an outage."""
        step, last_s = self._panel.step_seconds, self._panel.last_s
        if last_s is None:
            return
        read_to_s = self._read_to_s.get(group.query)
        known = tuple(one for one in group.forecasts if one.key in self._read_from_s)
        if known and read_to_s is not None and read_to_s != last_s:
            start_s = min(read_to_s, last_s) - _OVERLAP_SECONDS // step * step
            start_s = max(start_s, self._panel.first_s or start_s)
            span = (_slice_steps(series) - 1) * step
            for slice_s in range(start_s, last_s + 1, span + step):
                self._read(_Group(group.query, known), slice_s, min(slice_s + span, last_s))
        self._read_to_s[group.query] = last_s

    def _read_past(self, group: _Group, series: int, budget: int) -> None:
        """Backwards from the newest column, as many slices as the budget allows."""
        step, first_s, last_s = self._panel.step_seconds, self._panel.first_s, self._panel.last_s
        if first_s is None or last_s is None:
            return
        for _ in range(max(budget // _SLICE_SAMPLES, 1)):
            pending = tuple(one for one in group.forecasts if not self.complete(one.key))
            if not pending:
                return
            # The newest incomplete stretch first: rows that joined together are read together.
            end_s = max(self._read_from_s.get(one.key, last_s + step) for one in pending) - step
            start_s = max(end_s - (_slice_steps(series) - 1) * step, first_s)
            self._read(_Group(group.query, pending), start_s, end_s)
            for one in pending:
                if self._read_from_s.get(one.key, last_s + step) >= end_s + step:
                    self._read_from_s[one.key] = start_s

    def _read(self, group: _Group, start_s: int, end_s: int) -> None:
        step = self._panel.step_seconds
        answer = self._source.range(group.query, start_s=start_s, end_s=end_s, step_seconds=step)
        if not answer.complete:
            log.warning("partial answer for %s: %s", shortened(group.query, 120), "; ".join(answer.notes))
        steps = (end_s - start_s) // step + 1
        found = group.pick(answer)[0]
        histories = [one.history for one in found.values()]
        values = rows_on_grid(histories, start_s=start_s, steps=steps, step_seconds=step, now_s=end_s)
        self._panel.write_rows(list(found), start_s=start_s, values=values, overwrite=answer.complete)


def _slice_steps(series: int) -> int:
    return max(_SLICE_SAMPLES // max(series, 1), 1)


def _grouped(forecasts: Sequence[LoadForecast]) -> list[_Group]:
    by_query: dict[str, list[LoadForecast]] = defaultdict(list)
    for one in forecasts:
        by_query[one.spec.demand.query].append(one)
    return [_Group(query, tuple(members)) for query, members in by_query.items()]


def _newest(one: LabelledHistory) -> tuple[float, float]:
    last = int(np.argmax(one.history.times_s))
    return float(one.history.times_s[last]), float(one.history.values[last])


def _failed(group: _Group, error: SourceError) -> Freshest:
    reason = Reason.QUERY_REJECTED if isinstance(error, QueryRejected) else Reason.SOURCE_UNAVAILABLE
    log.warning("no answer for %s: %s", shortened(group.query, 120), error)
    trouble = Trouble(reason, shortened(str(error)))
    return Freshest(troubles={one.key: trouble for one in group.forecasts})
