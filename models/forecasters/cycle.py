"""A season, repeated, and the level of the last hour: what most forecasters of the path come down to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.local_time import local_seconds
from models.series import Series

DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS

_LEVEL_SECONDS = 3_600  # how far back the level looks
_LEVEL_LIMIT = 3.0  # a level further off is something else than this season
_PRIOR = 0.1  # of a row's mean: keeps the ratio of two small numbers near one


@dataclass(frozen=True)
class FittedCycle:
    """cycle: float32 (workloads, slots), one season from local midnight on; mean: float32 (workloads,)."""

    cycle: NDArray[np.float32]
    mean: NDArray[np.float32]
    step_seconds: int
    season_seconds: int
    zone: str

    @property
    def recent_steps(self) -> int:
        """Columns of the hour that the level looks at."""
        return max(_LEVEL_SECONDS // self.step_seconds, 1)

    def profile(self, *, start_s: int, steps: int) -> NDArray[np.float32]:
        """The cycle repeated: float32 (workloads, steps)."""
        times_s = start_s + np.arange(steps, dtype=np.int64) * self.step_seconds
        local_s = local_seconds(times_s, self.zone)
        return self.cycle[:, local_s % self.season_seconds // self.step_seconds]

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


def row_mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of the numbers of each row, NaN where there are none."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis=1, dtype=np.float64)
    count = known.sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _trailing_sum(values: NDArray[np.generic], steps: int) -> NDArray[np.float64]:
    """Sum of the last `steps` columns up to and including each one."""
    total = np.cumsum(values, axis=1, dtype=np.float64)
    total[:, steps:] -= total[:, :-steps].copy()
    return total
