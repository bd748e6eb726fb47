"""What every expert can do: candidates for the demand to provide for, at each column, from what is known there."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.series import Series


@dataclass(frozen=True)
class Window:
    """Columns ahead whose maximum capacity is asked for.

    lead: the last one, when pods asked for now are ready and another decision has been made. hold: columns for which
    the HPA keeps a larger recommendation (its stabilization window for scaling in). What is asked for now stands for
    `hold` columns anyhow, so only the columns from `held` on are still open.
    """

    lead: int
    hold: int

    @property
    def held(self) -> int:
        """First column ahead that earlier decisions, still held, do not cover."""
        return min(self.hold + 1, self.lead)


class FittedExpert(Protocol):
    """A fitted expert of a panel's workloads. Pickles. Rows do not influence each other."""

    @property
    def lookback_steps(self) -> int:
        """Columns before the first one of interest that `candidates` should be given."""

    def candidates(self, series: Series, *, first: int) -> NDArray[np.float32]:
        """Demand to provide for: (candidates, workloads, steps - first), column j from columns up to first + j.

        NaN: no candidate (too little history).
        """


class Expert(Protocol):
    """An unfitted expert. All workloads of a panel share the window."""

    @property
    def name(self) -> str:
        """Its name in the registry."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of its candidates, as an explanation shows them."""

    def fit(self, series: Series, *, window: Window) -> FittedExpert:
        """Fits all rows on the whole panel. Same panel, same bytes."""
