"""/metrics: readable by Prometheus, complete, honest about what is refused, and quick for thousands of workloads."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from app import telemetry
from app.planning.headroom import Room
from app.serving.exposition import COUNTED, WorkloadLines, exposition, router
from app.snapshot import Snapshot, SnapshotStore
from app.workloads.spec import LoadForecast

MakeSnapshot = Callable[..., Snapshot]
CUT_S = 1_700_000_010


@dataclass(frozen=True)
class FixedClock:
    """A clock that stands."""

    now_s: float = CUT_S + 5.0

    def now(self) -> float:
        return self.now_s

    def real_seconds(self, seconds: float) -> float:
        return seconds


def families(snapshot: Snapshot | None, *, now_s: float = CUT_S + 5.0) -> Mapping[str, Family]:
    text = exposition(SnapshotStore(snapshot), FixedClock(now_s), CollectorRegistry())().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(family: Family, *labels: str) -> dict[tuple[str, ...], float]:
    return {tuple(sample.labels[label] for label in labels): sample.value for sample in family.samples}


def test_the_last_day_of_the_ledger_and_prices_of_pools_are_told(make_snapshot: MakeSnapshot) -> None:
    found = families(make_snapshot(1))
    kinds = {"asked": 760, "used": 500, "needed": 700, "hpa_only": 900, "short": 2, "hpa_short": 5}
    assert values(found[telemetry.DAY.name], "kind") == {(kind,): value for kind, value in kinds.items()}
    assert values(found[telemetry.DAY_SAVED_MONEY.name], "currency") == {("EUR",): pytest.approx(0.197)}
    priced = values(found[telemetry.NODE_PRICE.name], "pool", "currency", "source")
    assert priced == {("spot", "EUR", "OpenCost"): 0.08, ("large", "EUR", "File"): 0.6}
    assert values(found[telemetry.NODE_PRICE_AGE.name], "pool") == {("spot",): 35, ("large",): 35}
    assert values(found[telemetry.POD_HOUR.name], "pool") == {("spot",): 0.02, ("large",): 0.15}


def test_room_on_nodes_is_told_of_those_that_want_it(make_snapshot: MakeSnapshot) -> None:
    room = Room(np.array([1]), np.array([12.0]), np.array([np.nan]), np.array([95]), ("Measured",))
    snapshot = dataclasses.replace(make_snapshot(2), room=room)
    found, name = families(snapshot), snapshot.forecasts[1].name
    assert values(found[telemetry.NODE_LEAD.name], "name", "origin") == {(name, "Measured"): 95}
    assert values(found[telemetry.PODS_AHEAD.name], "name") == {(name,): 12}
    assert found[telemetry.HEADROOM.name].samples == []  # not known is not zero
    assert telemetry.HEADROOM.name not in families(make_snapshot(2))


def test_of_a_large_fleet_the_ledger_is_told_in_sum_alone(make_snapshot: MakeSnapshot) -> None:
    found = families(make_snapshot(1_001))
    assert found[telemetry.DAY.name].samples == []
    assert len(found[telemetry.DAY_SAVED.name].samples) == 1_001


def test_each_workload_has_its_gauges(make_snapshot: MakeSnapshot) -> None:
    found = families(make_snapshot(2))
    one, two = ("mcp", "workload-00000"), ("mcp", "workload-00001")
    for metric, expected in {
        telemetry.SERVED: {one: 20, two: 21},
        telemetry.DEMAND: {one: 10, two: 11},
        telemetry.REQUIRED: {one: 20, two: 21},
        telemetry.ACTING: {one: 1, two: 1},
        telemetry.PODS: {one: 2, two: 3},
        telemetry.LEVEL: {one: 0.95, two: 0.95},
        telemetry.COVERAGE: {one: 0.94, two: 0.94},
        telemetry.CALENDAR: {one: 1, two: 1},
        telemetry.SKILL: {one: 0.25, two: 0.25},
        telemetry.DATA_AGE: {one: 15, two: 15},
        telemetry.SPOT_PODS: {one: 1, two: 1},
        telemetry.ON_DEMAND_PODS: {one: 1, two: 1},
        telemetry.MISSING_PRICE: {one: 19, two: 19},
        telemetry.DAY_SAVED: {one: 197, two: 197},
    }.items():
        assert values(found[metric.name], "namespace", "name") == expected
        assert (found[metric.name].type, found[metric.name].documentation) == (metric.kind, metric.help)
    assert values(found["forescale_lead_seconds"], "name", "origin")["workload-00000", "Measured"] == 120


def test_fixed_times_ahead_are_scraped_as_far_as_the_forecast_reaches(make_snapshot: MakeSnapshot) -> None:
    found = values(families(make_snapshot(2))["forescale_forecast_ahead_value"], "name", "horizon", "quantile")
    assert {horizon for _, horizon, _ in found} == {"10m"}
    assert found["workload-00001", "10m", "0.9"] == 17


@pytest.mark.parametrize(("late_s", "value"), [(0, 10), (15, 10), (45, 11)])
def test_a_fixed_time_ahead_is_that_of_the_nearest_column(
    make_snapshot: MakeSnapshot, late_s: int, value: float
) -> None:
    """Columns are counted from the history's grid, the time ahead from the cut."""
    path = np.arange(1, 31, dtype=np.float32)[None, :, None] + np.zeros(3, dtype=np.float32)
    snapshot = make_snapshot(1, cut_s=CUT_S - 30 + late_s, quantiles=path)
    found = values(families(snapshot)["forescale_forecast_ahead_value"], "horizon", "quantile")
    assert found["10m", "0.5"] == value


