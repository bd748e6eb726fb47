"""From how far earlier forecasts were off to quantiles: split conformal prediction on relative errors.

Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World (2005); Lei et al., JASA 113 (2018). The score of a
forecast f of y is (y - f) / (f + c): errors grow with the load, and c keeps small loads from dividing by nothing.
"""

import numpy as np
from numpy.typing import NDArray

MIN_SCORES = 30  # fewer say nothing about a tail


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


def _ranked(ordered: NDArray[np.float32], level: NDArray[np.float64]) -> NDArray[np.float32]:
    """Picks from rows in ascending order, NaN last."""
    if not ordered.shape[1]:
        return np.full(len(ordered), np.nan, dtype=np.float32)
    count = np.isfinite(ordered).sum(axis=1)
    rank = np.minimum(np.ceil((count + 1) * level - 1e-9).astype(np.int64), count)
    picked = np.take_along_axis(ordered, np.maximum(rank - 1, 0)[:, None], axis=1)[:, 0]
    return np.where(count >= MIN_SCORES, picked, np.float32(np.nan))
