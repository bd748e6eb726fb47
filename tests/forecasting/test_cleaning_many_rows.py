"""Many series laid on the grid at once give what a naive loop over their samples gives."""

import math

import numpy as np
import pytest

from models.cleaning import on_grid, rows_on_grid
from models.series import RawHistory

START_S, STEPS, STEP = 600, 6, 60


def naive(history: RawHistory, now_s: float) -> list[float]:
    latest: dict[int, tuple[float, float]] = {}
    for time_s, value in zip(history.times_s.tolist(), history.values.tolist(), strict=True):
        if not (math.isfinite(time_s) and math.isfinite(value) and value >= 0 and time_s <= now_s):
            continue
        cell = math.ceil((time_s - START_S) / STEP)
        if 0 <= cell < STEPS and time_s >= latest.get(cell, (-math.inf, 0.0))[0]:
            latest[cell] = (time_s, value)
    return [latest[cell][1] if cell in latest else math.nan for cell in range(STEPS)]


def some_series(rng: np.random.Generator) -> RawHistory:
    size = int(rng.integers(0, 20))
    times_s = rng.integers(START_S - 100, START_S + STEPS * STEP + 100, size).astype(np.float64)
    values = rng.choice([0.0, 1.0, 2.5, -1.0, np.nan, np.inf, 7.0, 9.0], size)
    return RawHistory(times_s, values)


@pytest.mark.parametrize("seed", range(20))
def test_rows_are_those_of_a_naive_loop_whatever_their_order_length_and_defects(seed: int) -> None:
    rng = np.random.default_rng(seed)
    histories = [some_series(rng) for _ in range(30)]
    now_s = START_S + STEPS * STEP - 90.0
    rows = rows_on_grid(histories, start_s=START_S, steps=STEPS, step_seconds=STEP, now_s=now_s)
    np.testing.assert_array_equal(rows, np.asarray([naive(one, now_s) for one in histories], dtype=np.float32))


def test_a_series_alone_gives_the_bytes_that_it_gives_among_others() -> None:
    rng = np.random.default_rng(1)
    histories = [some_series(rng) for _ in range(10)]
    settings = {"start_s": START_S, "steps": STEPS, "step_seconds": STEP, "now_s": 1e9}
    rows = rows_on_grid(histories, **settings)  # type: ignore[arg-type]
    assert [row.tobytes() for row in rows] == [on_grid(one, **settings).tobytes() for one in histories]  # type: ignore[arg-type]


def test_no_series_is_no_rows() -> None:
    assert rows_on_grid([], start_s=0, steps=3, step_seconds=1, now_s=9.0).shape == (0, 3)
