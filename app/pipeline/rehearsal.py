"""The whole pipeline over a past: fits at midnights, forecasts every few minutes, nothing from the future.

What is asked for at a minute comes from columns strictly before it. Between two midnights the experts and their
weights stand; the experts of a midnight are fitted on what lies before it, as in the running service. What becomes of
the forecast, trusted or not, after a drop or in a gap, is decided by the service's own planner.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.pipeline.fitting import HOLD_OUT_DAYS
from app.planning.capacity import HOLD_SECONDS, lasting, lasting_steps, recommend
from app.planning.replay import STABILIZATION_SECONDS, judge
from models.cleaning import CLOSED_GAP_SECONDS, for_fitting
from models.decision import SEGMENT_SECONDS, FittedDecision, Terms, fit_decision
from models.experts.registry import CAREFUL, FLEET, rosters
from models.forecasters.seasonal_profile import SeasonalProfile
from models.memory import Memory
from models.rolling import carried_forward, trailing_maximum
from models.series import Series

_REMEMBERED_BYTES = 50_000_000  # a week of fits and of what their experts asked for


@dataclass(frozen=True)
class RehearsalOptions:
    """lead_minutes: what a new pod needs. every_minutes: how often a forecast is made; in between it stands.

    price: a missing pod-minute in idle ones. capacity_per_pod: in the unit of the history. delay_minutes: by which what
    is known lags behind the load. fleet: only the experts that fleets of thousands get. history_days: of the window.
    stabilization_minutes: for which the HPA keeps a larger recommendation. zone: IANA name of its clock.
    """

    lead_minutes: int
    every_minutes: int
    price: float
    capacity_per_pod: float
    delay_minutes: int = 0
    fleet: bool = False
    history_days: int = 42
    stabilization_minutes: int = STABILIZATION_SECONDS // 60
    zone: str = "UTC"


@dataclass(frozen=True)
class Rehearsed:
    """One entry a minute. times_s: its beginning. capacity: asked for during it. acting: the forecast's was.

    wanted: what the mixture said, trusted or not, NaN for nothing.
    """

    times_s: NDArray[np.int64]
    capacity: NDArray[np.float64]
    acting: NDArray[np.bool_]
    wanted: NDArray[np.float64]


def rehearse(known: Series, options: RehearsalOptions, *, on_progress: Callable[[float], None]) -> Rehearsed:
    """Replays one row on a grid of minutes; column j is known at the end of minute j. on_progress: share done."""
    step, minutes = known.step_seconds, known.steps
    history = options.history_days * SEGMENT_SECONDS // step
    whole = _padded(known, history)
    known_then = _known(whole, history, options)
    capacity, acting = known_then.demand.copy(), np.zeros(minutes, dtype=np.bool_)
    wanted = np.full(minutes, np.nan)
    memory = Memory(_REMEMBERED_BYTES)
    midnights = np.flatnonzero(known.times_s % SEGMENT_SECONDS < step)
    begins = [int(one) for one in midnights if one > 0]
    for begin, end in zip(begins, [*begins[1:], minutes], strict=True):
        past = Series(whole.start_s + begin * step, step, whole.values[:, begin : begin + history])
        decision, trusted = _fit(past, options, memory)
        day = slice(begin, end)
        wanted[day] = _wanted(decision, whole, history + begin)[: end - begin]
        foreseen = _foreseen(past, whole, history + begin, options.zone)[: end - begin]
        capacity[day], acting[day] = _served(known_then.during(day), wanted[day], foreseen, trusted=trusted)
        on_progress(end / minutes)
    kept = _kept_in_gaps(capacity, known.values[0], step)
    return Rehearsed(known.times_s, _every(kept, options.every_minutes), acting, wanted)


@dataclass(frozen=True)
class _Known:
    """Known at the beginning of each minute: the newest number, the least of those that last, the recent peak."""

    demand: NDArray[np.float64]
    lasting: NDArray[np.float64]
    recent_peak: NDArray[np.float64]

    def during(self, part: slice) -> "_Known":
        return _Known(self.demand[part], self.lasting[part], self.recent_peak[part])


def _known(whole: Series, history: int, options: RehearsalOptions) -> _Known:
    step, minutes = whole.step_seconds, whole.steps - history - SEGMENT_SECONDS // whole.step_seconds
    newest = carried_forward(whole.values[:, history : history + minutes])[0].astype(np.float64)
    demand = np.concatenate([newest[:1], newest[:-1]])
    least = lasting(demand[None], lasting_steps(_lead_steps(options, step), step_seconds=step))[0]
    peak = trailing_maximum(demand[None], max(HOLD_SECONDS // step, 1))[0]
    return _Known(demand, least, peak)


def _served(
    known: _Known, wanted: NDArray[np.float64], foreseen: NDArray[np.float64], *, trusted: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The planner's answer for each minute, as if each were a workload, and whether it is the forecast's."""
    count = known.demand.size
    advice = recommend(
        demand=known.demand,
        required=np.where(np.isfinite(wanted), np.fmax(wanted, known.lasting), np.nan),
        foreseen=foreseen,
        trusted=np.full(count, trusted),
        modes=("Auto",) * count,
        minimum=np.zeros(count),
        maximum=np.full(count, np.inf),
        recent_peak=known.recent_peak,
        lasting=known.lasting,
    )
    return advice.served, advice.acting


