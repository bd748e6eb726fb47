"""Keeps the ConfigMap of Cluster Autoscaler's priority expander: node groups by the price of a forecast pod-hour.

Written by the replica that holds the Lease, only when something changes. It is never emptied: `.*` is always the last
entry, because a group that no expression finds is never chosen, and without any price what is there stays.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml
from kubernetes import client

from app.cluster.connection import ApiFailure, KubernetesApi
from app.cluster.permissions import APPLY_PRIORITIES, CREATE_CONFIGMAP, GET_PRIORITIES, PRIORITIES_NAME
from app.cluster.status import Held
from app.pricing.choice import PoolCost, settled_order
from app.snapshot import Snapshot
from app.workloads.book import Book

log = logging.getLogger(__name__)

KEY = "priorities"
EVERYTHING = ".*"
DWELL_SECONDS = 300.0  # between two orders of the same pools: scale-ups that are under way are not argued with
_LOOK_SECONDS = 5.0
_TICK_SECONDS = 1.0
_STEP = 10  # between two priorities, so that people see that only their order counts
_LEAST = 1
_TIE = 1e-9
_HEAD = (
    "# Kept by forescale, by the price of a forecast pod-hour, the cheapest first. What is changed here is undone.\n"
)


class PriorityExpander:
    """A sink of passes. namespace: Cluster Autoscaler's."""

    def __init__(
        self,
        api: client.ApiClient,
        *,
        namespace: str,
        lease: Held,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = KubernetesApi(api)
        self._namespace = namespace
        self._lease = lease
        self._monotonic = monotonic
        self._costs: tuple[PoolCost, ...] = ()
        self._looked_s = self._ordered_s = float("-inf")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="priority-expander", daemon=True)

    def publish(self, snapshot: Snapshot, book: Book, *, now: float) -> None:
        """Takes over the newest prices; returns at once. The first call starts the thread."""
        if snapshot.economics is not None:
            self._costs = snapshot.economics.costs
        if not self._thread.is_alive() and not self._stopping.is_set():
            self._thread.start()

    def close(self) -> None:
        """Ends the thread. What is written stays: Cluster Autoscaler goes on choosing by it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def write_if_due(self) -> bool:
        """Looks at what is there and writes what should be; whether it wrote. Raises ApiFailure."""
        now_s = self._monotonic()
        if not self._costs or not self._lease.held() or now_s - self._looked_s < _LOOK_SECONDS:
            return False
        self._looked_s = now_s
        found = self._read()
        there = str(((found or {}).get("data") or {}).get(KEY) or "")
        wanted = content_of(self._costs, there)
        if wanted == there or (self._dwelling(now_s) and same_groups(wanted, there)):
            return False
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": PRIORITIES_NAME, "namespace": self._namespace},
            "data": {KEY: wanted},
        }
        if found is None:
            self._api.call(CREATE_CONFIGMAP, namespace=self._namespace, body=body)
        else:
            self._api.apply(APPLY_PRIORITIES, body, namespace=self._namespace)
        self._ordered_s = now_s
        order = ", ".join(_told(one) for one in self._costs)
        log.info("priorities of node groups written to %s/%s: %s", self._namespace, PRIORITIES_NAME, order)
        return True

    def _dwelling(self, now_s: float) -> bool:
        return now_s - self._ordered_s < DWELL_SECONDS

    def _read(self) -> Mapping[str, Any] | None:
        """The ConfigMap as it is now, None if it is not there."""
        try:
            return self._api.call(GET_PRIORITIES, namespace=self._namespace)
        except ApiFailure as failure:
            if failure.status == 404:
                return None
            raise

    def _run(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            try:
                self.write_if_due()
            except ApiFailure as failure:
                log.warning("the priority expander's ConfigMap: %s", failure)
            except Exception:  # whatever an answer holds, the next look may fare better
                log.exception("the priority expander's ConfigMap cannot be kept")


def content_of(costs: Sequence[PoolCost], there: str) -> str:
    """The text for `priorities`, given what is there: the same order unless prices say otherwise clearly enough.

    Pools that cost the same share a priority: the next expander of the chain decides between them.
    """
    groups = {one.pool.pool.name: one.pool.pool.node_groups for one in costs}
    price = {one.pool.pool.name: one.reckoned.price if one.reckoned is not None else float("nan") for one in costs}
    known = ordered_groups(there)
    before = sorted((name for name in groups if groups[name] in known), key=lambda name: known.index(groups[name]))
    order = settled_order(before, price)
    tiers: list[list[str]] = []
    for name in order:
        if tiers and abs(price[name] - price[tiers[-1][-1]]) <= _TIE * price[name]:  # False for NaN
            tiers[-1].append(name)
        else:
            tiers.append([name])
    table = {_LEAST + _STEP * (len(tiers) - place): [groups[name] for name in tier] for place, tier in enumerate(tiers)}
    return _HEAD + yaml.safe_dump({**table, _LEAST: [EVERYTHING]}, sort_keys=False)


def ordered_groups(text: str) -> list[str]:
    """The expressions of a text for `priorities` by falling priority, without `.*`; none where it cannot be read."""
    return [one for tier in _tiers(text) for one in tier if one != EVERYTHING]


def same_groups(wanted: str, there: str) -> bool:
    """Whether both name the same expressions and both end in `.*`: then only their order differs."""
    return sorted(ordered_groups(wanted)) == sorted(ordered_groups(there)) and _tiers(there)[-1:] == [[EVERYTHING]]


def _tiers(text: str) -> list[list[str]]:
    try:
        table: Any = yaml.safe_load(text)
    except yaml.YAMLError:
        return []
    if not isinstance(table, Mapping) or not all(isinstance(one, int) for one in table):
        return []
    return [[str(one) for one in table[priority] or []] for priority in sorted(table, reverse=True)]


def _told(cost: PoolCost) -> str:
    pool, reckoned = cost.pool, cost.reckoned
    if reckoned is None or pool.price is None:
        return f"{pool.pool.name} without a price"
    return f"{pool.pool.name} at {reckoned.price:.4g} {pool.price.currency}"
