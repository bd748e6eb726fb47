"""Fits a panel and predicts from it: the demand to provide for, its calibration, and the path that the doors show.

What is asked for is the mixture's decision (decision.py). How far the window's maximum then lies above it is
tracked over the held-out days, whose decisions are true forecasts. The path
comes from one forecaster and is calibrated the same way. Rows never influence each other: one alone, same bytes.
"""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.bands import FittedBands, at_each_step, fit_bands
from models.calibration import score_quantiles, scores, track, upper
from models.cleaning import for_fitting
from models.decision import SEGMENT_SECONDS, FittedDecision, Terms, fit_decision
from models.experts.registry import FLEET, Roster, rosters
from models.forecast import Forecast, Quantiles
from models.forecasters.base import Fitted, Forecaster
from models.forecasters.seasonal_profile import SeasonalProfile
from models.memory import Memory
from models.rolling import ahead_maximum
from models.series import Series

_SCALE = 0.1  # of a row's mean: a tenth of the usual load is as far off for a small forecast as for a large one
_LEAST_SCALE = 1e-6  # rows without any load
_SCORED_HORIZONS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)  # between them quantiles are interpolated


@dataclass(frozen=True)
class Prediction:
    """forecast, quantiles: the path ahead. required: float64 (workloads,), demand to provide for. limit: float64
    (workloads,), quantile of the largest demand of the window, at the level that the panel was fitted for. offered:
    float32 (workloads, candidates), what each candidate would provide for."""

    forecast: Forecast
    quantiles: Quantiles
    required: NDArray[np.float64]
    limit: NDArray[np.float64]
    offered: NDArray[np.float32]

    def times(self, factors: NDArray[np.float32], *, largest: NDArray[np.float32]) -> "Prediction":
        """The same with known events. factors: (workloads, horizon or more); largest: (workloads,), of the window."""
        path, bands = self.forecast, self.quantiles
        along = factors[:, : path.values.shape[1]]
        return Prediction(
            Forecast(path.origin_s, path.step_seconds, path.values * along),
            Quantiles(bands.origin_s, bands.step_seconds, bands.levels, bands.values * along[:, :, None]),
            self.required * largest,
            self.limit * largest,
            self.offered * largest[:, None],
        )


@dataclass(frozen=True)
class FittedPanel:
    """A fitted panel of n workloads.

    fitted_steps: columns that it was fitted on. ready: (n,), False where the history was too short. coverage: (n,),
    share of the tried windows whose maximum was at or below their limit, NaN if unknown. daily_coverage: (n, days), the
    same for each of the last days, the last one ending with the history. scored: columns ahead that path_scores,
    (n, scored, levels), knows.
    held_out_required, held_out_limit, held_out_actual: float32 (n, T), what would have been asked for at each column
    from held_out_start_s on, the limit then, and what was measured there.
    """

    model: Fitted
    bands: FittedBands | None
    decision: FittedDecision
    fitted_steps: int
    levels: tuple[float, ...]
    horizon: int
    scale: NDArray[np.float32]
    limit_score: NDArray[np.float32]
    path_scores: NDArray[np.float32]
    scored: tuple[int, ...]
    ready: NDArray[np.bool_]
    coverage: NDArray[np.float64]
    daily_coverage: NDArray[np.float32]
    held_out_start_s: int
    held_out_required: NDArray[np.float32]
    held_out_limit: NDArray[np.float32]
    held_out_actual: NDArray[np.float32]

    @property
    def recent_steps(self) -> int:
        """Columns that `predict` needs; no more than it was fitted on, since who came later may not have them."""
        regressed = 0 if self.bands is None else self.bands.lookback_steps
        looked_at = max(self.model.recent_steps, self.decision.lookback_steps, regressed) + 1
        return min(looked_at, self.fitted_steps)

    def predict(self, recent: Series, *, latest: NDArray[np.float64]) -> Prediction:
        """Predicts from the last column of `recent` on; `latest` (n,) is what is measured now, NaN for nothing.

        What is required is never below that: a forecast that is wrong costs pods, not overload.
        """
        offered = self.decision.offered(recent)
        wanted = self.decision.blended(offered, at_s=recent.last_s)
        newest = np.where(_is_load(latest), latest, np.nan)
        required = np.where(self.ready, np.fmax(wanted.astype(np.float64), newest), np.nan)
        limit = np.where(self.ready, upper(wanted, self.limit_score, self.scale).astype(np.float64), np.nan)
        tail = recent.tail(self.model.recent_steps + 1)
        path = self.model.level(tail)[:, -1:] * self.model.profile(
            start_s=recent.last_s + recent.step_seconds, steps=self.horizon
        )
        path = np.where(self.ready[:, None], path, np.float32(np.nan))
        path_scores = at_each_step(self.path_scores, self.scored, horizon=self.horizon)
        bands = np.maximum.accumulate(upper(path[:, :, None], path_scores, self.scale[:, None, None]), axis=2)
        if self.bands is not None:
            regressed = self.bands.quantiles(recent, horizon=self.horizon)
            told = np.isfinite(regressed).all(axis=(1, 2)) & self.ready
            bands = np.where(told[:, None, None], regressed, bands)
        forecast = Forecast(recent.last_s, recent.step_seconds, path)
        quantiles = Quantiles(recent.last_s, recent.step_seconds, self.levels, bands)
        limit = np.fmax(limit, np.where(self.ready, newest, np.nan))
        return Prediction(forecast, quantiles, required, limit, offered)


