"""What was served and required before, on the grid of the histories, as long as this process lives."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.pipeline.history import HistoryPanel


@dataclass(frozen=True)
class Past:
    """float32 (workloads, steps), the last column being that of the newest cut; NaN: nothing was served."""

    served: NDArray[np.float32]
    required: NDArray[np.float32]


class PastAnswers:
    """Keeps, for each column, what the last pass within it gave. A refused value leaves what the column had before."""

    def __init__(self, *, step_seconds: int, keep_seconds: int) -> None:
        steps = max(keep_seconds // step_seconds, 1)
        self._step_seconds = step_seconds
        self._served = HistoryPanel(keep_steps=steps, step_seconds=step_seconds)
        self._required = HistoryPanel(keep_steps=steps, step_seconds=step_seconds)

    def extended(
        self,
        keys: Sequence[str],
        *,
        cut_s: int,
        served: NDArray[np.float64],
        required: NDArray[np.float64],
        steps: int,
    ) -> Past:
        """Takes in a pass, one number a workload each, and gives the last `steps` columns."""
        column_s = cut_s // self._step_seconds * self._step_seconds
        found = []
        for panel, values in ((self._served, served), (self._required, required)):
            panel.select(keys)
            panel.advance(column_s)
            panel.write_rows(keys, start_s=column_s, values=values[:, None].astype(np.float32), overwrite=True)
            found.append(panel.window(list(keys), last_s=column_s, steps=steps).values)
        return Past(*found)
