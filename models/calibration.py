"""From how far earlier forecasts were off to quantiles: conformal prediction on relative errors.

Split conformal for what does not change under way; `track` for a decision that learns while it is judged.

Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World (2005); Lei et al., JASA 113 (2018). The score of a
forecast f of y is (y - f) / (f + c): errors grow with the load, and c keeps small loads from dividing by nothing.
"""

import numpy as np
from numpy.typing import NDArray

MIN_SCORES = 30  # fewer say nothing about a tail

_BURN_SHARE = 4  # of the columns, as one in so many
_RATE = 0.1  # of the spread, by which a limit that was exceeded rises


def scores(
    actual: NDArray[np.float32], forecast: NDArray[np.float32], scale: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(actual - forecast) / (forecast + scale): float32 (workloads, origins); scale: (workloads,); NaN stays NaN."""
    result: NDArray[np.float32] = (actual - forecast) / (forecast + scale[:, None])
    return result


def upper(forecast: NDArray[np.float32], score: NDArray[np.float32], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """The value that lies `score` above the forecast: the inverse of `scores`, never negative. Shapes broadcast."""
    result: NDArray[np.float32] = np.maximum(forecast + score * (forecast + scale), np.float32(0))
    return result


def score_quantile(values: NDArray[np.float32], level: NDArray[np.float64]) -> NDArray[np.float32]:
    """The conformal quantile of each row: the ceil((n + 1) * level)-th smallest of its n numbers.

    values: (workloads, origins), NaN skipped; level: (workloads,). The largest where the rank exceeds n; NaN where
    there are fewer than MIN_SCORES numbers.
    """
    return _ranked(np.sort(values, axis=1), level)


def score_quantiles(values: NDArray[np.float32], levels: tuple[float, ...]) -> NDArray[np.float32]:
    """The same at several levels at once: float32 (workloads, levels), not decreasing along levels."""
    ordered = np.sort(values, axis=1)
    return np.stack([_ranked(ordered, np.full(len(values), level)) for level in levels], axis=1)


def track(
    error: NDArray[np.float32], level: NDArray[np.float64], delay: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Quantile tracking: the limit that was known at each column, and the one for what comes next.

    Angelopoulos, Candès and Tibshirani, Conformal PID Control for Time Series Prediction (NeurIPS 2023): the limit
    rises where it was exceeded and sinks where it was not, in the ratio that leaves it exceeded at a share 1 - level
    in the long run, whatever the data do. error: scores of the forecasts made at each column (workloads, origins), NaN
    for none; level, delay: (workloads,), columns until a score is known. The first quarter of the columns gives the
    beginning, by its conformal quantile; limits there are NaN. Both NaN where there are too few scores.
    """
    rows, steps = error.shape
    begin = steps // _BURN_SHARE
    early = np.where(np.arange(begin) + delay[:, None] < begin, error[:, :begin], np.float32(np.nan))
    limit = score_quantile(early, level).astype(np.float64)
    spread = _spread(early)
    limits = np.full(error.shape, np.nan, dtype=np.float32)
    row = np.arange(rows)
    for column in range(begin, steps):
        limits[:, column] = limit
        origin = np.maximum(column - delay, 0)
        score, then = error[row, origin], limits[row, origin]
        told = np.isfinite(score) & np.isfinite(then)
        step = _RATE * spread * ((score > then) - (1 - level))
        limit = np.where(told, limit + step, limit)
    return limits, limit.astype(np.float32)


def _spread(scores_known: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean distance of each row's scores from their mean."""
    known = np.isfinite(scores_known)
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, scores_known, 0).sum(axis=1, dtype=np.float64) / count
    distance = np.where(known, np.abs(scores_known - mean[:, None]), 0).sum(axis=1, dtype=np.float64) / count
    spread: NDArray[np.float64] = np.maximum(distance, 1e-3)
    return spread


def _ranked(ordered: NDArray[np.float32], level: NDArray[np.float64]) -> NDArray[np.float32]:
    """Picks from rows in ascending order, NaN last."""
    if not ordered.shape[1]:
        return np.full(len(ordered), np.nan, dtype=np.float32)
    count = np.isfinite(ordered).sum(axis=1)
    rank = np.minimum(np.ceil((count + 1) * level - 1e-9).astype(np.int64), count)
    picked = np.take_along_axis(ordered, np.maximum(rank - 1, 0)[:, None], axis=1)[:, 0]
    return np.where(count >= MIN_SCORES, picked, np.float32(np.nan))