def fit(
    series: Series,
    *,
    terms: Terms,
    level: NDArray[np.float64],
    levels: tuple[float, ...],
    horizon: int,
    hold_out_steps: int,
    roster: Roster | None = None,
    zone: str = "UTC",
    forecaster: Forecaster | None = None,
    memory: Memory | None = None,
) -> FittedPanel:
    """Fits n workloads. terms: what the decision is made for. level: (n,), quantile of the window's maximum.

    levels, horizon: of the path's quantiles. hold_out_steps: columns at the end that weigh, calibrate and judge.
    roster: of experts, default that for fleets. zone: IANA name of the clock that the loads follow. forecaster: of the
    path, default the seasonal profile of that zone. memory: where to keep what was fitted for days before.
    """
    hold_out = min(hold_out_steps, series.steps // 2)
    offered = roster or rosters()[FLEET]
    decision, required = fit_decision(series, terms, hold_out_steps=hold_out, roster=offered, zone=zone, memory=memory)
    scale = _scale(series.values)
    came = _window_maximum(series.values[:, series.steps - required.shape[1] :], terms.window_steps)
    error = scores(came, required, scale)
    limits, limit_score = track(error, level, terms.window_steps, judged_steps=hold_out)
    held = slice(required.shape[1] - hold_out, None)
    path = _fit_path(
        for_fitting(series),
        hold_out,
        scale,
        levels=levels,
        horizon=horizon,
        forecaster=forecaster or SeasonalProfile(zone=zone),
    )
    ready = np.isfinite(limit_score) & path.usable
    return FittedPanel(
        model=path.model,
        bands=fit_bands(series, horizons=_scored(horizon), levels=levels, zone=zone) if offered.bands else None,
        decision=decision,
        fitted_steps=series.steps,
        levels=levels,
        horizon=horizon,
        scale=scale,
        limit_score=limit_score,
        path_scores=path.scores,
        scored=path.scored,
        ready=ready,
        coverage=np.where(ready, _coverage(error, limits), np.nan),
        daily_coverage=_daily_coverage(error, limits, max(SEGMENT_SECONDS // series.step_seconds, 1)),
        held_out_start_s=series.last_s - (hold_out - 1) * series.step_seconds,
        held_out_required=required[:, held],
        held_out_limit=upper(required, limits, scale[:, None])[:, held],
        held_out_actual=series.values[:, series.steps - hold_out :],
    )


@dataclass(frozen=True)
class _Path:
    model: Fitted
    scores: NDArray[np.float32]
    scored: tuple[int, ...]
    usable: NDArray[np.bool_]


def _fit_path(
    series: Series,
    hold_out: int,
    scale: NDArray[np.float32],
    *,
    levels: tuple[float, ...],
    horizon: int,
    forecaster: Forecaster,
) -> _Path:
    """Scored on the held-out columns by a model of what lies before them; the one that serves knows everything."""
    before = Series(series.start_s, series.step_seconds, series.values[:, : series.steps - hold_out])
    earlier, model = forecaster.fit(before), forecaster.fit(series)
    start_s = series.last_s - (hold_out - 1) * series.step_seconds
    actual = series.values[:, series.steps - hold_out :]
    level_then = earlier.level(series)[:, series.steps - hold_out :]
    shape = earlier.profile(start_s=start_s, steps=hold_out + horizon)
    scored = tuple(step for step in _scored(horizon) if step < hold_out) or (1,)
    found = _path_scores(actual, level_then, shape, scale, levels=levels, scored=scored)
    return _Path(model, found, scored, np.isfinite(model.profile(start_s=start_s, steps=1)[:, 0]))


def _is_load(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.isfinite(values) & (values >= 0)


def _window_maximum(values: NDArray[np.float32], window_steps: NDArray[np.int64]) -> NDArray[np.float32]:
    """Largest number of the columns t + 1 ... t + window for each t, `window` per row; NaN where one is missing."""
    result = np.full(values.shape, np.nan, dtype=np.float32)
    for window in np.unique(window_steps):
        rows = window_steps == window
        result[rows] = ahead_maximum(values[rows], 1, int(window))
    return result


def _scored(horizon: int) -> tuple[int, ...]:
    """The fixed steps up to the first one that is not short of the horizon."""
    return _SCORED_HORIZONS[: bisect_left(_SCORED_HORIZONS, horizon) + 1]


def _path_scores(
    actual: NDArray[np.float32],
    level: NDArray[np.float32],
    shape: NDArray[np.float32],
    scale: NDArray[np.float32],
    *,
    levels: tuple[float, ...],
    scored: tuple[int, ...],
) -> NDArray[np.float32]:
    """Score quantiles of the path at the columns ahead `scored`: float32 (workloads, scored, levels).

    What is scored lies at fixed steps, so a longer horizon, asked for by others, changes nothing in a shorter one.
    """
    found = []
    for step in scored:
        error = scores(actual[:, step:], level[:, : -step or None] * shape[:, step : actual.shape[1]], scale)
        found.append(score_quantiles(error, levels))
    return np.stack(found, axis=1)


def _daily_coverage(error: NDArray[np.float32], limits: NDArray[np.float32], day: int) -> NDArray[np.float32]:
    """Coverage of each whole day, counted from the end: float32 (workloads, days)."""
    ends = range(error.shape[1], day - 1, -day)
    days = [_coverage(error[:, end - day : end], limits[:, end - day : end]) for end in ends]
    return np.stack(days[::-1], axis=1).astype(np.float32) if days else np.empty((len(error), 0), dtype=np.float32)


def _coverage(error: NDArray[np.float32], limits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Share of the errors at or below the limit that was known then, NaN where there is none."""
    known = np.isfinite(error) & np.isfinite(limits)
    count = known.sum(axis=1)
    below = (known & (error <= limits)).sum(axis=1)
    return np.where(count > 0, below / np.maximum(count, 1), np.nan)


def _scale(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The constant of the scores' denominator, from a row's mean."""
    known = np.isfinite(values)
    mean = np.where(known, values, 0).sum(axis=1, dtype=np.float64) / np.maximum(known.sum(axis=1), 1)
    scale: NDArray[np.float32] = np.maximum(_SCALE * mean, _LEAST_SCALE).astype(np.float32)
    return scale
