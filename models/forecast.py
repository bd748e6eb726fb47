"""The two shapes of what is expected: a central path, and quantiles around it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidSeries


@dataclass(frozen=True)
class Forecast:
    """Central paths of a panel: values float32 (workloads, horizon); column h is origin_s + (h + 1) * step_seconds.

    NaN in a row means that this workload has no forecast.
    """

    origin_s: int
    step_seconds: int
    values: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.values.ndim != 2:
            raise InvalidSeries(f"a forecast is (workloads, horizon), not {self.values.shape}")


@dataclass(frozen=True)
class Quantiles:
    """Quantiles of future demand: values float32 (workloads, horizon, levels), not decreasing along levels.

    levels: ascending, each in (0, 1). Column h is origin_s + (h + 1) * step_seconds.
    """

    origin_s: int
    step_seconds: int
    levels: tuple[float, ...]
    values: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.shape[2] != len(self.levels):
            raise InvalidSeries(f"quantiles {self.values.shape} do not match {len(self.levels)} levels")
        if list(self.levels) != sorted(set(self.levels)) or not all(0 < q < 1 for q in self.levels):
            raise InvalidSeries(f"levels must ascend within (0, 1): {self.levels}")
