"""Which of several node groups is to grow: each weighed by the price of a forecast pod-hour, each with its reason."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
import re2
from numpy.typing import NDArray

from app.pricing.choice import Reckoned, cheapest, pods_that_fit, reckon
from app.pricing.prices import PoolPrice, PriceList

KEPT = 100

Target = tuple[str, str, str]
"""(namespace, kind, name) of what a pod belongs to."""
Growth = Callable[[frozenset[Target]], NDArray[np.float64]]
"""Pods that these are expected to want beyond what they ask for now, one number a step from now on."""


@dataclass(frozen=True)
class PendingPod:
    """target: what it belongs to, None where that is not known. requests: by resource, in its base unit."""

    target: Target | None
    requests: Mapping[str, float]


@dataclass(frozen=True)
class Offer:
    """A node group that could grow by `nodes`, and the pods it would help. allocatable: of one node; empty: unknown."""

    group: str
    nodes: int
    pods: tuple[PendingPod, ...]
    allocatable: Mapping[str, float]


@dataclass(frozen=True)
class Weighed:
    """An offer with its price. pool: empty where no pool's expression finds the group. reckoned: None: not comparable.

    node_hourly: of one node, None: not known. text: one sentence.
    """

    group: str
    pool: str
    nodes: int
    pods: int
    node_hourly: float | None
    currency: str
    reckoned: Reckoned | None
    text: str


@dataclass(frozen=True)
class Decision:
    """at_s: Unix seconds. chosen: the cheapest, several at the same price; empty: there was nothing to choose by."""

    at_s: float
    weighed: tuple[Weighed, ...]
    chosen: tuple[str, ...]
    text: str


class Decisions:
    """The last ones, the newest first. Thread-safe."""

    def __init__(self, kept: int = KEPT) -> None:
        self._lock = Lock()
        self._last: deque[Decision] = deque(maxlen=kept)

    def add(self, decision: Decision) -> None:
        """Takes one in; the oldest goes where there are too many."""
        with self._lock:
            self._last.appendleft(decision)

    def last(self) -> tuple[Decision, ...]:
        """All that are kept."""
        with self._lock:
            return tuple(self._last)


def decide(offers: Sequence[Offer], prices: PriceList, growth: Growth, *, step_hours: float, now: float) -> Decision:
    """The cheapest of the offers that have a price. An offer without one is left out: it cannot be compared."""
    weighed = tuple(_weighed(one, prices, growth, step_hours, now) for one in offers)
    comparable = {one.group: one.reckoned for one in weighed if one.reckoned is not None}
    if not comparable:
        return Decision(now, weighed, (), "No node group has a price: " + " ".join(one.text for one in weighed))
    chosen = cheapest(comparable)
    first = next(one for one in weighed if one.group == chosen[0])
    price = f"{comparable[chosen[0]].price:.4g} {first.currency}"
    text = f"{' and '.join(chosen)}: a forecast pod-hour costs {price} there."
    return Decision(now, weighed, chosen, text)


def pool_of(group: str, prices: PriceList) -> PoolPrice | None:
    """The first pool of the file whose expression is found in the id of a node group."""
    return next((one for one in prices.pools if re2.search(one.pool.node_groups, group)), None)


def _weighed(offer: Offer, prices: PriceList, growth: Growth, step_hours: float, now: float) -> Weighed:
    pool = pool_of(offer.group, prices)
    price = None if pool is None else pool.price
    plain = (offer.group, "" if pool is None else pool.pool.name, offer.nodes, len(offer.pods))
    if pool is None:
        return Weighed(*plain, None, "", None, f"{offer.group} is of no pool of the price list.")
    if price is None:
        return Weighed(*plain, None, "", None, f"{offer.group} has no price: {pool.trouble}.")
    fit = _fit(offer)
    if fit < 1 or offer.nodes < 1:
        return Weighed(*plain, price.node_hourly, price.currency, None, f"{offer.group} takes none of the pods.")
    more = growth(frozenset(one.target for one in offer.pods if one.target is not None))
    reckoned = reckon(
        node_hourly=price.node_hourly,
        nodes=offer.nodes,
        fit=fit,
        needed=len(offer.pods) + more,
        step_hours=step_hours,
    )
    old = " by a price that is old" if prices.stale(price, now) else ""
    text = (
        f"{offer.group}: {offer.nodes} x {price.node_hourly:.4g} {price.currency} an hour "
        f"for {reckoned.life_hours:.2g} h carry {reckoned.pods:.3g} of the {fit} pods that fit on average, "
        f"{reckoned.price:.4g} a pod-hour{old}."
    )
    return Weighed(*plain, price.node_hourly, price.currency, reckoned, text)


def _fit(offer: Offer) -> int:
    """Pods on all nodes of an offer: by the template, but those it would help do fit, by Cluster Autoscaler's word."""
    on_one = pods_that_fit(offer.allocatable, [one.requests for one in offer.pods]) if offer.allocatable else 0
    return max(on_one * offer.nodes, len(offer.pods))
