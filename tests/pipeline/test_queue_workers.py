"""Workers on a queue, from history to the served number: up before the batch, at exactly 0 when it is done."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from app.pipeline.history import HistoryPanel
from app.pipeline.plan import Plan
from app.pipeline.rhythm import rhythm_of
from app.planning.arrivals import LOOKED_AT_DAYS, chance_of_work
from app.reasons import Reason
from tests.pipeline.test_refresh import DAY, Store, Subject, book

STEP, REFRESH = 60, 15
TODAY_S = 19_003 * DAY  # a Tuesday
LEAD = 300  # of `book`
CAPACITY = 5
HOUR = 3600

Load = Callable[[np.ndarray], np.ndarray]


def batch(hour: float, *, minutes: float = 60) -> Load:
    """40 jobs wait from this hour of each day (UTC) on, for so long."""
    return lambda times_s: np.where((times_s - hour * HOUR) % DAY < minutes * 60, 40.0, 0.0)


def chance(load: Load, at_s: float, *, days: int = 42, complete: bool = True, **spec: Any) -> float:
    """Of work until a new pod would be up, after so many days of history."""
    step_s = int(at_s) // STEP * STEP
    panel = HistoryPanel(keep_steps=days * DAY // STEP, step_seconds=STEP)
    panel.select(["mcp/gateway"])
    panel.advance(step_s)
    times_s = np.arange(step_s - days * DAY + STEP, step_s + STEP, STEP)
    panel.write("mcp/gateway", start_s=int(times_s[0]), values=load(times_s).astype(np.float32), overwrite=True)
    plan = Plan(book(**{"scaleToZero": {"holdSeconds": 0}, **spec}), STEP, REFRESH, 20)
    rhythm = rhythm_of(plan, panel, complete={"mcp/gateway"} if complete else set(), cut_s=int(at_s))
    assert rhythm.worked.shape == (1, len(LOOKED_AT_DAYS))
    assert rhythm.applies[0]
    return 1.0 if rhythm.planned[0] else float(chance_of_work(rhythm.worked)[0])


def clock(hours: float) -> float:
    return TODAY_S + hours * HOUR


@pytest.mark.parametrize("seconds", [LEAD, LEAD + STEP, 60, 1])
def test_a_batch_is_seen_coming_a_lead_ahead(seconds: int) -> None:
    assert chance(batch(2), clock(2) - seconds) == 1


def test_a_batch_is_not_waited_for_longer_than_a_pod_takes() -> None:
    assert chance(batch(2), clock(2) - LEAD - 3 * STEP) == 0
    assert chance(batch(2), clock(3) + STEP) == 0


def test_while_it_usually_runs_work_is_expected_even_if_none_came_today() -> None:
    def skipped_today(times_s: np.ndarray) -> np.ndarray:
        return np.where(times_s >= TODAY_S, 0.0, batch(2)(times_s))

    assert chance(skipped_today, clock(2.5)) == 1


def test_between_two_batches_closer_than_lead_and_hold_the_pod_stays() -> None:
    def both(times_s: np.ndarray) -> np.ndarray:
        return batch(2)(times_s) + batch(4)(times_s)

    assert chance(both, clock(3.5), scaleToZero={"holdSeconds": 3600}) == 1
    assert chance(both, clock(3.5), scaleToZero={"holdSeconds": 3000}) == 0


def test_a_batch_once_a_week_is_known_after_a_week() -> None:
    def on_tuesdays(times_s: np.ndarray) -> np.ndarray:
        return np.where((times_s - TODAY_S) % (7 * DAY) < DAY, batch(2)(times_s), 0.0)

    assert chance(on_tuesdays, clock(2) - LEAD, days=10) == 1
    assert chance(on_tuesdays, clock(26) - LEAD) == 0  # on Wednesdays


def test_batches_follow_the_clocks_of_the_time_zone() -> None:
    """Berlin's clocks went forward at 1:00 UTC on 27 March 2022; the batch is at 4:00 there."""
    changed_s = int(datetime(2022, 3, 27, 1, tzinfo=UTC).timestamp())

    def local(times_s: np.ndarray) -> np.ndarray:
        return np.where(times_s < changed_s, batch(3)(times_s), batch(2)(times_s))

    due_s = changed_s + HOUR
    assert chance(local, due_s - LEAD, timeZone="Europe/Berlin") == 1
    assert chance(local, due_s - LEAD) == 0


def test_an_event_of_the_calendar_is_work() -> None:
    event = {"name": "migration", "start": "2022-01-11T09:00Z", "durationMinutes": 30, "factor": 2}
    at_s = datetime(2022, 1, 11, 9, tzinfo=UTC).timestamp() - LEAD
    assert chance(batch(2), at_s, calendar={"events": [event]}) == 1
    assert chance(batch(2), at_s - 3 * STEP, calendar={"events": [event]}) == 0


@pytest.mark.parametrize(("complete", "days"), [(False, 42), (True, 0.04)])
def test_a_past_that_is_not_known_says_nothing(complete: bool, days: float) -> None:
    def young(times_s: np.ndarray) -> np.ndarray:
        return np.where(times_s > clock(12) - days * DAY, 0.0, np.nan)

    assert np.isnan(chance(young, clock(12), complete=complete))


def test_an_outage_at_this_time_of_an_earlier_day_is_not_a_day_without_work() -> None:
    def broken(times_s: np.ndarray) -> np.ndarray:
        yesterday = (times_s >= TODAY_S - DAY) & (times_s < TODAY_S)
        return np.where(yesterday, np.nan, batch(2)(times_s))

    assert chance(broken, clock(2) - LEAD, days=8) == 1


@pytest.fixture
def subject() -> Iterator[Subject]:
    with ThreadPoolExecutor(2) as executor:
        made = Subject(Store(lambda time_s: float(batch(2)(np.float64(time_s)))), executor)
        yield made
        made.refresher.close()


def test_a_pass_serves_zero_at_night_and_a_pod_before_the_batch(subject: Subject) -> None:
    block = {"scaleToZero": {"holdSeconds": 0}, "scaleDownStabilizationSeconds": 0}
    asleep = subject.at(int(clock(1)), book(**block))
    assert (asleep.served[0], asleep.reason, asleep.acting[0]) == (0.0, (Reason.NOTHING_EXPECTED,), True)
    awake = subject.at(int(clock(2)) - LEAD, book(**block))
    assert awake.served[0] >= CAPACITY
    in_shadow = subject.at(int(clock(2)) - LEAD, book(**block, mode="Shadow"))
    assert (in_shadow.served[0], in_shadow.reason) == (0.0, (Reason.SHADOW,))
