"""How much each candidate counts: exponential weighting on the cost that it would have had in the closed loop.

Weighting as in Vovk, Aggregating Strategies (COLT 1990) and Cesa-Bianchi and Lugosi, Prediction, Learning, and Games
(2006), chapter 2; forgetting with a half-life. Every candidate is replayed through the HPA's law and the pods'
start-up, so the loss is pods and missing pods, not squared error. How fast to learn and how fast to forget is a matter
of the workload: all pairs below run beside each other and are weighed the same way. Weights change between segments.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.experts.base import Window
from models.hpa import asked_pods, ready_pods

_LEAST_SEEN_MINUTES = 720
_NEGLIGIBLE = 0.1  # of the best one's say: a little of a candidate that wants ten times as much is a pod too many

_Floats = NDArray[np.float64]
_Singles = NDArray[np.float32]


@dataclass(frozen=True)
class Learning:
    """How fast weights learn and forget: every pair of the first two, and how these pairs are weighed."""

    half_lives_minutes: tuple[float, ...] = (1_440.0, 4_320.0)
    rates: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0)
    upper_half_life_minutes: float = 2_880.0
    upper_rate: float = 0.1


@dataclass(frozen=True)
class Mixed:
    """weights: (workloads, candidates), for what comes after the last segment; each row adds up to one.

    wanted: float32 (workloads, steps), what the mixture asked for at each column, with the weights known then; NaN
    before half a day had been measured: weights that have seen next to nothing say nothing of those to come.
    """

    weights: _Floats
    wanted: _Singles


@dataclass(frozen=True)
class Scene:
    """What a candidate is judged by. All arrays (workloads,); price: a missing pod-minute in idle ones."""

    window: Window
    step_seconds: int
    price: _Floats
    capacity_per_pod: _Floats


def mix(
    candidates: Sequence[_Singles], demand: Sequence[_Singles], *, scene: Scene, learning: Learning | None = None
) -> Mixed:
    """Weighs candidates over consecutive segments.

    candidates: for each segment (candidates, workloads, steps), column j decided at that column; NaN: none.
    demand: for each segment (workloads, steps), measured at that column, NaN where nothing was: not counted.
    """
    count, rows = candidates[0].shape[:2]
    how = learning or Learning()
    lower = [_Tally(count, rows, half_life, rate) for half_life in how.half_lives_minutes for rate in how.rates]
    upper = _Tally(len(lower), rows, how.upper_half_life_minutes, how.upper_rate)
    wanted, tail = [], _Tail(scene)
    upper_tail = _Tail(scene)
    seen_minutes = np.zeros(rows)
    for offered, came in zip(candidates, demand, strict=True):
        mixed = _blends(np.stack([tally.weights(offered) for tally in lower]), offered)
        asked = blend(upper.weights(mixed), mixed)
        wanted.append(np.where((seen_minutes >= _LEAST_SEEN_MINUTES)[:, None], asked, np.float32(np.nan)))
        seen_minutes += np.isfinite(came).sum(axis=1) * scene.step_seconds / 60
        scale = _usual_pods(came, scene)
        costs, upper_costs = tail.costs(offered, came), upper_tail.costs(mixed, came)
        for tally in lower:
            tally.add(costs, scale, scene.step_seconds)
        upper.add(upper_costs, scale, scene.step_seconds)
    last = candidates[-1][:, :, -1:]
    shares = np.stack([tally.weights(last) for tally in lower])
    says = upper.weights(_blends(shares, last))
    total = functools.reduce(np.add, (say * share for say, share in zip(says, shares, strict=True))).T
    return Mixed(total, np.concatenate(wanted, axis=1))


def blend(weights: _Floats, offered: _Singles) -> _Singles:
    """Weighted mean of the candidates (candidates, workloads, steps), weights (candidates, workloads); NaN for none."""
    blended: _Singles = _blends(weights[None], offered)[0]
    return blended


def _blends(weights: _Floats, offered: _Singles) -> _Singles:
    """Several at once: weights (blends, candidates, workloads) -> (blends, workloads, steps).

    A product of matrices for each workload: its bytes do not depend on how many workloads there are.
    """
    table = np.ascontiguousarray(offered.transpose(1, 0, 2), dtype=np.float64)
    share = np.ascontiguousarray(weights.transpose(2, 0, 1))
    known = np.isfinite(table)
    total = share @ known.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = share @ np.where(known, table, 0) / total
    result: _Singles = np.ascontiguousarray(found.transpose(1, 0, 2), dtype=np.float32)
    return result


def _usual_pods(demand: _Singles, scene: Scene) -> _Floats:
    """Mean demand in pods, plus one: the unit in which costs are compared across workloads."""
    known = np.isfinite(demand)
    mean = np.where(known, demand, 0).sum(axis=1, dtype=np.float64) / np.maximum(known.sum(axis=1), 1)
    usual: _Floats = mean / scene.capacity_per_pod + 1
    return usual


def _middle(costs: _Singles) -> _Singles:
    """Median over the candidates that have a cost (not NaN): the lower one of two; zero where none has."""
    ordered = np.sort(costs, axis=0)  # NaN last
    place = np.maximum(np.isfinite(costs).sum(axis=0) - 1, 0) // 2
    middle: _Singles = np.nan_to_num(np.take_along_axis(ordered, place[None], axis=0)[0], nan=0.0)
    return middle


class _Tally:
    """Discounted costs of candidates: (candidates, workloads)."""

    def __init__(self, count: int, rows: int, half_life_minutes: float, rate: float) -> None:
        self._regret = np.zeros((count, rows))
        self._half_life_minutes = half_life_minutes
        self._rate = rate

    def weights(self, offered: _Singles) -> _Floats:
        """(candidates, workloads), adding up to one over the candidates that have something to offer at the end."""
        there = np.isfinite(offered[:, :, -1])
        regret = np.where(there, self._regret, np.inf)
        least = regret.min(axis=0)
        share = np.exp(-self._rate * (regret - np.where(np.isfinite(least), least, 0)))
        share = np.where(share < _NEGLIGIBLE, 0, share)  # the best one's is 1
        weights: _Floats = share / np.maximum(functools.reduce(np.add, share), 1e-300)
        return weights

    def add(self, costs: _Singles, scale: _Floats, step_seconds: int) -> None:
        """costs: (candidates, workloads, steps), pods; the newest counts most."""
        minutes, steps = step_seconds / 60, costs.shape[2]
        ages = np.arange(steps - 1, -1, -1, dtype=np.float64) * minutes
        factor = 0.5 ** (ages / self._half_life_minutes) * minutes
        self._regret *= 0.5 ** (steps * minutes / self._half_life_minutes)
        self._regret += (costs * factor).sum(axis=2) / scale


class _Tail:
    """Costs of candidates segment by segment, with the end of the segment before as the run-up of the law."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._before: _Singles | None = None

    def costs(self, offered: _Singles, demand: _Singles) -> _Singles:
        """Pods asked for plus price x pods missing, less the least of all candidates: (candidates, workloads, steps).

        Column j is what happened at column j, decided at the column before. Where a candidate has nothing to offer
        it is charged the median of the others: one that sleeps neither gains nor loses.
        """
        scene, (count, rows, steps) = self._scene, offered.shape
        missing = np.isnan(offered)
        pods = np.where(missing, 0, offered) / scene.capacity_per_pod[:, None].astype(np.float32)
        before = pods[:, :, :1] if self._before is None else self._before
        run = np.concatenate([before, pods[:, :, :-1]], axis=2)  # decided one column earlier
        kept = scene.window.hold + scene.window.lead + 1
        self._before = np.concatenate([before, pods], axis=2)[:, :, -kept:]
        flat = run.reshape(count * rows, -1)
        asked = asked_pods(flat, hold_steps=scene.window.hold)
        ready = ready_pods(asked, lead_steps=scene.window.lead - 1)
        asked, ready = (one.reshape(count, rows, -1)[:, :, -steps:] for one in (asked, ready))
        needed = demand / scene.capacity_per_pod[:, None].astype(np.float32)
        price = scene.price[:, None].astype(np.float32)
        costs = asked + price * np.maximum(np.nan_to_num(needed, nan=0.0) - ready, 0)
        some = np.flatnonzero(missing.any(axis=(0, 2)))
        if some.size:
            asleep, part = missing[:, some], costs[:, some]
            costs[:, some] = np.where(asleep, _middle(np.where(asleep, np.nan, part)), part)
        costs = np.where(np.isnan(needed), 0, costs - costs.min(axis=0))
        return costs.astype(np.float32)
