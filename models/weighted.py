"""Quantiles of weighted numbers."""

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]


def weighted_quantiles(values: _Floats, weight: _Floats, levels: tuple[float, ...]) -> _Floats:
    """Quantiles of each row: (rows, levels); the least value with at least the level's share of the weight up to it.

    values, weight: (rows, numbers); the weights of a row add up to one.
    """
    order = np.argsort(values, axis=1, kind="stable")
    share = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    place = np.stack([(share < level).sum(axis=1) for level in levels], axis=1)
    return np.take_along_axis(np.take_along_axis(values, order, axis=1), np.minimum(place, values.shape[1] - 1), axis=1)
