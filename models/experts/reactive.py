"""What the HPA would do by itself, at several target utilisations: always among the experts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.experts.base import Window
from models.rolling import carried_forward
from models.series import Series

UTILISATIONS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class FittedReactive:
    """Nothing is learned."""

    lookback_steps: int = 15

    def candidates(self, series: Series, *, first: int) -> NDArray[np.float32]:
        """The newest number over each utilisation."""
        newest = carried_forward(series.values)[:, first:]
        return np.stack([newest / np.float32(share) for share in UTILISATIONS])


@dataclass(frozen=True)
class Reactive:
    """See the module's docstring."""

    name: str = "reactive"
    labels: tuple[str, ...] = tuple(f"reactive at {share:.0%}" for share in UTILISATIONS)

    def fit(self, series: Series, *, window: Window) -> FittedReactive:
        """Nothing to learn."""
        return FittedReactive()
