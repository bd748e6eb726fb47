"""Rolling origin: at each origin fitted only on what precedes it, then compared with what came."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import HistoryTooShort
from models.forecasters.base import Forecaster
from models.series import Series


@dataclass(frozen=True)
class Backtest:
    """Forecasts and what came: float32 (workloads, origins, horizon); origin o is the column `origins[o]`."""

    origins: tuple[int, ...]
    forecast: NDArray[np.float32]
    actual: NDArray[np.float32]


def rolling_origin(series: Series, forecaster: Forecaster, *, origins: Sequence[int], horizon: int) -> Backtest:
    """Forecasts columns o + 1 ... o + horizon from the columns up to o, for each origin o.

    Raises HistoryTooShort if a horizon reaches beyond the panel.
    """
    if max(origins) + horizon >= series.steps:
        raise HistoryTooShort(f"{max(origins) + horizon + 1 - series.steps} columns are missing after the last origin")
    found = [_from(series, forecaster, origin=origin, horizon=horizon) for origin in origins]
    actual = [series.values[:, origin + 1 : origin + 1 + horizon] for origin in origins]
    return Backtest(tuple(origins), np.stack(found, axis=1), np.stack(actual, axis=1))


def _from(series: Series, forecaster: Forecaster, *, origin: int, horizon: int) -> NDArray[np.float32]:
    known = Series(series.start_s, series.step_seconds, series.values[:, : origin + 1])
    fitted = forecaster.fit(known)
    level = fitted.level(known.tail(fitted.recent_steps + 1))[:, -1:]
    path: NDArray[np.float32] = level * fitted.profile(start_s=known.last_s + known.step_seconds, steps=horizon)
    return path
