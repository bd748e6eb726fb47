"""Fits a panel and predicts from it: forecaster, calibration on held-out time, quantiles of path and of maximum.

Time is split in three: what the calibration's forecaster is fitted on, the first part of the held-out time (scores),
and the rest of it, on which the calibrated quantile is tried. What is served afterwards is fitted on everything and
uses the scores of the whole held-out time. Rows never influence each other, so a row alone gives the same bytes.
"""

from bisect import bisect_left
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from models.calibration import score_quantile, score_quantiles, scores, upper
from models.forecast import Forecast, Quantiles
from models.forecasters.base import Fitted, Forecaster
from models.forecasters.seasonal_profile import SeasonalProfile
from models.series import Series

_SCALE = 0.1  # of a row's mean: a tenth of the usual load is as far off for a small forecast as for a large one
_LEAST_SCALE = 1e-6  # rows without any load
_CALIBRATION_SHARE = 1 / 3  # of the held-out time
_SCORED_HORIZONS = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # between them quantiles are interpolated


@dataclass(frozen=True)
class Prediction:
    """forecast, quantiles: the path ahead. required: float64 (workloads,), quantile of the maximum over the window."""

    forecast: Forecast
    quantiles: Quantiles
    required: NDArray[np.float64]


@dataclass(frozen=True)
class FittedPanel:
    """A fitted panel of n workloads.

    ready: (n,), False where the history was too short. coverage: (n,), share of the tried maxima at or below the
    required quantile, NaN if unknown. held_out_required, held_out_actual: float32 (n, T), the quantile as it would
    have been known at each column from held_out_start_s on, and what was measured there.
    """

    model: Fitted
    window_steps: NDArray[np.int64]
    levels: tuple[float, ...]
    horizon: int
    scale: NDArray[np.float32]
    maximum_score: NDArray[np.float32]
    path_scores: NDArray[np.float32]
    ready: NDArray[np.bool_]
    coverage: NDArray[np.float64]
    held_out_start_s: int
    held_out_required: NDArray[np.float32]
    held_out_actual: NDArray[np.float32]

    @property
    def recent_steps(self) -> int:
        """Columns that `predict` needs."""
        return self.model.recent_steps + 1

    def predict(self, recent: Series, *, latest: NDArray[np.float64]) -> Prediction:
        """Predicts from the last column of `recent` on; `latest` (n,) is a number even fresher, NaN for none.

        The quantile of the maximum is never below the newest number: the window begins now.
        """
        level = self.model.level(recent)[:, -1:]
        ahead = max(self.horizon, int(self.window_steps.max(initial=1)))
        path = level * self.model.profile(start_s=recent.last_s + recent.step_seconds, steps=ahead)
        largest = _row_window_maximum(path, self.window_steps)
        required = upper(largest, self.maximum_score, self.scale).astype(np.float64)
        required = np.where(self.ready, np.fmax(required, np.where(_is_load(latest), latest, np.nan)), np.nan)
        path = np.where(self.ready[:, None], path[:, : self.horizon], np.float32(np.nan))
        bands = upper(path[:, :, None], self.path_scores, self.scale[:, None, None])
        forecast = Forecast(recent.last_s, recent.step_seconds, path)
        quantiles = Quantiles(recent.last_s, recent.step_seconds, self.levels, np.maximum.accumulate(bands, axis=2))
        return Prediction(forecast, quantiles, required)


