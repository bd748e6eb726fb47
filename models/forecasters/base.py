"""What every forecaster can do. All of them work on whole panels; no loop over workloads."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.series import Series


class Fitted(Protocol):
    """A fitted forecaster of a panel's workloads. Pickles. Rows do not influence each other."""

    @property
    def recent_steps(self) -> int:
        """Columns before the origin that `levels` looks at."""

    def profile(self, *, start_s: int, steps: int) -> NDArray[np.float32]:
        """Expected shape at start_s, start_s + step, ...: float32 (workloads, steps); NaN: nothing known."""

    def level(self, series: Series) -> NDArray[np.float32]:
        """Factor on the shape, at each column known only from columns up to it: float32 like series.values."""


class Forecaster(Protocol):
    """An unfitted forecaster. A central path is level(origin) * profile(time)."""

    @property
    def name(self) -> str:
        """Its name in the registry."""

    def min_steps(self, step_seconds: int) -> int:
        """Least number of columns with a number that a row needs."""

    def fit(self, series: Series) -> Fitted:
        """Fits all rows; rows with too few numbers get NaN profiles. Same panel, same bytes."""
