"""The smoothed load plus a multiple of its recent noise: what suits counts, whose noise says nothing about tomorrow.

Smoothing takes the noise of low rates out of the decision; the margin is a multiple of the mean distance between load
and smoothed load, so it grows with bursts and shrinks with calm.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.experts.base import Window
from models.rolling import carried_forward, smoothed
from models.series import Series

_NOISE_SECONDS = 3_600


@dataclass(frozen=True)
class FittedSmoothed:
    """Nothing is learned; the lookback is ten half-lives of the slowest."""

    half_lives_seconds: tuple[int, ...]
    margins: tuple[float, ...]
    lookback_steps: int

    def candidates(self, series: Series, *, first: int) -> NDArray[np.float32]:
        """One candidate for each half-life and margin."""
        x = carried_forward(series.values.astype(np.float64))
        found = []
        for seconds in self.half_lives_seconds:
            middle = smoothed(x, max(seconds / series.step_seconds, 0.5))
            before = np.concatenate([middle[:, :1], middle[:, :-1]], axis=1)
            noise = smoothed(np.abs(x - before), _NOISE_SECONDS / series.step_seconds)[:, first:]
            found += [middle[:, first:] + margin * noise for margin in self.margins]
        return np.stack(found).astype(np.float32)


@dataclass(frozen=True)
class Smoothed:
    """See the module's docstring."""

    name: str = "smoothed"
    half_lives_seconds: tuple[int, ...] = (120, 300, 600, 1_200, 2_400, 4_800)
    margins: tuple[float, ...] = (1.5, 2.5, 3.5)

    @property
    def labels(self) -> tuple[str, ...]:
        """One for each half-life and margin."""
        return tuple(
            f"smoothed over {seconds // 60} min + {margin} x noise"
            for seconds in self.half_lives_seconds
            for margin in self.margins
        )

    def fit(self, series: Series, *, window: Window) -> FittedSmoothed:
        """Nothing to learn."""
        lookback = 10 * max(self.half_lives_seconds) // series.step_seconds
        return FittedSmoothed(self.half_lives_seconds, self.margins, lookback)
