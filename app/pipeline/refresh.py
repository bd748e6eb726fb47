"""One pass: a book of LoadForecasts and a cut in, a Snapshot out. Pure but for the source it reads."""

import dataclasses
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app import spans
from app.clock import Clock
from app.pipeline.collect import Collector, Freshest
from app.pipeline.economy import Economist, priced_book
from app.pipeline.events import Events, events_of
from app.pipeline.fits import Fits, StartWorker
from app.pipeline.fitting import HOLD_OUT_DAYS, FitJob, FitWorker
from app.pipeline.history import HistoryPanel
from app.pipeline.matching import Trouble
from app.pipeline.outlook import LEVELS, Outlook, look_ahead
from app.pipeline.parts import PartsKeeper
from app.pipeline.past import Given, PastAnswers
from app.pipeline.plan import Plan, measured_as
from app.pipeline.rhythm import rhythm_of
from app.pipeline.room import RoomPlanner
from app.pipeline.sessions import SessionReader
from app.planning.arrivals import between_batches
from app.planning.capacity import HOLD_SECONDS, Recommendation, lasting_now, lasting_steps, recommend
from app.pricing.prices import NO_PRICES, PriceList
from app.reasons import Reason
from app.settings import Settings
from app.snapshot import Sized, Snapshot
from app.sources.base import Source
from app.telemetry import FIT_SECONDS, FITS, PASS_SECONDS, PASSES, SOURCE_REQUESTS
from app.workloads.book import Book
from models.series import Series

log = logging.getLogger(__name__)

MakeSource = Callable[..., Source]

_SHOWN_SECONDS = 86_400  # history that the doors show
_SHOWN_NUMBERS = 2_000_000  # at most, over all workloads
_SHOWN_PAST_NUMBERS = 1_000_000  # of each kind of what was served before
_SHOWN_HORIZON_SECONDS = 6 * 3_600
_SHOWN_HORIZON_STEPS = 360
_SHOWN_AHEAD_NUMBERS = 4_000_000  # 10,000 workloads, 6 hours at 5 minutes, 4 levels
_SAMPLES_PER_PASS = 2_000_000


@dataclass(frozen=True)
class Done:
    """A pass: its snapshot, whether the past is completely read, and whether the fits it needs are there too."""

    snapshot: Snapshot
    complete: bool
    settled: bool


