"""The seasonal profile's window maximum, or the newest number where that is larger: for surges that come every day.

Unsmoothed on purpose: a surge of three minutes at the same time of the day is what a profile of single columns sees
and a regression on summaries does not.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.experts.base import Window
from models.forecasters.base import Fitted, Forecaster
from models.forecasters.seasonal_profile import SeasonalProfile
from models.rolling import ahead_maximum, carried_forward
from models.series import Series

_MARGINS = ((1.0, 1.0), (1.1, 1.0), (1.3, 0.85), (1.6, 0.85))  # on the profile, and the newest number's utilisation


@dataclass(frozen=True)
class FittedSeasonal:
    """A fitted forecaster whose path's maximum over the window is asked for."""

    model: Fitted
    window: Window

    @property
    def lookback_steps(self) -> int:
        """Columns that the level looks at."""
        return self.model.recent_steps + 1

    def candidates(self, series: Series, *, first: int) -> NDArray[np.float32]:
        """One candidate for each margin."""
        start_s = series.times_s[first].item() + series.step_seconds
        steps = series.steps - first
        shape = self.model.profile(start_s=start_s, steps=steps + self.window.lead)
        largest = ahead_maximum(shape, 0, self.window.lead - 1)[:, :steps] * self.model.level(series)[:, first:]
        newest = carried_forward(series.values)[:, first:]
        found = [np.maximum(largest * np.float32(margin), newest / np.float32(share)) for margin, share in _MARGINS]
        return np.stack(found)  # NaN stays NaN


@dataclass(frozen=True)
class Seasonal:
    """See the module's docstring. forecaster: any of models/forecasters."""

    forecaster: Forecaster = field(default_factory=SeasonalProfile)
    name: str = "seasonal"

    @property
    def labels(self) -> tuple[str, ...]:
        """One for each margin."""
        return tuple(f"{self.forecaster.name} x {margin}, or reactive at {share:.0%}" for margin, share in _MARGINS)

    def fit(self, series: Series, *, window: Window) -> FittedSeasonal:
        """Rows with too little history get NaN."""
        return FittedSeasonal(self.forecaster.fit(series), window)
