"""What the linear experts share: a weighted regression problem for each row, and quantiles from its slopes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.features import DAY_SECONDS, features, has_yesterday, lookback_steps, sampled_columns
from models.rolling import ahead_maximum
from models.series import Series

LEAST_SAMPLES = 600

SAMPLES = 8_000  # more change nothing that can be measured
_CHUNK_NUMBERS = 30_000_000  # of the features held at a time
_FAR = 8.0  # standard deviations beyond which a feature says no more

_Floats = NDArray[np.float64]

Span = tuple[int, int]


@dataclass(frozen=True)
class Problem:
    """table: (rows, samples, k), standardised features, the last one constant. ratio: (rows, samples), the largest
    demand of the window over the load of the last minutes. weight: (rows, samples), adding up to one, zero for gaps."""

    table: _Floats
    ratio: _Floats
    weight: _Floats


Solve = Callable[[Problem, tuple[float, ...]], _Floats]  # slopes (rows, k, levels)


@dataclass(frozen=True)
class Regression:
    """centre, spread: (workloads, k), of the features. slopes: (workloads, k, levels), NaN: too little history."""

    window: Span
    centre: _Floats
    spread: _Floats
    slopes: _Floats

    def quantiles(self, series: Series, *, first: int) -> NDArray[np.float32]:
        """At the columns from `first` on: float32 (levels, workloads, steps), ascending along levels."""
        found = [self._quantiles(series.rows(rows), rows, first) for rows in row_chunks(series)]
        return np.ascontiguousarray(np.concatenate(found).transpose(2, 0, 1), dtype=np.float32)

    def _quantiles(self, series: Series, rows: slice, first: int) -> _Floats:
        known = features(series, columns=np.arange(first, series.steps), window=self.window)
        table = _standardised(known.regressors, self.centre[rows], self.spread[rows])
        return np.maximum(np.sort(table @ self.slopes[rows], axis=2) * known.unit[:, :, None], 0)


@dataclass(frozen=True)
class FittedRegressions:
    """One regression for each window: a fitted expert."""

    parts: tuple[Regression, ...]
    lookback_steps: int

    def candidates(self, series: Series, *, first: int) -> NDArray[np.float32]:
        """One candidate for each level of each window."""
        return np.concatenate([part.quantiles(series, first=first) for part in self.parts])


def fit_regressions(
    series: Series, asked: tuple[tuple[Span, tuple[float, ...]], ...], solve: Solve, *, samples: int = SAMPLES
) -> FittedRegressions:
    """Fits each window's levels for all rows; rows with fewer than LEAST_SAMPLES numbers get NaN.

    samples: columns that a row is fitted on.
    """
    together = list(_together(series))
    places = np.concatenate([rows for _, rows in together]).argsort()
    parts = []
    for window, levels in asked:
        found = [_fit(series.rows(rows), window, levels, solve, samples, begin=begin) for begin, rows in together]
        parts.append(Regression(window, *(np.concatenate(one)[places] for one in zip(*found, strict=True))))
    return FittedRegressions(tuple(parts), lookback_steps(series.step_seconds))


def row_chunks(series: Series) -> Iterator[slice]:
    """Rows few enough for their features to stay in memory."""
    rows = max(_CHUNK_NUMBERS // (40 * max(series.steps, 1)), 1)
    for start in range(0, series.workloads, rows):
        yield slice(start, start + rows)


def _together(series: Series) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Chunks of rows that are fitted from the same day on: no neighbour's age chooses the columns of a row."""
    day = max(DAY_SECONDS // series.step_seconds, 1)
    begins = has_yesterday(series).argmax(axis=1) // day * day
    for begin in np.unique(begins).tolist():
        rows = np.flatnonzero(begins == begin)
        for chunk in row_chunks(series.rows(rows)):
            yield begin, rows[chunk]


def _fit(
    series: Series, window: Span, levels: tuple[float, ...], solve: Solve, samples: int, *, begin: int
) -> tuple[_Floats, _Floats, _Floats]:
    told = has_yesterday(series)
    picked = begin + sampled_columns(series.steps - begin, samples, step_seconds=series.step_seconds)
    known = features(series, columns=picked, window=window)
    table, unit = known.regressors, known.unit
    target = ahead_maximum(series.values.astype(np.float64), *window)[:, picked]
    usable = np.isfinite(target) & told[:, picked]
    weight = np.where(usable, unit, 0)
    total = weight.sum(axis=1, keepdims=True)
    weight = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    centre = (table * weight[:, :, None]).sum(axis=1)
    spread = table.std(axis=1) + 1e-6
    centre[:, -1], spread[:, -1] = 0.0, 1.0
    problem = Problem(_standardised(table, centre, spread), np.where(usable, target / unit, 0), weight)
    slopes = solve(problem, levels)
    slopes[usable.sum(axis=1) < LEAST_SAMPLES] = np.nan
    return centre, spread, slopes


def _standardised(table: _Floats, centre: _Floats, spread: _Floats) -> _Floats:
    return np.clip((table - centre[:, None]) / spread[:, None], -_FAR, _FAR)
