"""The HPA's law replayed on measured demand, and what a policy would have cost: is the forecast worth acting on?

The law, after the algorithm in the Kubernetes documentation of the HPA (AverageValue target): wanted / target,
rounded up; within the tolerance nothing changes; scaling in follows the largest recommendation of the stabilization
window; a metric without a number changes nothing. Rate policies of the HPA's behaviour are not replayed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from app.planning.capacity import lasting, lasting_steps
from app.planning.rounding import whole_pods

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]
_Bools = NDArray[np.bool_]

MARGIN = 0.01  # of the reactive cost; a forecast that saves less is not worth its risk, unless it is trusted already
EVIDENCE_SECONDS = 72_000  # 20 h of replayed samples: a day, less what gaps usually take of it
STABILIZATION_SECONDS = 300  # the HPA's default for scaling in

_DAY_SECONDS = 86_400
_CHUNK_NUMBERS = 500_000  # rows are replayed in chunks that stay in the processor's cache


@dataclass(frozen=True)
class Outcome:
    """A replayed policy. asked, ready: pods, float64 (n, T); the minutes: float64 (n,), where demand is a number."""

    asked: _Floats
    ready: _Floats
    pod_minutes: _Floats
    short_pod_minutes: _Floats

    def cost(self, price: _Floats | float) -> _Floats:
        """Idle pod-minutes that the policy was worth: `price` is what one missing pod-minute costs in them."""
        return self.pod_minutes + price * self.short_pod_minutes


@dataclass(frozen=True)
class Verdict:
    """One entry a workload. trusted: acting on the forecast beats reacting. Costs in pod-minutes, NaN if unknown.

    trusted has a hysteresis, replayed as well: see `judge`.

    skill: 1 - forecast_cost / reactive_cost; NaN, as the costs are, where there is too little evidence.
    daily: float32 (n, DAILY, days), for each replayed day, the last one ending with the history: the costs of reacting
    and of acting, the pod-minutes short of both, the seconds replayed, the pod-minutes that a perfect forecast would
    have asked for and those that were used, and whether the forecast was trusted when the day began (1 or 0).
    """

    trusted: _Bools
    skill: _Floats
    reactive_cost: _Floats
    forecast_cost: _Floats
    evidence_seconds: _Floats
    daily: NDArray[np.float32]


DAILY = ("reactive_cost", "forecast_cost", "reactive_short", "forecast_short", "seconds", "needed", "used", "trusted")
_MEASURED = len(DAILY) - 1  # of which all but the verdict come out of the replay


def replay(
    demand: NDArray[np.floating],
    wanted: NDArray[np.floating],
    *,
    capacity_per_pod: _Floats,
    lead_steps: _Ints,
    stabilization_steps: int,
    step_seconds: float,
    tolerance: float = 0.0,
    min_pods: float = 1.0,
) -> Outcome:
    """Replays n workloads over T steps. demand, wanted: (n, T); column t of `wanted` is served during step t.

    NaN in wanted: no number, the HPA changes nothing. NaN in demand: the step is not counted. Pods asked for in
    step t are ready from step t + lead on; the newest go first, so ready ones only when no younger one is left.
    """
    pods = np.asarray(wanted, dtype=np.float64) / capacity_per_pod[:, None]
    asked = _asked(pods, tolerance=tolerance, stabilization_steps=stabilization_steps, min_pods=min_pods)
    ready = _ready(asked, lead_steps)
    needed = np.asarray(demand, dtype=np.float64) / capacity_per_pod[:, None]
    counted = np.isfinite(needed)
    minutes = step_seconds / 60
    short = _short(needed, ready)
    return Outcome(asked, ready, np.where(counted, asked, 0.0).sum(axis=1) * minutes, short.sum(axis=1) * minutes)


def judge(
    *,
    required: NDArray[np.floating],
    actual: NDArray[np.floating],
    capacity_per_pod: _Floats,
    lead_steps: _Ints,
    price: _Floats,
    step_seconds: float,
    hold_steps: _Ints,
    tolerance: float = 0.0,
    margin: float = MARGIN,
    evidence_seconds: float = EVIDENCE_SECONDS,
) -> Verdict:
    """Compares acting, max(lasting demand, required), with reacting, demand, on held-out history.

    required, actual: (n, T); column t of both is known at the same time, so both policies serve it in step t + 1.
    The verdict is given at the end of each day, on all days up to it: trust begins where acting is cheaper by
    `margin`, not short for longer, and at least evidence_seconds were replayed, and ends where acting is dearer or
    short for longer. So a saving that wavers around the margin does not switch the forecast on and off.
    hold_steps: (n,), of the HPA's stabilization. The tolerance is that of the HPAs this project ships: 0.
    """
    steps = max(actual.shape[1], 1)
    rows = max(_CHUNK_NUMBERS // steps, 1)
    day = max(round(_DAY_SECONDS / step_seconds), 1)
    days = max((steps - 1) // day, 1)
    table = np.empty((_MEASURED, actual.shape[0], days))
    for part in _alike(hold_steps, rows):
        table[:, part] = _compare(
            _finite(required[part]),
            _finite(actual[part]),
            capacity_per_pod=capacity_per_pod[part],
            lead_steps=lead_steps[part],
            price=price[part],
            stabilization_steps=int(hold_steps[part[0]]),
            step_seconds=step_seconds,
            tolerance=tolerance,
            begins=_day_begins(steps - 1, day),
        )
    reactive_cost, forecast_cost, reactive_short, forecast_short, evidence = np.cumsum(table[:5], axis=2)
    known = (evidence >= evidence_seconds) & (reactive_cost > 0)
    reactive_cost, forecast_cost = np.where(known, reactive_cost, np.nan), np.where(known, forecast_cost, np.nan)
    begins = (forecast_cost < (1 - margin) * reactive_cost) & (forecast_short <= reactive_short)  # False where unknown
    stays = (forecast_cost <= reactive_cost) & (forecast_short <= reactive_short)
    trusted = np.zeros(actual.shape[0], dtype=np.bool_)
    at_dawn = np.zeros((actual.shape[0], days))
    for column in range(days):
        at_dawn[:, column] = trusted
        trusted = np.where(trusted, stays[:, column], begins[:, column])
    skill = 1 - forecast_cost[:, -1] / reactive_cost[:, -1]
    daily = np.concatenate([table, at_dawn[None]]).transpose(1, 0, 2).astype(np.float32)
    return Verdict(trusted, skill, reactive_cost[:, -1], forecast_cost[:, -1], evidence[:, -1], daily)


def lookahead_maximum(demand: NDArray[np.floating], steps: _Ints) -> _Floats:
    """Largest number of [t, t + steps] for each column t, (n, T): what a perfect forecast would ask for.

    steps: (n,). NaN is skipped; where there is nothing else the maximum is NaN.
    """
    ahead = _by_span(np.where(np.isnan(demand), -np.inf, demand)[:, ::-1], steps, maximum_filter1d)[:, ::-1]
    return np.where(np.isneginf(ahead), np.nan, ahead)


def _alike(values: _Ints, most: int) -> Iterator[_Ints]:
    """Places of equal values, at most so many at a time."""
    for value in np.unique(values):
        places = np.flatnonzero(values == value)
        for start in range(0, places.size, most):
            yield places[start : start + most]


def _day_begins(columns: int, day: int) -> list[int]:
    """First columns of whole days, counted from the end; the first day also takes what is left over."""
    return [0, *range(columns - (columns // day - 1) * day, columns, day)] if columns >= day else [0]


def _finite(values: NDArray[np.floating]) -> _Floats:
    return np.where(np.isfinite(values), values, np.nan).astype(np.float64)


def _compare(
    required: _Floats,
    actual: _Floats,
    *,
    capacity_per_pod: _Floats,
    lead_steps: _Ints,
    price: _Floats,
    stabilization_steps: int,
    step_seconds: float,
    tolerance: float,
    begins: list[int],
) -> _Floats:
    """(DAILY without trusted, n, days).

    begins: first columns of the days.
    """
    known, foreseen = actual[:, :-1], required[:, :-1]
    demand = np.where(np.isnan(foreseen), np.nan, actual[:, 1:])  # only steps that both policies decided
    acted = np.where(
        np.isnan(known), np.nan, np.fmax(lasting(known, lasting_steps(lead_steps, step_seconds=step_seconds)), foreseen)
    )
    reacting, acting, perfect = (
        replay(
            demand,
            wanted,
            capacity_per_pod=capacity_per_pod,
            lead_steps=lead_steps,
            stabilization_steps=stabilization_steps,
            step_seconds=step_seconds,
            tolerance=tolerance,
        )
        for wanted in (known, acted, lookahead_maximum(demand, lead_steps))
    )
    counted = np.isfinite(demand)
    pods = demand / capacity_per_pod[:, None]
    missing = [_short(pods, one.ready) for one in (reacting, acting)]
    asked = [np.where(counted, one.asked, 0.0) for one in (reacting, acting)]
    costs = [one + price[:, None] * short for one, short in zip(asked, missing, strict=True)]
    minutes = step_seconds / 60
    ideal = (np.where(counted, perfect.asked, 0.0), np.where(counted, pods, 0.0))
    each = np.stack(
        [
            *(one * minutes for one in (*costs, *missing)),
            counted * float(step_seconds),
            *(one * minutes for one in ideal),
        ]
    )
    return np.add.reduceat(each, begins, axis=2) if demand.shape[1] else np.zeros((*each.shape[:2], len(begins)))


def _short(needed: _Floats, ready: _Floats) -> _Floats:
    """Pods missing at each step, zero where nothing was measured."""
    return np.maximum(np.where(np.isfinite(needed), needed, 0.0) - ready, 0.0)


def _asked(pods: _Floats, *, tolerance: float, stabilization_steps: int, min_pods: float) -> _Floats:
    """Pods asked for at each step; `pods` is the unrounded need, NaN where there is no number."""
    known: _Bools = np.isfinite(pods)
    desired = np.where(known, np.maximum(whole_pods(pods), min_pods), -np.inf)
    if tolerance > 0:
        return _asked_with_tolerance(pods, desired, tolerance, stabilization_steps, min_pods)
    # Without a tolerance the law has a closed form: by induction over the steps, what is asked for is the largest
    # recommendation of the window, and between two numbers it stays.
    largest = maximum_filter1d(
        desired, stabilization_steps + 1, axis=1, mode="nearest", origin=stabilization_steps // 2
    )
    return _carried_forward(largest, known, min_pods)


def _carried_forward(values: _Floats, known: _Bools, otherwise: float) -> _Floats:
    """Each unknown column takes the last known one; before the first known one, that one; `otherwise` if none is."""
    steps = values.shape[1]
    columns = np.maximum.accumulate(np.where(known, np.arange(steps), -1), axis=1)
    first = np.argmax(known, axis=1) if steps else np.zeros(len(values), dtype=np.int64)
    columns = np.where(columns < 0, first[:, None], columns)
    return np.where(known.any(axis=1, keepdims=True), np.take_along_axis(values, columns, axis=1), otherwise)


def _asked_with_tolerance(
    pods: _Floats, desired: _Floats, tolerance: float, stabilization_steps: int, min_pods: float
) -> _Floats:
    """The law step by step, all workloads at a time: within the tolerance a decision depends on the one before."""
    n, steps = pods.shape
    asked = np.empty((n, steps))
    window = np.full((n, stabilization_steps + 1), -np.inf)
    known: _Bools = np.isfinite(pods)
    current = _carried_forward(desired, known, min_pods)[:, 0] if steps else np.zeros(n)
    for step in range(steps):
        with np.errstate(divide="ignore", invalid="ignore"):  # min_pods may be 0
            near = np.abs(pods[:, step] / current - 1) <= tolerance
        recommended = np.where(near, current, desired[:, step])
        window[:, step % window.shape[1]] = recommended
        lowered = np.minimum(current, window.max(axis=1))
        changed = np.where(recommended < current, lowered, recommended)
        current = np.where(known[:, step], changed, current)
        asked[:, step] = current
    return asked


def _ready(asked: _Floats, lead_steps: _Ints) -> _Floats:
    """Ready pods at each step. The newest go first, so a pod is ready once asked has not been lower for `lead` steps:
    ready is the least asked of [t - lead, t]. Pods of the first step are taken to be ready."""
    return _by_span(asked, lead_steps, minimum_filter1d)


def _by_span(values: _Floats, steps: _Ints, largest_or_least: Callable[..., _Floats]) -> _Floats:
    """A filter over the columns [t - steps, t], where `steps` differs between rows."""
    result = np.empty(values.shape)
    for span in np.unique(steps):
        rows = steps == span
        result[rows] = largest_or_least(values[rows], int(span) + 1, axis=1, mode="nearest", origin=int(span) // 2)
    return result
