"""Quantiles of the load at some time ahead: a linear quantile regression for each of a few horizons.

The regressors are those of the experts (features.py), so earlier days and hours are read at the same distance ahead.
Koenker and Bassett, Econometrica 46 (1978); see experts/linear_quantile.py for how it is solved.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.cleaning import for_learning
from models.experts.linear_quantile import quantile_slopes
from models.local_time import moved_steps, on_local_clock
from models.regression import FittedRegressions, fit_regressions
from models.series import Series

SAMPLES = 4_000


@dataclass(frozen=True)
class FittedBands:
    """One regression for each of `horizons`, columns ahead, ascending. zone: of the clock that the loads follow."""

    horizons: tuple[int, ...]
    regressions: FittedRegressions
    step_seconds: int
    zone: str

    @property
    def lookback_steps(self) -> int:
        """Columns before the first one of interest that `quantiles` should be given."""
        return self.regressions.lookback_steps + moved_steps(self.step_seconds, self.zone)

    def quantiles(self, series: Series, *, horizon: int) -> NDArray[np.float32]:
        """Seen from the last column: float32 (workloads, horizon, levels), ascending along levels; NaN: no model."""
        seen = on_local_clock(series, self.zone)
        found = [part.quantiles(seen, first=seen.steps - 1)[:, :, 0].T for part in self.regressions.parts]
        table = np.stack(found, axis=1)
        return at_each_step(table, self.horizons, horizon=horizon)


def at_each_step(table: NDArray[np.float32], horizons: Sequence[int], *, horizon: int) -> NDArray[np.float32]:
    """From (workloads, horizons, levels) at some columns ahead, ascending, to all of 1 ... horizon, by lines."""
    place = np.interp(np.arange(1, horizon + 1), horizons, np.arange(len(horizons)))
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, len(horizons) - 1)
    share = (place - below).astype(np.float32)[None, :, None]
    result: NDArray[np.float32] = table[:, below] * (1 - share) + table[:, above] * share
    return result


def fit_bands(series: Series, *, horizons: Sequence[int], levels: tuple[float, ...], zone: str = "UTC") -> FittedBands:
    """Fits all rows; those with too little history give NaN. horizons: columns ahead, ascending."""
    asked = tuple(((step, step), levels) for step in horizons)
    known = for_learning(on_local_clock(series, zone))
    fitted = fit_regressions(known, asked, quantile_slopes, samples=SAMPLES)
    return FittedBands(tuple(horizons), fitted, series.step_seconds, zone)
