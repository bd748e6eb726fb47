"""Parts of a workload's demand (its tools, its tenants) that add up exactly to the whole that is forecast.

Top-down by forecast proportions: each part is forecast on its own, and the whole, which is what is served, is divided
in these proportions (Athanasopoulos, Ahmed, Hyndman: Hierarchical forecasts for Australian domestic tourism,
International Journal of Forecasting 25, 2009). In the first hours the proportions of the last hour have a say as well,
that halves every hour. Weighting by variances instead (minimum trace) was measured; it is worse where parts are bursty.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

RECENT_SECONDS = 3_600
_HALF_LIFE_SECONDS = 3_600.0

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Parts:
    """The parts of one workload as of at_s, Unix seconds. labels: names of the labels that tell them apart.

    names: the values of the labels, one tuple a part. now: (parts,), measured at at_s, in the unit of demand. shares:
    float32 (parts, steps), of the whole, from at_s to at_s + step_seconds, and so on; columns sum to one. note: why
    nothing is known, empty if it is.
    """

    labels: tuple[str, ...]
    names: tuple[tuple[str, ...], ...] = ()
    at_s: int = 0
    step_seconds: int = 1
    now: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    shares: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 1), dtype=np.float32))
    note: str = ""

    def split(self, whole: _Floats, times_s: NDArray[np.int64]) -> _Floats:
        """The whole, (steps,), at times (Unix seconds), as parts: (parts, steps). Beyond the last share that one
        counts."""
        column = np.clip((times_s - 1 - self.at_s) // self.step_seconds, 0, self.shares.shape[1] - 1)
        return adding_up(whole, self.shares[:, column].astype(np.float64))

    def grouped(self, by: Sequence[str]) -> Mapping[tuple[str, ...], list[int]]:
        """Places of the parts that have the same values of some of the labels, in the order of the first of each."""
        kept = [self.labels.index(label) for label in by]
        groups: dict[tuple[str, ...], list[int]] = {}
        for place, name in enumerate(self.names):
            groups.setdefault(tuple(name[index] for index in kept), []).append(place)
        return groups


def shares_ahead(recent: _Floats, expected: _Floats, *, step_seconds: int) -> NDArray[np.float32]:
    """Proportions of the parts: (parts, steps). recent: (parts,), mean of the last hour; expected: (parts, steps), each
    part's own forecast, NaN where there is none."""
    now = _proportions(recent[:, None])
    own = np.where(np.isfinite(expected).all(axis=0), _proportions(np.nan_to_num(expected)), now)
    ahead_s = step_seconds * np.arange(1, expected.shape[1] + 1)
    weight = 0.5 ** (ahead_s / _HALF_LIFE_SECONDS)
    shares: NDArray[np.float32] = (weight * now + (1 - weight) * own).astype(np.float32)
    return shares


def adding_up(whole: _Floats, shares: _Floats) -> _Floats:
    """(parts, steps) in proportion to shares, (parts, steps), whose float sum is `whole`, (steps,), bit by bit.

    Each part is a whole multiple of the last place of `whole`, so that sums in any order, of any of them, are exact.
    """
    unit = np.spacing(np.maximum(np.abs(whole), np.finfo(np.float64).tiny))
    with np.errstate(invalid="ignore"):
        units = whole / unit
        counts = np.floor(_proportions(shares) * units)
        largest = np.argmax(shares, axis=0)
        counts[largest, np.arange(whole.size)] += units - counts.sum(axis=0)
        return counts * unit


def _proportions(values: _Floats) -> _Floats:
    """Of each column's sum; equal ones where that is nothing."""
    total = values.sum(axis=0)
    proportions: _Floats = np.where(total > 0, values / np.where(total > 0, total, 1.0), 1.0 / max(len(values), 1))
    return proportions
