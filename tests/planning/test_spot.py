"""How many pods may stand on spot nodes: bounded by what is sure and by what the workload bears."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.planning.spot import CAPS, SpotAdvice, spot_advice


def advice(asked: float, lows: list[float], kind: str | None) -> SpotAdvice:
    return spot_advice(
        asked_pods=np.asarray([asked]),
        low_pods=np.ceil(np.asarray([lows], dtype=np.float64) / 10),
        types=[kind],
    )


@pytest.mark.parametrize(
    ("kind", "lows", "on_demand", "reason"),
    [
        ("Stateless", [80, 75], 8, "8 of 10 pods are needed even by the low quantile and stay on demand; 2 may stand"),
        ("Stateless", [20, 5], 3, "3 of 10 pods stay on demand: Stateless workloads bear 70% on spot; 7 may stand"),
        ("Agent", [20, 5], 8, "8 of 10 pods stay on demand: Agent workloads bear 25% on spot; 2 may stand"),
        ("Batch", [20, 5], 1, "1 of 10 pods are needed even by the low quantile and stay on demand; 9 may stand"),
        ("Batch", [0, 0], 0, "0 of 10 pods are needed even by the low quantile"),
        ("Stateful", [0, 0], 10, "All 10 pods on demand: Stateful workloads do not survive an interruption."),
        ("Registry", [0, 0], 10, "All 10 pods on demand"),
        ("Stateless", [np.nan], 10, "All 10 pods on demand: there is no forecast"),
        ("Batch", [500], 10, "10 of 10 pods are needed even by the low quantile"),
    ],
)
def test_the_certain_rest_stays_on_demand_and_the_type_bounds_the_rest(
    kind: str, lows: list[float], on_demand: float, reason: str
) -> None:
    found = advice(10, lows, kind)
    assert (found.on_demand[0], found.spot[0]) == (on_demand, 10 - on_demand)
    assert found.reason[0].startswith(reason)


def test_without_a_type_or_a_served_value_there_is_no_advice() -> None:
    assert np.isnan(advice(10, [5], None).spot[0])
    assert np.isnan(advice(np.nan, [5], "Batch").spot[0])
    assert advice(np.nan, [5], "Batch").reason == ("No advice: nothing is served.",)


@given(
    st.integers(0, 200),
    st.lists(st.one_of(st.floats(0, 3_000), st.just(float("nan"))), min_size=1, max_size=5),
    st.sampled_from(sorted(CAPS)),
)
def test_the_parts_are_whole_pods_that_add_up_and_keep_to_the_cap(asked: int, lows: list[float], kind: str) -> None:
    found = advice(float(asked), lows, kind)
    assert found.on_demand[0] + found.spot[0] == asked
    assert 0 <= found.spot[0] <= CAPS[kind] * asked + 1e-9
    assert float(found.spot[0]).is_integer()
