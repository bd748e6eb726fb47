"""What was served, required and forecast before, on the grid of the histories, as long as this process lives."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.pipeline.history import HistoryPanel

_LONGEST_LEAD_SECONDS = 3_600


@dataclass(frozen=True)
class Given:
    """What one pass gave, a row a workload. quantiles: (workloads, horizon, levels), column h at h + 1 steps ahead."""

    served: NDArray[np.float64]
    required: NDArray[np.float64]
    quantiles: NDArray[np.float32]
    lead_steps: NDArray[np.int64]


@dataclass(frozen=True)
class Past:
    """float32 (workloads, steps), the last column being that of the newest cut; NaN: nothing was given.

    quantiles: (workloads, fewer steps, levels), what was forecast for that column a lead time before it.
    """

    served: NDArray[np.float32]
    required: NDArray[np.float32]
    quantiles: NDArray[np.float32]


class PastAnswers:
    """Keeps, for each column, what the last pass within it gave. A refused value leaves what the column had before."""

    def __init__(self, *, step_seconds: int, keep_seconds: int, levels: int) -> None:
        steps, ahead = max(keep_seconds // step_seconds, 1), _LONGEST_LEAD_SECONDS // step_seconds + 1
        self._step_seconds = step_seconds
        self._served = HistoryPanel(keep_steps=steps, step_seconds=step_seconds)
        self._required = HistoryPanel(keep_steps=steps, step_seconds=step_seconds)
        self._forecast = [HistoryPanel(keep_steps=steps + ahead, step_seconds=step_seconds) for _ in range(levels)]

    def extended(self, keys: Sequence[str], given: Given, *, cut_s: int, steps: int, forecast_steps: int) -> Past:
        """Takes in a pass and gives the last `steps` columns, of the forecasts `forecast_steps`."""
        column_s = cut_s // self._step_seconds * self._step_seconds
        for panel, values in ((self._served, given.served), (self._required, given.required)):
            panel.select(keys)
            panel.advance(column_s)
            panel.write_rows(keys, start_s=column_s, values=values[:, None].astype(np.float32), overwrite=True)
        self._note_forecasts(keys, given, column_s)
        wanted = list(keys)
        told = [panel.window(wanted, last_s=column_s, steps=forecast_steps).values for panel in self._forecast]
        return Past(
            self._served.window(wanted, last_s=column_s, steps=steps).values,
            self._required.window(wanted, last_s=column_s, steps=steps).values,
            np.stack(told, axis=2),
        )

    def _note_forecasts(self, keys: Sequence[str], given: Given, column_s: int) -> None:
        longest = int(given.lead_steps.max(initial=1))
        for level, panel in enumerate(self._forecast):
            panel.select(keys)
            panel.advance(column_s + longest * self._step_seconds)
            for lead in np.unique(given.lead_steps).tolist():
                rows = np.flatnonzero(given.lead_steps == lead).tolist()
                values = given.quantiles[rows, min(lead, given.quantiles.shape[1]) - 1, level]
                at_s = column_s + lead * self._step_seconds
                panel.write_rows([keys[row] for row in rows], start_s=at_s, values=values[:, None], overwrite=True)
