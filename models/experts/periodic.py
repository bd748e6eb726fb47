"""A period found in the data, shorter than a day: jobs each twenty minutes, batches each seven hours.

The period is the smallest lag at which the autocorrelation of the last two weeks, less their slow part, has a peak
that stands out and is nearly the highest (Box, Jenkins, Reinsel, Time Series Analysis, chapter 2). What is asked for
is what the same window held in the periods before, relative to the mean of one whole period, which does not depend on
the phase; or the newest number where that is larger. Where no period stands out there are no candidates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from models.experts.base import Window
from models.rolling import ahead_maximum, carried_forward, lagged, trailing_mean
from models.series import Series

_SHORTEST_SECONDS, _LONGEST_SECONDS = 600, 43_200
_SEEN_SECONDS = 14 * 86_400
_LEAST_PERIODS = 8  # of the longest one, before anything is looked for
_PROMINENCE = 0.3  # of the autocorrelation: chance peaks of two weeks stay below
_NEARLY = 0.9
_PERIODS = 6  # that are averaged
_MARGINS = (1.0, 1.2)
_LEAST = 1e-9

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FittedPeriodic:
    """periods: (workloads,), in columns, zero for none."""

    periods: NDArray[np.int64]
    window: Window
    lookback_steps: int

    def candidates(self, series: Series, *, first: int) -> NDArray[np.float32]:
        """One candidate for each margin."""
        result = np.full((len(_MARGINS), series.workloads, series.steps - first), np.nan, dtype=np.float32)
        for row in np.flatnonzero(self.periods):
            load = carried_forward(series.values[row : row + 1]).astype(np.float64)
            expected = self._expected(load, int(self.periods[row]), np.arange(first, series.steps))
            for place, margin in enumerate(_MARGINS):
                result[place, row] = np.maximum(expected * margin, load[:, first:])[0]  # NaN stays NaN
        return result

    def _expected(self, load: _Floats, period: int, columns: NDArray[np.int64]) -> _Floats:
        level = trailing_mean(load, period)
        growth = ahead_maximum(load, 1, self.window.lead) / np.maximum(level, _LEAST)
        nearest = -(-self.window.lead // period)  # whose window is over
        before = [lagged(growth, period * back, columns) for back in range(nearest, nearest + _PERIODS)]
        mean: _Floats = np.mean(before, axis=0) * level[:, columns]
        return mean


@dataclass(frozen=True)
class Periodic:
    """See the module's docstring."""

    name: str = "periodic"
    labels: tuple[str, ...] = tuple(f"period found in the data x {margin}, or reactive" for margin in _MARGINS)

    def fit(self, series: Series, *, window: Window) -> FittedPeriodic:
        """Rows without a period get no candidates."""
        longest = _LONGEST_SECONDS // series.step_seconds
        recent = series.tail(min(_SEEN_SECONDS // series.step_seconds, series.steps))
        periods = [_period(row, series.step_seconds) for row in recent.values]
        lookback = (_PERIODS + 2) * longest + window.lead
        return FittedPeriodic(np.asarray(periods, dtype=np.int64), window, lookback)


def _period(values: NDArray[np.float32], step_seconds: int) -> int:
    """In columns; zero for none."""
    known = np.flatnonzero(np.isfinite(values))
    longest = _LONGEST_SECONDS // step_seconds
    shortest = max(_SHORTEST_SECONDS // step_seconds, 3)
    if known.size < _LEAST_PERIODS * longest:
        return 0
    load = carried_forward(values[None, known[0] :]).astype(np.float64)
    quick = (load - _centred_mean(load, 2 * longest))[0]
    size = 1 << (2 * quick.size - 1).bit_length()
    power = np.abs(np.fft.rfft(quick, size)) ** 2
    products = np.fft.irfft(power, size)[: longest + longest // 8]
    if products[0] <= _LEAST:
        return 0
    correlation = products / products[0]
    peaks, _ = find_peaks(correlation, prominence=_PROMINENCE)
    peaks = peaks[(peaks >= shortest) & (peaks <= longest)]
    if not peaks.size:
        return 0
    return int(peaks[correlation[peaks] >= _NEARLY * correlation[peaks].max()][0])


def _centred_mean(load: _Floats, steps: int) -> _Floats:
    mean = trailing_mean(load, steps)
    later = steps // 2
    return np.concatenate([mean[:, later:], np.repeat(mean[:, -1:], later, axis=1)], axis=1)
