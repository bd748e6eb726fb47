"""Answers of which the store says that parts are missing: about now they are none, in the past they are read again."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np
import pytest

from app.errors import SourceUnavailable
from app.pipeline.collect import Collector
from app.pipeline.history import HistoryPanel
from app.reasons import Reason
from app.sources.base import Answer, LabelledHistory
from app.workloads.spec import LoadForecast
from models.series import RawHistory

STEP = 60
START_S = 600_000
WHOLE, PART = 5.0, 2.0


class Store:
    """One series. While `missing` it gives a part of each range and says so; `now_missing`: of what is now, too."""

    def __init__(self) -> None:
        self.missing = self.now_missing = False
        self.error_before_s = 0
        self.ranges: list[tuple[int, int]] = []

    def range(self, query: str, *, start_s: int, end_s: int, step_seconds: int) -> Answer:
        self.ranges.append((start_s, end_s))
        if start_s < self.error_before_s:
            raise SourceUnavailable("timed out")
        return self._answer(np.arange(start_s, end_s + 1, step_seconds, dtype=np.float64), missing=self.missing)

    def instant(self, query: str, *, at_s: float) -> Answer:
        return self._answer(np.asarray([at_s]), missing=self.now_missing)

    def close(self) -> None: ...

    def _answer(self, times_s: np.ndarray, *, missing: bool) -> Answer:
        history = RawHistory(times_s, np.full(times_s.size, PART if missing else WHOLE))
        notes = ("store gateway eu-2 is down",) if missing else ()
        return Answer((LabelledHistory({}, history),), complete=not missing, notes=notes)


class Subject:
    """A collector of one workload; `at` makes the pass of a minute and gives what it found."""

    def __init__(self, store: Store, executor: Executor, forecast: LoadForecast, *, steps: int) -> None:
        self.panel = HistoryPanel(keep_steps=steps, step_seconds=STEP)
        self.collector = Collector(store, self.panel, executor=executor, samples_per_pass=1_000_000)
        self.forecast, self.key = forecast, forecast.key

    def at(self, minute: int) -> tuple[float | None, str]:
        freshest = self.collector.collect([self.forecast], cut_s=START_S + minute * STEP)
        trouble = freshest.troubles.get(self.key)
        assert trouble is None or trouble.reason is Reason.SOURCE_UNAVAILABLE
        value = freshest.values.get(self.key)
        return None if value is None else value[1], "" if trouble is None else trouble.text

    def numbers(self, steps: int) -> list[float]:
        found: list[float] = (
            self.panel.window([self.key], last_s=self.panel.last_s or 0, steps=steps).values[0].tolist()
        )
        return found


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def subject(store: Store, make_forecast: object) -> Iterator[Subject]:
    with ThreadPoolExecutor(1) as executor:
        yield Subject(store, executor, make_forecast(), steps=300)  # type: ignore[operator]


def test_a_partial_answer_about_now_is_none_and_says_why(store: Store, subject: Subject) -> None:
    assert subject.at(0) == (WHOLE, "")
    store.now_missing = store.missing = True
    value, text = subject.at(1)
    assert value is None
    assert "store gateway eu-2 is down" in text
    store.now_missing = store.missing = False
    assert subject.at(2) == (WHOLE, "")
    assert subject.numbers(3) == [WHOLE] * 3


def test_a_partial_tail_fills_gaps_and_is_read_again_until_it_is_whole(store: Store, subject: Subject) -> None:
    subject.at(0)
    store.missing = True
    for minute in range(1, 21):
        assert subject.at(minute) == (WHOLE, "")
    assert subject.numbers(21) == [WHOLE] + [PART] * 20
    store.missing = False
    subject.at(21)
    assert subject.numbers(22) == [WHOLE] * 22


def test_a_tail_that_is_partial_for_hours_asks_for_an_hour_at_most_and_is_whole_in_the_end(
    store: Store, subject: Subject
) -> None:
    subject.at(0)
    store.missing = True
    store.ranges.clear()
    for minute in range(1, 181):
        subject.at(minute)
    assert max(end_s - start_s for start_s, end_s in store.ranges) <= 3_600 + 300
    store.missing = False
    for minute in range(181, 260):
        subject.at(minute)
    assert subject.numbers(260) == [WHOLE] * 260


def test_a_partial_past_is_used_and_read_again_ever_more_rarely_until_it_is_whole(
    store: Store, subject: Subject
) -> None:
    store.missing = True
    subject.at(0)
    assert subject.collector.complete(subject.key)
    assert subject.numbers(300) == [PART] * 300
    store.ranges.clear()
    for minute in range(1, 16):
        subject.at(minute)
    whole = [minute for minute, (start_s, _) in enumerate(store.ranges) if start_s < START_S - 3_600]
    assert len(whole) == 4  # after 1, 3, 7 and 15 minutes
    store.missing = False
    for minute in range(16, 32):
        subject.at(minute)
    assert subject.numbers(300) == [WHOLE] * 300
    store.ranges.clear()
    for minute in range(32, 160):
        subject.at(minute)
    assert all(end_s - start_s <= 360 for start_s, end_s in store.ranges)


def test_a_slice_that_cannot_be_read_again_does_not_hurt_the_present(store: Store, subject: Subject) -> None:
    store.missing = True
    subject.at(0)
    store.missing, store.error_before_s = False, START_S - 3_600
    assert [subject.at(minute) for minute in range(1, 6)] == [(WHOLE, "")] * 5
    store.error_before_s = 0
    for minute in range(6, 16):
        subject.at(minute)
    assert subject.numbers(300) == [WHOLE] * 300


def test_after_a_clock_was_set_back_a_partial_past_is_read_again_too(store: Store, subject: Subject) -> None:
    store.missing = True
    subject.at(0)
    store.missing = False
    for minute in (-250, -249, 0, 1):
        assert subject.at(minute) == (WHOLE, "")
    assert subject.numbers(300) == [WHOLE] * 300
