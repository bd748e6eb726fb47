"""Filters along time: only `ahead_maximum` looks ahead; the HPA's law as arrays equals the law step by step."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.planning.replay import replay
from models import rolling
from models.features import sampled_columns
from models.hpa import asked_pods, ready_pods
from models.memory import Memory, digest

NUMBERS = np.random.default_rng(5).gamma(2, 10, (3, 60))


@pytest.mark.parametrize(
    "causal",
    [
        lambda values: rolling.smoothed(values, 7.0),
        lambda values: rolling.trailing_maximum(values, 5),
        lambda values: rolling.trailing_maximum(values, 6),
        lambda values: rolling.trailing_minimum(values, 5),
        lambda values: rolling.trailing_minimum(values, 6),
        lambda values: rolling.trailing_mean(values, 5),
        rolling.carried_forward,
    ],
)
def test_a_trailing_filter_does_not_see_what_comes(causal: object) -> None:
    assert callable(causal)
    before, seen = causal(NUMBERS), []
    for factor in (9, 1 / 9):
        changed = NUMBERS.copy()
        changed[:, 40:] *= factor
        after = causal(changed)
        assert (before[:, :40] == after[:, :40]).all()
        seen.append((before[:, 40] != after[:, 40]).any())
    assert any(seen)


@given(st.integers(1, 6), st.integers(0, 6))
def test_the_maximum_ahead_is_that_of_its_columns(first: int, more: int) -> None:
    last, row = first + more, NUMBERS[0]
    found = rolling.ahead_maximum(NUMBERS, first, last)[0]
    for column in range(row.size - last):
        assert found[column] == row[column + first : column + last + 1].max()
    assert np.isnan(found[row.size - last :]).all()


def test_a_gap_in_the_window_leaves_its_maximum_unknown() -> None:
    values = NUMBERS.copy()
    values[1, 20] = np.nan
    found = rolling.ahead_maximum(values, 1, 4)
    assert np.flatnonzero(np.isnan(found[1, :56])).tolist() == [16, 17, 18, 19]


def test_short_gaps_with_two_ends_become_lines_and_others_stay() -> None:
    nan = np.nan
    values = np.asarray([[nan, 1.0, nan, nan, 4.0, nan, nan, nan, 8.0, nan]])
    expected = [nan, 1, 2, 3, 4, nan, nan, nan, 8, nan]
    np.testing.assert_array_equal(rolling.interpolated(values, 2)[0], expected)


def a_naive_law(wanted: NDArray[np.float64], hold: int, lead: int) -> tuple[list[float], list[float]]:
    found = replay(
        wanted[None],
        wanted[None],
        capacity_per_pod=np.ones(1),
        lead_steps=np.asarray([lead]),
        stabilization_steps=hold,
        step_seconds=60,
    )
    return found.asked[0].tolist(), found.ready[0].tolist()


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(0, 6), st.integers(0, 6))
def test_the_law_is_that_of_the_planner(wanted: list[int], hold: int, lead: int) -> None:
    pods = np.asarray(wanted, dtype=np.float64)
    asked = asked_pods(pods[None], hold_steps=hold)
    assert asked[0].tolist() == a_naive_law(pods, hold, lead)[0]
    assert ready_pods(asked, lead_steps=lead)[0].tolist() == a_naive_law(pods, hold, lead)[1]


def test_memory_makes_once_and_forgets_what_was_not_asked_for_longest() -> None:
    memory, made = Memory(2 * 800), []

    def make(name: str) -> NDArray[np.float64]:
        made.append(name)
        return np.full(100, ord(name))

    for name in ("a", "b", "a", "c", "a", "b"):
        assert memory.recall((name,), partial(make, name))[0] == ord(name)
    assert made == ["a", "b", "c", "b"]


def test_a_fingerprint_tells_shapes_and_bytes_apart() -> None:
    one = np.zeros((2, 3), dtype=np.float32)
    assert digest(one) == digest(one.copy())
    assert len({digest(one), digest(one.reshape(3, 2)), digest(one + 1)}) == 3


def test_a_regression_sees_more_of_what_is_young() -> None:
    step_seconds = 3_600
    picked = sampled_columns(56 * 24, 400, step_seconds=step_seconds)
    old, young = (picked < 28 * 24).sum(), (picked >= 28 * 24).sum()
    assert picked.size == np.unique(picked).size == 400
    assert (np.diff(picked) > 0).all()
    assert 1.5 * old < young < 3 * old  # twice as likely four weeks later
    assert sampled_columns(10, 400, step_seconds=step_seconds).tolist() == list(range(10))
