"""The HPA's law replayed: against a naive loop, by hand, and by what must hold for every load."""

import math
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.planning.replay import Outcome, Verdict, judge, lookahead_maximum, replay

NAN = math.nan


def run(
    demand: list[float],
    wanted: list[float],
    *,
    capacity: float = 1.0,
    lead: int = 0,
    stabilization: int = 0,
    tolerance: float = 0.0,
    step_seconds: float = 60.0,
    min_pods: float = 1.0,
) -> Outcome:
    """Replays one workload."""
    return replay(
        np.array([demand], dtype=np.float64),
        np.array([wanted], dtype=np.float64),
        capacity_per_pod=np.array([capacity]),
        lead_steps=np.array([lead]),
        stabilization_steps=stabilization,
        step_seconds=step_seconds,
        tolerance=tolerance,
        min_pods=min_pods,
    )


def loop(
    wanted: NDArray[np.float64], *, capacity: float, lead: int, stabilization: int, tolerance: float, min_pods: float
) -> tuple[list[float], list[float]]:
    """The oracle: one workload, one pod at a time, each with the step at which it is ready."""
    numbers = [one for one in wanted if math.isfinite(one)]
    current = max(min_pods, math.ceil(numbers[0] / capacity - 1e-9)) if numbers else min_pods
    pods = [0] * int(current)  # the step from which each is ready, oldest first
    recent: deque[tuple[int, float]] = deque()
    asked, ready = [], []
    for step, number in enumerate(wanted):
        if math.isfinite(number):
            desired = max(min_pods, math.ceil(number / capacity - 1e-9))
            if current > 0 and tolerance > 0 and abs(number / capacity / current - 1) <= tolerance:
                desired = current
            recent.append((step, desired))
            while recent[0][0] < step - stabilization:
                recent.popleft()
            if desired < current:
                desired = min(current, max(one for _, one in recent))
            while len(pods) < desired:
                pods.append(step + lead if step else 0)
            del pods[int(desired) :]
            current = desired
        asked.append(current)
        ready.append(float(sum(one <= step for one in pods)))
    return asked, ready


numbers = st.one_of(st.integers(0, 12).map(float), st.floats(0, 12), st.just(NAN))


@settings(max_examples=300, deadline=None)
@given(
    wanted=st.lists(st.lists(numbers, min_size=9, max_size=9), min_size=1, max_size=4),
    leads=st.lists(st.integers(0, 12), min_size=4, max_size=4),
    stabilization=st.integers(0, 11),
    tolerance=st.sampled_from([0.0, 0.1, 0.3]),
    capacity=st.sampled_from([0.1, 1.0, 2.5]),
    min_pods=st.sampled_from([0.0, 1.0, 3.0]),
)
def test_it_agrees_with_a_naive_loop(
    wanted: list[list[float]],
    leads: list[int],
    stabilization: int,
    tolerance: float,
    capacity: float,
    min_pods: float,
) -> None:
    rows = np.array(wanted)
    outcome = replay(
        np.nan_to_num(rows),
        rows,
        capacity_per_pod=np.full(len(rows), capacity),
        lead_steps=np.array(leads[: len(rows)]),
        stabilization_steps=stabilization,
        step_seconds=60,
        tolerance=tolerance,
        min_pods=min_pods,
    )
    for row, lead in zip(range(len(rows)), leads, strict=False):
        asked, ready = loop(
            rows[row],
            capacity=capacity,
            lead=lead,
            stabilization=stabilization,
            tolerance=tolerance,
            min_pods=min_pods,
        )
        np.testing.assert_array_equal(outcome.asked[row], asked)
        np.testing.assert_array_equal(outcome.ready[row], ready)


def test_new_pods_are_ready_after_the_lead() -> None:
    outcome = run([1, 5, 5, 5, 5], [1, 5, 5, 5, 5], lead=2)
    assert outcome.asked.tolist() == [[1, 5, 5, 5, 5]]
    assert outcome.ready.tolist() == [[1, 1, 1, 5, 5]]
    assert outcome.short_pod_minutes.tolist() == [8]
    assert outcome.pod_minutes.tolist() == [21]


def test_the_newest_pods_go_first() -> None:
    # Asked 2, 6, 4, 4: of the four started in step 1 two are given up in step 2, the other two are ready in step 4.
    outcome = run([0] * 5, [2, 6, 4, 4, 4], lead=3)
    assert outcome.ready.tolist() == [[2, 2, 2, 2, 4]]


def test_scaling_in_waits_for_the_stabilization_window() -> None:
    assert run([0] * 6, [5, 1, 1, 1, 1, 1], stabilization=3).asked.tolist() == [[5, 5, 5, 5, 1, 1]]


