"""What a policy cost on a past, in the terms of the HPA's law: pods, missing pods, and how far it is from perfect.

J = (pod-minutes + price x pod-minutes missing) / pod-minutes of the least capacity that could have served every minute.
The reactive policies are those of an HPA on the newest number or on the mean of five minutes, with the target
utilisation that would have been best, chosen in hindsight: the strongest opponent there is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.planning.replay import STABILIZATION_SECONDS, Outcome, lookahead_maximum, replay
from app.planning.rounding import whole_pods

UTILISATIONS = tuple(float(share) for share in np.arange(0.2, 1.01, 0.05))

_MINUTE_SECONDS = 60
_MEAN_MINUTES = 5

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Hpa:
    """An HPA's settings, Kubernetes' defaults. target_utilisation: of capacity_per_pod. tolerance: of the reactive
    policies; with the forecast it is that of the HPAs this project ships, 0."""

    target_utilisation: float = 0.7
    tolerance: float = 0.1
    stabilization_minutes: int = STABILIZATION_SECONDS // _MINUTE_SECONDS
    min_pods: int = 1


@dataclass(frozen=True)
class Setting:
    """What all policies share. demand: float64 (minutes,), without gaps. price: a missing pod-minute in idle ones."""

    demand: _Floats
    capacity_per_pod: float
    lead_minutes: int
    price: float
    hpa: Hpa = Hpa()


@dataclass(frozen=True)
class Score:
    """pods: pod-minutes over the least possible. overload: share of the demand that ready pods could not serve."""

    cost: float
    pods: float
    overload: float
    minutes_short: int
    pod_minutes: float
    short_pod_minutes: float


@dataclass(frozen=True)
class Comparison:
    """reactive: the best way of reacting in hindsight, best_target, as text. hpa: reacting at the HPA's own target.

    wanted: of each of the four by its name, float64 (minutes,), in the unit of demand.
    """

    reactive: Score
    best_target: str
    hpa: Score
    forecast: Score
    perfect: Score
    wanted: Mapping[str, _Floats]

    @property
    def gap_closed(self) -> float:
        """Of the forecast's policy."""
        return self.closed_by(self.forecast)

    def closed_by(self, policy: Score) -> float:
        """1: as good as perfect, 0: no better than the best reactive policy, below: worse; NaN: no gap."""
        gap = self.reactive.cost - self.perfect.cost
        return (self.reactive.cost - policy.cost) / gap if gap > 0 else float("nan")


def score(wanted: _Floats, setting: Setting, *, tolerance: float = 0.0) -> Score:
    """Scores what was wanted at each minute, in the unit of demand."""
    return scores(wanted[None], setting, tolerance=tolerance)[0]


def scores(wanted: _Floats, setting: Setting, *, tolerance: float = 0.0) -> list[Score]:
    """The same for several policies, (policies, minutes), side by side."""
    outcome = replayed(wanted, setting, tolerance=tolerance)
    needed = setting.demand / setting.capacity_per_pod
    least = float(np.maximum(whole_pods(needed), setting.hpa.min_pods).sum())
    total = max(float(setting.demand.sum()), 1e-12)
    return [
        Score(
            cost=float(asked + setting.price * short) / least,
            pods=float(asked) / least,
            overload=float(short) * setting.capacity_per_pod / total,
            minutes_short=int((needed > ready).sum()),
            pod_minutes=float(asked),
            short_pod_minutes=float(short),
        )
        for asked, short, ready in zip(outcome.pod_minutes, outcome.short_pod_minutes, outcome.ready, strict=True)
    ]


def replayed(wanted: _Floats, setting: Setting, *, tolerance: float = 0.0) -> Outcome:
    """Pods asked for and ready under several policies, (policies, minutes)."""
    count = len(wanted)
    return replay(
        np.broadcast_to(setting.demand, wanted.shape),
        wanted,
        capacity_per_pod=np.full(count, setting.capacity_per_pod),
        lead_steps=np.full(count, setting.lead_minutes),
        stabilization_steps=setting.hpa.stabilization_minutes,
        step_seconds=_MINUTE_SECONDS,
        tolerance=tolerance,
        min_pods=setting.hpa.min_pods,
    )


def compare(wanted: _Floats, setting: Setting, *, before: _Floats) -> Comparison:
    """The forecast's policy beside reacting and a perfect forecast. before: demand of the minutes before the first."""
    lead_in = before[-_MEAN_MINUTES:] if before.size else setting.demand[:1]
    missing = np.full(_MEAN_MINUTES - lead_in.size, lead_in[0])
    history = np.concatenate([missing, lead_in, setting.demand[:-1]])
    newest = history[_MEAN_MINUTES - 1 :]
    mean5 = np.lib.stride_tricks.sliding_window_view(history, _MEAN_MINUTES).mean(axis=1)
    best, target, wanted_best = _best_reactive(setting, (("newest number", newest), ("mean of 5 minutes", mean5)))
    ahead = lookahead_maximum(setting.demand[None], np.asarray([setting.lead_minutes]))[0]
    own = newest / setting.hpa.target_utilisation
    return Comparison(
        reactive=best,
        best_target=target,
        hpa=score(own, setting, tolerance=setting.hpa.tolerance),
        forecast=score(wanted, setting),
        perfect=score(ahead, setting),
        wanted={"reactive": wanted_best, "hpa": own, "forecast": wanted, "perfect": ahead},
    )


def _best_reactive(setting: Setting, signals: Iterable[tuple[str, _Floats]]) -> tuple[Score, str, _Floats]:
    wanted = {f"{name} at {share:.0%}": signal / share for name, signal in signals for share in UTILISATIONS}
    found = scores(np.stack(list(wanted.values())), setting, tolerance=setting.hpa.tolerance)
    best, target = min(zip(found, wanted, strict=True), key=lambda one: one[0].cost)
    return best, target, wanted[target]
