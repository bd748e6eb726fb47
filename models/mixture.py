"""How much each candidate counts: exponential weighting on the cost that it would have had in the closed loop.

Weighting as in Vovk, Aggregating Strategies (COLT 1990) and Cesa-Bianchi and Lugosi, Prediction, Learning, and Games
(2006), chapter 2; forgetting with a half-life. Every candidate is replayed through the HPA's law and the pods'
start-up, so the loss is pods and missing pods, not squared error. How fast to learn and how fast to forget is a matter
of the workload: all pairs below run beside each other and are weighed the same way. Weights change between segments.

Who is right at night need not be right by day, so each slot of the local day has weights of its own. They are learned
from what happened near that time of the day, the nearer the more, at whatever date. How the pairs are weighed does not
depend on the slot.
"""

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.experts.base import Window
from models.hpa import asked_pods, ready_pods
from models.local_time import local_seconds
from models.rolling import carried_forward

_LEAST_SEEN_MINUTES = 720
_SLOTS = 12  # of a day
_NEAR_HOURS = 2.0  # standard deviation of the Gaussian by which another time of the day counts less
_DAY_SECONDS = 86_400
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
    """weights: (workloads, slots, candidates), for what comes after the last segment; each adds up to one.

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
    candidates: Sequence[_Singles],
    demand: Sequence[_Singles],
    *,
    scene: Scene,
    start_s: int,
    zone: str = "UTC",
    learning: Learning | None = None,
) -> Mixed:
    """Weighs candidates over consecutive segments; start_s: Unix seconds of the first one's first column.

    zone: IANA name of the clock whose day has the slots.

    candidates: for each segment (candidates, workloads, steps), column j decided at that column; NaN: none.
    demand: for each segment (workloads, steps), measured at that column, NaN where nothing was: not counted.
    """
    count, rows = candidates[0].shape[:2]
    how = learning or Learning()
    pairs = itertools.product(how.half_lives_minutes, how.rates)
    lower = [_Tally(count, rows, half_life, rate, slots=_SLOTS) for half_life, rate in pairs]
    upper = _Tally(len(lower), rows, how.upper_half_life_minutes, how.upper_rate)
    wanted, tail = [], _Tail(scene)
    upper_tail = _Tail(scene)
    seen_minutes, begin = np.zeros(rows), 0
    for offered, came in zip(candidates, demand, strict=True):
        steps = offered.shape[2]
        slots = slot_of(start_s + np.arange(begin, begin + steps) * scene.step_seconds, zone)
        begin += steps
        mixed = _blends_by_slot(np.stack([tally.weights(offered) for tally in lower]), offered, slots)
        asked = _blends(upper.weights(mixed), mixed)[0]
        wanted.append(np.where((seen_minutes >= _LEAST_SEEN_MINUTES)[:, None], asked, np.float32(np.nan)))
        seen_minutes += np.isfinite(came).sum(axis=1) * scene.step_seconds / 60
        scale = _usual_pods(came, scene)
        costs, upper_costs = tail.costs(offered, came), upper_tail.costs(mixed, came)
        for tally in lower:
            tally.add(costs, scale, scene.step_seconds, slots)
        upper.add(upper_costs, scale, scene.step_seconds, np.zeros_like(slots))
    last = candidates[-1][:, :, -1:]
    shares = np.stack([tally.weights(last) for tally in lower])
    says = upper.weights(_blends_by_slot(shares, last, slots[-1:]))[0]
    total = functools.reduce(np.add, (say * share for say, share in zip(says, shares, strict=True)))
    return Mixed(np.ascontiguousarray(total.transpose(2, 0, 1)), np.concatenate(wanted, axis=1))


def slot_of(times_s: NDArray[np.int64], zone: str = "UTC") -> NDArray[np.int64]:
    """Which of the slots of the zone's day each time, Unix seconds, lies in."""
    return local_seconds(times_s, zone) % _DAY_SECONDS * _SLOTS // _DAY_SECONDS


def blend(weights: _Floats, offered: _Singles, slots: NDArray[np.int64]) -> _Singles:
    """Weighted mean of the candidates (candidates, workloads, steps): float32 (workloads, steps), NaN for none.

    weights: (workloads, slots, candidates), as in Mixed. slots: (steps,), of the columns.
    """
    blended: _Singles = _blends_by_slot(weights.transpose(1, 2, 0)[None], offered, slots)[0]
    return blended