def test_within_the_tolerance_nothing_changes() -> None:
    wanted = [10.0, 10.9, 9.1, 11.2]
    assert run(wanted, wanted, tolerance=0.1).asked.tolist() == [[10, 10, 10, 12]]
    assert run(wanted, wanted).asked.tolist() == [[10, 11, 10, 12]]


@pytest.mark.parametrize("tolerance", [0.0, 0.1])
def test_without_a_number_the_pods_stay(tolerance: float) -> None:
    outcome = run([1] * 5, [NAN, 4, NAN, NAN, 1], tolerance=tolerance)
    assert outcome.asked.tolist() == [[4, 4, 4, 4, 1]]


def test_a_workload_that_never_had_a_number_keeps_its_least_pods() -> None:
    assert run([NAN] * 3, [NAN] * 3, min_pods=2).asked.tolist() == [[2, 2, 2]]


def test_steps_without_demand_are_not_counted() -> None:
    outcome = run([3, NAN, 3], [1, 1, 1], step_seconds=30)
    assert (outcome.pod_minutes[0], outcome.short_pod_minutes[0]) == (1.0, 2.0)


def test_round_off_asks_for_no_extra_pod() -> None:
    assert run([0.0], [0.1 * 3], capacity=0.1).asked.tolist() == [[3]]


def test_no_steps_and_no_workloads_are_no_trouble() -> None:
    assert run([], []).pod_minutes.tolist() == [0]
    assert run([], [], tolerance=0.1).pod_minutes.tolist() == [0]


def test_the_price_weighs_what_is_missing() -> None:
    outcome = run([3.0, 3.0], [1.0, 1.0])
    assert outcome.cost(10.0).tolist() == [2 + 10 * 4]


@settings(max_examples=100, deadline=None)
@given(
    demand=st.lists(st.floats(0, 1e6), min_size=1, max_size=30),
    lead=st.integers(0, 6),
    stabilization=st.integers(0, 6),
    capacity=st.floats(0.01, 1e4),
)
def test_a_perfect_forecast_is_never_short(demand: list[float], lead: int, stabilization: int, capacity: float) -> None:
    perfect = lookahead_maximum(np.array([demand]), np.array([lead]))
    outcome = run(demand, perfect[0].tolist(), capacity=capacity, lead=lead, stabilization=stabilization)
    assert outcome.short_pod_minutes[0] <= 1e-9 * max(demand) / capacity + 1e-6


@settings(max_examples=100, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=30),
    lead=st.integers(0, 6),
    stabilization=st.integers(0, 6),
)
def test_wanting_more_is_never_shorter(pairs: list[tuple[float, float]], lead: int, stabilization: int) -> None:
    demand = [one for one, _ in pairs]
    less, more = (
        run(demand, wanted, lead=lead, stabilization=stabilization)
        for wanted in (demand, [one + extra for one, extra in pairs])
    )
    assert more.short_pod_minutes[0] <= less.short_pod_minutes[0]
    assert more.pod_minutes[0] >= less.pod_minutes[0]


def test_looking_ahead_skips_gaps_and_ends_at_the_last_column() -> None:
    ahead = lookahead_maximum(np.array([[1, NAN, 3, 2, NAN], [5, 1, 1, 1, 7]]), np.array([1, 2]))
    np.testing.assert_array_equal(ahead, [[1, 3, 3, 2, NAN], [5, 1, 7, 7, 7]])


# --- the verdict


def surges(days: int, *, step_minutes: int = 5) -> NDArray[np.float64]:
    """Ten pods' worth of load, forty for half an hour of each day."""
    minutes = np.arange(0, days * 1440, step_minutes) % 1440
    return np.where((minutes >= 600) & (minutes < 630), 40.0, 10.0)


def verdict(required: NDArray[np.float64], actual: NDArray[np.float64], *, lead: int = 2, price: float = 20) -> Verdict:
    rows = len(actual)
    return judge(
        required=required,
        actual=actual,
        capacity_per_pod=np.ones(rows),
        lead_steps=np.full(rows, lead),
        price=np.full(rows, price),
        hold_steps=np.full(rows, 1),
        step_seconds=300,
    )


def test_a_forecast_that_saves_shortage_is_trusted() -> None:
    actual = surges(2)[None]
    found = verdict(lookahead_maximum(actual, np.array([3])), actual)
    assert found.trusted.tolist() == [True]
    # On each of two days the surge's 30 pods are asked for 15 minutes earlier, and are not missing for 15 minutes.
    assert found.reactive_cost[0] - found.forecast_cost[0] == pytest.approx(20 * 2 * 15 * 30 - 2 * 15 * 30)
    assert found.skill[0] == pytest.approx(1 - found.forecast_cost[0] / found.reactive_cost[0])