def fit(
    series: Series,
    *,
    window_steps: NDArray[np.int64],
    level: NDArray[np.float64],
    levels: tuple[float, ...],
    horizon: int,
    hold_out_steps: int,
    forecaster: Forecaster | None = None,
) -> FittedPanel:
    """Fits n workloads. window_steps, level: (n,), the stretch ahead whose maximum is asked for, and its quantile.

    levels, horizon: of the path's quantiles. hold_out_steps: columns at the end that calibrate and judge.
    """
    chosen = forecaster or SeasonalProfile()
    hold_out = min(hold_out_steps, series.steps // 2)
    before = Series(series.start_s, series.step_seconds, series.values[:, : series.steps - hold_out])
    earlier = chosen.fit(before)
    level_then = earlier.level(series)[:, series.steps - hold_out :]
    actual = series.values[:, series.steps - hold_out :]
    start_s = series.last_s - (hold_out - 1) * series.step_seconds
    window = int(window_steps.max(initial=1))
    shape = earlier.profile(start_s=start_s, steps=hold_out + max(window, horizon))
    scale_then, scale = _scale(before.values), _scale(series.values)

    largest = level_then * _window_maximum(shape, window_steps)[:, :hold_out]
    padded = np.concatenate([actual, np.full((series.workloads, window), np.nan, dtype=np.float32)], axis=1)
    came = _window_maximum(padded, window_steps)[:, :hold_out]
    split = int(hold_out * _CALIBRATION_SHARE)
    error_then = scores(came, largest, scale_then)
    ended = np.arange(split) < split - window_steps[:, None]  # each row by its own window, not the longest of all
    score_then = score_quantile(np.where(ended, error_then[:, :split], np.float32(np.nan)), level)
    tried = upper(largest, score_then[:, None], scale_then[:, None])
    tried[:, :split] = np.nan
    error = scores(came, largest, scale)
    maximum_score = score_quantile(error, level)
    model = chosen.fit(series)
    usable = np.isfinite(model.profile(start_s=start_s, steps=1)[:, 0])
    return FittedPanel(
        model=model,
        window_steps=window_steps,
        levels=levels,
        horizon=horizon,
        scale=scale,
        maximum_score=maximum_score,
        path_scores=_path_scores(actual, level_then, shape, scale, levels=levels, horizon=horizon),
        ready=np.isfinite(maximum_score) & usable,
        coverage=_coverage(error_then[:, split:], score_then),
        held_out_start_s=start_s,
        held_out_required=tried,
        held_out_actual=actual,
    )


def _is_load(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.isfinite(values) & (values >= 0)


def _window_maximum(values: NDArray[np.float32], window_steps: NDArray[np.int64]) -> NDArray[np.float32]:
    """Largest number of the columns t + 1 ... t + window for each t, `window` per row; NaN where one is missing."""
    missing = np.isnan(values)
    known = np.where(missing, np.float32(-np.inf), values)
    result = np.full(values.shape, np.nan, dtype=np.float32)
    for window in np.unique(window_steps):
        rows = window_steps == window
        steps = values.shape[1] - int(window)
        if steps > 0:
            ahead = partial(maximum_filter1d, size=int(window), axis=1, origin=-(int(window) // 2))
            gap = ahead(missing[rows, 1:].view(np.uint8))[:, :steps] > 0
            result[rows, :steps] = np.where(gap, np.float32(np.nan), ahead(known[rows, 1:])[:, :steps])
    return result


def _row_window_maximum(path: NDArray[np.float32], window_steps: NDArray[np.int64]) -> NDArray[np.float32]:
    """Largest of the first `window` columns of each row: float32 (workloads,)."""
    inside = np.arange(path.shape[1]) < window_steps[:, None]
    largest: NDArray[np.float32] = np.where(inside, path, np.float32(-np.inf)).max(axis=1)
    return largest


def _path_scores(
    actual: NDArray[np.float32],
    level: NDArray[np.float32],
    shape: NDArray[np.float32],
    scale: NDArray[np.float32],
    *,
    levels: tuple[float, ...],
    horizon: int,
) -> NDArray[np.float32]:
    """Score quantiles of the path: float32 (workloads, horizon, levels), interpolated between scored horizons.

    What is scored lies at fixed steps, so a longer horizon, asked for by others, changes nothing in a shorter one.
    """
    reach = bisect_left(_SCORED_HORIZONS, horizon) + 1
    scored = [step for step in _SCORED_HORIZONS[:reach] if step < actual.shape[1]] or [1]
    found = []
    for step in scored:
        error = scores(actual[:, step:], level[:, : -step or None] * shape[:, step : actual.shape[1]], scale)
        found.append(score_quantiles(error, levels))
    place = np.interp(np.arange(1, horizon + 1), scored, np.arange(len(scored)))
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, len(scored) - 1)
    share = (place - below).astype(np.float32)[None, :, None]
    table = np.stack(found, axis=1)
    result: NDArray[np.float32] = table[:, below] * (1 - share) + table[:, above] * share
    return result


def _coverage(error: NDArray[np.float32], limit: NDArray[np.float32]) -> NDArray[np.float64]:
    """Share of the errors at or below the limit of their row, NaN where there is neither."""
    known = np.isfinite(error)
    count = known.sum(axis=1)
    below = (known & (error <= limit[:, None])).sum(axis=1)
    return np.where((count > 0) & np.isfinite(limit), below / np.maximum(count, 1), np.nan)


def _scale(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The constant of the scores' denominator, from a row's mean."""
    known = np.isfinite(values)
    mean = np.where(known, values, 0).sum(axis=1, dtype=np.float64) / np.maximum(known.sum(axis=1), 1)
    scale: NDArray[np.float32] = np.maximum(_SCALE * mean, _LEAST_SCALE).astype(np.float32)
    return scale
