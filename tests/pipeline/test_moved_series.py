"""A workload whose series changes a label: with each new pod another series, one after the other."""

from concurrent.futures import Executor
from typing import Any

import numpy as np
import pytest

from app.pipeline.collect import Collector, Freshest
from app.pipeline.history import HistoryPanel
from app.sources.base import Answer, LabelledHistory
from models.series import RawHistory

STEP = 60
START_S = 600_000
STEPS = 40
Span = tuple[int, int]  # minutes before START_S


class Store:
    """A series a pod, which is there from its first to its last minute and has its number."""

    def __init__(self, **pods: Span) -> None:
        self.pods = pods

    def range(self, query: str, *, start_s: int, end_s: int, step_seconds: int) -> Answer:
        return self._answer(np.arange(start_s, end_s + 1, step_seconds, dtype=np.float64))

    def instant(self, query: str, *, at_s: float) -> Answer:
        return self._answer(np.asarray([at_s]))

    def close(self) -> None: ...

    def _answer(self, times_s: np.ndarray) -> Answer:
        series = []
        for number, (pod, (first, last)) in enumerate(self.pods.items(), start=1):
            there = times_s[(times_s >= START_S - first * STEP) & (times_s <= START_S - last * STEP)]
            if there.size:
                history = RawHistory(there, np.full(there.size, float(number)))
                series.append(LabelledHistory({"job": "mcp", "pod": pod}, history))
        return Answer(tuple(series))


@pytest.fixture
def read(executor: Executor, make_forecast: Any) -> Any:
    """read(store) -> what a pass found, and the whole history."""

    def reading(store: Store) -> tuple[Freshest, list[float]]:
        panel = HistoryPanel(keep_steps=STEPS, step_seconds=STEP)
        collector = Collector(store, panel, executor=executor, samples_per_pass=1_000_000)
        forecast = make_forecast(demand={"query": "load", "seriesLabels": {"job": "mcp"}})
        freshest = collector.collect([forecast], cut_s=START_S)
        return freshest, panel.window([forecast.key], last_s=START_S, steps=STEPS).values[0].tolist()

    return reading


def test_series_one_after_the_other_are_one_history(read: Any) -> None:
    freshest, history = read(Store(old=(39, 20), middle=(19, 10), new=(9, 0)))
    assert history == [1.0] * 20 + [2.0] * 10 + [3.0] * 10
    assert (freshest.values, freshest.notes) == ({"mcp/gateway": (START_S, 3.0)}, {})


def test_minutes_in_which_two_overlap_are_a_gap_and_not_worth_a_note(read: Any) -> None:
    freshest, history = read(Store(old=(39, 18), new=(20, 0)))
    np.testing.assert_array_equal(history, [1.0] * 19 + [np.nan] * 3 + [2.0] * 18)
    assert freshest.notes == {}


def test_two_that_were_there_for_long_are_noted_and_neither_is_used(read: Any) -> None:
    freshest, history = read(Store(old=(39, 5), new=(30, 0)))
    np.testing.assert_array_equal(history, [1.0] * 9 + [np.nan] * 26 + [2.0] * 5)
    assert "several series match" in freshest.notes["mcp/gateway"]
    assert freshest.troubles == {}
