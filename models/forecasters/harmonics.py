"""Sines and cosines of the day and the week, fitted by ridge to all rows at a time: smooth seasons from little history.

Harmonic regression, as in Hyndman and Athanasopoulos, Forecasting: Principles and Practice (3rd edition), 7.4. Weekly
terms join from two weeks of history on.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.forecasters.cycle import DAY_SECONDS, WEEK_SECONDS, FittedCycle, row_mean
from models.local_time import local_seconds
from models.series import Series

_RIDGE = 1e-3
_WEEKS_NEEDED = 2


@dataclass(frozen=True)
class Harmonics:
    """daily, weekly: how many harmonics of each. zone: IANA name of the time that the load follows."""

    name: str = "harmonics"
    daily: int = 8
    weekly: int = 6
    zone: str = "UTC"

    def min_steps(self, step_seconds: int) -> int:
        """Two days."""
        return 2 * DAY_SECONDS // step_seconds

    def fit(self, series: Series) -> FittedCycle:
        """Gaps count for nothing; rows with too few numbers get NaN."""
        span = series.steps * series.step_seconds
        season = WEEK_SECONDS if span >= _WEEKS_NEEDED * WEEK_SECONDS else DAY_SECONDS
        known = np.isfinite(series.values)
        mean = row_mean(series.values)
        table = self._table(local_seconds(series.times_s, self.zone), weekly=season == WEEK_SECONDS)
        slots = self._table(
            np.arange(-(-season // series.step_seconds)) * series.step_seconds, weekly=season == WEEK_SECONDS
        )
        middle = np.nan_to_num(mean, nan=0.0).astype(np.float64)
        cycle = np.zeros((series.workloads, len(slots)))
        for row in range(series.workloads):
            there = known[row]
            cycle[row] = middle[row] + slots @ _ridge(table[there], series.values[row, there] - middle[row])
        season_of = np.maximum(cycle, 0).astype(np.float32)
        enough = known.sum(axis=1) >= self.min_steps(series.step_seconds)
        season_of[~enough], mean[~enough] = np.nan, np.nan
        return FittedCycle(season_of, mean, series.step_seconds, season, self.zone)

    def _table(self, local_s: NDArray[np.int64], *, weekly: bool) -> NDArray[np.float64]:
        """One column a term: (times, terms)."""
        periods = [DAY_SECONDS / k for k in range(1, self.daily + 1)]
        periods += [WEEK_SECONDS / k for k in range(1, self.weekly + 1)] if weekly else []
        angle = 2 * np.pi * local_s[:, None] / np.asarray(periods)
        return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)


def _ridge(table: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slopes of one row; zero where nothing is known."""
    gram: NDArray[np.float64] = table.T @ table + _RIDGE * max(len(table), 1) * np.eye(table.shape[1])
    return np.asarray(np.linalg.solve(gram, table.T @ values), dtype=np.float64)
