"""What nodes say about their pool's price: OpenCost's metrics by their documented names, or labels and a table."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.pricing.file import InstanceEntry, PriceFile
from app.pricing.prices import Pool, PoolPrice, Price, Source, usable
from app.sources.base import Source as Store
from app.sources.base import whole

NODE_HOURLY = "node_total_hourly_cost"
"""OpenCost's metric: what a node costs an hour, all of it; label `node`."""

_INSTANCE = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")
_REGION = ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region")
_SPOT = {
    "karpenter.sh/capacity-type": "spot",
    "eks.amazonaws.com/capacityType": "SPOT",
    "cloud.google.com/gke-spot": "true",
    "cloud.google.com/gke-preemptible": "true",
    "kubernetes.azure.com/scalesetpriority": "spot",
}


@dataclass(frozen=True)
class Node:
    """Name and labels of one."""

    name: str
    labels: Mapping[str, str]


def open_cost_prices(store: Store, *, now: float) -> dict[str, float]:
    """Node -> what it costs an hour by OpenCost, numbers that are none included. Raises SourceError."""
    found: dict[str, float] = {}
    for series in whole(store.instant(NODE_HOURLY, at_s=now)).series:
        node = series.labels.get("node") or series.labels.get("instance", "")
        if node and len(series.history.values):
            found[node] = float(series.history.values[-1])
    return found


def capacity_type(labels: Mapping[str, str]) -> str:
    """`spot` or `on-demand`, by the labels of Karpenter, EKS, GKE and AKS."""
    return "spot" if any(labels.get(name) == value for name, value in _SPOT.items()) else "on-demand"


def table_prices(nodes: Iterable[Node], table: Sequence[InstanceEntry]) -> dict[str, float]:
    """Node -> its price in the table; a row of its region goes before one of all regions."""
    rows = {(one.instance_type, one.capacity_type, one.region): one.hourly for one in table}
    found: dict[str, float] = {}
    for node in nodes:
        kind, region = _first(node.labels, _INSTANCE), _first(node.labels, _REGION)
        for place in (region, ""):
            price = rows.get((kind, capacity_type(node.labels), place))
            if price is not None:
                found[node.name] = price
                break
    return found


def priced(
    file: PriceFile, nodes: Sequence[Node] | None, by_open_cost: Mapping[str, float], *, now: float, trouble: str = ""
) -> tuple[PoolPrice, ...]:
    """Each pool's price now: fixed, else the median of its nodes by OpenCost, else by the table.

    nodes: None: they cannot be listed. trouble: what the sources had, told where a pool has no price by it.
    """
    by_table = table_prices(nodes or (), file.instances)
    result = []
    for entry in file.pools:
        pool = entry.pool()
        if entry.node_hourly is not None:
            result.append(PoolPrice(pool, Price(entry.node_hourly, file.currency, "File", now)))
            continue
        names = [one.name for one in nodes or () if pool.node_labels.items() <= one.labels.items()]
        result.append(_of_nodes(pool, names, by_open_cost, by_table, file.currency, now, trouble))
    return tuple(result)


def _of_nodes(
    pool: Pool,
    names: Sequence[str],
    by_open_cost: Mapping[str, float],
    by_table: Mapping[str, float],
    currency: str,
    now: float,
    trouble: str,
) -> PoolPrice:
    sources: tuple[tuple[Source, Mapping[str, float]], ...] = (("OpenCost", by_open_cost), ("Labels", by_table))
    unusable = 0
    for source, prices in sources:
        given = [prices[name] for name in names if name in prices]
        good = [value for value in given if usable(value)]
        unusable += len(given) - len(good)
        if good:
            return PoolPrice(pool, Price(statistics.median(good), currency, source, now, nodes=len(good)))
    if not names:
        why = trouble or f"no node has the labels {', '.join(f'{k}={v}' for k, v in sorted(pool.node_labels.items()))}"
    elif unusable:
        why = f"{unusable} prices of its {len(names)} nodes are no numbers above zero"
    else:
        why = trouble or f"none of its {len(names)} nodes is priced by OpenCost or in the table"
    return PoolPrice(pool, None, why)


def _first(labels: Mapping[str, str], names: Sequence[str]) -> str:
    return next((labels[name] for name in names if name in labels), "")
