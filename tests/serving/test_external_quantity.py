from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.workloads.quantity import LARGEST, NotServable, quantity
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
def test_a_quantity_is_never_below_its_number_nor_a_thousandth_above(value):
    text = quantity(value)
    thousandths = int(text[:-1]) if text.endswith("m") else int(text) * 1000
    assert thousandths - 1 < Fraction(repr(value)) * 1000 <= thousandths


@given(st.floats(min_value=0, max_value=1e9))
def test_quantities_can_be_read_back(value):
    assert parse_quantity(quantity(value)) == pytest.approx(value, abs=0.0011)
