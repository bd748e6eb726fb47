"""Which pods go first, and which deletion costs are worth a write."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.planning.draining import LARGEST_COST, DrainPod, drain_of, due_first
from app.workloads.book import PodCost


def pod(name: str = "web-1", written: int | None = None, *, foreign: bool = False) -> PodCost:
    return PodCost(name, f"uid-{name}", written, foreign)


def due(sessions: float | None, written: int | None = None, *, foreign: bool = False) -> bool:
    return DrainPod(pod("web-1", written, foreign=foreign), sessions).due


@pytest.mark.parametrize(
    ("sessions", "written", "expected"),
    [
        (0, None, False),  # no cost is a cost of 0
        (1, None, True),
        (0, 1, True),
        (0, 0, False),
        (4, 3, True),
        (5, 4, False),  # a fifth
        (100, 80, False),
        (100, 75, True),
        (75, 100, True),
        (76, 100, False),
        (None, None, False),
        (None, 40, False),  # scrapes stopped: what was known stays
    ],
)
def test_a_cost_is_written_when_it_has_become_wrong_by_a_quarter_or_from_or_to_zero(
    sessions: float | None, written: int | None, expected: bool
) -> None:
    assert due(sessions, written) is expected


def test_costs_that_somebody_else_wrote_stay() -> None:
    assert not due(50, 1, foreign=True)
    assert DrainPod(pod(written=1, foreign=True), 50).cost is None


@given(st.floats(0, 1e12), st.integers(0, LARGEST_COST))
def test_what_was_just_written_is_not_due_again(sessions: float, before: int) -> None:
    one = DrainPod(pod(written=before), sessions)
    assert one.cost is not None
    assert 0 <= one.cost <= LARGEST_COST
    assert not DrainPod(pod(written=one.cost), sessions).due


def test_a_part_of_a_session_is_one() -> None:
    assert DrainPod(pod(), 0.2).cost == 1
    assert DrainPod(pod(), 1e12).cost == LARGEST_COST


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_what_is_no_count_is_not_known(value: float) -> None:
    (one,) = drain_of([pod()], {"web-1": value}).pods
    assert (one.sessions, one.cost) == (None, None)


def test_pods_come_in_the_order_in_which_costs_let_them_go() -> None:
    pods = [pod("a"), pod("b"), pod("c", 2, foreign=True), pod("d", 7), pod("e")]
    found = drain_of(pods, {"a": 9, "b": 1, "c": 50, "e": 0})
    assert [one.pod.name for one in found.pods] == ["e", "b", "c", "d", "a"]


def test_pods_in_danger_come_before_those_that_are_spared_for_nothing() -> None:
    pods = [pod("spared", 50), pod("danger"), pod("drifted", 10)]
    found = due_first(drain_of(pods, {"spared": 0, "danger": 12, "drifted": 14}))
    assert [one.pod.name for one in found] == ["danger", "drifted", "spared"]


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=8))
def test_once_all_is_written_any_two_pods_that_differ_by_much_stand_in_the_right_order(counts: list[int]) -> None:
    sessions = {f"web-{number}": float(count) for number, count in enumerate(counts)}
    written = {name: DrainPod(pod(name), count).cost or 0 for name, count in sessions.items()}
    ordered = drain_of([pod(name, cost) for name, cost in written.items()], sessions).pods
    for first, second in itertools.pairwise(ordered):
        assert (first.sessions or 0) <= (second.sessions or 0)
