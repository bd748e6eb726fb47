"""Faults injected into a recorded load: each has a defined answer, and none reaches further than it must."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import app
from app.snapshot import Snapshot
from app.sources.base import Answer, LabelledHistory
from app.sources.history_file import read_history
from models.cleaning import rate_of_counter
from models.series import RawHistory
from tests.pipeline.test_refresh import Subject, book

HOUR = 3_600
DAY = 86_400
STEP = 300

Fault = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Recorded:
    """The bundled recording as a store: means of five minutes, with a fault."""

    def __init__(self, fault: Fault | None = None) -> None:
        file = read_history(Path(app.__file__).parent / "samples" / "nasa_http.csv.gz")
        size = file.demand.size // 5 * 5
        means = 100 * file.demand[:size].reshape(-1, 5).mean(axis=1)
        first = -(-(file.known.start_s + STEP) // STEP) * STEP
        self.times_s = first + STEP * np.arange(means.size, dtype=np.float64)
        self.values = means
        if fault is not None:
            self.times_s, self.values = fault(self.times_s, self.values)

    def range(self, query: str, *, start_s: int, end_s: int, step_seconds: int) -> Answer:
        return self._of((self.times_s >= start_s) & (self.times_s <= end_s))

    def instant(self, query: str, *, at_s: float) -> Answer:
        there = np.flatnonzero((self.times_s <= at_s) & (self.times_s > at_s - STEP))
        return self._of(there[-1:])

    def close(self) -> None: ...

    def _of(self, picked: np.ndarray) -> Answer:
        return Answer((LabelledHistory({}, RawHistory(self.times_s[picked], self.values[picked])),))


CUT_S = int(Recorded().times_s[-1] // DAY * DAY - DAY + 14 * HOUR)  # a working afternoon


def asked(store: Recorded, executor: ThreadPoolExecutor) -> Snapshot:
    """With the experts of large fleets: they fit in milliseconds."""
    return Subject(store, executor, careful_workloads=0).at(CUT_S, book(mode="Active"))  # type: ignore[arg-type]


def served(executor: ThreadPoolExecutor, fault: Fault | None = None) -> Snapshot:
    return asked(Recorded(fault), executor)


@pytest.fixture(scope="module")
def healthy() -> Snapshot:
    with ThreadPoolExecutor(2) as executor:
        return served(executor)


def near(snapshot: Snapshot, healthy: Snapshot, tolerance: float) -> bool:
    return bool(np.allclose(snapshot.required, healthy.required, rtol=tolerance))


def replaced(first_s: int, last_s: int, by: Callable[[np.ndarray], np.ndarray]) -> Fault:
    """The numbers of (CUT_S - first_s, CUT_S - last_s] through `by`."""

    def fault(times_s: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inside = (times_s > CUT_S - first_s) & (times_s <= CUT_S - last_s)
        return times_s, np.where(inside, by(values), values)

    return fault


def test_the_recording_itself_is_forecast(healthy: Snapshot) -> None:
    assert healthy.acting[0]
    assert 0.5 * healthy.demand[0] < healthy.required[0] < 4 * healthy.demand[0]


@pytest.mark.parametrize("word", [np.nan, np.inf, -1.0])
def test_numbers_that_are_none_in_the_past_are_gaps(
    executor: ThreadPoolExecutor, healthy: Snapshot, word: float
) -> None:
    fault = replaced(26 * HOUR, 25 * HOUR, lambda values: np.full(values.shape, word))
    assert near(served(executor, fault), healthy, 0.1)


def test_a_gap_of_a_day_is_bridged_by_the_other_days(executor: ThreadPoolExecutor, healthy: Snapshot) -> None:
    def fault(times_s: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        kept = (times_s <= CUT_S - 3 * DAY) | (times_s > CUT_S - 2 * DAY)
        return times_s[kept], values[kept]

    assert near(served(executor, fault), healthy, 0.2)


def test_one_spike_does_not_come_back_a_day_later(executor: ThreadPoolExecutor, healthy: Snapshot) -> None:
    fault = replaced(DAY - STEP, DAY - 2 * STEP, lambda values: values * 60)
    assert near(served(executor, fault), healthy, 0.25)


def test_samples_out_of_order_and_twice_are_the_same_history(executor: ThreadPoolExecutor, healthy: Snapshot) -> None:
    def fault(times_s: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        order = np.random.default_rng(3).permutation(np.repeat(np.arange(times_s.size), 2))
        return times_s[order], values[order]

    store = Recorded(fault)
    store.instant = Recorded().instant  # type: ignore[method-assign]
    snapshot = asked(store, executor)
    assert snapshot.required.tobytes() == healthy.required.tobytes()


def test_a_counter_that_restarts_is_the_load_that_it_counted() -> None:
    """Each day at another time the process starts anew, and its counter from zero."""
    recorded = Recorded()
    counted = np.cumsum(recorded.values * STEP)
    for restart in range(500, counted.size, 311):
        counted[restart:] -= counted[restart - 1]
    found = rate_of_counter(RawHistory(recorded.times_s, counted))
    assert found.times_s.tolist() == recorded.times_s[1:].tolist()
    np.testing.assert_allclose(found.values, recorded.values[1:], rtol=1e-6, atol=1e-6)


def test_a_late_sample_is_as_if_it_had_been_in_time(executor: ThreadPoolExecutor) -> None:
    store = Recorded(lambda times_s, values: (times_s[times_s != CUT_S - STEP], values[times_s != CUT_S - STEP]))
    late = Subject(store, executor, careful_workloads=0)  # type: ignore[arg-type]
    late.at(CUT_S, book(mode="Active"))
    store.times_s, store.values = Recorded().times_s, Recorded().values
    snapshot = late.at(CUT_S + STEP, book(mode="Active"))
    in_time = Subject(Recorded(), executor, careful_workloads=0).at(CUT_S + STEP, book(mode="Active"))  # type: ignore[arg-type]
    assert snapshot.history.tobytes() == in_time.history.tobytes()


def test_a_clock_set_back_serves_what_was_served_then(executor: ThreadPoolExecutor) -> None:
    earlier = CUT_S - HOUR
    subject = Subject(Recorded(), executor, careful_workloads=0)  # type: ignore[arg-type]
    then = subject.at(earlier, book(mode="Active"))
    subject.at(CUT_S, book(mode="Active"))
    again = subject.at(earlier, book(mode="Active"))
    assert again.required.tobytes() == then.required.tobytes()
    assert again.history.tobytes() == then.history.tobytes()


def test_a_change_of_clocks_is_followed_within_days(executor: ThreadPoolExecutor, healthy: Snapshot) -> None:
    """People rise an hour earlier by UTC: the whole load of the last two days moves."""

    def fault(times_s: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        moved = np.where(times_s > CUT_S - 2 * DAY, times_s - HOUR, times_s)
        return moved, values

    assert near(served(executor, fault), healthy, 0.35)


def test_an_outage_in_the_past_is_not_expected_again(executor: ThreadPoolExecutor, healthy: Snapshot) -> None:
    fault = replaced(DAY + HOUR, DAY - 2 * HOUR, lambda values: values * 0)
    assert served(executor, fault).required[0] > 0.6 * healthy.required[0]


def test_an_outage_now_does_not_pull_capacity_away(executor: ThreadPoolExecutor, healthy: Snapshot) -> None:
    snapshot = served(executor, replaced(STEP, 0, lambda values: values * 0))
    assert snapshot.served[0] > 0.5 * healthy.demand[0]


def test_a_level_shift_is_followed_within_hours(executor: ThreadPoolExecutor, healthy: Snapshot) -> None:
    snapshot = served(executor, replaced(6 * HOUR, 0, lambda values: values * 3))
    assert snapshot.required[0] == pytest.approx(3 * healthy.required[0], rel=0.35)


def test_a_history_of_zeros_and_a_flat_one_are_served_as_they_are(executor: ThreadPoolExecutor) -> None:
    zero = served(executor, replaced(40 * DAY, 0, lambda values: values * 0))
    assert zero.served[0] == pytest.approx(0, abs=1e-9)
    flat = served(executor, replaced(40 * DAY, 0, lambda values: np.full(values.shape, 80.0)))
    assert flat.served[0] == pytest.approx(80, rel=0.3)


def test_a_history_of_an_hour_is_reacted_to(executor: ThreadPoolExecutor) -> None:
    def fault(times_s: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        kept = times_s > CUT_S - HOUR
        return times_s[kept], values[kept]

    snapshot = served(executor, fault)
    assert np.isnan(snapshot.required[0])
    assert snapshot.served[0] == snapshot.demand[0]
    assert snapshot.reason == ("Learning",)
