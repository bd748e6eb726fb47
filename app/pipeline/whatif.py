"""What a past would have cost: reacting, with the forecast, and with a perfect one. One way for files and workloads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import ConfigurationError
from app.inquiries import Curves, PolicyCost, WhatIfAnswer, WhatIfTerms
from app.pipeline.rehearsal import RehearsalOptions, Rehearsed, rehearse
from app.planning.score import Comparison, Hpa, Score, Setting, compare, replayed
from app.sources.history_file import HistoryFile

PODS_ON_AVERAGE = 20  # where no capacity is given
HELPS_FROM = 0.005  # of the cost; less is noise
POLICIES = ("hpa", "reactive", "forecast", "perfect")

_POINTS = 2_000  # of a curve: as many as a wide screen has columns
_MINUTES_PER_HOUR = 60


@dataclass(frozen=True)
class Replayed:
    """One replayed history. first: the minute at which the scored part begins."""

    file: HistoryFile
    terms: WhatIfTerms
    options: RehearsalOptions
    first: int
    rehearsed: Rehearsed
    setting: Setting
    comparison: Comparison


def what_if(
    file: HistoryFile, terms: WhatIfTerms, *, first: int | None = None, on_progress: Callable[[float], None]
) -> Replayed:
    """Replays a history. first: minute at which the scored part begins, default by the terms' share.

    Raises ConfigurationError where nothing can be scored.
    """
    begin = int(file.demand.size * terms.scored_from) if first is None else first
    if not 0 < begin < file.demand.size:
        raise ConfigurationError(f"{file.name}: nothing is left to score from minute {begin} of {file.demand.size} on")
    capacity = terms.capacity_per_pod or float(file.demand[:begin].mean()) / PODS_ON_AVERAGE
    if not capacity > 0:
        raise ConfigurationError(f"{file.name}: there is no load to size a pod by; say what one pod serves")
    options = RehearsalOptions(
        terms.lead_minutes,
        terms.every_minutes,
        terms.price,
        capacity,
        file.delay_minutes,
        terms.fleet,
        stabilization_minutes=terms.stabilization_minutes,
        zone=terms.time_zone or "UTC",
    )
    rehearsed = rehearse(file.known, options, on_progress=on_progress)
    hpa = Hpa(terms.target_utilisation, terms.tolerance, terms.stabilization_minutes, terms.min_pods)
    setting = Setting(file.demand[begin:], capacity, terms.lead_minutes, terms.price, hpa)
    comparison = compare(rehearsed.capacity[begin:], setting, before=file.demand[:begin])
    return Replayed(file, terms, options, begin, rehearsed, setting, comparison)


def sentence(comparison: Comparison) -> str:
    """Whether prediction helped, in plain words."""
    best, ours = comparison.reactive, comparison.forecast
    saved = best.cost - ours.cost
    if saved > HELPS_FROM * best.cost:
        hours = (best.pod_minutes - ours.pod_minutes) / _MINUTES_PER_HOUR
        short = best.short_pod_minutes - ours.short_pod_minutes
        return (
            f"The forecast would have cost {saved / best.cost:.1%} less than the best way of reacting: "
            f"{abs(hours):,.0f} pod-hours {'fewer' if hours >= 0 else 'more'}, "
            f"{abs(short):,.0f} pod-minutes short {'fewer' if short >= 0 else 'more'}."
        )
    if saved < -HELPS_FROM * best.cost:
        return f"Prediction would not have helped here: it would have cost {-saved / best.cost:.1%} more."
    return "Prediction would not have helped here: it would have cost as much as reacting at its best."


def names(replay: Replayed) -> Mapping[str, str]:
    """What each policy is called."""
    return {
        "hpa": f"HPA reacting at {replay.terms.target_utilisation:.0%}",
        "reactive": f"HPA reacting, best in hindsight ({replay.comparison.best_target})",
        "forecast": "HPA with the forecast",
        "perfect": "HPA with a perfect forecast",
    }


def answer(replay: Replayed) -> WhatIfAnswer:
    """What is told of it."""
    found, called = replay.comparison, names(replay)
    scores: Mapping[str, Score] = {
        "hpa": found.hpa,
        "reactive": found.reactive,
        "forecast": found.forecast,
        "perfect": found.perfect,
    }
    hourly = replay.terms.pod_hour_cost
    policies = {
        key: PolicyCost(
            name=called[key],
            cost=one.cost,
            pods=one.pods,
            overload=one.overload,
            minutes_short=one.minutes_short,
            pod_minutes=one.pod_minutes,
            short_pod_minutes=one.short_pod_minutes,
            money=None if hourly is None else one.pod_minutes / _MINUTES_PER_HOUR * hourly,
        )
        for key, one in scores.items()
    }
    return WhatIfAnswer(
        history=replay.file.name,
        terms=replay.terms,
        capacity_per_pod=replay.setting.capacity_per_pod,
        scored_minutes=replay.setting.demand.size,
        policies=policies,
        gap_closed=float(found.gap_closed) if np.isfinite(found.gap_closed) else None,
        acting_share=float(replay.rehearsed.acting[replay.first :].mean()),
        sentence=sentence(found),
        curves=curves(replay, points=_POINTS),
    )


def curves(replay: Replayed, *, points: int) -> Curves:
    """Demand and pods ready over the scored part."""
    tolerance = replay.setting.hpa.tolerance
    ready = {
        key: replayed(
            replay.comparison.wanted[key][None],
            replay.setting,
            tolerance=tolerance if key in ("hpa", "reactive") else 0.0,
        ).ready[0]
        for key in POLICIES
    }
    demand = replay.setting.demand / replay.setting.capacity_per_pod
    stride = -(-demand.size // points)
    return Curves(
        times_s=replay.rehearsed.times_s[replay.first :][::stride],
        demand=_largest(demand, stride),
        ready={key: -_largest(-values, stride) for key, values in ready.items()},
    )


def _largest(values: NDArray[np.float64], stride: int) -> NDArray[np.float64]:
    """The largest of each `stride` numbers, so that no peak is lost."""
    padded = np.concatenate([values, np.full(-values.size % stride, values[-1])])
    largest: NDArray[np.float64] = padded.reshape(-1, stride).max(axis=1)
    return largest
