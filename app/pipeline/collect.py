"""From LoadForecasts to numbers in the panel: one request per distinct query, slices of the past, then tails."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import numpy as np

from app import spans
from app.errors import QueryRejected, SourceError
from app.pipeline.history import HistoryPanel
from app.pipeline.matching import Group, Trouble, measured_by, only_numbers
from app.reasons import Reason
from app.sources.base import LabelledHistory, Source, whole
from app.telemetry import shortened
from app.workloads.spec import LoadForecast

log = logging.getLogger(__name__)

_SLICE_SAMPLES = 250_000  # bounds the JSON of one answer (about 8 MB) and what parsing it costs in memory
_OVERLAP_SECONDS = 300  # the tail is read again this far back, so that late samples are seen
_TAIL_SECONDS = 3_600  # a tail of which parts may be missing is read with every pass until it is this long
_FIRST_WAIT_SECONDS = 60  # until a slice of which parts may be missing is read again; doubles with each try
_LONGEST_WAIT_SECONDS = 6 * 3_600
_HANDOVER_SECONDS = 900  # in which the series of an old pod and its successor's may well overlap


@dataclass(frozen=True)
class Freshest:
    """Newest value of each workload (key -> (time s, value)), and the trouble of those without one.

    notes: key -> what is wrong with its past.
    """

    values: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Partial:
    """A slice of which parts may be missing. due_s: when it is read again, later than its end; wait_s: led to that."""

    start_s: int
    end_s: int
    due_s: int
    wait_s: int = _FIRST_WAIT_SECONDS


class Collector:
    """Keeps a HistoryPanel up to date from a source. Not thread-safe: one pass at a time."""

    def __init__(self, source: Source, panel: HistoryPanel, *, executor: Executor, samples_per_pass: int) -> None:
        self._source = source
        self._panel = panel
        self._executor = executor
        self._samples_per_pass = samples_per_pass
        self._read_from_s: dict[str, int] = {}  # key -> the history is complete from here on
        self._read_to_s: dict[str, int] = {}  # query -> the last column that was read
        self._partial: dict[str, list[_Partial]] = {}  # by query
        self._unclear_s: dict[str, int] = {}  # key -> the end of the last slice with several series at a time
        self._queries: dict[str, tuple[object, ...]] = {}

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
        self._partial = {group.query: self._partial.get(group.query, []) for group in groups}
        budget = self._samples_per_pass // max(len(groups), 1)
        read = spans.in_this_trace(lambda group: self._collect_group(group, cut_s, budget))
        work = list(self._executor.map(read, groups))
        values: dict[str, tuple[float, float]] = {}
        troubles: dict[str, Trouble] = {}
        for freshest in work:
            values.update(freshest.values)
            troubles.update(freshest.troubles)
        return Freshest(values, troubles, self._notes())

    def _notes(self) -> dict[str, str]:
        first_s = self._panel.first_s or 0
        text = "for a part of the past several series match seriesLabels, and none is used there; add labels"
        return {key: text for key, time_s in self._unclear_s.items() if time_s >= first_s}

    def _forget_changed(self, forecasts: Sequence[LoadForecast]) -> None:
        queries = {one.key: measured_by(one) for one in forecasts}
        changed = {key for key, query in self._queries.items() if queries.get(key) != query}
        for key in changed:
            self._read_from_s.pop(key, None)
            self._unclear_s.pop(key, None)
        self._panel.select(key for key in self._queries if key not in changed)
        self._queries = queries

    def _collect_group(self, group: Group, cut_s: int, budget: int) -> Freshest:
        try:
            answer = whole(self._source.instant(group.query, at_s=cut_s))
            found, troubles = group.pick(answer)
            self._read_tail(group, len(answer.series))
            self._read_again(group)
            self._read_past(group, len(answer.series), budget)
        except SourceError as error:
            return _failed(group, error)
        return Freshest({key: _newest(one) for key, one in found.items()}, troubles)

    def _read_tail(self, group: Group, series: int) -> None:
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
            slices = [(at_s, min(at_s + span, last_s)) for at_s in range(start_s, last_s + 1, span + step)]
            partial = [one for one in slices if not self._read(Group(group.query, known), *one)]
            if partial and last_s - read_to_s < _TAIL_SECONDS:
                return
            for one in partial:
                self._remember(group.query, *one)
        self._read_to_s[group.query] = last_s

    def _remember(self, query: str, start_s: int, end_s: int) -> None:
        """A slice whose parts may be missing, to be read again."""
        self._partial[query].append(_Partial(start_s, end_s, (self._panel.last_s or 0) + _FIRST_WAIT_SECONDS))

    def _read_again(self, group: Group) -> None:
        """One slice of which parts may be missing, if it is time; its failure is not that of the pass."""
        first_s, last_s = self._panel.first_s or 0, self._panel.last_s or 0
        partial = [one for one in self._partial[group.query] if one.end_s >= first_s]
        self._partial[group.query] = partial
        due = next((one for one in partial if one.due_s <= last_s), None)
        if due is None:
            return
        partial.remove(due)
        wait_s = min(2 * due.wait_s, _LONGEST_WAIT_SECONDS)
        partial.append(replace(due, due_s=last_s + wait_s, wait_s=wait_s))
        try:
            if self._read(group, max(due.start_s, first_s), due.end_s):
                partial.pop()
        except SourceError as error:
            log.warning("a slice of %s could not be read again: %s", shortened(group.query, 120), error)

    def _read_past(self, group: Group, series: int, budget: int) -> None:
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
            if not self._read(Group(group.query, pending), start_s, end_s):
                self._remember(group.query, start_s, end_s)
            for one in pending:
                if self._read_from_s.get(one.key, last_s + step) >= end_s + step:
                    self._read_from_s[one.key] = start_s

    def _read(self, group: Group, start_s: int, end_s: int) -> bool:
        """Puts a slice into the panel; False if parts may be missing: then only where nothing is."""
        step = self._panel.step_seconds
        answer = self._source.range(group.query, start_s=start_s, end_s=end_s, step_seconds=step)
        if not answer.complete:
            log.warning("partial answer for %s: %s", shortened(group.query, 120), "; ".join(answer.notes))
        matches = group.matches(answer)
        steps = (end_s - start_s) // step + 1
        values, several = only_numbers(list(matches.values()), start_s=start_s, steps=steps, step_seconds=step)
        self._panel.write_rows(list(matches), start_s=start_s, values=values, overwrite=answer.complete)
        keys = list(matches)
        for row in np.flatnonzero(several.sum(axis=1) * step > _HANDOVER_SECONDS):
            self._unclear_s[keys[row]] = max(end_s, self._unclear_s.get(keys[row], end_s))
        return answer.complete


def _slice_steps(series: int) -> int:
    return max(_SLICE_SAMPLES // max(series, 1), 1)


def _grouped(forecasts: Sequence[LoadForecast]) -> list[Group]:
    by_query: dict[str, list[LoadForecast]] = defaultdict(list)
    for one in forecasts:
        by_query[one.spec.demand.query].append(one)
    return [Group(query, tuple(members)) for query, members in by_query.items()]


def _newest(one: LabelledHistory) -> tuple[float, float]:
    last = int(np.argmax(one.history.times_s))
    return float(one.history.times_s[last]), float(one.history.values[last])


def _failed(group: Group, error: SourceError) -> Freshest:
    reason = Reason.QUERY_REJECTED if isinstance(error, QueryRejected) else Reason.SOURCE_UNAVAILABLE
    log.warning("no answer for %s: %s", shortened(group.query, 120), error)
    trouble = Trouble(reason, shortened(str(error)))
    return Freshest(troubles={one.key: trouble for one in group.forecasts})
