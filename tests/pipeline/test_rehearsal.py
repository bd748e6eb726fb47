"""The replay of the whole pipeline over a past: nothing from the future, and the service's own decisions."""

import numpy as np
import pytest
from numpy.typing import NDArray

from app.pipeline.rehearsal import RehearsalOptions, Rehearsed, rehearse
from app.planning.score import Setting, compare, score
from models.series import Series

START_S = 1_767_225_600  # 2026-01-01T00:00Z
DAY = 1_440
OPTIONS = RehearsalOptions(lead_minutes=5, every_minutes=1, price=20.0, capacity_per_pod=5.0, fleet=True)


def two_humps(days: float, *, seed: int = 3) -> NDArray[np.float32]:
    """A load with a morning and a noon surge, and noise."""
    minute = np.arange(int(days * DAY))
    hour = minute % DAY / 60
    level = 30 + 60 * np.exp(-(((hour - 9) / 0.4) ** 2)) + 30 * np.exp(-(((hour - 14) / 0.7) ** 2))
    noise = np.random.default_rng(seed).normal(1, 0.03, minute.size)
    return (level * noise).astype(np.float32)


def run(values: NDArray[np.float32], options: RehearsalOptions = OPTIONS) -> Rehearsed:
    return rehearse(Series(START_S, 60, values[None]), options, on_progress=lambda share: None)


@pytest.fixture(scope="module")
def whole() -> Rehearsed:
    return run(two_humps(6))


CUTS = (5 * DAY, 5 * DAY + 547)


@pytest.mark.parametrize("cut", CUTS)
def test_cutting_the_future_off_changes_nothing_in_the_past(whole: Rehearsed, cut: int) -> None:
    short = run(two_humps(6)[:cut])
    assert short.capacity.tobytes() == whole.capacity[:cut].tobytes()
    assert short.acting.tobytes() == whole.acting[:cut].tobytes()


def test_nor_with_all_experts() -> None:
    everything = RehearsalOptions(lead_minutes=5, every_minutes=1, price=20.0, capacity_per_pod=5.0)
    values, cut = two_humps(2.6), 2 * DAY + 547
    capacity = run(values, everything).capacity
    values[cut:] = 0
    assert run(values, everything).capacity[: cut + 1].tobytes() == capacity[: cut + 1].tobytes()


@pytest.mark.parametrize("broken", [np.nan, 1e6, -5.0])
def test_corrupting_the_future_changes_nothing_in_the_past(whole: Rehearsed, broken: float) -> None:
    cut = 5 * DAY + 547
    values = two_humps(6)
    values[cut:] = broken
    spoiled = run(values)
    assert spoiled.capacity[: cut + 1].tobytes() == whole.capacity[: cut + 1].tobytes()  # `cut` was decided before it


def test_a_minute_s_own_number_is_not_known_in_it(whole: Rehearsed) -> None:
    values = two_humps(6)
    values[5 * DAY + 100] *= 3
    seen = run(values).capacity != whole.capacity
    assert int(seen.argmax()) == 5 * DAY + 101


def test_a_surge_of_every_day_is_foreseen(whole: Rehearsed) -> None:
    demand = two_humps(6).astype(np.float64)
    before, last = demand[: 5 * DAY], slice(5 * DAY, None)
    setting = Setting(demand[last], OPTIONS.capacity_per_pod, OPTIONS.lead_minutes, OPTIONS.price)
    found = compare(whole.capacity[last], setting, before=before)
    assert whole.acting[last].all()
    assert found.gap_closed > 0.5
    assert found.forecast.overload < 0.5 * found.reactive.overload


def steps_at_random(seed: int) -> NDArray[np.float32]:
    """A load that jumps up and down at times and by factors that nothing tells."""
    rng = np.random.default_rng(seed)
    levels = 40 * np.exp(rng.normal(0, 0.5, 4 * DAY // 20))
    return np.repeat(levels, 20).astype(np.float32)


@pytest.mark.parametrize("seed", [1, 2])
def test_where_nothing_can_be_foreseen_a_forecast_costs_nothing(seed: int) -> None:
    """Not a pod-minute and not a missing one more than serving the newest number, from the first day to the last."""
    demand = steps_at_random(seed)
    done = run(demand)
    newest = np.concatenate([demand[:1], demand[:-1]]).astype(np.float64)
    setting = Setting(demand.astype(np.float64), OPTIONS.capacity_per_pod, OPTIONS.lead_minutes, OPTIONS.price)
    acting, reacting = score(done.capacity, setting), score(newest, setting)
    assert acting.cost <= reacting.cost
    assert acting.short_pod_minutes <= reacting.short_pod_minutes


def test_a_walk_is_not_trusted_and_the_newest_number_is_asked_for_to_the_byte() -> None:
    walk = 100 * np.exp(np.random.default_rng(1).normal(0, 0.01, 4 * DAY).cumsum())
    demand = walk.astype(np.float32)
    done = run(demand)
    assert not done.acting.any()
    assert np.isfinite(done.wanted[-DAY:]).all()  # there was a forecast to trust
    assert done.capacity[1:].tobytes() == demand[:-1].astype(np.float64).tobytes()


def test_an_outage_of_ten_minutes_takes_no_pods_away(whole: Rehearsed) -> None:
    """Clients come back: what was asked for before an unforeseen drop is asked for until it is over."""
    values, begin = two_humps(6), 5 * DAY + 12 * 60
    values[begin : begin + 10] *= np.float32(0.1)
    done = run(values)
    during = slice(begin + 1, begin + 10)
    assert not done.acting[during].any()
    assert (done.capacity[during] >= values[begin - 1]).all()
    assert whole.acting[during].all()


def test_between_two_forecasts_the_number_stands() -> None:
    every = RehearsalOptions(lead_minutes=5, every_minutes=7, price=20.0, capacity_per_pod=5.0, fleet=True)
    done = run(two_humps(4), every)
    changes = np.flatnonzero(np.diff(done.capacity) != 0) + 1
    assert changes.size > 100
    assert (changes % 7 == 0).all()


def test_progress_ends_at_one_and_never_goes_back() -> None:
    told: list[float] = []
    rehearse(Series(START_S, 60, two_humps(4)[None]), OPTIONS, on_progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_in_a_gap_no_pods_go_for_two_hours() -> None:
    values, begin = two_humps(6), 5 * DAY + 9 * 60  # at the peak of the morning
    values[begin : begin + 6 * 60] = np.nan
    capacity = run(values).capacity
    within = capacity[begin + 1 : begin + 121]
    assert (np.diff(within) >= 0).all()
    assert within[0] > 80
    assert capacity[begin + 122] < within[-1]  # from then on it is what the forecast says
