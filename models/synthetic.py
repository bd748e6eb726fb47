"""Loads whose truth is known, for tests and benchmarks. Every generator is a function of its arguments and `rng`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.series import RawHistory, Series

DAY_SECONDS = 86_400


def daily(
    rng: np.random.Generator,
    *,
    workloads: int,
    days: float,
    step_seconds: int,
    base: float = 10.0,
    swing: float = 0.8,
    noise: float = 0.1,
    start_s: int = 0,
) -> Series:
    """A sine of a day around `base`, each workload at a phase of its own, with gamma noise of mean one.

    swing: share of `base`; noise: coefficient of variation. Values are independent given the time of day.
    """
    steps = int(days * DAY_SECONDS // step_seconds)
    times_s = start_s + np.arange(steps) * step_seconds
    phase = rng.uniform(0, 2 * np.pi, size=(workloads, 1))
    shape = base * (1 + swing * np.sin(2 * np.pi * times_s / DAY_SECONDS + phase))
    factor = rng.gamma(1 / noise**2, noise**2, size=(workloads, steps))
    return Series(start_s, step_seconds, (shape * factor).astype(np.float32))


def with_daily_surge(series: Series, *, at_s: int, seconds: int, to: float) -> Series:
    """The panel with every value `to` (plus what it was) for so many seconds from at_s seconds after midnight UTC."""
    inside = (series.times_s - at_s) % DAY_SECONDS < seconds
    return _replaced(series, np.where(inside, series.values + np.float32(to), series.values))


def with_weekend(series: Series, *, factor: float) -> Series:
    """The panel multiplied on Saturdays and Sundays, UTC."""
    weekend = (series.times_s // DAY_SECONDS + 3) % 7 >= 5  # 1 January 1970 was a Thursday
    return _replaced(series, np.where(weekend, series.values * np.float32(factor), series.values))


def with_bursts(rng: np.random.Generator, series: Series, *, per_day: float, steps: int, to: float) -> Series:
    """The panel with `to` more for `steps` columns from random ones on: Poisson, so nobody can foresee them."""
    begins = rng.uniform(size=series.values.shape) < per_day * series.step_seconds / DAY_SECONDS
    since = np.cumsum(begins, axis=1, dtype=np.int64)
    since[:, steps:] -= since[:, :-steps].copy()
    return _replaced(series, np.where(since > 0, series.values + np.float32(to), series.values))


def with_outage(series: Series, *, first: int, steps: int) -> Series:
    """The panel with no load at all in some columns."""
    values = series.values.copy()
    values[:, first : first + steps] = 0
    return _replaced(series, values)


def with_gaps(rng: np.random.Generator, series: Series, *, share: float) -> Series:
    """The panel with a random share of its numbers missing."""
    missing = rng.uniform(size=series.values.shape) < share
    return _replaced(series, np.where(missing, np.float32(np.nan), series.values))


def with_level_shift(series: Series, *, first: int, factor: float) -> Series:
    """The panel multiplied from a column on."""
    values = series.values.copy()
    values[:, first:] *= np.float32(factor)
    return _replaced(series, values)


def flat(*, workloads: int, steps: int, step_seconds: int, value: float = 5.0, start_s: int = 0) -> Series:
    """The same number everywhere; zero for a workload without load."""
    return Series(start_s, step_seconds, np.full((workloads, steps), value, dtype=np.float32))


def counter(series: Series, *, row: int = 0, resets: Sequence[int] = ()) -> RawHistory:
    """What a process that counts events exposes while it serves the load of one row; it starts anew at `resets`.

    At a reset's column the counter holds only what was counted since the column before.
    """
    counts = np.cumsum(series.values[row].astype(np.float64) * series.step_seconds)
    lost = np.zeros_like(counts)
    for column in resets:
        lost[column:] = counts[column - 1]
    return RawHistory(series.times_s.astype(np.float64), counts - lost)


def _replaced(series: Series, values: NDArray[np.float32]) -> Series:
    return Series(series.start_s, series.step_seconds, values)
