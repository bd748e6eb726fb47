"""The price of a forecast pod-hour, and an order of pools that wavering prices do not turn."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pricing.choice import cheapest, pods_that_fit, reckon, settled_order

MINUTE = 1 / 60


def lasting(*parts: tuple[float, int]) -> np.ndarray:
    """(pods, minutes), one after another."""
    return np.concatenate([np.full(minutes, pods) for pods, minutes in parts])


def test_a_full_node_costs_its_hour_by_its_pods() -> None:
    found = reckon(node_hourly=0.6, nodes=1, fit=30, needed=lasting((45, 360)), step_hours=MINUTE)
    assert (found.price, found.pods, found.life_hours) == (pytest.approx(0.02), pytest.approx(30), pytest.approx(6))


def test_what_is_empty_is_paid_for_until_ten_minutes_have_shown_it() -> None:
    found = reckon(node_hourly=0.6, nodes=1, fit=30, needed=lasting((3, 20), (0, 340)), step_hours=MINUTE)
    assert found.life_hours == pytest.approx(0.5)
    assert found.price == pytest.approx(0.6 * 0.5 / (3 * 20 / 60))


def test_small_nodes_go_one_by_one_and_a_large_one_stays_for_its_last_pod() -> None:
    needed = lasting((30, 20), (2, 340))
    small = reckon(node_hourly=0.1, nodes=8, fit=32, needed=needed, step_hours=MINUTE)
    large = reckon(node_hourly=0.6, nodes=1, fit=35, needed=needed, step_hours=MINUTE)
    assert small.life_hours * 8 == pytest.approx(8 * 0.5 + 5.5)
    assert large.life_hours == pytest.approx(6)
    assert small.price < large.price


def test_of_pods_that_were_pending_and_gone_one_counts_for_a_moment() -> None:
    found = reckon(node_hourly=0.6, nodes=2, fit=8, needed=lasting((-5, 360)), step_hours=MINUTE)
    assert 0 < found.price < np.inf


def test_where_no_pod_fits_there_is_no_price() -> None:
    with pytest.raises(ValueError, match="no pod fits"):
        reckon(node_hourly=0.6, nodes=1, fit=0, needed=np.ones(3), step_hours=MINUTE)


@given(st.floats(0.01, 9), st.integers(1, 9), st.integers(1, 40), st.lists(st.integers(0, 90), min_size=1))
def test_no_price_is_below_that_of_full_nodes(hourly: float, nodes: int, on_one: int, needed: list[int]) -> None:
    pods = np.asarray([max(needed[0], 1), *needed[1:]], dtype=np.float64)
    found = reckon(node_hourly=hourly, nodes=nodes, fit=nodes * on_one, needed=pods, step_hours=MINUTE)
    assert found.price >= hourly / on_one * (1 - 1e-9)
    assert found.pods <= found.fit + 1e-9


def test_the_scarcest_resource_decides_how_many_pods_fit() -> None:
    node = {"cpu": 4.0, "memory": 16e9, "pods": 110.0}
    assert pods_that_fit(node, [{"cpu": 0.5, "memory": 1e9}]) == 8
    assert pods_that_fit(node, [{"cpu": 0.1, "memory": 4e9}]) == 4
    assert pods_that_fit(node, [{}]) == 110
    assert pods_that_fit(node, [{"cpu": 0.5}, {"cpu": 1.5}]) == 4, "on average"
    assert pods_that_fit(node, [{"nvidia.com/gpu": 1.0}]) == 0
    assert pods_that_fit(node, []) == 0


def test_equal_prices_are_all_the_cheapest() -> None:
    one = reckon(node_hourly=0.1, nodes=1, fit=4, needed=np.ones(5), step_hours=MINUTE)
    two = reckon(node_hourly=0.2, nodes=1, fit=4, needed=np.ones(5), step_hours=MINUTE)
    assert cheapest({"a": one, "b": two, "c": one}) == ("a", "c")


@given(st.permutations("abcde"), st.dictionaries(st.sampled_from("abcde"), st.floats(0.1, 9), min_size=2))
def test_an_order_settles_and_no_neighbour_is_clearly_dearer(before: list[str], costs: dict[str, float]) -> None:
    order = settled_order(before, costs)
    assert sorted(order) == sorted(costs)
    assert settled_order(order, costs) == order
    assert all(costs[later] >= 0.95 * costs[earlier] for earlier, later in itertools.pairwise(order))
