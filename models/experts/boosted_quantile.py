"""Quantiles of the window's maximum by gradient-boosted trees (LightGBM), one row at a time.

For what is not linear: loads that switch on and off, bursts at certain minutes of the hour. Costs about a hundred
times what the linear regression does, so a fleet of thousands goes without it.
"""

from dataclasses import dataclass

import lightgbm
import numpy as np
from numpy.typing import NDArray

from models.experts.base import Window
from models.features import Features, features, has_yesterday, lookback_steps, sampled_columns
from models.rolling import ahead_maximum
from models.series import Series

LEVELS = (0.8, 0.9, 0.95)

_ROUNDS = 60
_SAMPLES = 8_000
_LEAST_SAMPLES = 600
_OPTIONS = {
    "objective": "quantile",
    "num_leaves": 15,
    "learning_rate": 0.12,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": 63,
    "num_threads": 1,
    "boost_from_average": False,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FittedBoostedQuantile:
    """trees: for each workload LightGBM's text of one model a level, empty where there is none."""

    window: tuple[int, int]
    trees: tuple[tuple[str, ...], ...]
    lookback_steps: int

    def candidates(self, series: Series, *, first: int) -> NDArray[np.float32]:
        """One candidate for each level."""
        result = np.full((len(LEVELS), series.workloads, series.steps - first), np.nan, dtype=np.float32)
        for row, texts in enumerate(self.trees):
            if texts:
                one = slice(row, row + 1)
                known = features(series.rows(one), columns=np.arange(first, series.steps), window=self.window)
                table = _table(known)
                found = [np.asarray(lightgbm.Booster(model_str=text).predict(table, num_threads=1)) for text in texts]
                result[:, row] = np.maximum(np.sort(np.stack(found), axis=0) * known.unit[0], 0)
        return result


@dataclass(frozen=True)
class BoostedQuantile:
    """See the module's docstring."""

    name: str = "boosted quantiles"
    labels: tuple[str, ...] = tuple(f"boosted {level:g} quantile" for level in LEVELS)

    def fit(self, series: Series, *, window: Window) -> FittedBoostedQuantile:
        """Rows with fewer than a few hundred numbers get none."""
        span = (1, window.lead)
        trees = tuple(_grow(series.rows(slice(row, row + 1)), span) for row in range(series.workloads))
        return FittedBoostedQuantile(span, trees, lookback_steps(series.step_seconds))


def _table(known: Features) -> NDArray[np.float32]:
    return np.concatenate([known.regressors[0, :, :-1], known.clock], axis=1).astype(np.float32)


def _grow(series: Series, window: tuple[int, int]) -> tuple[str, ...]:
    told = has_yesterday(series)[0]
    begin = int(told.argmax())
    target = ahead_maximum(series.values.astype(np.float64), *window)[0]
    usable = begin + np.flatnonzero(np.isfinite(target[begin:]) & told[begin:])
    if usable.size < _LEAST_SAMPLES:
        return ()
    picked = usable[sampled_columns(usable.size, _SAMPLES)]
    known = features(series, columns=picked, window=window)
    table, unit = _table(known), known.unit[0]
    data = lightgbm.Dataset(
        table, label=target[picked] / unit, weight=unit / unit.mean(), params={"max_bin": 63, "verbose": -1}
    )
    data.construct()
    return tuple(
        lightgbm.train(_OPTIONS | {"alpha": level}, data, num_boost_round=_ROUNDS).model_to_string() for level in LEVELS
    )
