"""Histories held in memory, answered as Prometheus would: for the demo, for tests, and under the CSV source."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from app.errors import QueryRejected
from app.sources.base import Answer, LabelledHistory
from app.telemetry import shortened
from models.series import RawHistory

_MOST_NAMES = 20


class FixedSource:
    """A Source over a mapping from query to series. Nothing later than `now` is ever revealed.

    The value at a time is that of the last sample at or before it, unless that one is lookback_seconds old or older.
    """

    def __init__(
        self,
        series: Mapping[str, Sequence[LabelledHistory]],
        *,
        now: Callable[[], float],
        lookback_seconds: float = 300.0,
        origin: str = "this source",
    ) -> None:
        self._series = {query: tuple(_ordered(one) for one in several) for query, several in series.items()}
        self._now = now
        self._lookback_seconds = lookback_seconds
        self._origin = origin

    @property
    def queries(self) -> tuple[str, ...]:
        """What can be asked for."""
        return tuple(self._series)

    def range(self, query: str, *, start_s: int, end_s: int, step_seconds: int) -> Answer:
        """Values at start_s, start_s + step, ... <= end_s."""
        return self._at(query, np.arange(start_s, end_s + 1, step_seconds, dtype=np.float64))

    def instant(self, query: str, *, at_s: float) -> Answer:
        """One value per series as of `at_s`."""
        return self._at(query, np.array([at_s], dtype=np.float64))

    def close(self) -> None:
        """Nothing to release."""

    def _at(self, query: str, times_s: NDArray[np.float64]) -> Answer:
        if query not in self._series:
            names = ", ".join(list(self._series)[:_MOST_NAMES]) or "none"
            raise QueryRejected(f"{shortened(query, 80)!r} is not in {self._origin}; there are: {names}")
        past_s = times_s[times_s <= self._now()]
        answers = (_sampled(one, past_s, self._lookback_seconds) for one in self._series[query])
        return Answer(tuple(one for one in answers if one.history.times_s.size))


def _ordered(one: LabelledHistory) -> LabelledHistory:
    """In order of time; of samples for the same time the last one given is kept."""
    order = np.argsort(one.history.times_s, kind="stable")
    times_s, values = one.history.times_s[order], one.history.values[order]
    last = np.append(times_s[1:] != times_s[:-1], True) if times_s.size else np.zeros(0, dtype=np.bool_)
    return LabelledHistory(one.labels, RawHistory(times_s[last], values[last]))


def _sampled(one: LabelledHistory, at_s: NDArray[np.float64], lookback_seconds: float) -> LabelledHistory:
    times_s, values = one.history.times_s, one.history.values
    index = np.searchsorted(times_s, at_s, side="right") - 1
    found = index >= 0
    found[found] = at_s[found] - times_s[index[found]] < lookback_seconds
    return LabelledHistory(one.labels, RawHistory(at_s[found], values[index[found]]))
