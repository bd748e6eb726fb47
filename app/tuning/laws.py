"""How latency follows the load on a pod: two laws, each with its knee, and a line for utilisation.

Queue: s / (1 - x / c), the mean time in a queue with one server (M/M/1); s unloaded, c where it never ends. Hinge:
s * (1 + k * max(0, x - x0)), a pool of workers: flat until all are busy, then what waits adds up. The knee is where
load over latency (Kleinrock's power) is largest: c / 2 in the queue, x0 at the hinge.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

_Floats = NDArray[np.float64]

_HINGES = 40  # places that are tried
_NEVER = 1e9


class Law(Protocol):
    """A fitted curve."""

    @property
    def name(self) -> str:
        """For eyes."""

    @property
    def knee(self) -> float:
        """Load per pod beyond which latency buys little; infinite where there is none."""

    def at(self, load: _Floats) -> _Floats:
        """Its value at these loads."""

    def load_at(self, value: float) -> float:
        """The load at which it takes the value; zero where it is above it from the start, infinite where never."""


@dataclass(frozen=True)
class Queue:
    """unloaded: s; limit: c."""

    unloaded: float
    limit: float
    name: str = "queue"

    @property
    def knee(self) -> float:
        """Where latency is twice the unloaded one."""
        return self.limit / 2

    def at(self, load: _Floats) -> _Floats:
        """Never infinite, so that a fit can pass by."""
        found: _Floats = self.unloaded / np.maximum(1 - load / self.limit, 1e-3)
        return found

    def load_at(self, value: float) -> float:
        """Of the law solved for x."""
        return max(self.limit * (1 - self.unloaded / value), 0.0)


@dataclass(frozen=True)
class Hinge:
    """unloaded: s; begins: x0; slope: k, of s per unit of load."""

    unloaded: float
    begins: float
    slope: float
    name: str = "hinge"

    @property
    def knee(self) -> float:
        """Where waiting begins, if it does, and fast enough for power to fall."""
        return self.begins if self.slope * self.begins > 1 else np.inf

    def at(self, load: _Floats) -> _Floats:
        """Flat, then straight."""
        found: _Floats = self.unloaded * (1 + self.slope * np.maximum(load - self.begins, 0))
        return found

    def load_at(self, value: float) -> float:
        """Of the law solved for x."""
        if value < self.unloaded:
            return 0.0
        return self.begins + (value / self.unloaded - 1) / self.slope if self.slope > 0 else np.inf


@dataclass(frozen=True)
class Line:
    """Utilisation: a pod's own work, and a share for each unit of load."""

    idle: float
    each: float
    name: str = "line"

    @property
    def knee(self) -> float:
        """None."""
        return np.inf

    def at(self, load: _Floats) -> _Floats:
        """Straight."""
        found: _Floats = self.idle + self.each * load
        return found

    def load_at(self, value: float) -> float:
        """Of the law solved for x."""
        return max((value - self.idle) / self.each, 0.0) if self.each > 0 else np.inf


def fit_queue(load: _Floats, latency: _Floats) -> Queue:
    """Robust in relative errors; at least three points, all positive."""

    def off(values: _Floats) -> _Floats:
        limit = load.max() + np.exp(values[1])
        found: _Floats = values[0] - np.log(1 - load / limit) - np.log(latency)
        return found

    start = np.asarray([np.log(latency.min()), np.log(max(0.3 * load.max(), 1e-9))])
    found = least_squares(off, start, loss="soft_l1", f_scale=0.1, max_nfev=200).x
    return Queue(float(np.exp(found[0])), float(min(load.max() + np.exp(found[1]), _NEVER)))


def fit_hinge(load: _Floats, latency: _Floats) -> Hinge:
    """The best of some places for the hinge, each fitted by least squares of relative errors."""
    best, least = Hinge(float(np.median(latency)), float(load.max()), 0.0), np.inf
    for begins in np.linspace(load.min(), load.max(), _HINGES, endpoint=False):
        design = np.stack([np.ones(load.size), np.maximum(load - begins, 0)], axis=1) / latency[:, None]
        (base, rise), *_ = np.linalg.lstsq(design, np.ones(load.size))
        if base <= 0 or rise < 0:
            continue
        law = Hinge(float(base), float(begins), float(rise / base))
        wrong = float(((np.log(law.at(load)) - np.log(latency)) ** 2).sum())
        if wrong < least:
            best, least = law, wrong
    return best


def fit_line(load: _Floats, utilisation: _Floats) -> Line:
    """Least squares."""
    each, idle = np.polyfit(load, utilisation, 1)
    return Line(float(idle), float(each))
