"""The two shapes of measured data: one series as a store gave it, and a panel on a common time grid."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidSeries


@dataclass(frozen=True)
class RawHistory:
    """Samples of one series as a store returned them: any order, duplicates, NaN and infinities included.

    times_s: float64 (samples,), Unix seconds. values: float64 (samples,), in the series' own unit.
    """

    times_s: NDArray[np.float64]
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.times_s.ndim != 1 or self.times_s.shape != self.values.shape:
            raise InvalidSeries(f"times {self.times_s.shape} and values {self.values.shape} must be equal 1-d shapes")


@dataclass(frozen=True)
class Series:
    """A panel of workloads on one time grid.

    values: float32 (workloads, steps); column j is what was known at start_s + j * step_seconds.
    NaN means "no number", which is never the same as zero. Finite values are >= 0.
    """

    start_s: int
    step_seconds: int
    values: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.values.ndim != 2:
            raise InvalidSeries(f"a panel is (workloads, steps), not {self.values.shape}")
        if self.step_seconds <= 0:
            raise InvalidSeries(f"step_seconds must be positive, not {self.step_seconds}")

    @property
    def workloads(self) -> int:
        return int(self.values.shape[0])

    @property
    def steps(self) -> int:
        return int(self.values.shape[1])

    @property
    def last_s(self) -> int:
        """Time of the last column, Unix seconds."""
        return self.start_s + (self.steps - 1) * self.step_seconds

    @property
    def times_s(self) -> NDArray[np.int64]:
        """Times of the columns, int64 (steps,), Unix seconds."""
        return self.start_s + np.arange(self.steps, dtype=np.int64) * self.step_seconds

    def tail(self, steps: int) -> "Series":
        """The last `steps` columns (a view); the whole panel if it is shorter."""
        kept = min(steps, self.steps)
        first = self.steps - kept
        return Series(self.start_s + first * self.step_seconds, self.step_seconds, self.values[:, first:])

    def rows(self, index: NDArray[np.int64] | slice) -> "Series":
        """The same grid for some of the workloads."""
        return Series(self.start_s, self.step_seconds, self.values[index])
