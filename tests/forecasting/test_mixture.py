"""Weights by realised cost in the closed loop: who serves gains, who sleeps neither gains nor loses."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.experts.base import Window
from models.mixture import Scene, blend, mix

STEPS = 1_440
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
    found = mix([offers(demand, late, wasteful)] * 3, [demand] * 3, scene=SCENE)
    assert found.weights.shape == (1, 3)
    assert found.weights.sum() == pytest.approx(1)
    assert found.weights[0, 0] > 0.9


def test_before_anything_is_learned_nothing_is_asked_for() -> None:
    demand, blind = wave(), np.full((1, STEPS), np.nan, dtype=np.float32)
    found = mix([offers(demand, demand * 3)] * 3, [blind, demand, demand], scene=SCENE)
    assert np.isnan(found.wanted[:, : 2 * STEPS]).all()
    assert np.isfinite(found.wanted[:, 2 * STEPS :]).all()


def test_what_comes_in_a_segment_does_not_change_what_was_asked_in_it() -> None:
    demand, other = wave(), wave(1) * 2
    one = mix([offers(demand, demand)] * 2, [demand, demand], scene=SCENE)
    two = mix([offers(demand, demand)] * 2, [demand, other], scene=SCENE)
    assert np.isfinite(one.wanted[:, STEPS:]).all()
    assert one.wanted.tobytes() == two.wanted.tobytes()
    assert one.weights.tobytes() != two.weights.tobytes()


def test_a_candidate_that_sleeps_has_no_say_and_may_come_back() -> None:
    demand = wave()
    asleep = np.full_like(demand, np.nan)
    found = mix([offers(demand, asleep), offers(demand, asleep)], [demand, demand], scene=SCENE)
    assert found.wanted[:, STEPS:] == pytest.approx(ahead(demand), rel=1e-6)
    awake = mix([offers(demand, asleep), offers(demand, demand * 1.01)], [demand, demand], scene=SCENE)
    assert 0 < awake.weights[0, 1] < 0.5


def test_a_candidate_that_is_much_dearer_has_no_say_at_all() -> None:
    demand = wave()
    found = mix([offers(demand, demand * 9)] * 3, [demand] * 3, scene=SCENE)
    assert found.weights.tolist() == [[1, 0]]


def test_steps_without_a_measurement_teach_nothing() -> None:
    demand, blind = wave(), np.full((1, STEPS), np.nan, dtype=np.float32)
    found = mix([offers(demand, demand * 3)] * 2, [blind, blind], scene=SCENE)
    assert found.weights == pytest.approx(np.full((1, 2), 0.5))


def test_a_high_price_moves_the_weight_to_who_asks_for_more() -> None:
    demand = wave()
    frugal, careful = ahead(demand) * np.float32(0.9), ahead(demand) * np.float32(1.15)
    cheap = Scene(SCENE.window, 60, np.asarray([1.5]), SCENE.capacity_per_pod)
    dear = Scene(SCENE.window, 60, np.asarray([100.0]), SCENE.capacity_per_pod)
    says = [mix([np.stack([frugal, careful])] * 3, [demand] * 3, scene=scene).weights[0, 1] for scene in (cheap, dear)]
    assert says[0] < 0.5 < says[1]


def test_a_row_alone_gives_the_same_bytes_as_among_others() -> None:
    rows = np.concatenate([wave(seed) for seed in range(7)])
    one = np.ones(7)
    many = Scene(SCENE.window, 60, 20 * one, 10 * one)
    together = mix([offers(rows, rows, rows * 3)] * 2, [rows] * 2, scene=many)
    alone = mix([offers(rows[3:4], rows[3:4], rows[3:4] * 3)] * 2, [rows[3:4]] * 2, scene=SCENE)
    assert together.weights[3].tobytes() == alone.weights[0].tobytes()
    assert together.wanted[3].tobytes() == alone.wanted[0].tobytes()


def test_a_blend_of_nothing_is_nothing() -> None:
    nothing = np.full((3, 2, 4), np.nan, dtype=np.float32)
    assert np.isnan(blend(np.full((3, 2), 1 / 3), nothing)).all()
