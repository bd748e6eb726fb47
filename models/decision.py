"""The demand to provide for: experts fitted day by day, their candidates weighed on the days that followed.

The history is cut at midnights (UTC). At every other one experts are fitted on what lies before it and make candidates
for the two days after, so every candidate of the held-out days is a forecast, and the weights are what running all
along would have given. What is served after the last midnight comes from the last experts and the weights at the end
of the history.
Experts see the panel on the clock that the load follows, so that seasons survive daylight saving.
A result depends on nothing but the panel and the arguments, so replicas agree, and what was fitted for a day before
is not fitted again while the panel of that day is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.cleaning import CLOSED_GAP_SECONDS, for_learning
from models.experts.base import Expert, FittedExpert, Window
from models.experts.registry import Roster
from models.local_time import moved_steps, on_local_clock, same_offset
from models.memory import Memory, digest
from models.mixture import Learning, Scene, blend, mix, slot_of
from models.rolling import interpolated
from models.series import Series

SEGMENT_SECONDS = 86_400

_REFIT_DAYS = 2  # weights change daily; experts that are a day older are hardly worse, and cost half
_SHORT_SECONDS = 8 * SEGMENT_SECONDS  # to a panel of less than this a day more is much to learn from, and costs little

_Floats = NDArray[np.float64]
_Singles = NDArray[np.float32]


@dataclass(frozen=True)
class Terms:
    """What the decision is made for. window_steps: (workloads,), columns ahead until pods asked for now are ready and
    another decision is made. price: a missing pod-minute in idle ones. capacity_per_pod: in the unit of demand.

    hold_steps: (workloads,), columns for which the HPA keeps a larger recommendation.
    """

    window_steps: NDArray[np.int64]
    price: _Floats
    capacity_per_pod: _Floats
    hold_steps: NDArray[np.int64]

    def rows(self, index: NDArray[np.int64]) -> "Terms":
        """The same for some of the workloads."""
        return Terms(self.window_steps[index], self.price[index], self.capacity_per_pod[index], self.hold_steps[index])


@dataclass(frozen=True)
class _Group:
    """Workloads with the same window. weights: (workloads, slots of the zone's day, candidates)."""

    index: NDArray[np.int64]
    experts: tuple[FittedExpert, ...]
    weights: _Floats

    def offered(self, series: Series, first: int, zone: str) -> _Singles:
        """The candidates of its workloads."""
        return _candidates(self.experts, series.rows(self.index), first, zone)


@dataclass(frozen=True)
class FittedDecision:
    """labels: the candidates' names. groups: the workloads by their windows. zone: IANA name of their clock."""

    workloads: int
    step_seconds: int
    labels: tuple[str, ...]
    groups: tuple[_Group, ...]
    zone: str

    @property
    def lookback_steps(self) -> int:
        """Columns before the first one of interest that `wanted` should be given."""
        most = max((_lookback_steps(group.experts) for group in self.groups), default=0)
        return most + moved_steps(self.step_seconds, self.zone)

    def offered(self, series: Series) -> _Singles:
        """What each candidate would provide for at the last column: float32 (workloads, candidates), NaN for none."""
        first = series.steps - 1
        found = [group.offered(series, first, self.zone)[:, :, 0].T for group in self.groups]
        return _gathered(self.workloads, self.groups, found).astype(np.float32)

    def blended(self, offered: _Singles, *, at_s: int) -> _Singles:
        """What they provide for together then: (workloads, candidates) -> float32 (workloads,), NaN for none."""
        if not self.groups:
            return np.full(self.workloads, np.nan, dtype=np.float32)
        slot = slot_of(np.asarray([at_s]), self.zone)
        found = [
            blend(group.weights, np.ascontiguousarray(offered[group.index].T)[:, :, None], slot)
            for group in self.groups
        ]
        return _gathered(self.workloads, self.groups, found).astype(np.float32)[:, 0]

    def shares(self, offered: _Singles, *, at_s: int) -> _Singles:
        """Each candidate's part in that: float32 (workloads, candidates), adding up to one where there is any."""
        slot = int(slot_of(np.asarray([at_s]), self.zone)[0])
        say = _gathered(self.workloads, self.groups, [group.weights[:, slot] for group in self.groups])
        weights = np.where(np.isfinite(offered), say, 0)
        total = weights.sum(axis=1, keepdims=True)
        return (weights / np.where(total > 0, total, 1)).astype(np.float32)

    def wanted(self, series: Series, *, first: int) -> _Singles:
        """Demand to provide for at the columns from `first` on: float32 (workloads, steps - first), NaN for none."""
        slots = slot_of(series.times_s[first:], self.zone)
        found = [blend(group.weights, group.offered(series, first, self.zone), slots) for group in self.groups]
        return _gathered(self.workloads, self.groups, found).astype(np.float32)


def fit_decision(
    series: Series,
    terms: Terms,
    *,
    hold_out_steps: int,
    roster: Roster,
    zone: str = "UTC",
    memory: Memory | None = None,
    learning: Learning | None = None,
) -> tuple[FittedDecision, _Singles]:
    """Fits experts for each of the last days and weighs them; and what would have been asked for on these days.

    hold_out_steps: columns at the end that weigh. The second value: float32 (workloads, steps), decided at each of the
    last columns: these, and the one to three days before them. zone: IANA name of the clock that the loads follow.
    learning: of the weights, default as measured best.
    """
    kept = memory or Memory(0)
    groups, wanted = [], []
    for lead, hold in sorted(set(zip(terms.window_steps.tolist(), terms.hold_steps.tolist(), strict=True))):
        index = np.flatnonzero((terms.window_steps == lead) & (terms.hold_steps == hold))
        these = terms.rows(index)
        scene = Scene(Window(lead, hold), series.step_seconds, these.price, these.capacity_per_pod)
        group, asked = _fit_group(series.rows(index), index, scene, roster, hold_out_steps, zone, kept, learning)
        groups.append(group)
        wanted.append(asked)
    held_out = _gathered(series.workloads, groups, wanted).astype(np.float32)
    return FittedDecision(series.workloads, series.step_seconds, roster.labels, tuple(groups), zone), held_out


def _gathered(workloads: int, groups: Sequence[_Group], parts: Sequence[NDArray[np.floating]]) -> _Floats:
    """The groups' rows in the order of the panel."""
    result = np.full((workloads, parts[0].shape[1] if parts else 0), np.nan)
    for group, part in zip(groups, parts, strict=True):
        result[group.index] = part
    return result


def _fit_group(
    series: Series,
    index: NDArray[np.int64],
    scene: Scene,
    roster: Roster,
    hold_out_steps: int,
    zone: str,
    memory: Memory,
    learning: Learning | None,
) -> tuple[_Group, _Singles]:
    hold_out = min(hold_out_steps, series.steps // 2)
    day, held = SEGMENT_SECONDS // series.step_seconds, series.steps - hold_out
    train = max(
        held - (1 + _refit_days(series)) * day, series.steps // 2
    )  # as much before the first fit as before the last
    begins = _midnights(series, max(held - day, held // 2))  # a day before, so that what is held out meets weights
    ends = [*begins[1:], series.steps]
    offered, came = [], []
    fitted: tuple[FittedExpert, ...] = ()
    for run in _runs(series, begins):
        begin, end = begins[run[0]], ends[run[-1]]
        past = on_local_clock(_columns(series, max(begin - train, 0), begin), zone)
        key = (past.start_s, past.step_seconds, scene.window, roster.labels, digest(past.values))
        fitted = memory.recall(("experts", *key), partial(_fit_all, roster.experts, past, scene.window))
        if begin < end:
            reach = max(begin - _lookback_steps(fitted) - moved_steps(series.step_seconds, zone), 0)
            seen = _columns(series, reach, end)
            make = partial(_candidates, fitted, seen, begin - reach, zone)
            made = memory.recall(("candidates", *key, zone, seen.start_s, digest(seen.values)), make)
            days = [slice(begins[one], ends[one]) for one in run if begins[one] < ends[one]]
            offered += [made[:, :, one.start - begin : one.stop - begin] for one in days]
            came += [series.values[:, one] for one in days]
    start_s = series.start_s + begins[0] * series.step_seconds
    mixed = mix(offered, came, scene=scene, start_s=start_s, zone=zone, learning=learning)
    return _Group(index, fitted, mixed.weights), mixed.wanted


def _runs(series: Series, begins: Sequence[int]) -> list[list[int]]:
    """Segments that share a fit: a new one begins each so many days, counted from 1970."""
    found: list[list[int]] = []
    every = _refit_days(series)
    for position, begin in enumerate(begins):
        day = (series.start_s + begin * series.step_seconds) // SEGMENT_SECONDS
        if not found or day % every == 0:
            found.append([])
        found[-1].append(position)
    return found


def _refit_days(series: Series) -> int:
    return 1 if series.steps * series.step_seconds < _SHORT_SECONDS else _REFIT_DAYS


def _columns(series: Series, first: int, end: int) -> Series:
    return Series(series.start_s + first * series.step_seconds, series.step_seconds, series.values[:, first:end])


def _fit_all(experts: Sequence[Expert], past: Series, window: Window) -> tuple[FittedExpert, ...]:
    known = for_learning(past)
    return tuple(one.fit(known, window=window) for one in experts)


def _midnights(series: Series, hold_out_begin: int) -> list[int]:
    """Columns at which a segment begins: midnights, the first one a fit's if there is one, not after hold_out_begin.

    The end of the panel is among them where the next column is a midnight's.
    """
    times_s = np.append(series.times_s, series.last_s + series.step_seconds)
    day = times_s // SEGMENT_SECONDS
    found = np.flatnonzero(day > (times_s - series.step_seconds) // SEGMENT_SECONDS)
    before = found[(found > 0) & (found <= hold_out_begin)]
    fits = before[day[before] % _refit_days(series) == 0]
    first = next((int(some[-1]) for some in (fits, before) if some.size), hold_out_begin)
    return [first, *(found[found > first].tolist())]


def _lookback_steps(experts: Sequence[FittedExpert]) -> int:
    """Columns of one clock before the first one of interest that all of them should be given."""
    return max((one.lookback_steps for one in experts), default=0)


def _candidates(experts: Sequence[FittedExpert], series: Series, first: int, zone: str) -> _Singles:
    """On the zone's clock; what lies further back than the experts look is left away.

    Sums over more columns may differ in the last bit: what other groups need must not show in the result.
    """
    lookback, found = _lookback_steps(experts), []
    for run in same_offset(series.times_s[first:], zone):
        seen = on_local_clock(_columns(series, 0, first + run.stop), zone).tail(lookback + run.stop - run.start)
        found.append(_in_one_clock(experts, seen, seen.steps - (run.stop - run.start)))
    return np.concatenate(found, axis=2)


def _in_one_clock(experts: Sequence[FittedExpert], series: Series, first: int) -> _Singles:
    """Gaps that are over are bridged; within one, nothing but what was before it is known."""
    bridged = interpolated(series.values, CLOSED_GAP_SECONDS // series.step_seconds).astype(np.float32)
    found = _offered(experts, Series(series.start_s, series.step_seconds, bridged), first)
    within = np.isnan(series.values[:, first:]) & np.isfinite(bridged[:, first:])
    if within.any():
        found = np.where(within, _offered(experts, series, first), found)
    return found


def _offered(experts: Sequence[FittedExpert], series: Series, first: int) -> _Singles:
    return np.concatenate([one.candidates(series, first=first) for one in experts])
