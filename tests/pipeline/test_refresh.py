"""One pass from history to snapshot: what is served in each state of the data."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.clock import SystemClock
from app.errors import FitFailed, SourceUnavailable
from app.pipeline.fitting import FitJob, FittedBlock, fit_block
from app.pipeline.outlook import Outlook, look_ahead
from app.pipeline.refresh import Done, Refresher
from app.serving.lines import lines_of
from app.settings import Settings
from app.snapshot import Sized, Snapshot
from app.sources.base import Answer, LabelledHistory
from app.telemetry import FORECAST
from app.workloads.book import Book, LeadTime, PodSizes
from app.workloads.spec import LoadForecast
from models.series import RawHistory

STEP = 300
DAY = 86_400
CUT_S = 19_000 * DAY + 12 * 3600 - STEP  # just before noon, on the grid


def surge_at_noon(time_s: float) -> float:
    """10, and 60 for half an hour from noon on."""
    return 60.0 if 12 * 3600 <= time_s % DAY < 12.5 * 3600 else 10.0


class Store:
    """One series `value(time)`, as a source."""

    def __init__(self, value: Callable[[float], float] = surge_at_noon) -> None:
        self.value = value
        self.error: Exception | None = None
        self.missing: tuple[str, ...] = ()  # parts of an answer

    def range(self, query: str, *, start_s: int, end_s: int, step_seconds: int) -> Answer:
        return self._at(np.arange(start_s, end_s + 1, step_seconds, dtype=np.float64))

    def instant(self, query: str, *, at_s: float) -> Answer:
        return self._at(np.asarray([at_s], dtype=np.float64))

    def close(self) -> None: ...

    def _at(self, times_s: np.ndarray) -> Answer:
        if self.error is not None:
            raise self.error
        values = np.asarray([self.value(time_s) for time_s in times_s])
        series = LabelledHistory({"job": "mcp"}, RawHistory(times_s, values))
        return Answer((series,), complete=not self.missing, notes=self.missing)


class Young(Store):
    """A store that has kept nothing of before `since_s`."""

    def __init__(self, since_s: int) -> None:
        super().__init__()
        self.since_s = since_s

    def range(self, query: str, *, start_s: int, end_s: int, step_seconds: int) -> Answer:
        return super().range(query, start_s=max(start_s, self.since_s), end_s=end_s, step_seconds=step_seconds)


class InProcess:
    """Fits without a process of its own."""

    def run(self, jobs: Iterator[FitJob]) -> Iterator[FittedBlock]:
        return map(fit_block, jobs)

    def close(self) -> None: ...


class Waiting(InProcess):
    """Fits once it may."""

    def __init__(self) -> None:
        self.may_fit = threading.Event()

    def run(self, jobs: Iterator[FitJob]) -> Iterator[FittedBlock]:
        self.may_fit.wait(30)
        return super().run(jobs)


class Failing(InProcess):
    """Never fits."""

    def run(self, jobs: Iterator[FitJob]) -> Iterator[FittedBlock]:
        raise FitFailed("killed")


def forecast(**spec: Any) -> LoadForecast:
    return LoadForecast.from_object(
        {
            "apiVersion": "forescale.dev/v1alpha1",
            "kind": "LoadForecast",
            "metadata": {"name": "gateway", "namespace": "mcp"},
            "spec": {
                "targetRef": {"name": "gateway"},
                "demand": {"query": "load"},
                "capacityPerPod": 5,
                "lead": {"floorSeconds": 15, "fallbackSeconds": 300},
                **spec,
            },
        }
    )


def book(**spec: Any) -> Book:
    return Book(forecasts=(forecast(**spec),))


class Subject:
    """A refresher over a store; `at` makes passes until everything is read and fitted."""

    def __init__(
        self, store: Store, executor: ThreadPoolExecutor, *, worker: InProcess | None = None, **settings: Any
    ) -> None:
        self.settings = Settings(
            authentication="none",
            host="127.0.0.1",
            history_days=7,
            history_step_seconds=STEP,
            refresh_seconds=15,
            refit_seconds=3600,
            **settings,
        )
        self.refresher = Refresher(
            self.settings,
            make_source=lambda settings, **_: store,
            clock=SystemClock(),
            executor=executor,
            start_worker=lambda *, timeout_seconds: worker or InProcess(),
        )

    def pass_at(self, cut_s: int, book: Book) -> Done:
        return self.refresher.refresh(book, cut_s=cut_s)

    def at(self, cut_s: int, book: Book) -> Snapshot:
        for _ in range(20):
            done = self.pass_at(cut_s, book)
            self.refresher.wait_for_fit(timeout_seconds=30)
            if done.settled:
                return done.snapshot
        raise AssertionError("never settled")


def test_a_recurring_surge_is_served_before_it_comes(executor: ThreadPoolExecutor) -> None:
    snapshot = Subject(Store(), executor).at(CUT_S, book())
    assert snapshot.demand[0] == 10
    assert snapshot.served[0] >= 55
    assert snapshot.acting[0]
    assert snapshot.reason == ("ForecastActs",)
    assert snapshot.refusal(0, CUT_S + 20) is None


@pytest.mark.parametrize("day", [0, 1])
def test_five_days_are_enough_to_act_on_a_daily_surge_whatever_day_it_is(
    executor: ThreadPoolExecutor, day: int
) -> None:
    """Experts are fitted on every other day; where only a week is kept they would have a day less to learn from."""
    cut_s = CUT_S + day * DAY
    snapshot = Subject(Young(cut_s - 5 * DAY), executor).at(cut_s, book())
    assert snapshot.reason == ("ForecastActs",)
    assert snapshot.served[0] >= 55


@pytest.mark.parametrize("late_s", [0, 15, STEP - 15])
def test_a_surge_is_foretold_for_its_time_wherever_in_a_step_the_cut_lies(
    executor: ThreadPoolExecutor, late_s: int
) -> None:
    snapshot = Subject(Store(), executor).at(CUT_S - STEP + late_s, book())
    told = lines_of(snapshot, 0, FORECAST.name, now=snapshot.cut_s)
    (median,) = (one for one in told if one.labels["quantile"] == "0.5")
    ahead = median.times_s > snapshot.cut_s
    assert median.times_s[ahead][int(np.argmax(median.values[ahead] > 30))] == CUT_S + STEP


def test_room_for_a_recurring_surge_is_held_before_its_pods_are_asked_for(executor: ThreadPoolExecutor) -> None:
    nodes = {"provisioning": "CapacityBuffer", "lead": {"fallbackSeconds": 600}}
    subject = Subject(Store(), executor)
    early = subject.at(CUT_S - 2 * STEP, book(nodes=nodes))
    assert early.served[0] < 15
    assert early.room.ahead[0] >= 11
    assert early.room.headroom[0] == early.room.ahead[0] - np.ceil(early.served[0] / 5)  # less what is asked for now
    assert subject.at(CUT_S - 6 * STEP, book(nodes=nodes)).room.headroom.tolist() == [0]


def test_the_number_follows_the_sizes_of_pods_and_the_forecast_does_not(executor: ThreadPoolExecutor) -> None:
    subject = Subject(Store(), executor)
    plain = subject.at(CUT_S, book())
    scaling = {"container": "server", "resource": "memory", "reference": "512Mi"}
    sizes = PodSizes(4, 6.0, newest=1.5, largest=1.5)
    scaled = subject.at(CUT_S, replace(book(capacityScaling=scaling), sizes={"mcp/gateway": sizes}))
    assert scaled.required[0] == plain.required[0]
    assert scaled.served[0] == pytest.approx(plain.served[0] / 1.5)
    assert scaled.sized["mcp/gateway"] == Sized(plain.served[0], scaled.served[0], sizes)
    unknown = subject.at(CUT_S, book(capacityScaling=scaling))
    assert (unknown.served[0], unknown.sized) == (plain.served[0], {})


def test_the_verdict_says_what_acting_saves(executor: ThreadPoolExecutor) -> None:
    snapshot = Subject(Store(), executor).at(CUT_S, book())
    assert snapshot.forecast_cost[0] < snapshot.reactive_cost[0]
    assert snapshot.skill[0] == pytest.approx(1 - snapshot.forecast_cost[0] / snapshot.reactive_cost[0])
    assert 0.9 <= snapshot.coverage[0] <= 1


def test_a_fit_that_ends_during_a_pass_settles_the_next_one(
    executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Subject(Store(), executor, worker=(worker := Waiting()))

    def slow_look_ahead(*args: Any, **kwargs: Any) -> Outlook:
        outlook = look_ahead(*args, **kwargs)
        worker.may_fit.set()
        subject.refresher.wait_for_fit(timeout_seconds=30)
        return outlook

    monkeypatch.setattr("app.pipeline.refresh.look_ahead", slow_look_ahead)
    passes: list[Done] = []
    while not passes or not passes[-1].settled:
        assert len(passes) < 20, "never settled"
        passes.append(subject.pass_at(CUT_S, book()))
    assert [done.snapshot.reason == ("ForecastActs",) for done in passes] == [done.settled for done in passes]
    assert [done.snapshot.settled for done in passes] == [done.settled for done in passes]


def test_shadow_serves_the_reactive_value_and_shows_the_forecast(executor: ThreadPoolExecutor) -> None:
    snapshot = Subject(Store(), executor).at(CUT_S, book(mode="Shadow"))
    assert snapshot.served[0] == 10
    assert snapshot.required[0] >= 55
    assert snapshot.reason == ("Shadow",)


def test_a_longer_lead_looks_further_ahead(executor: ThreadPoolExecutor) -> None:
    early = CUT_S - 2 * STEP
    subject = Subject(Store(), executor)
    assert subject.at(early, book()).served[0] < 20
    longer = Book((forecast(),), leads={"mcp/gateway": LeadTime(4 * STEP, "Measured", 9)})
    snapshot = subject.at(early, longer)
    assert snapshot.served[0] >= 55
    assert snapshot.lead_seconds[0] == 4 * STEP
    assert snapshot.lead_origin == ("Measured",)


def test_bounds_hold_whatever_is_forecast(executor: ThreadPoolExecutor) -> None:
    snapshot = Subject(Store(), executor).at(CUT_S, book(bounds={"minimum": 3, "maximum": 40}))
    assert snapshot.served[0] == 40


def test_a_cold_start_serves_what_is_measured(executor: ThreadPoolExecutor) -> None:
    store = Store(lambda time_s: 7.0 if time_s > CUT_S - 3600 else float("nan"))
    snapshot = Subject(store, executor).at(CUT_S, book())
    assert snapshot.served[0] == 7
    assert snapshot.reason == ("Learning",)


def test_a_flat_series_is_served_as_it_is(executor: ThreadPoolExecutor) -> None:
    snapshot = Subject(Store(lambda time_s: 12.0), executor).at(CUT_S, book())
    assert snapshot.served[0] == pytest.approx(12, rel=1e-6)


def test_an_idle_workload_is_zero_because_it_was_measured(executor: ThreadPoolExecutor) -> None:
    snapshot = Subject(Store(lambda time_s: 0.0), executor).at(CUT_S, book())
    assert snapshot.served[0] == 0
    assert snapshot.refusal(0, CUT_S + 20) is None


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1.0])
def test_what_is_no_number_is_refused_and_never_zero(number: float, executor: ThreadPoolExecutor) -> None:
    snapshot = Subject(Store(lambda time_s: number), executor).at(CUT_S, book())
    assert snapshot.refusal(0, CUT_S + 20) == "InvalidNumber"
    assert np.isnan(snapshot.served[0])


def test_without_any_answer_nothing_is_served(executor: ThreadPoolExecutor) -> None:
    store = Store()
    store.error = SourceUnavailable("connection refused")
    snapshot = Subject(store, executor).at(CUT_S, book())
    assert snapshot.refusal(0, CUT_S + 20) == "SourceUnavailable"
    assert snapshot.notes == {"mcp/gateway": "connection refused"}


def test_an_outage_shorter_than_the_staleness_limit_serves_on_and_then_refuses(executor: ThreadPoolExecutor) -> None:
    store = Store()
    subject = Subject(store, executor, staleness_seconds=60)
    before = subject.at(CUT_S, book())
    store.error = SourceUnavailable("connection refused")
    during = subject.at(CUT_S + 45, book())
    assert during.served[0] == before.served[0]
    assert during.data_s[0] == CUT_S
    after = subject.at(CUT_S + 75, book())
    assert after.refusal(0, CUT_S + 75) == "SourceUnavailable"
    store.error = None
    assert subject.at(CUT_S + 90, book()).refusal(0, CUT_S + 95) is None


def test_a_partial_answer_is_an_outage_and_not_a_small_demand(executor: ThreadPoolExecutor) -> None:
    store = Store(lambda time_s: 20.0)
    subject = Subject(store, executor, staleness_seconds=60)
    before = subject.at(CUT_S, book())
    store.missing = ("store gateway eu-2 is down",)
    store.value = lambda time_s: 8.0
    during = subject.at(CUT_S + 45, book())
    assert (during.served[0], during.demand[0]) == (before.served[0], 20)
    assert "store gateway eu-2 is down" in during.notes["mcp/gateway"]
    assert subject.at(CUT_S + 75, book()).refusal(0, CUT_S + 75) == "SourceUnavailable"


@pytest.mark.parametrize("demand", [{"query": "other"}, {"query": "load", "seriesLabels": {"pod": "x"}}])
def test_the_number_of_another_query_is_never_served(executor: ThreadPoolExecutor, demand: dict[str, Any]) -> None:
    store = Store(lambda time_s: 20.0)
    subject = Subject(store, executor)
    subject.at(CUT_S, book())
    store.error = SourceUnavailable("connection refused")
    assert subject.pass_at(CUT_S + 15, book(capacityPerPod=7)).snapshot.demand[0] == 20
    changed = subject.pass_at(CUT_S + 30, book(demand=demand)).snapshot
    assert changed.refusal(0, CUT_S + 30) == "SourceUnavailable"
    assert np.isnan([changed.demand[0], changed.served[0]]).all()


def test_what_is_unclear_in_the_past_is_noted_beside_the_number(executor: ThreadPoolExecutor) -> None:
    class Twice(Store):
        def range(self, query: str, **span: int) -> Answer:
            (one,) = super().range(query, **span).series
            return Answer((one, LabelledHistory({"job": "other"}, one.history)))

    snapshot = Subject(Twice(), executor).at(CUT_S, book())
    assert snapshot.served[0] == 10
    assert "several series match" in snapshot.notes["mcp/gateway"]


def test_an_old_snapshot_is_refused_even_if_no_newer_one_comes(executor: ThreadPoolExecutor) -> None:
    snapshot = Subject(Store(), executor, staleness_seconds=60).at(CUT_S, book())
    assert snapshot.refusal(0, CUT_S + 60) is None
    assert snapshot.refusal(0, CUT_S + 61) == "Stale"


def test_a_sudden_unforeseen_drop_keeps_capacity(executor: ThreadPoolExecutor) -> None:
    store = Store(lambda time_s: 20.0 if time_s < CUT_S else 0.0)
    snapshot = Subject(store, executor).at(CUT_S, book())
    assert snapshot.served[0] >= 20
    assert snapshot.reason == ("HoldingAfterDrop",)


def test_two_refreshers_started_apart_serve_the_same_bytes(executor: ThreadPoolExecutor) -> None:
    def noisy(time_s: float) -> float:
        return surge_at_noon(time_s) + (time_s * 7919 % 101) / 50

    early = Subject(Store(noisy), executor)
    for cut_s in range(CUT_S - 3 * 3600, CUT_S, 1800):
        early.at(cut_s, book())
    first, second = early.at(CUT_S, book()), Subject(Store(noisy), executor).at(CUT_S, book())
    for name in ("served", "required", "quantiles", "coverage", "skill"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes(), name


def test_a_failing_fit_leaves_the_reactive_value(executor: ThreadPoolExecutor) -> None:
    snapshot = Subject(Store(), executor, worker=Failing()).at(CUT_S, book())
    assert snapshot.served[0] == 10
    assert snapshot.reason == ("Learning",)
    assert snapshot.counters["forescale_fits_total|failed"] == 1
