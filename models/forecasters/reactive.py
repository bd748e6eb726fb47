"""The rule that is always there: what was last is what will be."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.series import Series


@dataclass(frozen=True)
class FittedReactive:
    """Nothing is learned; the level is the newest number of the last `recent_steps` columns."""

    workloads: int
    recent_steps: int = 10

    def profile(self, *, start_s: int, steps: int) -> NDArray[np.float32]:
        """Ones: float32 (workloads, steps)."""
        return np.ones((self.workloads, steps), dtype=np.float32)

    def level(self, series: Series) -> NDArray[np.float32]:
        """The last number, carried over at most `recent_steps` columns."""
        columns = np.arange(series.steps)
        last = np.maximum.accumulate(np.where(np.isnan(series.values), -1, columns), axis=1)
        known = (last >= 0) & (columns - last < self.recent_steps)
        carried = np.take_along_axis(series.values, np.maximum(last, 0), axis=1)
        return np.where(known, carried, np.float32(np.nan))


@dataclass(frozen=True)
class Reactive:
    """See the module's docstring."""

    name: str = "reactive"

    def min_steps(self, step_seconds: int) -> int:
        """One number is enough."""
        return 1

    def fit(self, series: Series) -> FittedReactive:
        """Nothing to learn."""
        return FittedReactive(series.workloads)
