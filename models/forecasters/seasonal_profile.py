"""What recurs: the mean of earlier days or weeks at the same time, moved by how busy the last hour was.

Week profile from two weeks of history on, day profile from two days on. No smoothing over time: a surge that lasts
three minutes every day is what this is for. Days and weeks begin at midnight of the forecaster's time zone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.cleaning import local_offsets_seconds
from models.series import Series

DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS

_LEVEL_SECONDS = 3_600  # how far back the level looks
_LEVEL_LIMIT = 3.0  # a level further off is something else than this season
_PRIOR = 0.1  # of a row's mean: keeps the ratio of two small numbers near one
_TRIMMED_FROM = 5  # cycles from which the largest and the smallest are left out
_WEEKS_NEEDED = 2  # a week seen once is noise as much as it is pattern


@dataclass(frozen=True)
class FittedSeasonalProfile:
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
        local_s = _local_seconds(times_s, self.zone)
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


@dataclass(frozen=True)
class SeasonalProfile:
    """See the module's docstring. zone: IANA name of the time that the load follows, daylight saving included."""

    name: str = "seasonal profile"
    zone: str = "UTC"

    def min_steps(self, step_seconds: int) -> int:
        """Two days."""
        return 2 * DAY_SECONDS // step_seconds

    def fit(self, series: Series) -> FittedSeasonalProfile:
        """Folds the panel into its season; rows with too few numbers get NaN."""
        local_s = _local_seconds(series.times_s, self.zone)
        cycle, _ = _folded_mean(series, local_s, season_seconds=DAY_SECONDS)
        season_seconds = DAY_SECONDS
        if series.steps * series.step_seconds >= _WEEKS_NEEDED * WEEK_SECONDS:
            cycle, season_seconds = self._week(series, local_s, daily=cycle), WEEK_SECONDS
        mean = _row_mean(cycle)
        cycle = np.where(np.isnan(cycle), mean[:, None], cycle)
        enough = np.isfinite(series.values).sum(axis=1) >= self.min_steps(series.step_seconds)
        cycle[~enough], mean[~enough] = np.nan, np.nan
        return FittedSeasonalProfile(cycle, mean, series.step_seconds, season_seconds, self.zone)

    def _week(self, series: Series, local_s: NDArray[np.int64], *, daily: NDArray[np.float32]) -> NDArray[np.float32]:
        """The week where a row is old enough and a slot was seen often enough, else the day."""
        weekly, count = _folded_mean(series, local_s, season_seconds=WEEK_SECONDS)
        slot_s = np.arange(weekly.shape[1]) * series.step_seconds
        known = np.isfinite(series.values)
        age_steps = np.where(known.any(axis=1), series.steps - known.argmax(axis=1), 0)
        old = age_steps * series.step_seconds >= _WEEKS_NEEDED * WEEK_SECONDS
        known_day = daily[:, slot_s % DAY_SECONDS // series.step_seconds]
        return np.where(old[:, None] & (count >= _WEEKS_NEEDED), weekly, known_day)


def _local_seconds(times_s: NDArray[np.int64], zone: str) -> NDArray[np.int64]:
    """Unix time moved so that days begin at local midnight; 1 January 1970 was a Thursday in either."""
    return times_s if zone == "UTC" else times_s + local_offsets_seconds(times_s, zone)


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
