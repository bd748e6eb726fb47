"""Quantiles of the window's maximum from a mean and a spread, both linear in the features.

A ridge regression of the maximum, a second one of its absolute errors, and the quantiles of the errors in units of
that spread: the location-scale model of Koenker and Bassett, Econometrica 50 (1982). Two solves of one Gram matrix:
cheap enough for fleets of thousands, and steadier than a quantile regression where history is short.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.experts.base import Window
from models.regression import SAMPLES, FittedRegressions, Problem, fit_regressions
from models.series import Series
from models.weighted import weighted_quantiles

_RIDGE = 3e-4
_SPREAD_RIDGE = 1e-2
_LEAST_SPREAD = 0.25  # of the mean absolute error: calm that a regression made up

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinearSpread:
    """See the module's docstring. held_levels, whole_levels: of the two windows; samples: that a row is fitted on."""

    name: str = "linear spread"
    held_levels: tuple[float, ...] = (0.6, 0.8, 0.9, 0.95, 0.98)
    whole_levels: tuple[float, ...] = (0.6, 0.8, 0.9)
    samples: int = SAMPLES

    @property
    def labels(self) -> tuple[str, ...]:
        """One for each level of each window."""
        held = tuple(f"mean and spread, {level:g} quantile, open part" for level in self.held_levels)
        return held + tuple(f"mean and spread, {level:g} quantile, whole window" for level in self.whole_levels)

    def fit(self, series: Series, *, window: Window) -> FittedRegressions:
        """Rows with fewer than a few hundred numbers get NaN."""
        both = (((window.held, window.lead), self.held_levels), ((1, window.lead), self.whole_levels))
        return fit_regressions(series, tuple(one for one in both if one[1]), _slopes, samples=self.samples)


def _slopes(problem: Problem, levels: tuple[float, ...]) -> _Floats:
    """Slopes (rows, k, levels): mean + quantile of the standardised errors x spread."""
    table, ratio, weight = problem.table, problem.ratio, problem.weight
    k = table.shape[2]
    weighted = (table * weight[:, :, None]).transpose(0, 2, 1)
    gram = weighted @ table + _RIDGE * np.eye(k)
    middle = np.linalg.solve(gram, weighted @ ratio[:, :, None])
    error = ratio - (table @ middle)[:, :, 0]
    gram += _SPREAD_RIDGE * np.diag(np.arange(k) < k - 1)
    size = np.linalg.solve(gram, weighted @ np.abs(error)[:, :, None])
    usual = (np.abs(error) * weight).sum(axis=1, keepdims=True)
    standard = error / np.maximum((table @ size)[:, :, 0], np.maximum(_LEAST_SPREAD * usual, 1e-12))
    multiples = weighted_quantiles(standard, weight, levels)
    return middle + size * multiples[:, None, :]
