"""What is known at a column, as numbers a regression can use: recent load at many speeds, noise, and earlier cycles.

Everything is relative to the load of the last quarter of an hour, so that a model learned at one level holds at
another. Each feature of column j is computed from columns up to j.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.rolling import ahead_maximum, carried_forward, smoothed, trailing_maximum, trailing_mean
from models.series import Series

DAY_SECONDS = 86_400
HOUR_SECONDS = 3_600

_HALF_LIVES_SECONDS = (60, 120, 240, 480, 960, 1_920, 3_840, 7_680, 15_360)
_NOISE_SECONDS = (480, 3_840, 30_720)  # half-lives of the mean distance from the smoothed load
_PEAK_SECONDS = (300, 900, 3_600)
_LEVEL_SECONDS = 900
_USUAL_SECONDS = 86_400.0  # half-life of what counts as the usual load
_FLOOR = 0.1  # of the usual load: a ratio to almost nothing says nothing
_LEAST = 1e-9  # rows without any load
_DAYS = (1, 2, 3, 4, 5, 6, 7)
_RATIO_LIMIT = 10.0  # an earlier cycle's growth beyond it is taken for this
_FEATURE_LIMIT = 20.0

_Floats = NDArray[np.float64]


def lookback_steps(step_seconds: int) -> int:
    """Columns before the first one of interest that the features look at: a week and an hour."""
    return (7 * DAY_SECONDS + HOUR_SECONDS) // step_seconds


def sampled_columns(columns: int, wanted: int) -> NDArray[np.int64]:
    """Which columns a regression is fitted on: scattered, since a stride would see few minutes of the hour."""
    if columns <= wanted:
        return np.arange(columns)
    return np.sort(np.random.default_rng(columns).choice(columns, wanted, replace=False))


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


def features(series: Series, *, first: int, window: tuple[int, int], offset_seconds: int = 0) -> Features:
    """Features of the columns from `first` on.

    window: columns ahead, first and last, whose maximum is to be forecast: earlier days are read at the same place.
    offset_seconds: what local time is ahead of UTC.
    """
    x = carried_forward(series.values).astype(np.float64)
    step, kept = series.step_seconds, slice(first, None)
    usual = np.maximum(smoothed(x, _USUAL_SECONDS / step), _LEAST)
    lively = smoothed(x, max(_LEVEL_SECONDS / step, 0.5)) + _FLOOR * usual
    unit, floor = lively[:, kept], usual[:, kept]
    columns = [x[:, kept] / unit]
    smooth = {seconds: smoothed(x, seconds / step) for seconds in _HALF_LIVES_SECONDS if seconds >= step}
    columns += [one[:, kept] / unit for one in smooth.values()]
    columns += [one[:, kept] / unit for one in _noise(x, step)]
    columns += [trailing_maximum(x, max(s // step, 1))[:, kept] / unit for s in _PEAK_SECONDS if s >= step]
    columns += [np.sqrt(floor / unit), floor / unit]
    begun = np.maximum.accumulate(np.isfinite(series.values), axis=1)
    columns += _cycles(np.where(begun, x, np.nan), lively, step, window, kept)
    table = np.stack([*columns, np.ones_like(unit)], axis=2)
    np.clip(table, -_FEATURE_LIMIT, _FEATURE_LIMIT, out=table)
    return Features(table, unit, _clock(series.times_s[kept] + offset_seconds))


def _noise(x: _Floats, step: int) -> list[_Floats]:
    """Mean distance from the smoothed load, at several speeds, and two spreads."""
    middle = smoothed(x, max(480 / step, 0.5))
    before = np.concatenate([middle[:, :1], middle[:, :-1]], axis=1)
    distance = np.abs(x - before)
    far = [smoothed(distance, seconds / step) for seconds in _NOISE_SECONDS if seconds >= step]
    square = x * x
    for seconds in (480, 3_840):
        half_life = max(seconds / step, 0.5)
        far.append(np.sqrt(np.maximum(smoothed(square, half_life) - smoothed(x, half_life) ** 2, 0)))
    return far


def _cycles(x: _Floats, lively: _Floats, step: int, window: tuple[int, int], kept: slice) -> list[_Floats]:
    """What the same window held in earlier days and hours: its growth over the load before it, and its height."""
    first, last = window
    peak = ahead_maximum(x, first, last).astype(np.float64)
    day, hour = DAY_SECONDS // step, HOUR_SECONDS // step
    unit = lively[:, kept]
    with np.errstate(invalid="ignore", divide="ignore"):
        growth = peak / lively
    days = np.stack([_lagged(growth, day * k, kept) for k in _DAYS])
    usual = _mean(days)
    week = np.where(np.isfinite(days[6]), days[6], usual)
    heights = np.stack([_lagged(peak, day * k, kept) for k in (1, 2, 3, 7)])
    height = _mean(heights[:3]) / unit
    smooth = trailing_mean(np.nan_to_num(growth), max(1_800 // step, 1) + 1)
    half = max(900 // step, 0)
    shape = _mean(np.stack([_lagged(smooth, day * k - half, kept) for k in _DAYS]))
    shape_week = _lagged(smooth, 7 * day - half, kept)
    found = [_mean(days[:3]), usual, week, _largest(days), height]
    found += [np.where(np.isfinite(heights[3]), heights[3] / unit, height)]
    if hour > last:
        hours = np.stack([_lagged(growth, hour * k, kept) for k in range(1, 25)])
        found += [_mean(hours[:6]), _largest(hours[:3]), _mean(hours)]
    found += [shape, np.where(np.isfinite(shape_week), shape_week, shape)]
    return [np.clip(np.where(np.isfinite(one), one, 1.0), 0, _RATIO_LIMIT) for one in found]


def _lagged(values: _Floats, steps: int, kept: slice) -> _Floats:
    """The columns `kept`, taken `steps` earlier; NaN where that is before the panel."""
    first, size = kept.start, values.shape[1]
    result = np.full((values.shape[0], size - first), np.nan)
    begin = max(steps - first, 0)
    if begin < result.shape[1]:
        result[:, begin:] = values[:, first + begin - steps : size - steps]
    return result


def _mean(values: _Floats) -> _Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column that nothing is known about stays NaN
        result: _Floats = np.nanmean(values, axis=0)
    return result


def _largest(values: _Floats) -> _Floats:
    known = np.where(np.isnan(values), -np.inf, values).max(axis=0)
    return np.where(np.isneginf(known), np.nan, known)


def _clock(local_s: NDArray[np.int64]) -> _Floats:
    of_day = local_s % DAY_SECONDS
    angle = 2 * np.pi * of_day / DAY_SECONDS
    weekday = (local_s // DAY_SECONDS + 3) % 7
    columns = [np.sin(angle), np.cos(angle), of_day / HOUR_SECONDS, local_s % HOUR_SECONDS // 60, weekday]
    return np.stack(columns, axis=1).astype(np.float64)
