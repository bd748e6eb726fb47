"""The HPA's law with a behaviour: windows, rate policies, tolerance and bounds, for many behaviours side by side.

After the HPA controller of Kubernetes 1.37: what is wanted is held within the largest recommendation of the scale-down
window and the least of the scale-up window; then each direction is limited by its policies, which count from the pods
that there were a period ago. The controller looks every 15 seconds. replay.py has the same law without policies, whose
closed form is faster; where no policy binds the two agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.planning.rounding import ROUND_OFF, whole_pods

SYNC_SECONDS = 15


_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]
_Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Rate:
    """So many pods, or per cent of them, within a period."""

    value: int
    period_seconds: int
    percent: bool = False


@dataclass(frozen=True)
class Rules:
    """One direction. least: of several rates the slowest counts (selectPolicy Min). No rates: no limit."""

    window_seconds: int
    rates: tuple[Rate, ...]
    tolerance: float
    least: bool = False


@dataclass(frozen=True)
class Behaviour:
    """An HPA's behaviour and bounds."""

    up: Rules
    down: Rules
    min_pods: int
    max_pods: int


def kubernetes_default(*, min_pods: int = 1, max_pods: int = 1_000_000) -> Behaviour:
    """Where an HPA says nothing: out at once by 100 % or 4 pods, in after five minutes without a limit."""
    quick = Rate(100, 15, percent=True)
    return Behaviour(Rules(0, (quick, Rate(4, 15)), 0.1), Rules(300, (quick,), 0.1), min_pods, max_pods)


def of_hpa(spec: Mapping[str, Any]) -> Behaviour:
    """Of an autoscaling/v2 HPA's spec; what it leaves out is Kubernetes' default."""
    said, default = spec.get("behavior", {}), kubernetes_default()
    return Behaviour(
        _rules(said.get("scaleUp", {}), default.up),
        _rules(said.get("scaleDown", {}), default.down),
        int(spec.get("minReplicas", 1)),
        int(spec["maxReplicas"]),
    )


def to_hpa(rules: Rules) -> dict[str, Any]:
    """The other way: behavior.scaleUp or scaleDown."""
    return {
        "tolerance": f"{rules.tolerance:g}",
        "stabilizationWindowSeconds": rules.window_seconds,
        "selectPolicy": "Min" if rules.least else "Max",
        "policies": [
            {"type": "Percent" if one.percent else "Pods", "value": one.value, "periodSeconds": one.period_seconds}
            for one in rules.rates
        ],
    }


def asked_pods(wanted_pods: _Floats, behaviours: Sequence[Behaviour], *, step_seconds: int) -> _Floats:
    """Pods asked for at the end of each step: (behaviours, steps). wanted_pods: the same shape or one row, unrounded.

    NaN: no number, nothing changes. step_seconds: a multiple of 15. The first step begins with what it wants.
    """
    rows = len(behaviours)
    wanted = np.broadcast_to(np.atleast_2d(wanted_pods), (rows, np.atleast_2d(wanted_pods).shape[1]))
    return _Controller(behaviours, step_seconds).run(wanted)


