"""What recurs: the mean of earlier days or weeks at the same time, moved by how busy the last hour was.

Week profile from two weeks of history on, day profile from two days on. No smoothing over time: a surge that lasts
three minutes every day is what this is for. Days and weeks begin at midnight of the forecaster's time zone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.forecasters.cycle import DAY_SECONDS, WEEK_SECONDS, FittedCycle, row_mean
from models.local_time import local_seconds
from models.series import Series

_TRIMMED_FROM = 5  # cycles from which the largest and the smallest are left out
_WEEKS_NEEDED = 2  # a week seen once is noise as much as it is pattern


@dataclass(frozen=True)
class SeasonalProfile:
    """See the module's docstring. zone: IANA name of the time that the load follows, daylight saving included."""

    name: str = "seasonal profile"
    zone: str = "UTC"

    def min_steps(self, step_seconds: int) -> int:
        """Two days."""
        return 2 * DAY_SECONDS // step_seconds

    def fit(self, series: Series) -> FittedCycle:
        """Folds the panel into its season; rows with too few numbers get NaN."""
        local_s = local_seconds(series.times_s, self.zone)
        cycle, _ = _folded_mean(series, local_s, season_seconds=DAY_SECONDS)
        season_seconds = DAY_SECONDS
        if series.steps * series.step_seconds >= _WEEKS_NEEDED * WEEK_SECONDS:
            cycle, season_seconds = self._week(series, local_s, daily=cycle), WEEK_SECONDS
        mean = row_mean(cycle)
        cycle = np.where(np.isnan(cycle), mean[:, None], cycle)
        enough = np.isfinite(series.values).sum(axis=1) >= self.min_steps(series.step_seconds)
        cycle[~enough], mean[~enough] = np.nan, np.nan
        return FittedCycle(cycle, mean, series.step_seconds, season_seconds, self.zone)

    def _week(self, series: Series, local_s: NDArray[np.int64], *, daily: NDArray[np.float32]) -> NDArray[np.float32]:
        """The week where a row is old enough and a slot was seen often enough, else the day."""
        weekly, count = _folded_mean(series, local_s, season_seconds=WEEK_SECONDS)
        slot_s = np.arange(weekly.shape[1]) * series.step_seconds
        known = np.isfinite(series.values)
        age_steps = np.where(known.any(axis=1), series.steps - known.argmax(axis=1), 0)
        old = age_steps * series.step_seconds >= _WEEKS_NEEDED * WEEK_SECONDS
        known_day = daily[:, slot_s % DAY_SECONDS // series.step_seconds]
        return np.where(old[:, None] & (count >= _WEEKS_NEEDED), weekly, known_day)


def _folded_mean(
    series: Series, local_s: NDArray[np.int64], *, season_seconds: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Mean of the cycles slot by slot, without the extremes where there are enough, and of how many cycles.

    Both (workloads, slots). Where clocks are put back, the second of the two equal hours counts.
    """
    slots = -(-season_seconds // series.step_seconds)
    cycle, phase_s = np.divmod(local_s, season_seconds)
    cycle -= cycle.min()  # not its first: midnight itself may be put back
    folded = np.full((series.workloads, int(cycle.max()) + 1, slots), np.nan, dtype=np.float32)
    folded[:, cycle, phase_s // series.step_seconds] = series.values
    folded.sort(axis=1)  # NaN last
    seen = np.isfinite(folded).sum(axis=1)
    total = np.nansum(folded, axis=1, dtype=np.float64)
    count = seen
    trim = seen >= _TRIMMED_FROM
    if trim.any():
        top = np.take_along_axis(folded, np.maximum(seen - 1, 0)[:, None, :], axis=1)[:, 0, :]
        total = np.where(trim, total - top - folded[:, 0, :], total)
        count = np.where(trim, seen - 2, seen)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean.astype(np.float32), seen
