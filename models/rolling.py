"""Filters along the columns of a panel, (workloads, steps). None but `ahead_maximum` looks ahead."""

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, minimum_filter1d
from scipy.signal import lfilter

_Panel = NDArray[np.floating]
_Floats = NDArray[np.float64]


def smoothed(values: _Panel, half_life_steps: float) -> _Floats:
    """Exponentially weighted mean up to and including each column; begins at the first column's number."""
    share = 1 - 0.5 ** (1 / half_life_steps)
    begin = values[:, :1] * (1 - share)
    result: _Floats = lfilter([share], [1, share - 1], values, axis=1, zi=begin)[0]
    return result


def trailing_maximum(values: _Panel, steps: int) -> _Panel:
    """Largest of the last `steps` columns; before there are as many, of those there are."""
    return maximum_filter1d(values, steps, axis=1, mode="nearest", origin=(steps - 1) // 2)


def trailing_minimum(values: _Panel, steps: int) -> _Panel:
    """Least of the last `steps` columns; before there are as many, of those there are."""
    return minimum_filter1d(values, steps, axis=1, mode="nearest", origin=(steps - 1) // 2)


def trailing_mean(values: _Panel, steps: int) -> _Floats:
    """Mean of the last `steps` columns; before there are as many, of those there are."""
    total = np.cumsum(values, axis=1, dtype=np.float64)
    count = np.minimum(np.arange(1, values.shape[1] + 1), steps)
    total[:, steps:] -= total[:, :-steps].copy()
    return total / count


def ahead_maximum(values: _Panel, first: int, last: int) -> _Panel:
    """Largest of the columns t + first ... t + last for each t; NaN where one of them is missing or not there yet."""
    steps, size = values.shape[1], last - first + 1
    result = np.full(values.shape, np.nan, dtype=values.dtype)
    kept = steps - last
    if kept > 0:
        missing = np.isnan(values)
        ahead = partial(maximum_filter1d, size=size, axis=1, mode="nearest", origin=-(size // 2))
        largest = ahead(np.where(missing, -np.inf, values)[:, first:])[:, :kept]
        gap = ahead(missing[:, first:].view(np.uint8))[:, :kept] > 0
        result[:, :kept] = np.where(gap, np.nan, largest)
    return result


def lagged(values: _Floats, steps: int, columns: NDArray[np.int64]) -> _Floats:
    """The columns, taken `steps` earlier; NaN where that is before the panel."""
    earlier = columns - steps
    result = values[:, np.maximum(earlier, 0)]
    result[:, earlier < 0] = np.nan
    return result


def carried_forward(values: _Panel) -> _Panel:
    """Each gap takes the last number before it, the columns before the first number take that; all-NaN rows zero."""
    known = np.isfinite(values)
    columns = np.maximum.accumulate(np.where(known, np.arange(values.shape[1]), -1), axis=1)
    columns = np.where(columns < 0, known.argmax(axis=1)[:, None], columns)
    return np.nan_to_num(np.take_along_axis(values, columns, axis=1), nan=0.0)


def interpolated(values: _Panel, max_steps: int) -> _Panel:
    """Gaps of at most max_steps columns, with a number on both sides, as the straight line between these."""
    missing = np.isnan(values)
    if not missing.any():
        return values
    columns = np.arange(values.shape[1])
    before = np.maximum.accumulate(np.where(missing, -1, columns), axis=1)
    after = np.minimum.accumulate(np.where(missing, values.shape[1], columns)[:, ::-1], axis=1)[:, ::-1]
    closed = missing & (before >= 0) & (after < values.shape[1]) & (after - before <= max_steps + 1)
    left = np.take_along_axis(values, np.maximum(before, 0), axis=1)
    right = np.take_along_axis(values, np.minimum(after, values.shape[1] - 1), axis=1)
    share = ((columns - before) / np.maximum(after - before, 1)).astype(values.dtype)
    result: _Panel = np.where(closed, left + share * (right - left), values)
    return result
