"""Parts add up to the whole to the last bit, and are divided as their own forecasts say."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.planning.rollup import Parts, adding_up, shares_ahead

WHOLES = arrays.arrays(np.float64, 6, elements=st.floats(0, 1e12, allow_nan=False))
SHARES = arrays.arrays(np.float64, (7, 6), elements=st.floats(0, 1, allow_subnormal=False))


@given(WHOLES, SHARES, st.randoms())
def test_parts_add_up_to_the_whole_in_any_order_and_in_any_groups(
    whole: np.ndarray, shares: np.ndarray, rng: random.Random
) -> None:
    parts = adding_up(whole, shares)
    assert (parts >= 0).all()
    order = list(range(len(parts)))
    rng.shuffle(order)
    for column, expected in enumerate(whole):
        total = 0.0
        for place in order:
            total += parts[place, column]
        assert total == expected
        assert parts[order[:3], column].sum() + parts[order[3:], column].sum() == expected


@given(WHOLES, SHARES)
def test_parts_are_in_proportion_to_their_shares_but_for_the_last_place_of_the_whole(
    whole: np.ndarray, shares: np.ndarray
) -> None:
    total = shares.sum(axis=0)
    expected = np.where(total > 0, shares / np.where(total > 0, total, 1), 1 / len(shares)) * whole
    difference = np.abs(adding_up(whole, shares) - expected)
    assert (difference <= (len(shares) + 1) * np.spacing(whole)).all()


def test_numbers_of_seven_digits_are_divided_exactly_too() -> None:
    whole = np.asarray([44.1, 61.5, 0.1, 1e-300, 5e-324, 0.0])
    parts = adding_up(whole, np.ones((3, 6)))
    assert [sum(column) for column in parts.T.tolist()] == whole.tolist()


def test_no_number_has_no_parts() -> None:
    assert np.isnan(adding_up(np.asarray([np.nan]), np.ones((3, 1)))).all()


def test_proportions_go_from_those_of_the_last_hour_to_those_of_the_forecasts() -> None:
    shares = shares_ahead(np.asarray([3.0, 1.0]), np.tile([[1.0], [3.0]], 96), step_seconds=3600)
    assert shares[0, 0] == pytest.approx(0.5)  # half of each after an hour
    assert shares[0, -1] == pytest.approx(0.25)
    assert shares.sum(axis=0) == pytest.approx(1)


def test_without_forecasts_the_last_hour_counts_and_without_that_all_are_alike() -> None:
    unknown = np.full((2, 3), np.nan)
    assert shares_ahead(np.asarray([3.0, 1.0]), unknown, step_seconds=300)[0].tolist() == [0.75] * 3
    assert shares_ahead(np.zeros(2), np.zeros((2, 3)), step_seconds=300)[0].tolist() == [0.5] * 3


@pytest.fixture
def parts() -> Parts:
    names = tuple(itertools.product(("search", "fetch"), ("a", "b")))
    shares = np.float32([[0.4, 0.1], [0.3, 0.2], [0.2, 0.3], [0.1, 0.4]])
    return Parts(("tool", "tenant"), names, 1000, 300, np.float32([4, 3, 2, 1]), shares)


def test_a_time_has_the_shares_of_its_column(parts: Parts) -> None:
    times_s = np.asarray([1001, 1300, 1301, 9999])
    assert parts.split(np.full(4, 10.0), times_s)[0].tolist() == pytest.approx([4, 4, 1, 1])


def test_parts_roll_up_by_any_of_their_labels(parts: Parts) -> None:
    assert parts.grouped(["tenant"]) == {("a",): [0, 2], ("b",): [1, 3]}
    assert parts.grouped(["tool"]) == {("search",): [0, 1], ("fetch",): [2, 3]}
    assert parts.grouped([]) == {(): [0, 1, 2, 3]}
