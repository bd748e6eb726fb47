"""One pass's economics: prices of the pools, what each workload's pods cost by them, spot advice, the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.pipeline.outlook import LEVELS, Outlook
from app.pipeline.plan import Plan
from app.planning.ledger import ledger
from app.planning.rounding import whole_pods
from app.planning.spot import spot_advice
from app.pricing.choice import pool_costs
from app.pricing.economics import Economics
from app.pricing.prices import PriceList, settled_price
from app.workloads.book import Book

_LOW, _HIGH = LEVELS.index(0.1), LEVELS.index(0.9)
_SECONDS_PER_HOUR = 3_600


def priced_book(book: Book, prices: PriceList, settled: dict[str, float]) -> Book:
    """The book with the prices that missing pods have by the pools' prices.

    In a cluster one replica writes them into the status and all plan with what is there: nothing is to be done here.
    Without one, `settled` (changed in place) is where they settle.
    """
    if book.recorded:
        return book
    found: dict[str, float] = {}
    for one in book.forecasts:
        if one.spec.costs.pool is not None:
            known = settled.get(one.key, book.prices.get(one.key))
            price = settled_price(known, prices.missing_pod_price(one.spec.costs))
            if price is not None:
                found[one.key] = price
    settled.clear()
    settled.update(found)
    return book if dict(book.prices) == found else replace(book, prices=found)


@dataclass(frozen=True)
class Money:
    """By the pools' prices, one entry a workload: see Economics. types: of the workloads, for the share of spot."""

    measured_price: NDArray[np.float64]
    pod_minute: NDArray[np.float64]
    currency: tuple[str, ...]
    types: tuple[str | None, ...]

    @classmethod
    def of(cls, plan: Plan, prices: PriceList) -> "Money":
        """Of each LoadForecast's costs: a walk over all of them, so not for every pass."""
        costs = [one.spec.costs for one in plan.book.forecasts]
        minute = [prices.pod_minute(one) for one in costs]
        measured = [prices.missing_pod_price(one) for one in costs]
        return cls(
            _numbers({place: one for place, one in enumerate(measured) if one is not None}, len(costs)),
            _numbers({place: one[0] for place, one in enumerate(minute) if one is not None}, len(costs)),
            tuple(one[1] if one is not None else "" for one in minute),
            tuple(one.workload_type for one in costs),
        )


class Economist:
    """Makes each pass's economics; what only changes with prices or LoadForecasts is kept until they do."""

    def __init__(self) -> None:
        self._known: tuple[Plan, PriceList, Money] | None = None

    def economics(self, plan: Plan, prices: PriceList, outlook: Outlook, served: NDArray[np.float64]) -> Economics:
        """See economics_of."""
        known = self._known
        if known is None or known[0] is not plan or known[1] is not prices:
            known = self._known = (plan, prices, Money.of(plan, prices))
        return economics_of(plan, prices, known[2], outlook, served)


def economics_of(
    plan: Plan, prices: PriceList, money: Money, outlook: Outlook, served: NDArray[np.float64]
) -> Economics:
    """served: (n,), in the unit of demand, NaN where nothing is."""
    asked = whole_pods(served / plan.capacity_per_pod)
    advice = spot_advice(
        asked_pods=asked,
        low_pods=_pods(plan, outlook.quantiles[:, :, _LOW].astype(np.float64)),
        types=money.types,
    )
    return Economics(
        prices=prices,
        costs=pool_costs(prices.pools, needed=growth(plan, outlook, asked), step_hours=_step_hours(plan)),
        price=plan.price,
        measured_price=money.measured_price,
        pod_minute=money.pod_minute,
        currency=money.currency,
        on_demand=advice.on_demand,
        spot=advice.spot,
        spot_reason=advice.reason,
        ledger=ledger(outlook.daily, price=plan.price, modes=plan.modes),
    )


def growth(plan: Plan, outlook: Outlook, asked: NDArray[np.float64]) -> NDArray[np.float64]:
    """(steps,): pods that all workloads with costs are expected to want beyond those that they ask for now."""
    rows = np.flatnonzero([one.spec.costs.pool is not None for one in plan.book.forecasts])
    path = outlook.quantiles[rows, :, _HIGH].astype(np.float64)
    pods = _pods(plan, path, rows)
    more: NDArray[np.float64] = np.nansum(pods - asked[rows, None], axis=0)
    return more if more.size else np.zeros(1)


def _pods(plan: Plan, path: NDArray[np.float64], rows: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Whole pods, (k, steps), that carry a path of demand at the sizes that pods have now."""
    capacity = plan.capacity_per_pod if rows is None else plan.capacity_per_pod[rows]
    return whole_pods(plan.as_asked(path, rows) / capacity[:, None])


def _step_hours(plan: Plan) -> float:
    return plan.step_seconds / _SECONDS_PER_HOUR


def _numbers(known: Mapping[int, float], size: int) -> NDArray[np.float64]:
    values = np.full(size, np.nan)
    values[list(known)] = list(known.values())
    return values
