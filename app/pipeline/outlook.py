"""What the fits say about the time ahead of one cut, gathered from their blocks into the order of the plan."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.pipeline.events import factors, largest_ahead, without
from app.pipeline.fits import Fit
from app.pipeline.fitting import HOLD_OUT_DAYS, FittedBlock
from app.pipeline.history import HistoryPanel
from app.pipeline.plan import Plan, measured_as
from app.planning.replay import DAILY
from app.snapshot import QUALITY, Voices
from models.engine import Prediction
from models.series import Series

LEVELS = (0.1, 0.5, 0.9, 0.95)
VOICES = 5  # candidates with the largest shares that are shown of each workload
DAYS = HOLD_OUT_DAYS  # of the replay that are shown


@dataclass(frozen=True)
class Outlook:
    """Arrays have one entry a workload; NaN where there is no usable fit.

    required: quantile of the maximum over the lead. foreseen: the median now, one step ahead. quantiles: float32
    (workloads, horizon, levels). trusted, coverage, skill and costs: the verdict of the last fit's replay. voices,
    quality, judged_s: see Snapshot. daily: float32 (workloads, DAILY, DAYS) of the same days.
    calendar: what known events multiply the window's largest demand by, 1 for none.
    """

    required: NDArray[np.float64]
    foreseen: NDArray[np.float64]
    quantiles: NDArray[np.float32]
    trusted: NDArray[np.bool_]
    coverage: NDArray[np.float64]
    skill: NDArray[np.float64]
    reactive_cost: NDArray[np.float64]
    forecast_cost: NDArray[np.float64]
    calendar: NDArray[np.float64]
    judged_s: NDArray[np.float64]
    voices: Voices
    quality: NDArray[np.float32]
    daily: NDArray[np.float32]
    fitted_s: float


def look_ahead(
    plan: Plan, panel: HistoryPanel, fits: Mapping[str, Fit], *, demand: NDArray[np.float64], horizon: int
) -> Outlook:
    """Predicts block by block: a block's models see only their own workloads' recent columns."""
    n = len(plan.keys)
    blank = [np.full(n, np.nan) for _ in range(8)]
    required, foreseen, coverage, skill, reactive_cost, forecast_cost, calendar, judged_s = blank
    voices = Voices.silent(n, labels=plan.labels, shown=VOICES)
    quality = np.full((n, len(QUALITY), DAYS), np.nan, dtype=np.float32)
    daily = np.full((n, len(DAILY), DAYS), np.nan, dtype=np.float32)
    trusted = np.zeros(n, dtype=np.bool_)
    quantiles = np.full((n, horizon, len(LEVELS)), np.nan, dtype=np.float32)
    fitted_s = float("nan")
    for block, rows, places in _by_block(plan, fits):
        keys = list(block.keys)
        recent = panel.window(
            [measured_as(key) for key in keys], last_s=panel.last_s or 0, steps=block.fitted.recent_steps
        )
        latest = np.full(len(keys), np.nan)
        latest[rows] = demand[places]
        prediction, known = _predict(block, recent, latest, plan)
        required[places] = prediction.required[rows]
        path = prediction.quantiles.values[rows][:, :horizon]
        quantiles[places, : path.shape[1]] = path
        foreseen[places] = path[:, 0, LEVELS.index(0.5)]
        coverage[places] = block.fitted.coverage[rows]
        trusted[places] = block.verdict.trusted[rows]
        skill[places] = block.verdict.skill[rows]
        reactive_cost[places] = block.verdict.reactive_cost[rows]
        forecast_cost[places] = block.verdict.forecast_cost[rows]
        calendar[places], judged_s[places] = known[rows], block.cut_s
        daily[places] = _last_days(block.verdict.daily)[rows]
        quality[places] = _quality(block)[rows]
        if block.fitted.decision.labels == voices.labels:
            shares = block.fitted.decision.shares(prediction.offered, at_s=recent.last_s)
            voices.tell(places, shares=shares[rows], said=prediction.offered[rows])
        fitted_s = float(np.fmax(fitted_s, block.cut_s))
    return Outlook(
        required=required,
        foreseen=foreseen,
        quantiles=quantiles,
        trusted=trusted,
        coverage=coverage,
        skill=skill,
        reactive_cost=reactive_cost,
        forecast_cost=forecast_cost,
        calendar=calendar,
        judged_s=judged_s,
        voices=voices,
        quality=quality,
        daily=daily,
        fitted_s=fitted_s,
    )


def _quality(block: FittedBlock) -> NDArray[np.float32]:
    """(workloads, QUALITY, DAYS) of the replay, the last days; NaN before the first."""
    replayed = _last_days(block.verdict.daily)[:, : len(QUALITY) - 1]
    return np.concatenate([replayed, _last_days(block.fitted.daily_coverage[:, None])], axis=1)


def _last_days(found: NDArray[np.floating]) -> NDArray[np.float32]:
    """(workloads, columns, DAYS) of (workloads, columns, days)."""
    result = np.full((*found.shape[:2], DAYS), np.nan, dtype=np.float32)
    days = min(found.shape[2], DAYS)
    result[:, :, DAYS - days :] = found[:, :, found.shape[2] - days :]
    return result


def _predict(
    block: FittedBlock, recent: Series, latest: NDArray[np.float64], plan: Plan
) -> tuple[Prediction, NDArray[np.float64]]:
    """Without the events, and these put in afterwards; and what they multiply the window's largest demand by."""
    ahead = max(block.fitted.horizon, int(plan.window_steps.max(initial=1)))
    grid = {"start_s": recent.start_s, "step_seconds": recent.step_seconds, "steps": recent.steps + ahead}
    multiplied = factors(block.events, block.effects, **grid)
    if multiplied is None:
        return block.fitted.predict(recent, latest=latest), np.ones(len(block.keys))
    now = recent.steps
    quiet = block.fitted.predict(without(recent, multiplied[:, :now]), latest=latest / multiplied[:, now - 1])
    window = np.asarray([plan.window_steps[plan.index[key]] if key in plan.index else 1 for key in block.keys])
    largest = largest_ahead(multiplied, window, columns=now)[:, -1]
    return quiet.times(multiplied[:, now:], largest=largest), largest.astype(np.float64)


def _by_block(
    plan: Plan, fits: Mapping[str, Fit]
) -> Iterator[tuple[FittedBlock, NDArray[np.int64], NDArray[np.int64]]]:
    """Each block in use, the rows of it that are, and their places in the plan."""
    found: dict[int, tuple[Fit, list[int], list[int]]] = {}
    for key, fit in fits.items():
        if key in plan.index:
            _, rows, places = found.setdefault(id(fit.block), (fit, [], []))
            rows.append(fit.row)
            places.append(plan.index[key])
    for fit, rows, places in found.values():
        yield fit.block, np.asarray(rows, dtype=np.int64), np.asarray(places, dtype=np.int64)