def _blends_by_slot(weights: _Floats, offered: _Singles, slots: NDArray[np.int64]) -> _Singles:
    """Several at once: weights (blends, slots, candidates, workloads) -> (blends, workloads, steps)."""
    return np.concatenate([_blends(weights[:, slot], offered[:, :, run]) for slot, run in _runs(slots)], axis=2)


def _runs(slots: NDArray[np.int64]) -> list[tuple[int, slice]]:
    """The slots and their columns, in order."""
    bounds = [0, *(np.flatnonzero(np.diff(slots)) + 1).tolist(), slots.size]
    return [(int(slots[first]), slice(first, end)) for first, end in itertools.pairwise(bounds) if first < end]


def _blends(weights: _Floats, offered: _Singles) -> _Singles:
    """The same for columns of one slot: weights (blends, candidates, workloads) -> (blends, workloads, steps).

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


def _awake(pods: _Singles) -> _Singles:
    """Gaps filled with what is asked for next, or was last; zero where nothing ever is."""
    if not np.isnan(pods).any():
        return pods
    filled: _Singles = carried_forward(pods[:, ::-1])[:, ::-1]
    return filled


class _Tally:
    """Discounted costs of candidates: (slots, candidates, workloads)."""

    def __init__(self, count: int, rows: int, half_life_minutes: float, rate: float, *, slots: int = 1) -> None:
        self._regret = np.zeros((slots, count, rows))
        self._half_life_minutes = half_life_minutes
        self._rate = rate

    def weights(self, offered: _Singles) -> _Floats:
        """(slots, candidates, workloads), adding up to one over the candidates that have something at the end."""
        there = np.isfinite(offered[:, :, -1])
        return np.stack([self._shares(np.where(there, regret, np.inf)) for regret in self._near()])

    def _near(self) -> Iterator[_Floats]:
        """The costs as each slot counts them; elementwise, so that other rows do not change a bit."""
        for nearness in _nearness(len(self._regret)):
            yield functools.reduce(
                np.add, (share * regret for share, regret in zip(nearness, self._regret, strict=True))
            )

    def _shares(self, regret: _Floats) -> _Floats:
        least = regret.min(axis=0)
        share = np.exp(-self._rate * (regret - np.where(np.isfinite(least), least, 0)))
        share = np.where(share < _NEGLIGIBLE, 0, share)  # the best one's is 1
        shares: _Floats = share / np.maximum(functools.reduce(np.add, share), 1e-300)
        return shares

    def add(self, costs: _Singles, scale: _Floats, step_seconds: int, slots: NDArray[np.int64]) -> None:
        """costs: (candidates, workloads, steps), pods; the newest counts most. slots: (steps,), of the columns."""
        minutes, steps = step_seconds / 60, costs.shape[2]
        ages = np.arange(steps - 1, -1, -1, dtype=np.float64) * minutes
        factor = 0.5 ** (ages / self._half_life_minutes) * minutes
        self._regret *= 0.5 ** (steps * minutes / self._half_life_minutes)
        for slot, run in _runs(slots):
            self._regret[slot] += (costs[:, :, run] * factor[run]).sum(axis=2) / scale


def _nearness(slots: int) -> _Floats:
    """How much what happened in one slot counts in another: (slots, slots), one on the diagonal."""
    apart = np.abs(np.arange(slots)[:, None] - np.arange(slots))
    hours = np.minimum(apart, slots - apart) * 24 / slots  # midnight is near both evenings and mornings
    nearness: _Floats = np.exp(-0.5 * (hours / _NEAR_HOURS) ** 2)
    return nearness


class _Tail:
    """Costs of candidates segment by segment, with the end of the segment before as the run-up of the law."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._before: _Singles | None = None

    def costs(self, offered: _Singles, demand: _Singles) -> _Singles:
        """Pods asked for plus price x pods missing, less the least of all candidates: (candidates, workloads, steps).

        Column j is what happened at column j, decided at the column before. Where a candidate has nothing to offer
        it is charged the median of the others: one that sleeps neither gains nor loses. When it wakes up it is taken
        to have asked for its first number all along: pods that nobody could ask for are not missing.
        """
        scene, (count, rows, steps) = self._scene, offered.shape
        missing = np.isnan(offered)
        pods = offered / scene.capacity_per_pod[:, None].astype(np.float32)
        before = pods[:, :, :1] if self._before is None else self._before
        run = np.concatenate([before, pods[:, :, :-1]], axis=2)  # decided one column earlier
        kept = scene.window.hold + scene.window.lead + 1
        self._before = np.concatenate([before, pods], axis=2)[:, :, -kept:]
        flat = _awake(run.reshape(count * rows, -1))
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
