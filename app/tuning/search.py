"""The HPA's behaviour for a load: candidates replayed on the first part of a history, the best shown on the rest.

What is replayed is the law of app.planning.behaviour on what the HPA would have been told: the forecast's number, or
without one the newest demand over a share of the capacity. The shipped policy of the type stays unless a candidate is
cheaper on both parts; a candidate that was best on the first part only was luck.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.planning.behaviour import Behaviour, Rate, Rules, asked_pods, kubernetes_default
from app.planning.rounding import ROUND_OFF, whole_pods
from app.tuning.types import FIFTH, HALF, ONE, TENTH, Policy
from models.hpa import ready_pods

FIRST_PART = 0.6  # of the replayed minutes choose, the rest judges
WORTH_A_CHANGE = 0.01  # of the cost; less is not worth leaving the shipped numbers
WINDOWS_SECONDS = (60, 120, 180, 300, 600, 900)
SHARES = tuple(float(one) for one in np.arange(0.5, 1.01, 0.1))  # of the capacity, as a reactive target


_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Load:
    """needed: pods that the demand of each minute takes, unrounded. known: the newest demand in pods at each minute.

    served: what the forecast would have served, in pods; None without one. today: pods that there really were.
    """

    needed: _Floats
    known: _Floats
    served: _Floats | None = None
    today: _Floats | None = None


@dataclass(frozen=True)
class Terms:
    """What pods and missing pods are worth, in pod-minutes."""

    lead_minutes: int
    price: float
    removal_price: float


@dataclass(frozen=True)
class Cost:
    """Over a part of the history. cost: pod-minutes, missing ones by their price, removals by theirs, over the least
    pod-minutes that could have served every minute; overload: share of the demand not served."""

    cost: float
    pod_minutes: float
    overload: float
    removed: float


@dataclass(frozen=True)
class Candidate:
    """A behaviour and, where the HPA reacts, its target as a share of the capacity. first, rest: on both parts."""

    name: str
    behaviour: Behaviour
    share: float
    first: Cost
    rest: Cost


@dataclass(frozen=True)
class Found:
    """chosen: what is proposed. best: on the first part, the same unless it failed on the rest. others: for
    comparison, by name: the shipped policy, Kubernetes' default, and what really ran where that is known."""

    chosen: Candidate
    best: Candidate
    others: Mapping[str, Candidate]
    tried: int


@dataclass(frozen=True)
class _Row:
    """reacts: it is told the newest demand over a share of the capacity, and never hears of a forecast."""

    name: str
    behaviour: Behaviour
    share: float
    reacts: bool


def search(load: Load, policy: Policy, terms: Terms) -> Found:
    """Tries windows and rates, and shares of the capacity where there is no forecast."""
    reacts = load.served is None
    unbounded = replace(policy.behaviour, max_pods=kubernetes_default().max_pods)
    shares = SHARES if reacts else (1.0,)
    tried = [
        _Row(f"{window} s, {name}", _with(unbounded, window, rates), share, reacts)
        for window in WINDOWS_SECONDS
        for name, rates in _RATES.items()
        for share in shares
    ]
    shipped = [_Row(_SHIPPED, unbounded, share, reacts) for share in shares]
    default = _Row(_DEFAULT, kubernetes_default(min_pods=max(unbounded.min_pods, 1)), _DEFAULT_SHARE, True)
    *candidates, by_default = _scored([*tried, *shipped, default], load, terms)
    own = min(candidates[len(tried) :], key=lambda one: one.first.cost)
    best = min(candidates[: len(tried)], key=lambda one: one.first.cost)
    worth = all(getattr(best, part).cost < (1 - WORTH_A_CHANGE) * getattr(own, part).cost for part in ("first", "rest"))
    others = {"shipped": own, "default": by_default}
    if load.today is not None:
        others["today"] = _as_it_was(load, policy.behaviour, terms)
    return Found(best if worth else own, best, others, len(tried))


def floors(load: Load, chosen: Candidate, terms: Terms, *, least: int) -> list[Candidate]:
    """The chosen behaviour with other least numbers of pods: the type's, and what the load seldom goes below."""
    seldom = {int(np.ceil(np.quantile(load.needed, one))) for one in (0.05, 0.25, 0.5)}
    counts = [least, *sorted(one for one in seldom if one > least)]
    reacts = load.served is None
    rows = [_Row(f"{one}", replace(chosen.behaviour, min_pods=one), chosen.share, reacts) for one in counts]
    return _scored(rows, load, terms)


_SHIPPED = "the shipped policy"
_DEFAULT, _DEFAULT_SHARE = "Kubernetes' default", 0.7
_RATES: Mapping[str, tuple[Rate, ...]] = {
    "all at once": (Rate(100, 15, percent=True),),
    "half or 1 a minute": (HALF, ONE),
    "a fifth or 1 a minute": (FIFTH, ONE),
    "a tenth or 1 a minute": (TENTH, ONE),
    "1 a minute": (ONE,),
}


def _with(behaviour: Behaviour, window_seconds: int, rates: tuple[Rate, ...]) -> Behaviour:
    return replace(behaviour, down=Rules(window_seconds, rates, behaviour.down.tolerance))


def _scored(rows: Sequence[_Row], load: Load, terms: Terms) -> list[Candidate]:
    wanted = np.stack([_wanted(load, one) for one in rows])
    asked = asked_pods(wanted, [one.behaviour for one in rows], step_seconds=60)
    return [
        Candidate(one.name, one.behaviour, one.share, *_parts(load, pods, terms))
        for one, pods in zip(rows, asked, strict=True)
    ]


def _wanted(load: Load, row: _Row) -> _Floats:
    """With a forecast the larger of it and of the demand: a pod at its capacity is at the CPU target."""
    return load.known / row.share if row.reacts or load.served is None else np.fmax(load.served, load.known)


def _as_it_was(load: Load, behaviour: Behaviour, terms: Terms) -> Candidate:
    assert load.today is not None
    pods = np.where(np.isfinite(load.today), load.today, np.ceil(load.needed))
    ready_already = replace(terms, lead_minutes=0)
    first, rest = _parts(load, pods, ready_already)
    return Candidate("what ran", behaviour, float("nan"), first, rest)


def _parts(load: Load, asked: _Floats, terms: Terms) -> tuple[Cost, Cost]:
    ready = ready_pods(asked[None], lead_steps=terms.lead_minutes)[0]
    short = np.maximum(load.needed - ready, 0)
    cut = int(load.needed.size * FIRST_PART)
    first, rest = (_cost(load.needed[part], asked[part], short[part], terms) for part in (slice(cut), slice(cut, None)))
    return first, rest


def _cost(needed: _Floats, asked: _Floats, short: _Floats, terms: Terms) -> Cost:
    removed = float(np.maximum(-np.diff(asked), 0).sum())
    possible = max(float(np.maximum(whole_pods(needed), 1).sum()), 1.0)
    spent = float(asked.sum()) + terms.price * float(short.sum()) + terms.removal_price * removed
    return Cost(spent / possible, float(asked.sum()), float(short.sum()) / max(float(needed.sum()), ROUND_OFF), removed)
