"""A workload's spec.timeZone: whose days its load follows, through the night in which clocks change."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from app.pipeline.events import learned
from app.pipeline.fitting import FitJob, FittedBlock, blocks
from app.pipeline.rehearsal import RehearsalOptions, rehearse
from app.planning.score import Setting, score
from app.workloads.book import Book
from app.workloads.spec import LoadForecast
from models.calendar import EventTimes
from models.local_time import local_seconds
from models.series import Series
from tests.pipeline.test_refresh import STEP, InProcess, Store, Subject, forecast

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
DAY = 86_400
MONDAY = int(datetime(2026, 3, 30, tzinfo=UTC).timestamp())  # clocks were put forward on the Sunday before
NOON = MONDAY + 10 * 3_600  # in Berlin


def surge_at_noon(time_s: float) -> float:
    """10, and 60 for half an hour from noon in Berlin on."""
    (local_s,) = local_seconds(np.asarray([int(time_s)]), BERLIN).tolist()
    return 60.0 if 12 * 3_600 <= local_s % DAY < 12.5 * 3_600 else 10.0


def named(name: str, zone: str) -> LoadForecast:
    return forecast(timeZone=zone).model_copy(update={"name": name})


class Seen(InProcess):
    """Fits, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, tuple[str, ...]]] = []

    def run(self, jobs: Iterator[FitJob]) -> Iterator[FittedBlock]:
        for job in jobs:
            self.jobs.append((job.zone, job.keys))
            yield from super().run(iter([job]))


def test_after_the_clocks_changed_the_surge_is_served_before_it_comes(executor: ThreadPoolExecutor) -> None:
    cut_s = NOON - STEP
    here = Subject(Store(surge_at_noon), executor).at(cut_s, Book(forecasts=(named("gateway", BERLIN),)))
    utc = Subject(Store(surge_at_noon), executor).at(cut_s, Book(forecasts=(named("gateway", "UTC"),)))
    assert here.served[0] >= 55
    assert utc.served[0] < 55  # it expects the surge when it came before: an hour later


def test_workloads_of_several_zones_are_fitted_on_the_clock_of_each(executor: ThreadPoolExecutor) -> None:
    seen = Seen()
    subject = Subject(Store(surge_at_noon), executor, worker=seen)
    together = Book(forecasts=(named("a", BERLIN), named("b", NEW_YORK), named("c", BERLIN)))
    found = subject.at(NOON - STEP, together)
    assert seen.jobs == [(BERLIN, ("mcp/a", "mcp/c")), (NEW_YORK, ("mcp/b",))]
    alone = Subject(Store(surge_at_noon), executor).at(NOON - STEP, Book(forecasts=(named("c", BERLIN),)))
    assert found.served[2] == alone.served[0] >= 55
    assert found.served[1] < 55


def test_another_zone_is_another_fit(executor: ThreadPoolExecutor) -> None:
    seen = Seen()
    subject = Subject(Store(surge_at_noon), executor, worker=seen)
    for zone in (BERLIN, BERLIN, NEW_YORK):
        subject.at(NOON - STEP, Book(forecasts=(named("a", zone),)))
    assert [zone for zone, _ in seen.jobs] == [BERLIN, NEW_YORK]


def test_blocks_hold_workloads_of_one_zone_and_no_more_than_a_fit_has_memory_for() -> None:
    keys = [f"mcp/{number}" for number in range(300)]
    found = list(blocks(keys, zone_of=lambda key: BERLIN if key.endswith("0") else "UTC"))
    assert [len(one) for one in found] == [30, 128, 128, 14]
    assert sorted(key for one in found for key in one) == sorted(keys)


def test_an_event_is_not_charged_with_what_the_clocks_did() -> None:
    """Its half hour after the change is the one of every day; by UTC it would have multiplied the load."""
    times_s = MONDAY - 9 * DAY + STEP * np.arange(10 * DAY // STEP, dtype=np.int64)
    series = Series(
        int(times_s[0]), STEP, np.asarray([[surge_at_noon(time_s - 1) for time_s in times_s]], dtype=np.float32)
    )
    event = EventTimes("a quiet release", np.asarray([NOON]), np.asarray([NOON + 1_800]))
    found = {zone: learned(series, [(event,)], zone=zone)[0][0].factor for zone in ("UTC", BERLIN)}
    assert found[BERLIN] == pytest.approx(1, abs=0.05)
    assert found["UTC"] > 1.5


@pytest.fixture(scope="module")
def office() -> tuple[Series, NDArray[np.float64]]:
    """Minutes of two weeks around the change: busy from nine to five in Berlin."""
    start_s = MONDAY - 9 * DAY
    times_s = start_s + 60 * np.arange(12 * DAY // 60, dtype=np.int64)
    hour = local_seconds(times_s, BERLIN) % DAY / 3_600
    load = np.where((hour >= 9) & (hour < 17), 100, 20) * np.random.default_rng(5).uniform(0.95, 1.05, times_s.size)
    return Series(start_s, 60, load.astype(np.float32)[None]), load


def test_a_replay_on_the_loads_own_clock_costs_less_in_the_days_after_a_change(
    office: tuple[Series, NDArray[np.float64]],
) -> None:
    series, load = office
    days = slice(9 * DAY // 60, None)
    cost = {}
    for zone in ("UTC", BERLIN):
        options = RehearsalOptions(5, 1, 20.0, 5.0, fleet=True, zone=zone)
        capacity = rehearse(series, options, on_progress=lambda share: None).capacity[days]
        cost[zone] = score(capacity, Setting(load[days], 5.0, 5, 20.0)).cost
    assert cost[BERLIN] < cost["UTC"] - 0.02
