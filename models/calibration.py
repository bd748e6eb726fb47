"""From how far earlier forecasts were off to quantiles: conformal prediction on relative errors.

Split conformal for what does not change under way; `track` for a decision that learns while it is judged.

Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World (2005); Lei et al., JASA 113 (2018). The score of a
forecast f of y is (y - f) / (f + c): errors grow with the load, and c keeps small loads from dividing by nothing.
"""

import numpy as np
from numpy.typing import NDArray

MIN_SCORES = 30  # fewer say nothing about a tail

_BURN_SHARE = 4  # of the columns, as one in so many
_LEAST_BURN = 2 * MIN_SCORES
_RATE = 0.3  # of the spread, by which a limit that is always exceeded rises until that is known


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
    error: NDArray[np.float32],
    level: NDArray[np.float64],
    delay: NDArray[np.int64],
    *,
    judged_steps: int | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Quantile tracking: the limit that was known at each column, and the one for what comes next.

    Angelopoulos, Candès and Tibshirani, Conformal PID Control for Time Series Prediction (NeurIPS 2023): the limit
    rises where it was exceeded and sinks where it was not, in the ratio that leaves it exceeded at a share 1 - level
    in the long run, whatever the data do. error: scores of the forecasts made at each column (workloads, origins), NaN
    for none; level, delay: (workloads,), columns until a score is known. judged_steps: columns at the end that need a
    limit each, if there is enough before them; what comes before gives the beginning, by its conformal quantile, else
    the first quarter of what is known does. Limits there are NaN. Both NaN where there are too few scores.
    """
    rows, steps = error.shape
    begin = _judged_from(error, steps if judged_steps is None else judged_steps)
    early = np.where(np.arange(steps) + delay[:, None] < begin[:, None], error, np.float32(np.nan))
    limit = score_quantile(early, level).astype(np.float64)
    most = _RATE * _spread(early) / (delay + 1)
    limits = np.full(error.shape, np.nan, dtype=np.float32)
    row = np.arange(rows)
    for column in range(int(begin.min(initial=steps)), steps):
        limits[:, column] = np.where(column >= begin, limit, np.nan)
        origin = np.maximum(column - delay, 0)
        score, then = error[row, origin], limits[row, origin]
        told = np.isfinite(score) & np.isfinite(then)
        step = most * ((score > then) - (1 - level))
        limit = np.where(told, limit + step, limit)
    return limits, limit.astype(np.float32)


def _judged_from(error: NDArray[np.float32], judged_steps: int) -> NDArray[np.int64]:
    """First column of each row that needs a limit."""
    steps = error.shape[1]
    known = np.isfinite(error)
    first = np.where(known.any(axis=1), known.argmax(axis=1) if steps else 0, 0)
    enough = steps - judged_steps - first >= _LEAST_BURN
    begin: NDArray[np.int64] = np.where(enough, steps - judged_steps, first + (steps - first) // _BURN_SHARE)
    return begin


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