def test_the_last_column_stands_for_the_end_of_the_path(make_snapshot: MakeSnapshot) -> None:
    path = np.arange(1, 11, dtype=np.float32)[None, :, None] + np.zeros(3, dtype=np.float32)
    snapshot = make_snapshot(1, cut_s=CUT_S + 15, quantiles=path)
    assert values(families(snapshot)["forescale_forecast_ahead_value"], "horizon", "quantile")["10m", "0.5"] == 10


def test_a_large_fleet_has_no_lines_for_times_ahead(make_snapshot: MakeSnapshot) -> None:
    assert not families(make_snapshot(1_001))["forescale_forecast_ahead_value"].samples


def test_a_refused_value_has_no_line_but_a_reason(make_snapshot: MakeSnapshot) -> None:
    snapshot = make_snapshot(2, served=np.asarray([np.nan, 5.0]), reason=("NoData", "ForecastActs"))
    found = families(snapshot)
    assert values(found["forescale_served_value"], "name") == {("workload-00001",): 5.0}
    assert values(found["forescale_refused"], "name", "reason") == {("workload-00000", "NoData"): 1.0}
    assert values(found["forescale_acting"], "name")["workload-00000",] == 0


def test_the_same_snapshot_is_refused_once_it_is_stale(make_snapshot: MakeSnapshot) -> None:
    lines, snapshot = WorkloadLines(), make_snapshot(1)
    served = 'forescale_served_value{namespace="mcp",name="workload-00000"} 20.0'
    refused = 'forescale_refused{namespace="mcp",name="workload-00000",reason="Stale"} 1'
    early, late = (lines.text(snapshot, now=CUT_S + seconds) for seconds in (5, 1000))
    assert served in early.splitlines()
    assert refused not in early.splitlines()
    assert served not in late.splitlines()
    assert refused in late.splitlines()


def test_lines_follow_the_next_snapshot_and_its_workloads(make_snapshot: MakeSnapshot) -> None:
    lines, first = WorkloadLines(), make_snapshot(2)
    lines.text(first, now=CUT_S)
    second = make_snapshot(forecasts=first.forecasts, demand=np.asarray([1.0, 2.0]))
    assert 'forescale_demand_value{namespace="mcp",name="workload-00001"} 2.0' in lines.text(second, now=CUT_S)
    third = lines.text(make_snapshot(forecasts=first.forecasts[1:]), now=CUT_S)
    assert "workload-00000" not in third
    assert 'forescale_demand_value{namespace="mcp",name="workload-00001"} 10.0' in third


def test_what_is_unknown_has_no_line(make_snapshot: MakeSnapshot) -> None:
    found = families(make_snapshot(1, skill=np.asarray([np.nan]), fitted_s=float("nan")))
    assert found["forescale_skill_ratio"].samples == []
    assert "forescale_fit_timestamp_seconds" not in found


def test_the_pipeline_s_counters_appear_under_their_names(make_snapshot: MakeSnapshot) -> None:
    counters = {
        "forescale_refresh_passes_total|ok": 7.0,
        "forescale_source_requests_total|ok": 3.0,
        "forescale_source_requests_total|unavailable": 1.0,
        "forescale_refresh_duration_seconds": 0.5,
        "forescale_fit_duration_seconds": float("nan"),
        "forescale_pipeline_restarts_total": 2.0,
        "of_a_newer_pipeline|x": 1.0,
    }
    found = families(make_snapshot(1, counters=counters))
    assert values(found["forescale_refresh_passes"], "outcome") == {("ok",): 7.0}
    assert values(found["forescale_source_requests"], "outcome") == {("ok",): 3.0, ("unavailable",): 1.0}
    assert values(found["forescale_refresh_duration_seconds"]) == {(): 0.5}
    assert values(found["forescale_pipeline_restarts"]) == {(): 2.0}
    assert values(found["forescale_snapshot_cut_timestamp_seconds"]) == {(): CUT_S}
    assert values(found["forescale_snapshot_settled"]) == {(): 1.0}
    assert found["forescale_fit_duration_seconds"].samples == []
    assert "of_a_newer_pipeline" not in found


def test_before_the_first_snapshot_there_is_an_empty_page_and_not_zeros() -> None:
    assert families(None) == {}


def test_a_label_cannot_break_the_text(make_snapshot: MakeSnapshot, make_forecast: Callable[..., LoadForecast]) -> None:
    odd = 'a"} 1\n\\b'
    snapshot = make_snapshot(forecasts=(make_forecast("x", namespace=odd),))
    assert (odd, "x") in values(families(snapshot)["forescale_served_value"], "namespace", "name")


def test_no_name_is_exposed_twice(make_snapshot: MakeSnapshot) -> None:
    text = exposition(SnapshotStore(make_snapshot(1)), FixedClock(), CollectorRegistry())().decode()
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names)) > len(COUNTED)


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_the_page_is_the_text_format_with_what_the_process_counts(
    make_snapshot: MakeSnapshot, encoding: str
) -> None:
    registry = CollectorRegistry()
    Counter("asked_total", "Requests.", registry=registry).inc(3)
    app = FastAPI()
    app.include_router(router(SnapshotStore(make_snapshot(1)), FixedClock(), registry))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://forescale") as client:
        answer = await client.get("/metrics", headers={"accept-encoding": encoding})
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers.get("content-encoding", "identity") == encoding
    assert "asked_total 3.0" in answer.text.splitlines()
    assert 'forescale_served_value{namespace="mcp",name="workload-00000"} 20.0' in answer.text.splitlines()
