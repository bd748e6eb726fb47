"""The price of a forecast pod-hour: what nodes cost for as long as they are needed, by the pods that will stand there.

    price = hourly x integral of the nodes that are there / integral of min(pods that fit, pods that are needed)

A node is there until its place is not needed any more and the autoscaler has found that out; pods are taken to move
together, so that small nodes go one by one. A large node at half the price a core is dear where one pod more is needed
for ten minutes, and cheap where the load goes on rising.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.pricing.prices import PoolPrice

IDLE_HOURS = 10 / 60  # Cluster Autoscaler's --scale-down-unneeded-time: an empty node is paid for so long
_TIE = 1e-9

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reckoned:
    """price: of a forecast pod-hour. pods: that stand on all nodes together on average over their life_hours; these are
    a node's on average. fit: pods that find a place on all of them."""

    price: float
    pods: float
    life_hours: float
    fit: int


def reckon(*, node_hourly: float, nodes: int, fit: int, needed: _Floats, step_hours: float) -> Reckoned:
    """needed: (steps,), pods beyond those that have a place, from now on; what it lasts for is at most looked ahead.

    fit: pods that find a place on all `nodes`. Raises ValueError where none does.
    """
    if fit < 1 or nodes < 1:
        raise ValueError("no pod fits")
    there = np.clip(needed, 0, fit)
    wanted = np.ceil(there * nodes / fit - _TIE)
    wanted[0] = nodes
    idle = max(round(IDLE_HOURS / step_hours), 1)
    kept = np.lib.stride_tricks.sliding_window_view(np.concatenate([np.zeros(idle), wanted]), idle + 1).max(axis=1)
    pod_hours = max(float(there.sum()) * step_hours, step_hours)  # at least one pod for one step: it is pending
    life_hours = float(kept.sum()) * step_hours / nodes
    return Reckoned(node_hourly * nodes * life_hours / pod_hours, pod_hours / life_hours, life_hours, fit)


def cheapest(reckoned: Mapping[str, Reckoned]) -> tuple[str, ...]:
    """Names at the least price, several where they cost the same."""
    least = min(one.price for one in reckoned.values())
    return tuple(name for name, one in reckoned.items() if one.price <= least * (1 + _TIE))


def pods_that_fit(allocatable: Mapping[str, float], requests: Sequence[Mapping[str, float]]) -> int:
    """How many pods like those in `requests` an empty node takes: by each resource that they ask for, on average.

    What daemons need is not known here: Cluster Autoscaler tells the node's template alone.
    """
    if not requests:
        return 0
    asked: dict[str, float] = {"pods": 1.0}
    for one in requests:
        for name, amount in one.items():
            asked[name] = asked.get(name, 0.0) + amount / len(requests)
    limits = [
        allocatable.get(name, math.inf if name == "pods" else 0.0) / amount for name, amount in asked.items() if amount
    ]
    fits = min(limits)
    return int(fits + _TIE) if math.isfinite(fits) else len(requests)


@dataclass(frozen=True)
class PoolCost:
    """A pool with what a forecast pod-hour costs on its next node; reckoned: None where that is not known."""

    pool: PoolPrice
    reckoned: Reckoned | None


def pool_costs(pools: Sequence[PoolPrice], *, needed: _Floats, step_hours: float) -> tuple[PoolCost, ...]:
    """Of the next node of each pool, for as many pods more as are foreseen; one at least, else nobody would ask."""
    found = []
    for one in pools:
        reckoned = None
        if one.price is not None and one.pool.pods_per_node is not None:
            reckoned = reckon(
                node_hourly=one.price.node_hourly,
                nodes=1,
                fit=one.pool.pods_per_node,
                needed=np.maximum(needed, 1.0),
                step_hours=step_hours,
            )
        found.append(PoolCost(one, reckoned))
    return tuple(found)


def settled_order(before: Sequence[str], costs: Mapping[str, float], *, margin: float = 0.05) -> tuple[str, ...]:
    """Pools from the cheapest on. Neighbours of the order before change places only where one is cheaper by `margin`.

    So prices that waver do not turn the order around. A pool without a price keeps its place; a new one goes to where
    its price puts it, without one to the end.
    """
    names = [name for name in before if name in costs]
    for name, cost in costs.items():
        if name not in names:
            names.insert(_place(names, costs, cost), name)
    moved = True
    while moved:
        moved = False
        for left in range(len(names) - 1):
            dear, cheap = costs[names[left]], costs[names[left + 1]]
            if cheap < (1 - margin) * dear:  # False for NaN
                names[left], names[left + 1] = names[left + 1], names[left]
                moved = True
    return tuple(names)


def _place(names: Sequence[str], costs: Mapping[str, float], cost: float) -> int:
    dearer = [place for place, name in enumerate(names) if costs[name] > cost]
    return dearer[0] if dearer else len(names)
