"""The behaviour that is proposed: cheapest on both parts of a history, or the shipped one."""

import numpy as np
import pytest

from app.planning.behaviour import kubernetes_default
from app.tuning.search import FIRST_PART, WORTH_A_CHANGE, Load, Terms, floors, search
from app.tuning.types import POLICIES, WorkloadType

MINUTES = 2_000
STATELESS, STATEFUL = POLICIES[WorkloadType.STATELESS], POLICIES[WorkloadType.STATEFUL]


def bursts(*, every: int, length: int) -> np.ndarray:
    """Two pods, and ten during bursts."""
    phase = np.arange(MINUTES) % every
    return np.where(phase < length, 10.0, 2.0) - 0.1


def seen_ahead(needed: np.ndarray) -> np.ndarray:
    """A perfect forecast over the lead."""
    return np.asarray([needed[at : at + 4].max() for at in range(needed.size)])


def load_of(needed: np.ndarray, **more: np.ndarray) -> Load:
    return Load(needed[1:], needed[:-1], **{name: values[1:] for name, values in more.items()})


def test_bursts_close_together_ask_for_a_window_that_spans_them() -> None:
    terms = Terms(lead_minutes=2, price=100, removal_price=0)
    near = search(load_of(bursts(every=12, length=3)), STATELESS, terms)
    assert near.chosen.behaviour.down.window_seconds >= 600
    assert near.chosen.rest.overload == 0
    far = search(load_of(bursts(every=300, length=3)), STATELESS, terms)
    assert far.chosen.behaviour.down.window_seconds <= 300


def test_a_price_on_removals_makes_scale_in_slower() -> None:
    needed = bursts(every=20, length=5)
    free = search(load_of(needed), STATEFUL, Terms(2, 1, 0)).chosen
    dear = search(load_of(needed), STATEFUL, Terms(2, 1, 200)).chosen
    assert dear.rest.removed < free.rest.removed


def test_what_was_best_on_the_first_part_only_is_not_proposed() -> None:
    cut = int(MINUTES * FIRST_PART)
    needed = np.where(np.arange(MINUTES) < cut, bursts(every=12, length=3), np.roll(bursts(every=400, length=2), 200))
    found = search(load_of(needed, served=np.roll(needed, 1)), STATELESS, Terms(2, 100, 0))
    own = found.others["shipped"]
    assert found.best.first.cost < (1 - WORTH_A_CHANGE) * own.first.cost
    assert found.best.rest.cost > own.rest.cost
    assert found.chosen is own


def test_a_steady_load_keeps_the_shipped_policy() -> None:
    found = search(load_of(np.full(MINUTES, 4.5)), STATELESS, Terms(2, 20, 0))
    assert found.chosen is found.others["shipped"]
    assert found.chosen.behaviour.down == STATELESS.behaviour.down


def test_a_forecast_is_asked_for_whole_and_kubernetes_default_never_hears_of_it() -> None:
    needed = bursts(every=60, length=10)
    with_it = search(load_of(needed, served=seen_ahead(needed)), STATELESS, Terms(2, 20, 0))
    without = search(load_of(needed), STATELESS, Terms(2, 20, 0))
    assert with_it.chosen.share == 1
    assert with_it.chosen.rest.overload < without.others["default"].rest.overload
    assert with_it.others["default"].rest == without.others["default"].rest
    assert with_it.others["default"].behaviour.down == kubernetes_default().down


def test_pods_that_really_ran_are_costed_as_they_were() -> None:
    needed = np.full(MINUTES, 4.0)
    found = search(load_of(needed, today=np.full(MINUTES, 6.0)), STATELESS, Terms(2, 20, 0))
    assert found.others["today"].rest.cost == pytest.approx(6 / 4)


def test_more_pods_than_the_floor_are_tried_where_the_load_seldom_is_lower() -> None:
    load = load_of(bursts(every=60, length=40))
    chosen = search(load, STATELESS, Terms(2, 20, 0)).chosen
    tried = floors(load, chosen, Terms(2, 20, 0), least=2)
    assert [one.behaviour.min_pods for one in tried] == [2, 10]
    assert tried[1].rest.overload == 0
