"""A known event is taken out of the history and put into the forecast, so it is ready in time and leaves no trace."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from app.snapshot import Snapshot
from tests.pipeline.test_refresh import CUT_S, DAY, STEP, Store, Subject, book

HALF_HOUR = 1_800


def stamp(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat()


def sale(*starts_s: float, factor: float = 3.0) -> Store:
    """10, a little restless, and `factor` times as much for half an hour from each start on."""

    def value(time_s: float) -> float:
        calm = 10 + 0.2 * (int(time_s) // STEP * 7 % 5 - 2)
        return calm * factor if any(start <= time_s - STEP < start + HALF_HOUR for start in starts_s) else calm

    return Store(value)


def event(*starts_s: float, **fields: Any) -> dict[str, Any]:
    parts = [{"name": "sale", "start": stamp(start), "durationMinutes": 30, **fields} for start in starts_s]
    return {"calendar": {"events": parts}}


def at(executor: ThreadPoolExecutor, store: Store, cut_s: int, **spec: Any) -> Snapshot:
    return Subject(store, executor).at(cut_s, book(mode="Active", **spec))


def test_an_announced_event_is_provided_for_before_it_starts(executor: ThreadPoolExecutor) -> None:
    start_s = CUT_S + STEP
    quiet = at(executor, sale(), CUT_S).required[0]
    announced = at(executor, sale(), CUT_S, **event(start_s, factor=3)).required[0]
    assert announced == pytest.approx(3 * quiet, rel=0.02)
    much_earlier = at(executor, sale(), CUT_S, **event(start_s + 4 * 3600, factor=3)).required[0]
    assert much_earlier == pytest.approx(quiet, rel=0.02)


def test_the_effect_is_learned_from_earlier_occurrences(executor: ThreadPoolExecutor) -> None:
    past = (CUT_S - 5 * DAY - 7_200, CUT_S - 3 * DAY + 10_800, CUT_S - DAY - 25_200)
    store, spec = sale(*past), event(*past, CUT_S + STEP)
    learned = at(executor, store, CUT_S, **spec).required[0]
    unknown = at(executor, store, CUT_S).required[0]
    assert learned > 1.7 * unknown


def test_an_event_leaves_no_trace_in_the_days_after_it(executor: ThreadPoolExecutor) -> None:
    days = [CUT_S + STEP - day * DAY for day in (1, 2, 3, 4)]
    taken_for_a_season = at(executor, sale(*days), CUT_S).required[0]
    known = at(executor, sale(*days), CUT_S, **event(*days)).required[0]
    assert taken_for_a_season > 20
    assert known < 14


def test_the_path_shows_the_event(executor: ThreadPoolExecutor) -> None:
    snapshot = at(executor, sale(), CUT_S, **event(CUT_S + 1_800, factor=4))
    middle = snapshot.quantiles[0, :, 1]
    assert middle[3] == pytest.approx(10, rel=0.1)
    assert middle[8] == pytest.approx(40, rel=0.1)


def test_a_changed_calendar_is_fitted_anew(executor: ThreadPoolExecutor) -> None:
    subject = Subject(sale(), executor)
    before = subject.at(CUT_S, book(mode="Active")).required[0]
    after = subject.at(CUT_S, book(mode="Active", **event(CUT_S + STEP, factor=3))).required[0]
    assert after > 2.5 * before
