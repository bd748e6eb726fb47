"""Quantiles of the window's maximum by linear quantile regression, all rows of a panel at a time.

Koenker and Bassett, Econometrica 46 (1978), with the check function smoothed by a Gaussian kernel (He, Pan, Tan and
Zhou, Journal of Econometrics 232, 2023), so that a few damped Newton steps solve it, with a ridge on the standardised
features. Two windows: the whole one, and the part that the HPA's hold does not cover already.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from models.experts.base import Window
from models.regression import FittedRegressions, Problem, fit_regressions
from models.series import Series

HELD_LEVELS = (0.6, 0.8, 0.9, 0.95, 0.98)
WHOLE_LEVELS = (0.8, 0.9, 0.95)

_RIDGE = 1e-3
_DAMPING = 0.02
_STEPS = 25

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinearQuantile:
    """See the module's docstring."""

    name: str = "linear quantiles"
    labels: tuple[str, ...] = tuple(f"linear {level:g} quantile, open part" for level in HELD_LEVELS) + tuple(
        f"linear {level:g} quantile, whole window" for level in WHOLE_LEVELS
    )

    def fit(self, series: Series, *, window: Window) -> FittedRegressions:
        """Rows with fewer than a few hundred numbers get NaN."""
        asked = (((window.held, window.lead), HELD_LEVELS), ((1, window.lead), WHOLE_LEVELS))
        return fit_regressions(series, asked, quantile_slopes)


def quantile_slopes(problem: Problem, levels: tuple[float, ...]) -> _Floats:
    """Slopes (workloads, k, levels): damped Newton steps while the kernel narrows, each level from the one before."""
    table, ratio, weight = problem.table, problem.ratio, problem.weight
    k = table.shape[2]
    weighted = table * weight[:, :, None]
    gram = _transposed(weighted) @ table
    slopes = np.linalg.solve(gram + 1e-4 * np.eye(k), _transposed(weighted) @ ratio[:, :, None])[:, :, 0]
    rest = np.abs(ratio - (table @ slopes[:, :, None])[:, :, 0])
    scale = (rest * weight).sum(axis=1) + 1e-9
    ridge = np.where(np.arange(k) < k - 1, _RIDGE, 0.0)
    fixed = (np.eye(k) * (ridge + _DAMPING * np.einsum("nkk->nk", gram))[:, None, :]) / scale[:, None, None]
    fixed += 1e-9 * np.eye(k)
    found = np.empty((*slopes.shape, len(levels)))
    for position, level in enumerate(levels):
        done = np.zeros((len(slopes), 1), dtype=np.bool_)  # each row stops by itself, whatever its neighbours do
        for step in range(_STEPS):
            width = (np.maximum(0.7**step, 0.15) * scale)[:, None]
            error = (ratio - (table @ slopes[:, :, None])[:, :, 0]) / width
            push = weight * (ndtr(-error) - level)
            slope = (push[:, None, :] @ table)[:, 0] + ridge * slopes / scale[:, None]
            bend = weight * np.exp(-0.5 * error * error) / (np.sqrt(2 * np.pi) * width)
            curve = _transposed(table * bend[:, :, None]) @ table + fixed
            change = np.linalg.solve(curve, slope[:, :, None])[:, :, 0]
            moved = (table @ change[:, :, None])[:, :, 0]
            size = np.sqrt((weight * moved * moved).sum(axis=1, keepdims=True))
            bound = np.minimum(1, width / np.maximum(size, 1e-12))  # where few errors lie near, the step is too long
            slopes = slopes - np.where(done, 0, change * bound)
            done |= (size < 1e-3 * scale[:, None]) & (step > 6)
            if done.all():
                break
        found[:, :, position] = slopes
    return found


def _transposed(table: _Floats) -> _Floats:
    return table.transpose(0, 2, 1)
