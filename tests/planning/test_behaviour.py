"""The HPA's law with a behaviour, beside a naive loop that follows the controller, and the closed form of replay.py."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.planning.behaviour import Behaviour, Rate, Rules, asked_pods, kubernetes_default, of_hpa, to_hpa
from app.planning.replay import replay

FREE = Rules(0, (), 0.0)


def of(down: Rules, *, up: Rules = FREE, least: int = 1, most: int = 1000) -> Behaviour:
    return Behaviour(up, down, least, most)


def asked(wanted: list[float], behaviour: Behaviour) -> list[float]:
    found: list[float] = asked_pods(np.asarray(wanted), [behaviour], step_seconds=60)[0].tolist()
    return found


def test_one_pod_a_minute_goes() -> None:
    down = Rules(0, (Rate(1, 60),), 0.0)
    assert asked([10, 4, 4, 4, 4, 4, 4, 4], of(down)) == [10, 9, 8, 7, 6, 5, 4, 4]


def test_of_two_rates_the_larger_change_counts_unless_the_least_is_asked_for() -> None:
    rates = (Rate(1, 60), Rate(50, 60, percent=True))
    assert asked([16, 1, 1, 1], of(Rules(0, rates, 0.0))) == [16, 8, 4, 2]
    assert asked([16, 1, 1, 1], of(Rules(0, rates, 0.0, least=True))) == [16, 15, 14, 13]


def test_a_longer_period_lets_its_pods_go_together_and_then_waits() -> None:
    assert asked([9, 1, 1, 1, 1, 1, 1, 1], of(Rules(0, (Rate(2, 180),), 0.0))) == [9, 7, 7, 7, 5, 5, 5, 3]


def test_within_a_minute_the_controller_doubles_four_times() -> None:
    up = Rules(0, (Rate(100, 15, percent=True), Rate(4, 15)), 0.0)
    assert asked([1, 500, 500], of(FREE, up=up)) == [1, 40, 500]  # 1, 5, 10, 20, 40


def test_scaling_out_waits_for_the_least_of_its_window() -> None:
    up = Rules(120, (), 0.0)
    assert asked([1, 9, 9, 9, 9], of(FREE, up=up)) == [1, 1, 1, 9, 9]


def test_within_the_tolerance_nothing_changes() -> None:
    behaviour = of(Rules(0, (), 0.2), up=Rules(0, (), 0.1))
    assert asked([10, 10.9, 11.1, 10, 9.7, 9.5], behaviour) == [10, 10, 12, 12, 12, 10]
    assert asked([10, 7.9], behaviour) == [10, 8]


def test_no_number_changes_nothing_and_is_not_a_recommendation() -> None:
    down = Rules(120, (), 0.0)
    assert asked([9, math.nan, math.nan, 2, 2], of(down)) == [9, 9, 9, 2, 2]


def test_bounds_hold_and_zero_is_left_again() -> None:
    assert asked([0, 0, 3, 0, 900], of(FREE, least=0, most=50)) == [0, 0, 3, 0, 50]
    assert asked([0, 0], of(FREE, least=2)) == [2, 2]


@pytest.mark.parametrize("tolerance", [0.0, 0.1])
@pytest.mark.parametrize("window_minutes", [0, 3, 5])
def test_without_rates_it_is_the_law_of_the_replay(tolerance: float, window_minutes: int) -> None:
    rng = np.random.default_rng(1)
    wanted = np.exp(np.cumsum(rng.normal(0, 0.08, (3, 400)), axis=1)) * 12
    wanted[rng.random(wanted.shape) < 0.05] = np.nan
    behaviour = of(Rules(60 * window_minutes, (), tolerance), up=Rules(0, (), tolerance))
    expected = replay(
        wanted,
        wanted,
        capacity_per_pod=np.ones(3),
        lead_steps=np.ones(3, dtype=np.int64),
        stabilization_steps=window_minutes,
        step_seconds=60,
        tolerance=tolerance,
    ).asked
    found = asked_pods(wanted, [behaviour] * 3, step_seconds=60)
    np.testing.assert_array_equal(found[:, window_minutes + 1 :], expected[:, window_minutes + 1 :])


RATES = st.builds(Rate, st.integers(1, 60), st.sampled_from([15, 30, 60, 120]), st.booleans())
RULES = st.builds(
    Rules,
    st.sampled_from([0, 60, 180]),
    st.lists(RATES, max_size=3).map(tuple),
    st.sampled_from([0.0, 0.1]),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.floats(0, 60), min_size=25, max_size=25), min_size=2, max_size=2),
    st.tuples(RULES, RULES),
    st.tuples(RULES, RULES),
)
def test_rows_side_by_side_are_what_the_controller_would_do_alone(
    wanted: list[list[float]], first: tuple[Rules, Rules], second: tuple[Rules, Rules]
) -> None:
    behaviours = [Behaviour(*rules, min_pods=1, max_pods=40) for rules in (first, second)]
    found = asked_pods(np.asarray(wanted), behaviours, step_seconds=60)
    for row, behaviour in enumerate(behaviours):
        assert found[row].tolist() == naive(wanted[row], behaviour)


def naive(wanted: list[float], behaviour: Behaviour) -> list[float]:
    """One HPA, looking every 15 seconds; recommendations are kept at full minutes."""

    def bounded(pods: float) -> float:
        return float(min(max(math.ceil(pods - 1e-9), behaviour.min_pods), behaviour.max_pods))

    current, said, pods_then, told = bounded(wanted[0]), {}, {}, []
    for second in range(0, 60 * len(wanted), 15):
        pods_then[second], number = current, wanted[second // 60]
        change = number / current - 1
        near = -behaviour.down.tolerance - 1e-9 <= change <= behaviour.up.tolerance + 1e-9
        recommended = current if near else bounded(number)
        if second % 60 == 0:
            said[second] = recommended
        lately = [(second // 60 * 60 - at, one) for at, one in said.items()]
        upward = min([recommended, *(one for age, one in lately if age <= behaviour.up.window_seconds)])
        downward = max([recommended, *(one for age, one in lately if age <= behaviour.down.window_seconds)])
        aim = min(max(current, upward), downward)
        if aim > current:
            aim = min(aim, limit(behaviour.up, pods_then, second, current, sign=1))
        elif aim < current:
            aim = max(aim, limit(behaviour.down, pods_then, second, current, sign=-1))
        current = aim
        if second % 60 == 45:
            told.append(current)
    return told


def limit(rules: Rules, pods_then: dict[int, float], second: int, current: float, *, sign: int) -> float:
    proposed = []
    for rate in rules.rates:
        start = pods_then[max(second - rate.period_seconds + 15, 0)]
        if not rate.percent:
            proposed.append(start + sign * rate.value)
        elif sign > 0:
            proposed.append(math.ceil(start * (1 + rate.value / 100) - 1e-9))
        else:
            proposed.append(math.floor(start * (1 - rate.value / 100) + 1e-9))
    if not proposed:
        return sign * math.inf
    furthest, nearest = (max, min) if sign > 0 else (min, max)
    chosen = nearest(proposed) if rules.least else furthest(proposed)
    return furthest(chosen, current)


def test_an_hpa_is_read_and_written() -> None:
    spec: dict[str, Any] = {
        "minReplicas": 2,
        "maxReplicas": 9,
        "behavior": {
            "scaleDown": {
                "tolerance": "0.05",
                "stabilizationWindowSeconds": 600,
                "selectPolicy": "Min",
                "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
            }
        },
    }
    found = of_hpa(spec)
    assert found.down == Rules(600, (Rate(1, 60),), 0.05, least=True)
    assert found.up == kubernetes_default().up
    assert (found.min_pods, found.max_pods) == (2, 9)
    assert to_hpa(found.down) == spec["behavior"]["scaleDown"]
