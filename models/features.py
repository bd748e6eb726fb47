"""What is known at a column, as numbers a regression can use: recent load at many speeds, noise, and earlier cycles.

Everything is relative to the load of the last quarter of an hour, so that a model learned at one level holds at
another. Each feature of column j is computed from columns up to j.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.rolling import ahead_maximum, carried_forward, lagged, smoothed, trailing_maximum, trailing_mean
from models.series import Series

DAY_SECONDS = 86_400
HOUR_SECONDS = 3_600

_HALF_LIVES_SECONDS = (60, 120, 240, 480, 960, 1_920, 3_840, 7_680, 15_360)
_NOISE_SECONDS = (480, 3_840, 30_720)  # half-lives of the mean distance from the smoothed load
_PEAK_SECONDS = (300, 900, 3_600)
_LEVEL_SECONDS = 900
_USUAL_SECONDS = 86_400.0  # half-life of what counts as the usual load
_WARM_UP_SECONDS = 3 * DAY_SECONDS  # half-lives of the usual load
_FLOOR = 0.1  # of the usual load: a ratio to almost nothing says nothing
_LEAST = 1e-9  # rows without any load
_DAYS = (1, 2, 3, 4, 5, 6, 7)
_RATIO_LIMIT = 10.0  # an earlier cycle's growth beyond it is taken for this
_FEATURE_LIMIT = 20.0
_MEMORY_SECONDS = 28 * DAY_SECONDS

_Floats = NDArray[np.float64]


def lookback_steps(step_seconds: int) -> int:
    """Columns before the first one of interest that the features look at: a week and an hour, and before that what the
    usual load of a week ago is told from, or a model would meet other features than it was fitted on."""
    return (7 * DAY_SECONDS + HOUR_SECONDS + _WARM_UP_SECONDS) // step_seconds


def sampled_columns(columns: int, wanted: int, *, step_seconds: int) -> NDArray[np.int64]:
    """Which columns a regression is fitted on: scattered, since a stride would see few minutes of the hour.

    Weighted sampling without replacement (Efraimidis and Spirakis, Information Processing Letters 97, 2006): a column
    that is _MEMORY_SECONDS older is half as likely.
    """
    if columns <= wanted:
        return np.arange(columns)
    age = np.arange(columns - 1, -1, -1) * step_seconds / _MEMORY_SECONDS
    key = np.log(np.random.default_rng(columns).random(columns)) * 2.0**age
    return np.sort(np.argpartition(-key, wanted)[:wanted])


def has_yesterday(series: Series) -> NDArray[np.bool_]:
    """Columns worth fitting on: (workloads, steps), those a day after the row's first number, or a third of a row
    that is younger than three days."""
    known = np.isfinite(series.values)
    age = np.arange(series.steps) - np.where(known.any(axis=1), known.argmax(axis=1), series.steps)[:, None]
    length = np.maximum(age[:, -1:], 0)
    told: NDArray[np.bool_] = age >= np.minimum(DAY_SECONDS // series.step_seconds, length // 3)
    return told


@dataclass(frozen=True)
class Features:
    """regressors: float64 (workloads, columns, k), the last one constant; unit: (workloads, columns), what they are
    relative to; clock: (columns, 5), time of day (sine, cosine, hour), minute of the hour, day of the week."""

    regressors: _Floats
    unit: _Floats
    clock: _Floats

    @property
    def table(self) -> NDArray[np.float32]:
        """What trees see of a single row: (columns, k + 4), the constant left out, the clock put in."""
        return np.concatenate([self.regressors[0, :, :-1], self.clock], axis=1).astype(np.float32)


def features(series: Series, *, columns: NDArray[np.int64], window: tuple[int, int]) -> Features:
    """Features of some columns, in ascending order, of a panel on the clock that its loads follow (local_time.py).

    window: columns ahead, first and last, whose maximum is to be forecast: earlier days are read at the same place.
    """
    x = carried_forward(series.values).astype(np.float64)
    step, smoothing = series.step_seconds, _Smoothing(x)
    usual = np.maximum(smoothed(x, _USUAL_SECONDS / step), _LEAST)
    lively = smoothing.of(max(_LEVEL_SECONDS / step, 0.5)) + _FLOOR * usual
    unit, floor = lively[:, columns], usual[:, columns]
    found: list[NDArray[np.floating]] = [x]
    found += [smoothing.of(seconds / step) for seconds in _HALF_LIVES_SECONDS if seconds >= step]
    found += _noise(x, step, smoothing)
    found += [trailing_maximum(x, max(seconds // step, 1)) for seconds in _PEAK_SECONDS if seconds >= step]
    table = [one[:, columns] / unit for one in found] + [np.sqrt(floor / unit), floor / unit]
    begun = np.maximum.accumulate(np.isfinite(series.values), axis=1)
    table += _cycles(np.where(begun, x, np.nan), lively, step, window, columns)
    regressors = np.ones((unit.shape[0], len(table) + 1, unit.shape[1]))
    for place, one in enumerate(table):
        np.clip(one, -_FEATURE_LIMIT, _FEATURE_LIMIT, out=regressors[:, place])
    return Features(regressors.transpose(0, 2, 1), unit, _clock(series.times_s[columns]))


class _Smoothing:
    """Each half-life once."""

    def __init__(self, x: _Floats) -> None:
        self._x = x
        self._done: dict[float, _Floats] = {}

    def of(self, half_life_steps: float) -> _Floats:
        if half_life_steps not in self._done:
            self._done[half_life_steps] = smoothed(self._x, half_life_steps)
        return self._done[half_life_steps]


def _noise(x: _Floats, step: int, smoothing: _Smoothing) -> list[_Floats]:
    """Mean distance from the smoothed load, at several speeds, and two spreads."""
    middle = smoothing.of(max(480 / step, 0.5))
    distance = np.abs(x - np.concatenate([middle[:, :1], middle[:, :-1]], axis=1))
    far = [smoothed(distance, seconds / step) for seconds in _NOISE_SECONDS if seconds >= step]
    square = x * x
    for seconds in (480, 3_840):
        half_life = max(seconds / step, 0.5)
        far.append(np.sqrt(np.maximum(smoothed(square, half_life) - smoothing.of(half_life) ** 2, 0)))
    return far


def _cycles(
    x: _Floats, lively: _Floats, step: int, window: tuple[int, int], columns: NDArray[np.int64]
) -> list[_Floats]:
    """What the same window held in earlier days and hours: its growth over the load before it, and its height."""
    first, last = window
    peak = ahead_maximum(x, first, last).astype(np.float64)
    day, hour = DAY_SECONDS // step, HOUR_SECONDS // step
    unit = lively[:, columns]
    with np.errstate(invalid="ignore", divide="ignore"):
        growth = peak / lively
    days = [lagged(growth, day * k, columns) for k in _DAYS]
    usual = _mean(days)
    week = np.where(np.isfinite(days[6]), days[6], usual)
    heights = [lagged(peak, day * k, columns) for k in (1, 2, 3, 7)]
    height = _mean(heights[:3]) / unit
    tame = np.clip(np.nan_to_num(growth), 0, _RATIO_LIMIT)  # a growth from nothing would swallow the running sums
    smooth = trailing_mean(tame, max(1_800 // step, 1) + 1)
    half = max(900 // step, 0)
    shapes = [lagged(smooth, day * k - half, columns) for k in _DAYS]
    shape = _mean(shapes)
    found = [_mean(days[:3]), usual, week, _largest(days), height]
    found += [np.where(np.isfinite(heights[3]), heights[3] / unit, height)]
    if hour > last:
        hours = [lagged(growth, hour * k, columns) for k in range(1, 25)]
        found += [_mean(hours[:6]), _largest(hours[:3]), _mean(hours)]
    found += [shape, np.where(np.isfinite(shapes[6]), shapes[6], shape)]
    return [np.clip(np.where(np.isfinite(one), one, 1.0), 0, _RATIO_LIMIT) for one in found]


def _mean(values: Iterable[_Floats]) -> _Floats:
    """Of what is known at each place, NaN where nothing is."""
    total: _Floats = np.zeros(1)
    count: _Floats = np.zeros(1)
    for one in values:
        known = np.isfinite(one)
        total = total + np.where(known, one, 0.0)
        count = count + known
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / count


def _largest(values: Iterable[_Floats]) -> _Floats:
    return functools.reduce(np.fmax, values)


def _clock(local_s: NDArray[np.int64]) -> _Floats:
    of_day = local_s % DAY_SECONDS
    angle = 2 * np.pi * of_day / DAY_SECONDS
    weekday = (local_s // DAY_SECONDS + 3) % 7
    columns = [np.sin(angle), np.cos(angle), of_day / HOUR_SECONDS, local_s % HOUR_SECONDS // 60, weekday]
    return np.stack(columns, axis=1).astype(np.float64)