def _foreseen(past: Series, whole: Series, begin: int, zone: str) -> NDArray[np.float64]:
    """The median for each minute of the day from `begin` on, a step ahead, from the path's forecaster."""
    step = whole.step_seconds
    model = SeasonalProfile(zone=zone).fit(for_fitting(past))
    reach, last = begin - 1 - model.recent_steps, begin - 1 + SEGMENT_SECONDS // step
    level = model.level(Series(whole.start_s + reach * step, step, whole.values[:, reach:last]))
    shape = model.profile(start_s=whole.start_s + begin * step, steps=last - begin + 1)
    foreseen: NDArray[np.float64] = (level[:, -shape.shape[1] :] * shape)[0].astype(np.float64)
    return foreseen


def _fit(past: Series, options: RehearsalOptions, memory: Memory) -> tuple[FittedDecision, bool]:
    """The decision at a midnight, and whether acting on it would have paid on the days before."""
    lead = _lead_steps(options, past.step_seconds)
    one = np.ones(1)
    hold = np.asarray([options.stabilization_minutes * 60 // past.step_seconds])
    terms = Terms(
        window_steps=lead + 1,
        price=options.price * one,
        capacity_per_pod=options.capacity_per_pod * one,
        hold_steps=hold,
    )
    hold_out = HOLD_OUT_DAYS * SEGMENT_SECONDS // past.step_seconds
    chosen = rosters()[FLEET if options.fleet else CAREFUL]
    decision, wanted = fit_decision(
        past, terms, hold_out_steps=hold_out, roster=chosen, zone=options.zone, memory=memory
    )
    verdict = judge(
        required=wanted[:, -hold_out:],
        actual=past.values[:, -hold_out:],
        capacity_per_pod=terms.capacity_per_pod,
        lead_steps=lead,
        price=terms.price,
        step_seconds=past.step_seconds,
        hold_steps=hold,
    )
    return decision, bool(verdict.trusted[0])


def _lead_steps(options: RehearsalOptions, step_seconds: int) -> NDArray[np.int64]:
    return np.asarray([max(round((options.lead_minutes + options.delay_minutes) * 60 / step_seconds), 1)])


def _wanted(decision: FittedDecision, whole: Series, begin: int) -> NDArray[np.float64]:
    """What is asked for at the day's columns from `begin` on, each from the columns before it."""
    reach = max(begin - 1 - decision.lookback_steps, 0)
    last = begin - 1 + SEGMENT_SECONDS // whole.step_seconds
    seen = Series(whole.start_s + reach * whole.step_seconds, whole.step_seconds, whole.values[:, reach:last])
    wanted: NDArray[np.float64] = decision.wanted(seen, first=begin - 1 - reach)[0].astype(np.float64)
    return wanted


def _kept_in_gaps(capacity: NDArray[np.float64], known: NDArray[np.float32], step_seconds: int) -> NDArray[np.float64]:
    """While nothing is measured no pods go, as with a metric that the HPA gets no number for; for two hours.

    A longer gap is taken for an outage of the workload: from then on it is what the forecast from before it says.
    """
    result, since = capacity.copy(), 0
    missing = np.isnan(known)
    for column in np.flatnonzero(missing[:-1]) + 1:  # known at the end of the column before
        since = since + 1 if column > 1 and missing[column - 2] else 1
        if since * step_seconds <= CLOSED_GAP_SECONDS:
            result[column] = max(result[column], result[column - 1])
    return result


def _padded(known: Series, history: int) -> Series:
    """Nothing before and, to the end of a day, after: sums over fewer columns may differ in the last bit."""
    values = np.where(np.isfinite(known.values) & (known.values >= 0), known.values, np.float32(np.nan))
    after = SEGMENT_SECONDS // known.step_seconds
    padded = np.pad(values, ((0, 0), (history, after)), constant_values=np.nan)
    return Series(known.start_s - history * known.step_seconds, known.step_seconds, padded)


def _every(capacity: NDArray[np.float64], minutes: int) -> NDArray[np.float64]:
    """Only each so many minutes there is a new number."""
    made = np.arange(0, capacity.size, minutes)
    return np.repeat(capacity[made], minutes)[: capacity.size]
