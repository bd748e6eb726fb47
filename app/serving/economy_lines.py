"""The lines of /metrics that are about money: spot advice, the ledger's last day, prices of node pools."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from app.pricing.economics import LEDGER, Economics
from app.snapshot import Snapshot
from app.telemetry import (
    DAY,
    DAY_SAVED,
    DAY_SAVED_MONEY,
    MISSING_PRICE,
    NODE_PRICE,
    NODE_PRICE_AGE,
    ON_DEMAND_PODS,
    POD_HOUR,
    SPOT_PODS,
    Metric,
)

DAY_KINDS = ("asked", "used", "needed", "hpa_only", "short", "hpa_short")
DAY_WORKLOADS = 1_000  # of more the kinds are left out: six lines each, of numbers that change once in hours

Gauge = Callable[[Metric, Sequence[str], NDArray[np.float64]], str]
Header = Callable[[Metric], str]


def workload_lines(snapshot: Snapshot, labels: Sequence[str], *, gauge: Gauge, header: Header, lines: Gauge) -> str:
    """Of each workload; labels: `{namespace="a",name="b"` of each. A number that is not known has no line."""
    economics = snapshot.economics
    if economics is None:
        return ""
    day = economics.ledger[:, :, -1].astype(np.float64)
    of = {name: day[:, place] for place, name in enumerate(LEDGER)}
    saved = of["hpa_only"] - of["asked"] + economics.price * (of["hpa_short"] - of["short"])
    money = [f'{label},currency="{one}"' for label, one in zip(labels, economics.currency, strict=True)]
    parts = [
        gauge(SPOT_PODS, labels, economics.spot),
        gauge(ON_DEMAND_PODS, labels, economics.on_demand),
        gauge(MISSING_PRICE, labels, economics.price),
        gauge(DAY_SAVED, labels, saved),
        gauge(DAY_SAVED_MONEY, money, saved * economics.pod_minute),
        header(DAY),
    ]
    if len(labels) <= DAY_WORKLOADS:
        parts += [lines(DAY, [f'{label},kind="{kind}"' for label in labels], of[kind]) for kind in DAY_KINDS]
    return "".join(parts)


def pool_lines(economics: Economics | None, *, now: float, gauge: Gauge) -> str:
    """Of each pool that has a price; names of pools and currencies need no escaping."""
    if economics is None:
        return ""
    priced = [(one, one.pool.price) for one in economics.costs]
    known = [(cost, price) for cost, price in priced if price is not None]
    names = [f'{{pool="{cost.pool.pool.name}"' for cost, _ in known]
    currencies = [f'{name},currency="{price.currency}"' for name, (_, price) in zip(names, known, strict=True)]
    sources = [f'{label},source="{price.source}"' for label, (_, price) in zip(currencies, known, strict=True)]
    hours = [np.nan if cost.reckoned is None else cost.reckoned.price for cost, _ in known]
    return "".join(
        (
            gauge(NODE_PRICE, sources, np.asarray([price.node_hourly for _, price in known])),
            gauge(NODE_PRICE_AGE, names, now - np.asarray([price.seen_s for _, price in known])),
            gauge(POD_HOUR, currencies, np.asarray(hours, dtype=np.float64)),
        )
    )
