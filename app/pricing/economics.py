"""What the pipeline tells the doors of money: prices, what pods cost, how many may stand on spot, the ledger."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.pricing.choice import PoolCost
from app.pricing.prices import PriceList

LEDGER = ("asked", "used", "needed", "hpa_only", "short", "hpa_short", "seconds", "acted")
"""Columns of the ledger of a day; planning/ledger.py says what they are."""


@dataclass(frozen=True)
class Economics:
    """n workloads in the order of the snapshot. prices: as they are known; costs: of a forecast pod-hour of each pool.

    price: (n,), a missing pod-minute in idle ones, as planned with. measured_price: what it is by today's prices, NaN
    where the LoadForecast's costs do not say or the pool has no price. pod_minute: money, NaN: not known; currency:
    of each, empty: not named. on_demand, spot: (n,) pods, NaN: no advice, spot_reason says why.
    ledger: float32 (n, LEDGER, days), the last day ending at Snapshot.judged_s.
    """

    prices: PriceList
    costs: tuple[PoolCost, ...]
    price: NDArray[np.float64]
    measured_price: NDArray[np.float64]
    pod_minute: NDArray[np.float64]
    currency: tuple[str, ...]
    on_demand: NDArray[np.float64]
    spot: NDArray[np.float64]
    spot_reason: tuple[str, ...]
    ledger: NDArray[np.float32]
