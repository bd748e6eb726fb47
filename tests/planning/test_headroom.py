"""For how many pods room is held: the largest demand ahead, less what is there or on its way, within bounds."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.planning.headroom import Room, headroom, may_act, pods_for

NAN = math.nan


def room_for(*, ahead: float, asked: float = 2, existing: float = 2, acting: bool = True, most: float = 20) -> float:
    one = [np.array([value], dtype=np.float64) for value in (ahead, asked, existing, most)]
    found = headroom(ahead=one[0], asked=one[1], existing=one[2], acting=np.array([acting]), most=one[3])
    return float(found[0])


def test_pods_are_whole_and_round_up_as_the_hpa_does() -> None:
    assert pods_for(np.array([0, 1, 100, 101, NAN]), np.full(5, 10.0))[:4].tolist() == [0, 1, 10, 11]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({"ahead": 12}, 10),
        ({"ahead": 12, "existing": 5}, 7),  # pods without a node wait for the same nodes: they are no extra
        ({"ahead": 12, "asked": 9}, 3),  # the HPA asks for them at this very moment
        ({"ahead": 1}, 0),
        ({"ahead": 100}, 20),
        ({"ahead": 12, "acting": False}, 0),
        ({"ahead": NAN, "acting": False}, 0),
        ({"ahead": NAN}, NAN),  # no number is not zero: what is held stays
        ({"ahead": 12, "asked": NAN}, NAN),
        ({"ahead": 12, "asked": NAN, "acting": False}, NAN),
    ],
)
def test_room_is_for_pods_that_neither_exist_nor_are_asked_for(numbers: dict[str, float], expected: float) -> None:
    assert room_for(**numbers) == pytest.approx(expected, nan_ok=True)


counts = st.integers(0, 10_000).map(float) | st.just(NAN)


@given(ahead=counts, asked=counts, existing=counts, acting=st.booleans(), most=st.integers(1, 500))
def test_room_is_never_negative_never_above_its_bound_and_with_it_there_is_enough(
    ahead: float, asked: float, existing: float, acting: bool, most: int
) -> None:
    room = room_for(ahead=ahead, asked=asked, existing=existing, acting=acting, most=most)
    if not math.isnan(room):
        assert 0 <= room <= most
        assert room == int(room)
        assert not acting or room == most or room + max(asked, existing) >= ahead


def test_a_forecast_spends_money_where_it_is_told_to_or_has_proved_itself() -> None:
    found = may_act(("Active", "Auto", "Auto", "Shadow"), np.array([False, True, False, True]))
    assert found.tolist() == [True, True, False, False]


def test_the_entries_of_a_workload_are_found_by_its_row() -> None:
    numbers = np.arange(2.0)
    room = Room(np.array([3, 7]), numbers, numbers, np.array([30, 40]), ("Measured", "Floor"))
    assert [room.place(row) for row in (0, 3, 5, 7, 8)] == [None, 0, None, 1, None]
    assert Room.unwanted().place(0) is None