def test_a_forecast_that_only_adds_pods_is_not_trusted() -> None:
    actual = np.full((1, 576), 10.0)
    found = verdict(np.full((1, 576), 20.0), actual)
    assert found.trusted.tolist() == [False]
    assert found.skill[0] == pytest.approx(-1)


def test_a_forecast_that_changes_nothing_is_not_trusted() -> None:
    actual = surges(2)[None]
    found = verdict(actual, actual)
    assert found.trusted.tolist() == [False]
    assert found.skill.tolist() == [0.0]


def test_a_saving_below_the_margin_is_not_enough() -> None:
    actual = surges(2)[None]
    required = lookahead_maximum(actual, np.array([3]))
    skill = verdict(required, actual).skill[0]
    just_below, just_above = (
        judge(
            required=required,
            actual=actual,
            capacity_per_pod=np.ones(1),
            lead_steps=np.array([2]),
            price=np.array([20.0]),
            hold_steps=np.array([1]),
            step_seconds=300,
            margin=margin,
        )
        for margin in (skill - 1e-6, skill + 1e-6)
    )
    assert (just_below.trusted.tolist(), just_above.trusted.tolist()) == ([True], [False])


def test_less_than_a_day_of_evidence_gives_no_verdict() -> None:
    actual = np.vstack([surges(2), surges(2)])
    required = lookahead_maximum(actual, np.array([3, 3]))
    required[1, 200:] = NAN
    found = verdict(required, actual)
    assert found.trusted.tolist() == [True, False]
    assert np.isnan([found.skill[1], found.reactive_cost[1], found.forecast_cost[1]]).all()
    assert found.evidence_seconds.tolist() == [575 * 300, 200 * 300]


def test_the_served_value_knows_only_the_sample_before() -> None:
    # A "forecast" that equals the present sample is what reacting has too: it must not count as foresight.
    actual = np.random.default_rng(5).gamma(2.0, 10.0, (1, 576))
    assert verdict(actual, actual).skill.tolist() == [0.0]


def test_gaps_change_neither_the_verdict_nor_become_zeros() -> None:
    actual = surges(3)[None]
    required = lookahead_maximum(actual, np.array([3]))
    whole = verdict(required, actual)
    actual[0, 50:90] = NAN  # at ten pods' worth of load, far from a surge
    holed = verdict(required, actual)
    assert holed.trusted.tolist() == [True]
    assert whole.reactive_cost[0] - holed.reactive_cost[0] == pytest.approx(40 * 5 * 10)


def test_infinities_in_a_forecast_count_as_no_number() -> None:
    actual = surges(2)[None]
    required = lookahead_maximum(actual, np.array([3]))
    every = np.arange(576) % 50 == 0
    infinite, missing = (verdict(np.where(every, one, required), actual) for one in (np.inf, np.nan))
    assert infinite.forecast_cost[0] == missing.forecast_cost[0]
    assert infinite.evidence_seconds[0] == missing.evidence_seconds[0] == (575 - 12) * 300


def test_without_a_measurement_the_forecast_is_not_served_either() -> None:
    actual = np.full((1, 576), 10.0)
    actual[0, 300:303] = NAN
    required = np.where(np.isnan(actual), 50.0, 10.0)
    assert verdict(required, actual).skill.tolist() == [0.0]


def test_a_cheaper_forecast_that_is_short_for_longer_is_not_trusted() -> None:
    # Within a wide tolerance a head start of one pod keeps the HPA from going all the way.
    actual = np.where(np.arange(576) < 10, 9.0, 12.0)[None]
    found = judge(
        required=np.where(np.arange(576) < 10, 10.0, 0.0)[None],
        actual=actual,
        capacity_per_pod=np.ones(1),
        lead_steps=np.array([0]),
        price=np.array([0.01]),
        hold_steps=np.array([1]),
        step_seconds=300,
        tolerance=0.3,
    )
    assert found.skill[0] > 0.1
    assert found.trusted.tolist() == [False]


def test_rows_are_judged_alone() -> None:
    rng = np.random.default_rng(3)
    actual = rng.gamma(2.0, 10.0, (1000, 600))  # more rows than one chunk holds
    required = actual * rng.uniform(0.8, 1.5, actual.shape)
    together = verdict(required, actual)
    for row in (0, 831, 999):
        alone = verdict(required[row : row + 1], actual[row : row + 1])
        assert alone.forecast_cost[0] == together.forecast_cost[row]
        assert alone.reactive_cost[0] == together.reactive_cost[row]
