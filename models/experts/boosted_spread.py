"""Mean and spread of the demand ahead by gradient-boosted trees (LightGBM), one row at a time; from them quantiles.

For what is not linear: loads that switch on and off, bursts at certain minutes of the hour. Trees for a mean and trees
for the size of its errors, and the quantiles of the errors in units of that size, learn more from the same history
than trees for each quantile do, in less time. Two targets: the largest demand of the window, and the demand of any
one column while pods asked for now are ready and held: the HPA's hold takes the largest of several decisions anyhow,
so one that provides for each column by itself need not be as large. Costs about a hundred times what the linear
regression does, so a fleet of thousands goes without it.
"""

from dataclasses import dataclass

import lightgbm
import numpy as np
from numpy.typing import NDArray

from models.experts.base import Window
from models.features import Features, features, has_yesterday, lookback_steps, sampled_columns
from models.rolling import ahead_maximum
from models.series import Series
from models.weighted import weighted_quantiles

LEVELS = (0.7, 0.8, 0.9, 0.95, 0.98)

_SAMPLES = 16_000
_DRAWS = 2  # columns of the hold that each sample is seen with
_LEAST_SAMPLES = 600
_LEAST_SPREAD = 0.25  # of the mean absolute error: calm that the trees made up
_MEAN_ROUNDS = 120
_SPREAD_ROUNDS = 60
_MAX_BIN = 63
_OPTIONS = {
    "objective": "regression",
    "num_leaves": 8,
    "learning_rate": 0.05,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": _MAX_BIN,
    "num_threads": 1,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}

_Floats = NDArray[np.float64]
_Span = tuple[int, int]


@dataclass(frozen=True)
class _Trees:
    """mean, spread: LightGBM's texts. multiples: (levels,), of the spread. least: spread below which none is told."""

    mean: str
    spread: str
    multiples: _Floats
    least: float

    def quantiles(self, table: NDArray[np.float32]) -> _Floats:
        """(levels, columns), in the features' unit."""
        middle, size = (_predicted(text, table) for text in (self.mean, self.spread))
        return middle + self.multiples[:, None] * np.maximum(size, self.least)


@dataclass(frozen=True)
class FittedBoostedSpread:
    """trees: for each target and workload, None where there is too little history. spans: of the targets' features."""

    spans: tuple[_Span, ...]
    trees: tuple[tuple[_Trees | None, ...], ...]
    lookback_steps: int

    def candidates(self, series: Series, *, first: int) -> NDArray[np.float32]:
        """One candidate for each target and level."""
        columns = np.arange(first, series.steps)
        result = np.full((len(self.spans), len(LEVELS), series.workloads, columns.size), np.nan, dtype=np.float32)
        for target, (span, of_rows) in enumerate(zip(self.spans, self.trees, strict=True)):
            for row, trees in enumerate(of_rows):
                if trees is not None:
                    known = features(series.rows(slice(row, row + 1)), columns=columns, window=span)
                    result[target, :, row] = np.maximum(trees.quantiles(known.table) * known.unit[0], 0)
        return result.reshape(-1, series.workloads, columns.size)


@dataclass(frozen=True)
class BoostedSpread:
    """See the module's docstring."""

    name: str = "boosted spread"
    labels: tuple[str, ...] = tuple(
        f"boosted {level:g} quantile, {target}" for target in ("any minute held", "whole window") for level in LEVELS
    )

    def fit(self, series: Series, *, window: Window) -> FittedBoostedSpread:
        """Rows with fewer than a few hundred numbers get none."""
        held, whole = (window.lead, window.lead + window.hold), (1, window.lead)
        rows = [series.rows(slice(row, row + 1)) for row in range(series.workloads)]
        trees = (tuple(_grow_held(row, held) for row in rows), tuple(_grow_whole(row, whole) for row in rows))
        return FittedBoostedSpread((held, whole), trees, lookback_steps(series.step_seconds))


def _grow_whole(series: Series, span: _Span) -> _Trees | None:
    target = ahead_maximum(series.values.astype(np.float64), *span)[0]
    picked = _picked(series, np.isfinite(target))
    return _grow(features(series, columns=picked, window=span), np.arange(picked.size), target[picked])


def _grow_held(series: Series, span: _Span) -> _Trees | None:
    """The target is drawn at random from the span, once for each of the _DRAWS."""
    picked = _picked(series, np.arange(series.steps) < series.steps - span[1])
    rows = np.tile(np.arange(picked.size), _DRAWS)
    ahead = np.random.default_rng(picked.size).integers(span[0], span[1] + 1, rows.size)
    target = series.values[0, picked[rows] + ahead].astype(np.float64)
    known = np.isfinite(target)
    return _grow(features(series, columns=picked, window=span), rows[known], target[known])


def _picked(series: Series, usable: NDArray[np.bool_]) -> NDArray[np.int64]:
    columns = np.flatnonzero(usable & has_yesterday(series)[0])
    return columns[sampled_columns(columns.size, _SAMPLES, step_seconds=series.step_seconds)]


def _grow(known: Features, rows: NDArray[np.int64], target: _Floats) -> _Trees | None:
    """rows: of the features, one for each target."""
    if rows.size < _LEAST_SAMPLES:
        return None
    table, unit = known.table[rows], known.unit[0][rows]
    weight, ratio = unit / unit.mean(), target / unit
    params = {"max_bin": _MAX_BIN, "verbose": -1}
    data = lightgbm.Dataset(table, label=ratio, weight=weight, params=params, free_raw_data=False)
    mean = lightgbm.train(_OPTIONS, data, num_boost_round=_MEAN_ROUNDS).model_to_string()
    error = ratio - _predicted(mean, table)
    sizes = lightgbm.Dataset(table, label=np.abs(error), weight=weight, params=params, reference=data)
    spread = lightgbm.train(_OPTIONS, sizes, num_boost_round=_SPREAD_ROUNDS).model_to_string()
    least = float(_LEAST_SPREAD * np.average(np.abs(error), weights=weight))
    standard = error / np.maximum(_predicted(spread, table), max(least, 1e-12))
    multiples = weighted_quantiles(standard[None], weight[None] / weight.sum(), LEVELS)[0]
    return _Trees(mean, spread, multiples, least)


def _predicted(text: str, table: NDArray[np.float32]) -> _Floats:
    return np.asarray(lightgbm.Booster(model_str=text).predict(table, num_threads=1), dtype=np.float64)
