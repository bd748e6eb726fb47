"""What recurs: the mean of earlier days or weeks at the same time, moved by how busy the last hour was.

Week profile from two weeks of history on, day profile from two days on. No smoothing over time: a surge that lasts
three minutes every day is what this is for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.series import Series

DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS

_LEVEL_SECONDS = 3_600  # how far back the level looks
_LEVEL_LIMIT = 3.0  # a level further off is something else than this season
_PRIOR = 0.1  # of a row's mean: keeps the ratio of two small numbers near one
_TRIMMED_FROM = 5  # cycles from which the largest and the smallest are left out


@dataclass(frozen=True)
class FittedSeasonalProfile:
    """cycle: float32 (workloads, slots), one season from Unix time 0 on; mean: float32 (workloads,)."""

    cycle: NDArray[np.float32]
    mean: NDArray[np.float32]
    step_seconds: int

    @property
    def recent_steps(self) -> int:
        """Columns of the hour that the level looks at."""
        return max(_LEVEL_SECONDS // self.step_seconds, 1)

    def profile(self, *, start_s: int, steps: int) -> NDArray[np.float32]:
        """The cycle repeated: float32 (workloads, steps)."""
        slots = (start_s // self.step_seconds + np.arange(steps)) % self.cycle.shape[1]
        return self.cycle[:, slots]

    def level(self, series: Series) -> NDArray[np.float32]:
        """Mean of the last hour over the profile's mean of the same hour, drawn towards one, within limits."""
        profile = self.profile(start_s=series.start_s, steps=series.steps)
        known = ~(np.isnan(series.values) | np.isnan(profile))
        actual = _trailing_sum(np.where(known, series.values, 0), self.recent_steps)
        expected = _trailing_sum(np.where(known, profile, 0), self.recent_steps)
        count = _trailing_sum(known, self.recent_steps)
        prior = _PRIOR * self.mean[:, None].astype(np.float64) * np.maximum(count, 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = (actual + prior) / (expected + prior)
        level = np.clip(np.where(count > 0, ratio, 1.0), 1 / _LEVEL_LIMIT, _LEVEL_LIMIT)
        return np.where(np.isnan(self.mean)[:, None], np.nan, np.nan_to_num(level, nan=1.0)).astype(np.float32)


@dataclass(frozen=True)
class SeasonalProfile:
    """See the module's docstring."""

    name: str = "seasonal profile"

    def min_steps(self, step_seconds: int) -> int:
        """Two days."""
        return 2 * DAY_SECONDS // step_seconds

    def fit(self, series: Series) -> FittedSeasonalProfile:
        """Folds the panel into its season; rows with too few numbers get NaN."""
        season_s = WEEK_SECONDS if series.steps * series.step_seconds >= 2 * WEEK_SECONDS else DAY_SECONDS
        slots = season_s // series.step_seconds
        enough = np.isfinite(series.values).sum(axis=1) >= self.min_steps(series.step_seconds)
        cycle = _folded_mean(series, slots)
        if season_s == WEEK_SECONDS:
            daily = np.tile(_folded_mean(series, DAY_SECONDS // series.step_seconds), (1, 7))
            cycle = np.where(np.isnan(cycle), daily, cycle)
        mean = _row_mean(cycle)
        cycle = np.where(np.isnan(cycle), mean[:, None], cycle)
        cycle[~enough], mean[~enough] = np.nan, np.nan
        return FittedSeasonalProfile(cycle, mean, series.step_seconds)


def _folded_mean(series: Series, slots: int) -> NDArray[np.float32]:
    """Mean of the cycles slot by slot, without the extremes where there are enough: float32 (workloads, slots)."""
    first = series.start_s // series.step_seconds % slots
    cycles = -(-(first + series.steps) // slots)
    folded = np.full((series.workloads, cycles * slots), np.nan, dtype=np.float32)
    folded[:, first : first + series.steps] = series.values
    folded = np.sort(folded.reshape(series.workloads, cycles, slots), axis=1)  # NaN last
    count = np.isfinite(folded).sum(axis=1)
    total = np.nansum(folded, axis=1, dtype=np.float64)
    trim = count >= _TRIMMED_FROM
    if trim.any():
        top = np.take_along_axis(folded, np.maximum(count - 1, 0)[:, None, :], axis=1)[:, 0, :]
        total = np.where(trim, total - top - folded[:, 0, :], total)
        count = np.where(trim, count - 2, count)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean.astype(np.float32)


def _row_mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis=1, dtype=np.float64)
    count = known.sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _trailing_sum(values: NDArray[np.generic], steps: int) -> NDArray[np.float64]:
    """Sum of the last `steps` columns up to and including each one."""
    total = np.cumsum(values, axis=1, dtype=np.float64)
    total[:, steps:] -= total[:, :-steps].copy()
    return total
