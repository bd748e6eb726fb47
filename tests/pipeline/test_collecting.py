"""What is asked of the store, and what becomes of its answers."""

from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np

from app.errors import QueryRejected, SourceUnavailable
from app.pipeline.collect import Collector
from app.pipeline.history import HistoryPanel
from app.reasons import Reason
from app.sources.base import Answer, LabelledHistory
from app.workloads.spec import LoadForecast
from models.series import RawHistory

STEP = 60
START_S = 600_000


class Store:
    """Answers every query with `value(labels, time)` for each of its series; remembers what it was asked."""

    def __init__(self, *labels: dict[str, str]) -> None:
        self.labels = labels or ({"pod": "x"},)
        self.value: Callable[[dict[str, str], float], float] = lambda labels, time_s: time_s
        self.ranges: list[tuple[int, int]] = []
        self.error: Exception | None = None
        self.complete = True  # of ranges
        self.complete_now = True

    def range(self, query: str, *, start_s: int, end_s: int, step_seconds: int) -> Answer:
        if self.error is not None:
            raise self.error
        self.ranges.append((start_s, end_s))
        return self._answer(np.arange(start_s, end_s + 1, step_seconds, dtype=np.float64), self.complete)

    def instant(self, query: str, *, at_s: float) -> Answer:
        if self.error is not None:
            raise self.error
        return self._answer(np.asarray([at_s], dtype=np.float64), self.complete_now)

    def close(self) -> None: ...

    def _answer(self, times_s: np.ndarray, complete: bool) -> Answer:
        series = tuple(
            LabelledHistory(one, RawHistory(times_s, np.asarray([self.value(one, time_s) for time_s in times_s])))
            for one in self.labels
        )
        return Answer(series, complete=complete, notes=() if complete else ("store gateway eu-2 is down",))


def forecast(name: str, *, query: str = "load", **labels: str) -> LoadForecast:
    return LoadForecast.from_object(
        {
            "apiVersion": "forescale.dev/v1alpha1",
            "kind": "LoadForecast",
            "metadata": {"name": name, "namespace": "a"},
            "spec": {
                "targetRef": {"name": name},
                "demand": {"query": query, "seriesLabels": labels},
                "capacityPerPod": 1,
            },
        }
    )


def collector(
    store: Store, executor: Executor, *, steps: int = 20, samples: int = 1_000_000
) -> tuple[Collector, HistoryPanel]:
    panel = HistoryPanel(keep_steps=steps, step_seconds=STEP)
    return Collector(store, panel, executor=executor, samples_per_pass=samples), panel


def numbers(panel: HistoryPanel, key: str, steps: int) -> list[float]:
    return panel.window([key], last_s=panel.last_s or 0, steps=steps).values[0].tolist()


def test_the_first_pass_reads_the_whole_past(executor: Executor) -> None:
    store = Store()
    subject, panel = collector(store, executor)
    freshest = subject.collect([forecast("x")], cut_s=START_S + 15)
    assert freshest.values == {"a/x": (START_S + 15, START_S + 15)}
    assert subject.complete("a/x")
    assert numbers(panel, "a/x", 20) == [START_S - STEP * back for back in reversed(range(20))]


def test_a_cut_between_two_columns_asks_for_no_range(executor: Executor) -> None:
    store = Store()
    subject, _ = collector(store, executor)
    subject.collect([forecast("x")], cut_s=START_S)
    store.ranges.clear()
    subject.collect([forecast("x")], cut_s=START_S + 15)
    assert store.ranges == []


def test_after_the_first_pass_only_the_new_tail_is_read(executor: Executor) -> None:
    store = Store()
    subject, panel = collector(store, executor)
    subject.collect([forecast("x")], cut_s=START_S)
    store.ranges.clear()
    subject.collect([forecast("x")], cut_s=START_S + STEP)
    assert store.ranges == [(START_S - 300, START_S + STEP)]
    assert numbers(panel, "a/x", 2) == [START_S, START_S + STEP]


def test_what_was_missed_during_an_outage_is_read_afterwards(executor: Executor) -> None:
    store = Store()
    subject, panel = collector(store, executor)
    subject.collect([forecast("x")], cut_s=START_S)
    store.error = SourceUnavailable("down")
    for minutes in range(1, 9):
        subject.collect([forecast("x")], cut_s=START_S + minutes * STEP)
    store.error = None
    subject.collect([forecast("x")], cut_s=START_S + 9 * STEP)
    assert numbers(panel, "a/x", 10) == [START_S + STEP * minutes for minutes in range(10)]


def test_a_late_sample_is_seen_within_the_overlap(executor: Executor) -> None:
    store = Store()
    store.value = lambda labels, time_s: float("nan") if time_s == START_S - STEP else 1.0
    subject, panel = collector(store, executor)
    subject.collect([forecast("x")], cut_s=START_S)
    store.value = lambda labels, time_s: 1.0
    subject.collect([forecast("x")], cut_s=START_S + STEP)
    assert numbers(panel, "a/x", 3) == [1, 1, 1]


