"""ETS, MSTL and AutoReg of statsmodels, one row at a time: selectable members, and a yardstick.

Each is fitted to hourly means and gives the hours of the next week, which then serve like any season: a fit is never
older than a few hours. Seconds a workload, so no roster has them.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.forecasters.cycle import DAY_SECONDS, WEEK_SECONDS, FittedCycle, row_mean
from models.series import Series

_HOUR_SECONDS = 3_600
_HOURS = 168
_DAY_HOURS = 24
_LEAST_DAYS = 3

_Floats = NDArray[np.float64]
Ahead = Callable[[_Floats], _Floats]


def ets_ahead(hours: _Floats) -> _Floats:
    """Additive Holt-Winters, damped, season of a day; Hyndman et al., Forecasting with Exponential Smoothing (2008)."""
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    model = ExponentialSmoothing(hours, trend="add", damped_trend=True, seasonal="add", seasonal_periods=_DAY_HOURS)
    return np.asarray(model.fit().forecast(_HOURS))


def mstl_ahead(hours: _Floats) -> _Floats:
    """Seasons of a day and, from two weeks on, a week by MSTL; the last day's trend stays. Bandara et al. (2021)."""
    from statsmodels.tsa.seasonal import MSTL

    periods = (_DAY_HOURS, _HOURS) if hours.size >= 2 * _HOURS else (_DAY_HOURS,)
    found = MSTL(hours, periods=periods).fit()
    seasonal = np.atleast_2d(np.asarray(found.seasonal).T)
    ahead = sum(np.resize(one[-period:], _HOURS) for one, period in zip(seasonal, periods, strict=True))
    return np.asarray(ahead) + float(np.mean(np.asarray(found.trend)[-_DAY_HOURS:]))


def auto_reg_ahead(hours: _Floats) -> _Floats:
    """Autoregression on the last three hours and the last day, with a season of a day by dummies."""
    from statsmodels.tsa.ar_model import AutoReg

    model = AutoReg(hours, lags=[1, 2, 3, _DAY_HOURS], seasonal=True, period=_DAY_HOURS)
    return np.asarray(model.fit().predict(hours.size, hours.size + _HOURS - 1))


@dataclass(frozen=True)
class Classic:
    """A model of statsmodels by its hours ahead."""

    name: str
    ahead: Ahead

    def min_steps(self, step_seconds: int) -> int:
        """Three days."""
        return _LEAST_DAYS * DAY_SECONDS // step_seconds

    def fit(self, series: Series) -> FittedCycle:
        """Rows with too few numbers get NaN, and so do those whose model does not converge to numbers."""
        slots = -(-WEEK_SECONDS // series.step_seconds)
        cycle = np.full((series.workloads, slots), np.nan, dtype=np.float32)
        enough = np.isfinite(series.values).sum(axis=1) >= self.min_steps(series.step_seconds)
        for row in np.flatnonzero(enough):
            cycle[row] = self._row(series.rows(slice(row, row + 1)), slots)
        mean = row_mean(cycle)
        return FittedCycle(cycle, mean, series.step_seconds, WEEK_SECONDS, "UTC")

    def _row(self, series: Series, slots: int) -> NDArray[np.float32]:
        begin_s, hours = hourly_means(series)
        if np.ptp(hours) == 0:
            return np.full(slots, hours[0], dtype=np.float32)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # convergence: what comes out is judged by what it would have cost
            ahead = np.maximum(self.ahead(hours), 0)
        middle_s = begin_s + (hours.size + np.arange(_HOURS) + 0.5) * _HOUR_SECONDS
        order = np.argsort(middle_s % WEEK_SECONDS)
        times_s = np.arange(slots) * series.step_seconds
        return np.interp(times_s, (middle_s % WEEK_SECONDS)[order], ahead[order], period=WEEK_SECONDS).astype(
            np.float32
        )


def hourly_means(series: Series) -> tuple[int, _Floats]:
    """Beginning and means of the hours of one row, from the first with a number on; hours without one are lines."""
    hour = series.times_s // _HOUR_SECONDS
    known = np.isfinite(series.values[0])
    place = hour[known] - hour[known][0]
    size = int(place[-1]) + 1
    count = np.bincount(place, minlength=size)
    total = np.bincount(place, weights=series.values[0, known].astype(np.float64), minlength=size)
    there = np.flatnonzero(count)
    return int(hour[known][0]) * _HOUR_SECONDS, np.interp(np.arange(size), there, total[there] / count[there])


def ets() -> Classic:
    """Exponential smoothing."""
    return Classic("ETS", ets_ahead)


def mstl() -> Classic:
    """Seasons and trend by LOESS."""
    return Classic("MSTL", mstl_ahead)


def auto_reg() -> Classic:
    """Autoregression with a season."""
    return Classic("AutoReg", auto_reg_ahead)
