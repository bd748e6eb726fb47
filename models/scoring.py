"""Scores of forecasts, as pure functions of arrays; NaN in `actual` is skipped. All give float64 (workloads,)."""

import numpy as np
from numpy.typing import NDArray

_Panel = NDArray[np.floating]


def pinball(actual: _Panel, quantile: _Panel, *, level: float) -> NDArray[np.float64]:
    """Mean quantile loss of `quantile` (workloads, times) at `level`; Koenker and Bassett, Econometrica 46 (1978)."""
    error = actual.astype(np.float64) - quantile
    return _mean(np.maximum(level * error, (level - 1) * error))


def coverage(actual: _Panel, quantile: _Panel) -> NDArray[np.float64]:
    """Share of numbers at or below their quantile: near the level if the quantile is calibrated."""
    known = np.isfinite(actual) & np.isfinite(quantile)
    return _mean(np.where(known, actual <= quantile, np.nan))


def winkler(actual: _Panel, lower: _Panel, upper: _Panel, *, level: float) -> NDArray[np.float64]:
    """Mean interval score of a central interval of probability `level`; Winkler, JASA 67 (1972): width, plus
    2 / (1 - level) times how far the number lies outside."""
    truth = actual.astype(np.float64)
    outside = np.maximum(lower - truth, 0) + np.maximum(truth - upper, 0)
    return _mean((upper - lower) + 2 / (1 - level) * outside)


def wape(actual: _Panel, forecast: _Panel) -> NDArray[np.float64]:
    """Sum of absolute errors over the sum of numbers; NaN where that sum is zero."""
    truth = actual.astype(np.float64)
    known = np.isfinite(truth) & np.isfinite(forecast)
    error = np.where(known, np.abs(truth - forecast), 0).sum(axis=1)
    total = np.where(known, truth, 0).sum(axis=1)
    return np.where(total > 0, error / np.where(total > 0, total, 1), np.nan)


def _mean(values: NDArray[np.floating]) -> NDArray[np.float64]:
    known = np.isfinite(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0).sum(axis=1, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