class Refresher:
    """What stays in memory between passes: the panel, the fits, the last good value of each workload."""

    def __init__(
        self,
        settings: Settings,
        *,
        make_source: MakeSource,
        clock: Clock,
        executor: Executor,
        start_worker: StartWorker = FitWorker,
        roster: str | None = None,
        prices: Callable[[], PriceList] = lambda: NO_PRICES,
    ) -> None:
        """roster: of experts; default: by the number of workloads. prices: of node pools, as of now."""
        self._settings = settings
        self._roster = roster
        self._requests: Counter[str] = Counter()
        self._passes = 0
        self._source = make_source(settings, clock=clock, on_request=lambda outcome: self._requests.update((outcome,)))
        margin = (settings.refit_seconds + _SHOWN_SECONDS // 24) // settings.history_step_seconds + 2
        self._panel = HistoryPanel(
            keep_steps=settings.history_steps + margin, step_seconds=settings.history_step_seconds
        )
        self._collector = Collector(self._source, self._panel, executor=executor, samples_per_pass=_SAMPLES_PER_PASS)
        self._parts = PartsKeeper(self._source, settings, executor=executor)
        self._sessions = SessionReader(self._source, executor=executor)
        self._fits = Fits(
            refit_seconds=settings.refit_seconds,
            timeout_seconds=settings.fit_timeout_seconds,
            start_worker=start_worker,
        )
        self._past = PastAnswers(
            step_seconds=settings.history_step_seconds, keep_seconds=_SHOWN_SECONDS, levels=len(LEVELS)
        )
        self._newest: dict[str, tuple[float, float]] = {}
        self._plan: Plan | None = None
        self._prices = prices
        self._economist = Economist()
        self._settled_prices: dict[str, float] = {}
        self._given: Book | None = None
        self._rooms = RoomPlanner()

    def refresh(self, book: Book, *, cut_s: int) -> Done:
        """Collects, forecasts, plans. Raises only on defects: a source's failure is a reason in the snapshot."""
        with spans.opened(spans.PASS, {spans.CUT: cut_s, spans.WORKLOADS: len(book.forecasts)}) as span:
            done = self._refresh(book, cut_s)
            if span.is_recording():
                span.set_attribute(spans.SETTLED, done.settled)
                span.set_attribute(spans.REFUSED, int(np.isnan(done.snapshot.served).sum()))
            return done

    def _refresh(self, book: Book, cut_s: int) -> Done:
        started = time.monotonic()
        prices = self._prices()
        plan = self._planned(self._priced(book, prices))
        with spans.opened(spans.FETCH):
            freshest = self._collector.collect(book.forecasts, cut_s=cut_s)
        demand, data_s, troubles = self._demand(plan, freshest, cut_s)
        complete = [key for key in plan.keys if self._collector.complete(key)]
        wanted = {key: plan.signatures[key] for key in complete}
        further = plan.further.signatures.items()
        wanted |= {key: signature for key, signature in further if measured_as(key) in wanted}
        self._fits.request(
            wanted, cut_s=cut_s, make_job=lambda keys, fit_s: self._job(plan, keys, fit_s), zone_of=plan.zone
        )
        steps = lasting_steps(plan.lead_steps, step_seconds=plan.step_seconds)
        lasting = lasting_now(demand, data_s, self._last(plan, int(steps.max(initial=1))), steps)
        settled = self._fits.settled(wanted, cut_s=cut_s)  # of the fits looked at next; a fit may end meanwhile
        with spans.opened(spans.PREDICT):
            fits = self._fits.current(cut_s)
            outlook = look_ahead(plan, self._panel, fits, demand=lasting, horizon=self._horizon(plan))
            further_on = look_ahead(plan.further, self._panel, fits, demand=lasting[plan.node_rows], horizon=1)
        self._passes += 1
        seconds = time.monotonic() - started
        with spans.opened(spans.PLAN):
            snapshot = self._snapshot(plan, cut_s, demand, data_s, lasting, troubles, outlook, wanted, seconds)
            economics = self._economist.economics(plan, prices, outlook, snapshot.served)
            room = self._rooms.room(plan, outlook, further_on, served=snapshot.served, now_s=cut_s)
        drains = self._sessions.read(plan.book, cut_s=cut_s)
        parts = self._parts.refresh(plan.book.forecasts, cut_s=cut_s)
        read = all(key in wanted or key in freshest.troubles for key in plan.keys)
        snapshot = dataclasses.replace(
            snapshot,
            economics=economics,
            room=room,
            drains=drains,
            parts=parts,
            notes={**freshest.notes, **snapshot.notes},
            settled=read and settled,
            trace=spans.carried(),
        )
        return Done(snapshot, read, snapshot.settled)

    def _priced(self, book: Book, prices: PriceList) -> Book:
        """The book with its prices; the same object while neither changes."""
        priced = priced_book(book, prices, self._settled_prices)
        if book is self._given and self._plan is not None and self._plan.book.prices == priced.prices:
            return self._plan.book
        self._given = book
        return priced

    def _planned(self, book: Book) -> Plan:
        """Columns are computed again only when the book changed; equal LoadForecasts stay the same object."""
        if self._plan is None or self._plan.book is not book:
            if self._plan is not None and book.forecasts == self._plan.book.forecasts:
                book = dataclasses.replace(book, forecasts=self._plan.book.forecasts)
            plan = Plan(
                book,
                self._settings.history_step_seconds,
                self._settings.refresh_seconds,
                self._settings.careful_workloads,
                self._roster,
            )
            self._newest = {key: value for key, value in self._newest.items() if plan.measures(key, like=self._plan)}
            self._plan = plan
        return self._plan

    def _demand(
        self, plan: Plan, freshest: Freshest, cut_s: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, Trouble]]:
        """Newest valid values and their times: those of this cut, else earlier ones while they are not stale."""
        troubles = dict(freshest.troubles)
        for key, (time_s, value) in freshest.values.items():
            if np.isfinite(value) and value >= 0 and time_s <= cut_s:
                self._newest[key] = (time_s, value)
            else:
                troubles[key] = Trouble(Reason.INVALID_NUMBER, f"the query returned {value} at {time_s:.0f}")
        demand = np.full(len(plan.keys), np.nan)
        data_s = np.full(len(plan.keys), np.nan)
        for key, (time_s, value) in self._newest.items():
            if 0 <= cut_s - time_s <= self._settings.staleness_seconds:
                demand[plan.index[key]], data_s[plan.index[key]] = value, time_s
        return demand, data_s, troubles

    def _horizon(self, plan: Plan) -> int:
        most = _SHOWN_AHEAD_NUMBERS // (len(LEVELS) * max(len(plan.keys), 1))
        shown = min(_SHOWN_HORIZON_SECONDS // plan.step_seconds, _SHOWN_HORIZON_STEPS, most)
        return max(shown, *(int(one.window_steps.max(initial=1)) for one in (plan, plan.further)))

    def _job(self, plan: Plan, keys: tuple[str, ...], fit_s: int) -> FitJob:
        settings, step = self._settings, plan.step_seconds
        measured = [measured_as(key) for key in keys]
        series = self._panel.window(measured, last_s=fit_s // step * step, steps=settings.history_steps)
        return FitJob(
            keys=keys,
            series=series,
            window_steps=plan.gathered(keys, lambda one: one.window_steps),
            lead_steps=plan.gathered(keys, lambda one: one.lead_steps),
            level=plan.gathered(keys, lambda one: one.level),
            price=plan.gathered(keys, lambda one: one.price),
            capacity_per_pod=plan.gathered(keys, lambda one: one.capacity_per_pod),
            levels=LEVELS,
            horizon=self._horizon(plan),
            hold_out_steps=int(min(HOLD_OUT_DAYS, settings.history_days / 3) * 86_400 // step),
            hold_steps=plan.gathered(keys, lambda one: one.hold_steps),
            roster=plan.roster,
            zone=plan.zone(keys[0]),
            events=self._events(plan, keys, series),
        )

    def _events(self, plan: Plan, keys: tuple[str, ...], series: Series) -> tuple[Events, ...]:
        """For as long as this fit may serve: until two more have failed, and what lies ahead then."""
        ahead_s = 3 * self._settings.refit_seconds + self._horizon(plan) * plan.step_seconds
        span = {"from_s": series.start_s, "to_s": series.last_s + ahead_s + _SHOWN_SECONDS}
        found = tuple(events_of(plan.forecast(key), **span) for key in keys)
        return found if any(found) else ()

    def _snapshot(
        self,
        plan: Plan,
        cut_s: int,
        demand: NDArray[np.float64],
        data_s: NDArray[np.float64],
        lasting: NDArray[np.float64],
        troubles: Mapping[str, Trouble],
        outlook: Outlook,
        complete: Collection[str],
        seconds: float,
    ) -> Snapshot:
        shown = self._shown(plan)
        advice = self._advice(plan, cut_s, demand, lasting, outlook, complete, recently=shown)
        reasons = list(advice.reason)
        most = max(_SHOWN_PAST_NUMBERS // max(len(plan.keys), 1), 1)
        past = self._past.extended(
            plan.keys,
            Given(advice.served, outlook.required, outlook.quantiles, plan.lead_steps),
            cut_s=cut_s,
            steps=min(shown.steps, most),
            forecast_steps=min(shown.steps, most // len(LEVELS)),
        )
        for key, trouble in troubles.items():
            if not np.isfinite(advice.served[plan.index[key]]):
                reasons[plan.index[key]] = trouble.reason
        return Snapshot(
            cut_s=cut_s,
            refresh_seconds=plan.refresh_seconds,
            staleness_seconds=self._settings.staleness_seconds,
            forecasts=plan.book.forecasts,
            served=advice.served,
            demand=demand,
            required=outlook.required,
            data_s=data_s,
            acting=advice.acting,
            reason=tuple(reasons),
            lead_seconds=plan.lead_seconds,
            lead_origin=tuple(plan.book.lead(one).origin for one in plan.book.forecasts),
            level=plan.level,
            coverage=outlook.coverage,
            skill=outlook.skill,
            reactive_cost=outlook.reactive_cost,
            forecast_cost=outlook.forecast_cost,
            history_start_s=shown.start_s,
            history_step_seconds=shown.step_seconds,
            history=shown.values,
            horizon_step_seconds=plan.step_seconds,
            levels=LEVELS,
            quantiles=outlook.quantiles,
            calendar=outlook.calendar,
            judged_s=outlook.judged_s,
            voices=outlook.voices,
            quality=outlook.quality,
            past_served=past.served,
            past_required=past.required,
            past_quantiles=past.quantiles,
            fitted_s=outlook.fitted_s,
            sized=_sized(plan, advice),
            notes={key: trouble.text for key, trouble in troubles.items()},
            rejected=plan.book.rejected,
            counters=self._counters(seconds),
        )

    def _advice(
        self,
        plan: Plan,
        cut_s: int,
        demand: NDArray[np.float64],
        lasting: NDArray[np.float64],
        outlook: Outlook,
        complete: Collection[str],
        *,
        recently: Series,
    ) -> Recommendation:
        """What each workload is served; recently: its history, as it is shown."""
        held = max(HOLD_SECONDS // plan.step_seconds, 1)
        advice = recommend(
            demand=demand,
            required=outlook.required,
            foreseen=outlook.foreseen,
            trusted=outlook.trusted,
            modes=plan.modes,
            minimum=plan.minimum,
            maximum=plan.maximum,
            recent_peak=_peak(recently.tail(held)),
            lasting=lasting,
            judged=np.isfinite(outlook.skill),
            capacity_per_pod=plan.capacity_per_pod,
            sizes=plan.sizes,
        )
        return between_batches(
            advice,
            rhythm_of(plan, self._panel, complete=complete, cut_s=cut_s),
            demand=demand,
            level=plan.level,
            capacity_per_pod=plan.capacity_per_pod,
            maximum=plan.maximum,
        )

    def _shown(self, plan: Plan) -> Series:
        steps = min(_SHOWN_SECONDS // plan.step_seconds, _SHOWN_NUMBERS // max(len(plan.keys), 1))
        return self._last(plan, max(steps, HOLD_SECONDS // plan.step_seconds, 1))

    def _last(self, plan: Plan, steps: int) -> Series:
        return self._panel.window(list(plan.keys), last_s=self._panel.last_s or 0, steps=steps)

    def _counters(self, seconds: float) -> dict[str, float]:
        return {
            f"{PASSES.name}|ok": float(self._passes),
            PASS_SECONDS.name: seconds,
            FIT_SECONDS.name: self._fits.last_seconds,
            **{f"{FITS.name}|{outcome}": float(count) for outcome, count in self._fits.outcomes.items()},
            **{f"{SOURCE_REQUESTS.name}|{outcome}": float(count) for outcome, count in self._requests.items()},
        }

    def wait_for_fit(self, *, timeout_seconds: float) -> bool:
        """Waits for a fit under way; False if it takes longer."""
        return self._fits.wait(timeout_seconds=timeout_seconds)

    def close(self) -> None:
        """Ends a fit under way and releases connections."""
        self._fits.close()
        self._source.close()


def _sized(plan: Plan, advice: Recommendation) -> dict[str, Sized]:
    """Of the workloads whose pods' sizes count."""
    places = {key: plan.index[key] for key in plan.book.sizes if key in plan.index}
    return {
        key: Sized(float(advice.load[place]), float(advice.asked[place]), plan.book.sizes[key])
        for key, place in places.items()
    }


def _peak(series: Series) -> NDArray[np.float64]:
    """Largest number of each row, -inf where there is none."""
    numbers: NDArray[np.float32] = np.where(np.isnan(series.values), -np.inf, series.values)
    peak: NDArray[np.float64] = numbers.max(axis=1, initial=-np.inf).astype(np.float64)
    return peak
