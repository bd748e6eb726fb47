"""What tuning is given, and the form in which it says what it found."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]

SETTLED_MINUTES = 5  # after a change of pods: caches are cold and load is shared out unevenly


class Confidence(StrEnum):
    """How far a value is carried by what was measured."""

    MEASURED = "measured"
    AT_LEAST = "at least"  # nothing was seen beyond it
    ASSUMED = "assumed"  # the type's, or the user's; the history says nothing about it
    REFUSED = "refused"  # the evidence is too thin; the text says what would be needed


@dataclass(frozen=True)
class Finding:
    """One setting. value: proposed, None where refused. low, high: 90 % of resampled histories lie within; or None."""

    setting: str
    value: float | None
    confidence: Confidence
    evidence: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Measured:
    """A history on a grid of minutes. demand: without gaps; known: where it was measured.

    pods: ready ones; latency_s: of calls, at whichever quantile the user promises; utilisation: of the CPU request,
    1 for all of it. These have NaN where nothing was measured and are None where nobody gave them.
    startups_s: of single pods, from being created to being Ready.
    """

    name: str
    demand: _Floats
    known: NDArray[np.bool_]
    pods: _Floats | None = None
    latency_s: _Floats | None = None
    utilisation: _Floats | None = None
    startups_s: _Floats | None = None

    @property
    def days(self) -> float:
        """Length."""
        return self.demand.size / 1_440

    def load_per_pod(self) -> _Floats:
        """Demand on each pod, NaN where unknown or where pods changed lately."""
        if self.pods is None:
            return np.full(self.demand.size, np.nan)
        pods = np.where(self.known & (self.pods >= 1), self.pods, np.nan)
        changed = np.concatenate([[True], np.diff(pods) != 0])  # true also beside what is unknown
        lately = np.convolve(changed, np.ones(SETTLED_MINUTES), mode="full")[: pods.size] > 0
        return np.where(lately, np.nan, self.demand / pods)