def test_a_long_past_is_read_over_several_passes(executor: Executor) -> None:
    store = Store(*({"pod": str(number)} for number in range(200)))
    forecasts = [forecast(f"w{number}", pod=str(number)) for number in range(200)]
    subject, panel = collector(store, executor, steps=3000, samples=1)
    passes = 0
    while not subject.complete("a/w0"):
        subject.collect(forecasts, cut_s=START_S)
        passes += 1
        assert passes < 10
    assert passes == 3
    assert all((end_s - start_s) / STEP * 200 <= 250_000 for start_s, end_s in store.ranges)
    assert not np.isnan(panel.window(["a/w0", "a/w199"], last_s=START_S, steps=3000).values).any()


def test_a_workload_that_joins_later_gets_its_past_too(executor: Executor) -> None:
    store = Store({"pod": "x"}, {"pod": "y"})
    subject, panel = collector(store, executor)
    subject.collect([forecast("x", pod="x")], cut_s=START_S)
    subject.collect([forecast("x", pod="x"), forecast("y", pod="y")], cut_s=START_S + STEP)
    assert subject.complete("a/y")
    assert not np.isnan(panel.window(["a/y"], last_s=START_S + STEP, steps=20).values).any()


def test_a_changed_query_forgets_the_numbers_of_the_old_one(executor: Executor) -> None:
    store = Store()
    subject, panel = collector(store, executor)
    subject.collect([forecast("x")], cut_s=START_S)
    store.value = lambda labels, time_s: 7.0 if time_s == START_S else float("nan")
    subject.collect([forecast("x", query="other")], cut_s=START_S)
    assert [number for number in numbers(panel, "a/x", 20) if not np.isnan(number)] == [7.0]


def test_labels_pick_one_series_of_a_shared_query(executor: Executor) -> None:
    store = Store({"pod": "x", "zone": "1"}, {"pod": "y", "zone": "1"})
    store.value = lambda labels, time_s: 1.0 if labels["pod"] == "x" else 2.0
    subject, _ = collector(store, executor)
    freshest = subject.collect([forecast("x", pod="x"), forecast("y", pod="y", zone="1")], cut_s=START_S)
    assert freshest.values == {"a/x": (START_S, 1.0), "a/y": (START_S, 2.0)}


def test_several_matching_series_are_ambiguous_and_not_summed(executor: Executor) -> None:
    subject, _ = collector(Store({"pod": "x"}, {"pod": "y"}), executor)
    freshest = subject.collect([forecast("x")], cut_s=START_S)
    assert freshest.values == {}
    assert freshest.troubles["a/x"].reason is Reason.AMBIGUOUS_QUERY
    assert "2 series" in freshest.troubles["a/x"].text


def test_no_matching_series_is_no_data_and_not_zero(executor: Executor) -> None:
    subject, _ = collector(Store({"pod": "y"}), executor)
    freshest = subject.collect([forecast("x", pod="x")], cut_s=START_S)
    assert freshest.values == {}
    assert freshest.troubles["a/x"].reason is Reason.NO_DATA


def test_a_rejected_query_hurts_only_its_own_workloads(executor: Executor) -> None:
    class Picky(Store):
        def instant(self, query: str, *, at_s: float) -> Answer:
            if query == "bad(":
                raise QueryRejected("parse error at char 5")
            return super().instant(query, at_s=at_s)

    subject, _ = collector(Picky(), executor)
    freshest = subject.collect([forecast("x", query="bad("), forecast("y")], cut_s=START_S)
    assert freshest.troubles["a/x"].reason is Reason.QUERY_REJECTED
    assert "char 5" in freshest.troubles["a/x"].text
    assert "a/y" in freshest.values


def test_a_partial_answer_does_not_overwrite_what_is_known(executor: Executor) -> None:
    store = Store()
    store.value = lambda labels, time_s: 5.0
    subject, panel = collector(store, executor)
    subject.collect([forecast("x")], cut_s=START_S)
    store.complete = False
    store.value = lambda labels, time_s: 2.0
    subject.collect([forecast("x")], cut_s=START_S + STEP)
    assert numbers(panel, "a/x", 2) == [5.0, 2.0]


def test_a_clock_set_back_reads_on_from_the_earlier_time(executor: Executor) -> None:
    subject, panel = collector(Store(), executor)
    subject.collect([forecast("x")], cut_s=START_S)
    subject.collect([forecast("x")], cut_s=START_S - 5 * STEP)
    subject.collect([forecast("x")], cut_s=START_S - 4 * STEP)
    assert numbers(panel, "a/x", 2) == [START_S - 5 * STEP, START_S - 4 * STEP]