class _Limits:
    """Rate policies of one direction as arrays (behaviours, policies)."""

    def __init__(self, rules: Sequence[Rules], *, sign: int) -> None:
        most = max((len(one.rates) for one in rules), default=0)
        shape = (len(rules), most)
        self.sign = sign
        self.value, self.percent = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
        self.period, self.there = np.ones(shape, dtype=np.int64), np.zeros(shape, dtype=np.bool_)
        for row, one in enumerate(rules):
            for place, rate in enumerate(one.rates):
                self.value[row, place], self.percent[row, place] = rate.value, rate.percent
                self.period[row, place] = max(rate.period_seconds // SYNC_SECONDS, 1)
                self.there[row, place] = True
        self.least = np.asarray([one.least for one in rules])
        self.none = ~self.there.any(axis=1)

    def allowed(self, taken: _Floats, sync: int) -> _Floats:
        """The largest (or, scaling in, least) number of pods that each row may ask for now."""
        rows = np.arange(len(taken))
        before = taken[rows[:, None], np.maximum(sync - self.period + 1, 0)]
        relative = before * (1 + self.sign * self.value / 100)
        rounded = whole_pods(relative) if self.sign > 0 else np.floor(relative + ROUND_OFF)
        change = self.sign * (np.where(self.percent, rounded, before + self.sign * self.value) - taken[:, [sync]])
        widest = np.where(self.there, change, -np.inf).max(axis=1, initial=-np.inf)
        narrowest = np.where(self.there, change, np.inf).min(axis=1, initial=np.inf)
        most = np.maximum(np.where(self.least, narrowest, widest), 0)
        found: _Floats = taken[:, sync] + self.sign * np.where(self.none, np.inf, most)
        return found


class _Controller:
    """All rows, step by step: within a tolerance and under a rate limit a decision depends on the ones before."""

    def __init__(self, behaviours: Sequence[Behaviour], step_seconds: int) -> None:
        self._ups, self._downs = [one.up for one in behaviours], [one.down for one in behaviours]
        self._syncs = max(step_seconds // SYNC_SECONDS, 1)
        self._least = np.asarray([float(one.min_pods) for one in behaviours])
        self._most = np.asarray([float(one.max_pods) for one in behaviours])
        self._up_tolerance = np.asarray([one.tolerance for one in self._ups])
        self._down_tolerance = np.asarray([one.tolerance for one in self._downs])
        self._out, self._in = _Limits(self._ups, sign=1), _Limits(self._downs, sign=-1)
        windows = [[one.window_seconds // step_seconds for one in rules] for rules in (self._ups, self._downs)]
        self._reach = max(map(max, windows), default=0) + 1
        age = np.arange(self._reach)[::-1]  # of the columns of a window, the newest last
        self._up_window, self._down_window = (age <= np.asarray(steps)[:, None] for steps in windows)

    def run(self, wanted: _Floats) -> _Floats:
        rows, steps = wanted.shape
        said = np.full((rows, self._reach - 1 + steps), np.nan)  # recommendations, with nothing before the first
        taken = np.empty((rows, steps * self._syncs + 1))
        taken[:, 0] = self._first(wanted)
        for step in range(steps):
            known = np.isfinite(wanted[:, step])
            first, end = step * self._syncs, (step + 1) * self._syncs
            for sync in range(first, end):
                current = taken[:, sync]
                recommended = np.where(known, self._recommended(wanted[:, step], current), np.nan)
                if sync == first:
                    said[:, self._reach - 1 + step] = recommended
                stable = self._stable(said[:, step : step + self._reach], recommended, current)
                aim = np.where(known, stable, current)
                if (aim == current).all():
                    taken[:, sync + 1 : end + 1] = current[:, None]
                    break
                taken[:, sync + 1] = self._limited(taken, aim, sync)
        return taken[:, self._syncs :: self._syncs]

    def _first(self, wanted: _Floats) -> _Floats:
        known = np.isfinite(wanted)
        first = wanted[np.arange(len(wanted)), np.argmax(known, axis=1)]
        bounded = self._bounded(np.where(np.isfinite(first), first, 0))
        return np.where(known.any(axis=1), bounded, self._least)

    def _bounded(self, pods: _Floats) -> _Floats:
        found: _Floats = np.clip(whole_pods(pods), self._least, self._most)
        return found

    def _recommended(self, pods: _Floats, current: _Floats) -> _Floats:
        with np.errstate(divide="ignore", invalid="ignore"):  # from zero pods everything is beyond the tolerance
            change = pods / current - 1
        near = (change <= self._up_tolerance + ROUND_OFF) & (change >= -self._down_tolerance - ROUND_OFF)
        bounded = self._bounded(np.where(np.isfinite(pods), pods, 0))
        return np.where(near & (current > 0), np.clip(current, self._least, self._most), bounded)

    def _stable(self, said: _Floats, recommended: _Floats, current: _Floats) -> _Floats:
        upward = np.fmin(recommended, np.where(self._up_window & np.isfinite(said), said, np.inf).min(axis=1))
        downward = np.fmax(recommended, np.where(self._down_window & np.isfinite(said), said, -np.inf).max(axis=1))
        found: _Floats = np.minimum(np.maximum(current, upward), downward)
        return found

    def _limited(self, taken: _Floats, aim: _Floats, sync: int) -> _Floats:
        current = taken[:, sync]
        more, less = aim > current, aim < current
        upper = self._out.allowed(taken, sync) if more.any() else aim
        lower = self._in.allowed(taken, sync) if less.any() else aim
        found: _Floats = np.where(more, np.minimum(aim, upper), np.where(less, np.maximum(aim, lower), aim))
        return found


def _rules(said: Mapping[str, Any], default: Rules) -> Rules:
    policies = said.get("policies")
    rates = (
        default.rates
        if policies is None
        else tuple(Rate(int(one["value"]), int(one["periodSeconds"]), one["type"] == "Percent") for one in policies)
    )
    return Rules(
        int(said.get("stabilizationWindowSeconds", default.window_seconds)),
        rates,
        float(said.get("tolerance", default.tolerance)),
        said.get("selectPolicy", "Max") == "Min",
    )
