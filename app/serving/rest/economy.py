"""Money out of a snapshot: prices, choices, spot advice and savings as REST v1 shows them."""

import math

import numpy as np

from app.pricing.choice import PoolCost
from app.pricing.decisions import Decision, Weighed
from app.pricing.economics import LEDGER
from app.serving.rest.economy_schemas import Choice, NodePool, Prices, Savings, SavingsDay, Spot, WeighedGroup
from app.serving.rest.explanation import utc
from app.serving.rest.schemas import Number
from app.snapshot import Snapshot, number_or_none

HELPS_FROM = 0.005  # of what HPA-only cost; less is noise
_DAY_SECONDS = 86_400


def prices_of(snapshot: Snapshot, *, now: float) -> Prices:
    """All pools; none where there is no price file."""
    if snapshot.economics is None:
        return Prices(pools=[], trouble="")
    prices = snapshot.economics.prices
    pools = [_pool(one, snapshot, now) for one in snapshot.economics.costs]
    return Prices(pools=pools, trouble=prices.trouble)


def _pool(cost: PoolCost, snapshot: Snapshot, now: float) -> NodePool:
    assert snapshot.economics is not None
    pool, price, reckoned = cost.pool.pool, cost.pool.price, cost.reckoned
    return NodePool(
        pool=pool.name,
        node_groups=pool.node_groups,
        spot=pool.spot,
        pods_per_node=pool.pods_per_node,
        node_hourly=None if price is None else price.node_hourly,
        currency="" if price is None else price.currency,
        source="" if price is None else price.source,
        nodes=0 if price is None else price.nodes,
        priced=None if price is None else utc(price.seen_s),
        stale=price is not None and snapshot.economics.prices.stale(price, now),
        pod_hour=None if reckoned is None else _rounded(reckoned.price, 6),
        forecast_pods=None if reckoned is None else _rounded(reckoned.pods, 3),
        trouble=cost.pool.trouble,
    )


def choice_of(decision: Decision) -> Choice:
    """One answer of the gRPC expander."""
    return Choice(
        at=utc(decision.at_s) or utc(0),
        chosen=list(decision.chosen),
        currency=next((one.currency for one in decision.weighed if one.currency), ""),
        text=decision.text,
        weighed=[_group(one) for one in decision.weighed],
    )


def _group(weighed: Weighed) -> WeighedGroup:
    reckoned = weighed.reckoned
    return WeighedGroup(
        group=weighed.group,
        pool=weighed.pool,
        nodes=weighed.nodes,
        pods=weighed.pods,
        node_hourly=weighed.node_hourly,
        pod_hour=None if reckoned is None else _rounded(reckoned.price, 6),
        fit=None if reckoned is None else reckoned.fit,
        forecast_pods=None if reckoned is None else _rounded(reckoned.pods, 3),
        life_hours=None if reckoned is None else _rounded(reckoned.life_hours, 3),
        text=weighed.text,
    )


def spot_of(snapshot: Snapshot, row: int, *, now: float) -> Spot:
    """Of one workload; none where nothing is served, however old the advice is."""
    forecast, economics = snapshot.forecasts[row], snapshot.economics
    told = economics is not None and snapshot.refusal(row, now) is None
    on_demand = number_or_none(economics.on_demand[row]) if economics is not None and told else None
    spot = number_or_none(economics.spot[row]) if economics is not None and told else None
    whole = None if on_demand is None or spot is None else on_demand + spot
    return Spot(
        namespace=forecast.namespace,
        name=forecast.name,
        workload_type=forecast.spec.costs.workload_type,
        on_demand_pods=on_demand,
        spot_pods=spot,
        spot_share=_rounded(spot / whole, 4) if spot is not None and whole else None,
        text=economics.spot_reason[row] if economics is not None and told else "No advice: nothing is served.",
    )


def savings_of(snapshot: Snapshot, row: int, *, days: int) -> Savings:
    """Of the last `days` replayed days, fewer where fewer were; days without any measured time are left out."""
    forecast, economics = snapshot.forecasts[row], snapshot.economics
    price = forecast.spec.price if economics is None else float(economics.price[row])
    minute = float("nan") if economics is None else float(economics.pod_minute[row])
    table = np.empty((len(LEDGER), 0)) if economics is None else economics.ledger[row].astype(np.float64)[:, -days:]
    ends = float(snapshot.judged_s[row]) - _DAY_SECONDS * np.arange(table.shape[1] - 1, -1, -1)
    replayed = np.flatnonzero(table[LEDGER.index("seconds")] > 0)
    found = [_day(table[:, place], float(ends[place]), price, minute) for place in replayed]
    total = dict(zip(LEDGER, table[:, replayed].sum(axis=1).tolist(), strict=True))
    saved = _saved(total, price)
    by_hpa = total["hpa_only"] + price * total["hpa_short"]
    sums = {name: _rounded(total[name]) if found else None for name in LEDGER if name not in ("seconds", "acted")}
    return Savings(
        namespace=forecast.namespace,
        name=forecast.name,
        missing_pod_price=price,
        pod_minute_money=number_or_none(minute),
        currency="" if economics is None else economics.currency[row],
        **sums,
        saved=_rounded(saved) if found else None,
        saved_share=_rounded(saved / by_hpa) if by_hpa > 0 else None,
        saved_money=_rounded(saved * minute) if found else None,
        text=_text(found, total, saved, by_hpa),
        days=found,
    )


def _day(
    column: "np.ndarray[tuple[int], np.dtype[np.float64]]", end_s: float, price: float, minute: float
) -> SavingsDay:
    found = dict(zip(LEDGER, column.tolist(), strict=True))
    saved = _saved(found, price)
    return SavingsDay(
        end=utc(end_s) or utc(0),
        hours=_rounded(found["seconds"] / 3600),
        acted=found["acted"] > 0,
        **{name: _rounded(found[name]) for name in ("asked", "used", "needed", "hpa_only", "short", "hpa_short")},
        saved=_rounded(saved),
        asked_money=_rounded(found["asked"] * minute),
        hpa_only_money=_rounded(found["hpa_only"] * minute),
        needed_money=_rounded(found["needed"] * minute),
        saved_money=_rounded(saved * minute),
    )


def _saved(found: dict[str, float], price: float) -> float:
    """Idle pod-minutes that what was asked is better by than HPA-only, shortage at its price."""
    return found["hpa_only"] - found["asked"] + price * (found["hpa_short"] - found["short"])


def _text(days: list[SavingsDay], total: dict[str, float], saved: float, by_hpa: float) -> str:
    if not days:
        return "Nothing has been replayed yet: too little history, or no fit so far."
    acted = sum(one.acted for one in days)
    if not acted:
        return f"Nothing was saved: on none of the {len(days)} days the forecast acted; the HPA alone did the same."
    pods, short = total["hpa_only"] - total["asked"], total["hpa_short"] - total["short"]
    told = (
        f"{abs(pods):,.0f} pod-minutes {'fewer' if pods >= 0 else 'more'} asked for, "
        f"{abs(short):,.0f} {'fewer' if short >= 0 else 'more'} short, on {len(days)} days of which it acted on {acted}"
    )
    if saved > HELPS_FROM * by_hpa:
        return f"The forecast saved {saved / by_hpa:.1%} of what the HPA alone would have cost: {told}."
    if saved < -HELPS_FROM * by_hpa:
        return f"The forecast lost {-saved / by_hpa:.1%} against the HPA alone: {told}."
    return f"The forecast saved nothing to speak of against the HPA alone: {told}."


def _rounded(value: float, digits: int = 4) -> Number:
    return number_or_none(round(value, digits)) if math.isfinite(value) else None
