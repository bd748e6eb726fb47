"""Weights by realised cost in the closed loop: who serves gains, who sleeps neither gains nor loses."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.experts.base import Window
from models.mixture import Scene, blend, mix, slot_of

STEPS = 1_440
SLOTS = 12
SCENE = Scene(Window(lead=4, hold=5), 60, price=np.asarray([20.0]), capacity_per_pod=np.asarray([10.0]))


def wave(seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    level = 100 + 50 * np.sin(np.arange(STEPS) * 2 * np.pi / 240) + rng.normal(0, 2, STEPS)
    return level.astype(np.float32)[None]


def ahead(demand: NDArray[np.float32], steps: int = 4) -> NDArray[np.float32]:
    padded = np.concatenate([demand, np.repeat(demand[:, -1:], steps, axis=1)], axis=1)
    return np.lib.stride_tricks.sliding_window_view(padded, steps + 1, axis=1).max(axis=2)


def offers(demand: NDArray[np.float32], *others: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack([ahead(demand), *others])


def test_who_foresees_the_maximum_of_the_window_gains_the_weight() -> None:
    demand = wave()
    late, wasteful = demand.copy(), demand * 3
    found = mix([offers(demand, late, wasteful)] * 3, [demand] * 3, scene=SCENE, start_s=0)
    assert found.weights.shape == (1, SLOTS, 3)
    assert found.weights.sum(axis=2) == pytest.approx(np.ones((1, SLOTS)))
    assert (found.weights[0, :, 0] > 0.85).all()  # a slot sees less than the whole day does


def test_for_a_small_workload_what_counts_is_whole_pods() -> None:
    """Six and 9.9 are one pod of ten alike; 10.5 is a second one for nothing."""
    demand = np.full((1, STEPS), 5.0, dtype=np.float32)
    asked = np.stack([np.full_like(demand, wanted) for wanted in (6.0, 9.9, 10.5)])
    found = mix([asked] * 3, [demand] * 3, scene=SCENE, start_s=0)
    assert found.weights[0] == pytest.approx(np.tile([0.5, 0.5, 0], (SLOTS, 1)))


def test_before_anything_is_learned_nothing_is_asked_for() -> None:
    demand, blind = wave(), np.full((1, STEPS), np.nan, dtype=np.float32)
    found = mix([offers(demand, demand * 3)] * 3, [blind, demand, demand], scene=SCENE, start_s=0)
    assert np.isnan(found.wanted[:, : 2 * STEPS]).all()
    assert np.isfinite(found.wanted[:, 2 * STEPS :]).all()


def test_what_comes_in_a_segment_does_not_change_what_was_asked_in_it() -> None:
    demand, other = wave(), wave(1) * 2
    one = mix([offers(demand, demand)] * 2, [demand, demand], scene=SCENE, start_s=0)
    two = mix([offers(demand, demand)] * 2, [demand, other], scene=SCENE, start_s=0)
    assert np.isfinite(one.wanted[:, STEPS:]).all()
    assert one.wanted.tobytes() == two.wanted.tobytes()
    assert one.weights.tobytes() != two.weights.tobytes()


def test_a_candidate_that_sleeps_has_no_say_and_may_come_back() -> None:
    demand = wave()
    asleep = np.full_like(demand, np.nan)
    found = mix([offers(demand, asleep), offers(demand, asleep)], [demand, demand], scene=SCENE, start_s=0)
    assert found.wanted[:, STEPS:] == pytest.approx(ahead(demand), rel=1e-6)
    awake = mix([offers(demand, asleep), offers(demand, demand * 1.01)], [demand, demand], scene=SCENE, start_s=0)
    assert ((awake.weights[0, :, 1] > 0) & (awake.weights[0, :, 1] < 0.5)).all()


@pytest.mark.parametrize("lead", [6, 11])
def test_a_candidate_that_wakes_up_is_not_charged_for_the_pods_that_it_could_not_ask_for(lead: int) -> None:
    scene = Scene(Window(lead, hold=5), 60, price=np.asarray([20.0]), capacity_per_pod=np.asarray([10.0]))
    demand = (500 + np.random.default_rng(0).normal(0, 5, STEPS)).astype(np.float32)[None]
    good, dear, asleep = demand * np.float32(1.05), demand * np.float32(1.1), np.full_like(demand, np.nan)
    joined = mix([np.stack([dear, asleep]), *[np.stack([dear, good])] * 2], [demand] * 3, scene=scene, start_s=0)
    always = mix([np.stack([dear, good])] * 2, [demand] * 2, scene=scene, start_s=STEPS * 60)
    assert joined.weights == pytest.approx(always.weights, abs=0.02)


def test_a_candidate_that_is_much_dearer_has_no_say_at_all() -> None:
    demand = wave()
    found = mix([offers(demand, demand * 9)] * 3, [demand] * 3, scene=SCENE, start_s=0)
    assert found.weights.tolist() == [[[1, 0]] * SLOTS]


def test_steps_without_a_measurement_teach_nothing() -> None:
    demand, blind = wave(), np.full((1, STEPS), np.nan, dtype=np.float32)
    found = mix([offers(demand, demand * 3)] * 2, [blind, blind], scene=SCENE, start_s=0)
    assert found.weights == pytest.approx(np.full((1, SLOTS, 2), 0.5))


def test_a_high_price_moves_the_weight_to_who_asks_for_more() -> None:
    demand = wave()
    frugal, careful = ahead(demand) * np.float32(0.9), ahead(demand) * np.float32(1.15)
    cheap = Scene(SCENE.window, 60, np.asarray([1.5]), SCENE.capacity_per_pod)
    dear = Scene(SCENE.window, 60, np.asarray([100.0]), SCENE.capacity_per_pod)
    says = [
        mix([np.stack([frugal, careful])] * 3, [demand] * 3, scene=scene, start_s=0).weights[0, :, 1]
        for scene in (cheap, dear)
    ]
    assert (says[0] < 0.5).all()
    assert (says[1] > 0.5).all()


def test_a_row_alone_gives_the_same_bytes_as_among_others() -> None:
    rows = np.concatenate([wave(seed) for seed in range(7)])
    one = np.ones(7)
    many = Scene(SCENE.window, 60, 20 * one, 10 * one)
    together = mix([offers(rows, rows, rows * 3)] * 2, [rows] * 2, scene=many, start_s=0)
    alone = mix([offers(rows[3:4], rows[3:4], rows[3:4] * 3)] * 2, [rows[3:4]] * 2, scene=SCENE, start_s=0)
    assert together.weights[3].tobytes() == alone.weights[0].tobytes()
    assert together.wanted[3].tobytes() == alone.wanted[0].tobytes()


def test_a_blend_of_nothing_is_nothing() -> None:
    nothing = np.full((3, 2, 4), np.nan, dtype=np.float32)
    assert np.isnan(blend(np.full((2, SLOTS, 3), 1 / 3), nothing, np.zeros(4, dtype=np.int64))).all()


def half_right(demand: NDArray[np.float32], *, by_day: bool) -> NDArray[np.float32]:
    """Foresees what comes in one half of the day (6 to 18 h, or the rest) and asks for far too much in the other."""
    hour = np.arange(demand.shape[1]) / 60
    good = ((hour >= 6) & (hour < 18)) == by_day
    return np.where(good, ahead(demand), ahead(demand) * 3).astype(np.float32)


def test_who_is_right_at_one_time_of_the_day_has_the_say_at_that_time_alone() -> None:
    demand = wave()
    offered = np.stack([half_right(demand, by_day=True), half_right(demand, by_day=False)])
    found = mix([offered] * 4, [demand] * 4, scene=SCENE, start_s=0)
    assert (found.weights[0, 4:8, 0] > 0.95).all()  # 8 to 16 h
    assert (found.weights[0, [10, 11, 0, 1], 1] > 0.95).all()  # 20 to 4 h
    assert found.wanted[:, -STEPS:].sum() < 1.2 * ahead(demand).sum()


def test_the_time_of_the_day_is_that_of_the_columns() -> None:
    demand = wave()
    offered = np.stack([half_right(demand, by_day=True), half_right(demand, by_day=False)])
    at_midnight, at_noon = (
        mix([offered] * 3, [demand] * 3, scene=SCENE, start_s=start_s).weights for start_s in (0, 43_200)
    )
    assert at_noon == pytest.approx(np.roll(at_midnight, SLOTS // 2, axis=1))


def test_columns_are_blended_with_the_weights_of_their_slot() -> None:
    offered = np.stack([np.full((1, 3), 10), np.full((1, 3), 20)]).astype(np.float32)
    weights = np.zeros((1, SLOTS, 2))
    weights[0, 0, 0] = weights[0, 1, 1] = 1
    slots = slot_of(np.asarray([7_140, 7_199, 7_200]))
    assert blend(weights, offered, slots).tolist() == [[10, 10, 20]]
