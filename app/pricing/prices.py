"""Prices of node pools: what a node costs an hour, who said so and when. The last good price stays until a newer one.

No price is not a free node: a pool without one is not compared, never taken for cheap.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from app.workloads.spec import Costs

Source = Literal["File", "OpenCost", "Labels"]
MINUTES_PER_HOUR = 60


@dataclass(frozen=True)
class Pool:
    """A node pool. node_groups: regular expression that finds its Cluster Autoscaler node groups by their ids.

    node_labels: all of them are on its nodes; empty: its nodes are not looked for. pods_per_node: that fit on one.
    """

    name: str
    node_groups: str
    node_labels: Mapping[str, str] = field(default_factory=dict)
    spot: bool = False
    pods_per_node: int | None = None


@dataclass(frozen=True)
class Price:
    """Of a node for an hour, in `currency`. seen_s: Unix seconds at which the source said it; nodes: it was said of."""

    node_hourly: float
    currency: str
    source: Source
    seen_s: float
    nodes: int = 0


@dataclass(frozen=True)
class PoolPrice:
    """A pool and its last good price, None before the first. trouble: why there is no newer one, empty if there is."""

    pool: Pool
    price: Price | None
    trouble: str = ""


@dataclass(frozen=True)
class PriceList:
    """The prices of all pools in the order of the file. stale_after_seconds: an older price still counts, and is told.

    trouble: why the list itself is not what the file says now; empty: it is.
    """

    pools: tuple[PoolPrice, ...] = ()
    stale_after_seconds: float = 86_400.0
    trouble: str = ""

    def find(self, name: str) -> PoolPrice | None:
        """The pool of that name."""
        return next((one for one in self.pools if one.pool.name == name), None)

    def stale(self, price: Price, now: float) -> bool:
        """Whether it is older than it should be at `now`."""
        return now - price.seen_s > self.stale_after_seconds

    def pod_minute(self, costs: Costs) -> tuple[float, str] | None:
        """What a pod-minute costs by a LoadForecast's costs, and the currency ("" if none is named); None: not known.

        Of a pool: the node's hour by the pods on it; a pool in another currency than the LoadForecast's is not used.
        """
        if costs.pod_minute is not None:
            return costs.pod_minute, costs.currency or ""
        found = self.find(costs.pool) if costs.pool is not None else None
        pods = costs.pods_per_node or (found.pool.pods_per_node if found is not None else None)
        if found is None or found.price is None or pods is None:
            return None
        if costs.currency is not None and costs.currency != found.price.currency:
            return None
        return found.price.node_hourly / pods / MINUTES_PER_HOUR, found.price.currency

    def missing_pod_price(self, costs: Costs) -> float | None:
        """Idle pod-minutes that a missing one is worth: the newsvendor's ratio out of money; None: not known."""
        known = self.pod_minute(costs)
        if known is None or costs.missed_pod_minute is None:
            return None
        return significant(costs.missed_pod_minute / known[0])


NO_PRICES = PriceList()


def usable(value: float) -> bool:
    """A price is a finite number above zero: free nodes would be a gap in the data far more often than a gift."""
    return math.isfinite(value) and value > 0


def kept(before: PriceList, newest: Sequence[PoolPrice], *, stale_after_seconds: float, trouble: str = "") -> PriceList:
    """The newest prices; where there is none the last good one stays, with the trouble that the newest one had."""
    last = {one.pool.name: one.price for one in before.pools}
    pools = tuple(
        one if one.price is not None else PoolPrice(one.pool, last.get(one.pool.name), one.trouble) for one in newest
    )
    return PriceList(pools, stale_after_seconds, trouble)


def settled_price(current: float | None, measured: float | None, *, change: float = 0.1) -> float | None:
    """What to plan with: `current` unless `measured` differs by more than the share `change`; a refit follows each."""
    if measured is None or current is None:
        return current if measured is None else measured
    return measured if abs(measured - current) > change * current else current


def significant(value: float, digits: int = 3) -> float:
    """Rounded to so many digits: the rest would be noise that makes replicas differ."""
    return float(f"{value:.{digits}g}")
