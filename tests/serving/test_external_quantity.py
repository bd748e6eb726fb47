import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.planning.rounding import whole_pods
from app.workloads.quantity import DIGITS, LARGEST, NotServable, quantity
from app.workloads.spec import parse_quantity


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0, "0"),
        (-0.0, "0"),
        (3.0, "3"),
        (1000.0, "1000"),
        (1.5, "1500m"),
        (1.1, "1100m"),
        (0.1 + 0.1 + 0.1, "300m"),
        (0.0001, "1m"),
        (1e-300, "1m"),
        (2.0000001, "2001m"),
        (123456.789, "123456789m"),
        (np.float64(7.25), "7250m"),
        (np.float32(0.5), "500m"),
        (9.2e15, "9200000000000000"),
    ],
)
def test_numbers_round_up_to_thousandths(value, text):
    assert quantity(value) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), -0.001, -1e-12, 9.3e15])
def test_what_is_not_a_load_is_refused(value):
    with pytest.raises(NotServable):
        quantity(value)


@given(st.floats(min_value=0, max_value=LARGEST, allow_nan=False))
def test_a_quantity_is_never_below_its_number_nor_a_thousandth_above_but_for_errors_of_floats(value):
    exact = Fraction(repr(value)) * 1000
    error = exact / 10 ** (DIGITS - 1)
    assert thousandths(quantity(value)) - 1 - error < exact <= thousandths(quantity(value)) + error


@given(st.integers(1, 1_000_000), st.integers(1, 500), st.integers(1, 500))
def test_sums_of_equal_parts_that_come_to_whole_pods_are_as_many_for_the_hpa_as_in_the_plan(capacity, pods, parts):
    """capacity: of a pod, in thousandths. The HPA divides thousandths and rounds up."""
    demand = 0.0
    for _ in range(parts):
        demand += pods * capacity / 1000 / parts
    assert math.ceil(thousandths(quantity(demand)) / capacity) == pods
    assert whole_pods(np.array([demand / (capacity / 1000)])).tolist() == [pods]


def thousandths(text):
    return int(text[:-1]) if text.endswith("m") else int(text) * 1000


@given(st.floats(min_value=0, max_value=1e9))
def test_quantities_can_be_read_back(value):
    assert parse_quantity(quantity(value)) == pytest.approx(value, abs=0.0011)
