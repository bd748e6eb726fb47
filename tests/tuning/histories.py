"""Histories whose law is known."""

import numpy as np
from numpy.typing import NDArray

from app.tuning.measured import Measured

Floats = NDArray[np.float64]
DAY = 1_440


def demand(rng: np.random.Generator, *, days: int) -> Floats:
    """A day's rhythm between 40 and 160 with noise."""
    hours = np.arange(days * DAY) / 60
    found: Floats = np.maximum(100 - 60 * np.cos(hours / 24 * 2 * np.pi) + rng.normal(0, 6, hours.size), 1)
    return found


def pods_for(load: Floats, *, each: float, hold: int = 20) -> Floats:
    """An HPA that follows slowly: so loads of a pod differ."""
    found = np.maximum(np.ceil(load[::hold] / each), 1).repeat(hold)[: load.size]
    return np.concatenate([found[:hold], found[:-hold]])


def queue(load: Floats, *, unloaded: float, limit: float, rng: np.random.Generator) -> Floats:
    """Latency of M/M/1 with 10 % of noise."""
    mean: Floats = unloaded / np.maximum(1 - load / limit, 0.02)
    return mean * np.exp(rng.normal(0, 0.1, load.size))


def hinge(load: Floats, *, unloaded: float, begins: float, slope: float, rng: np.random.Generator) -> Floats:
    """Flat until all workers are busy, then each unit of load adds."""
    mean: Floats = unloaded * (1 + slope * np.maximum(load - begins, 0))
    return mean * np.exp(rng.normal(0, 0.1, load.size))


def measured(
    rng: np.random.Generator,
    *,
    days: int = 6,
    each: float = 10.0,
    latency: str = "queue",
    startups: Floats | None = None,
) -> Measured:
    """Queue: unloaded 0.05 s, limit 20 a pod, so a knee at 10. Hinge: begins at 9. CPU: 10 % and 6 % for each unit."""
    load = demand(rng, days=days)
    pods = pods_for(load, each=each)
    x = load / pods
    laws = {
        "queue": queue(x, unloaded=0.05, limit=20, rng=rng),
        "hinge": hinge(x, unloaded=0.05, begins=9, slope=0.5, rng=rng),
        "flat": hinge(x, unloaded=0.05, begins=1e6, slope=0, rng=rng),
        "unrelated": np.exp(rng.normal(-3, 0.2, x.size) + np.sin(np.arange(x.size) / 211)),
    }
    cpu = 0.1 + 0.06 * x + rng.normal(0, 0.02, x.size)
    return Measured("history", load, np.ones(load.size, dtype=np.bool_), pods, laws[latency], cpu, startups)
