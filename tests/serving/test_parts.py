"""Parts of demand at the doors: REST rolls them up, /metrics and Grafana's doors have them as series, all add up."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from app.planning.rollup import Parts
from app.serving import parting
from app.serving.exposition import exposition
from app.serving.lines import METRICS, lines_of
from app.snapshot import Snapshot, SnapshotStore
from tests.serving.rest_doubles import FixedClock
from tests.serving.test_rest_answers import CUT_S, ONE, Caller

MakeSnapshot = Callable[..., Snapshot]
NAMES = (("search", "a"), ("search", "b"), ("fetch", "a"), ("_OTHER", "_OTHER"))
KEY = "mcp/workload-00001"


def parts(names: tuple[tuple[str, ...], ...] = NAMES, note: str = "") -> Parts:
    shares = np.float32([[0.31] * 6, [0.29] * 6, [0.27] * 6, [0.13] * 6])[: len(names)]
    now = np.float32([3, 2, 2, 1])[: len(names)]
    return Parts(("gen_ai_tool_name", "tenant"), names, CUT_S - 110, 300, now, shares, note)


@pytest.fixture
def snapshot(make_snapshot: MakeSnapshot, make_forecast: Any) -> Snapshot:
    block = {"labels": ["gen_ai_tool_name", "tenant"]}
    forecasts = tuple(make_forecast(f"workload-{row:05d}", parts=block if row else None) for row in range(3))
    return make_snapshot(forecasts=forecasts, parts={KEY: parts()})


async def test_parts_add_up_to_what_the_forecast_shows_to_the_last_digit(snapshot: Snapshot) -> None:
    snapshot.quantiles[1, :, 1] = np.float32(np.random.default_rng(1).gamma(3, 7.7, size=30))
    caller = Caller(snapshot)
    found = await caller.json(f"{ONE}/parts?horizon=1800")
    forecast = await caller.json(f"{ONE}/forecast?levels=0.5&horizon=1800")
    assert found["whole"] == forecast["forecast"]["quantiles"][0]["values"]
    assert found["times"] == forecast["forecast"]["times"]
    assert len(found["whole"]) == 30
    for place, whole in enumerate(found["whole"]):
        assert sum(one["values"][place] for one in found["parts"]) == whole
    assert sum(one["served"] for one in found["parts"]) == found["served"] == 21.0


async def test_each_part_has_its_labels_and_its_last_number(snapshot: Snapshot) -> None:
    found = await Caller(snapshot).json(f"{ONE}/parts")
    assert [(one["labels"], one["now"]) for one in found["parts"]] == [
        ({"gen_ai_tool_name": "search", "tenant": "a"}, 3),
        ({"gen_ai_tool_name": "search", "tenant": "b"}, 2),
        ({"gen_ai_tool_name": "fetch", "tenant": "a"}, 2),
        ({"gen_ai_tool_name": "_OTHER", "tenant": "_OTHER"}, 1),
    ]
    assert (found["measured"], found["note"], found["unit"]) == ("2023-11-14T22:11:40Z", "", "requests/s")


async def test_parts_roll_up_by_one_label_and_still_add_up(snapshot: Snapshot) -> None:
    found = await Caller(snapshot).json(f"{ONE}/parts?by=tenant&level=0.9&horizon=60")
    assert [(one["labels"], one["now"]) for one in found["parts"]] == [
        ({"tenant": "a"}, 5),
        ({"tenant": "b"}, 2),
        ({"tenant": "_OTHER"}, 1),
    ]
    assert sum(one["values"][0] for one in found["parts"]) == found["whole"][0] == 17


async def test_a_value_that_is_refused_has_no_parts_either(snapshot: Snapshot) -> None:
    found = await Caller(snapshot, now_s=CUT_S + 1000).json(f"{ONE}/parts")
    assert found["served"] is None
    assert {one["served"] for one in found["parts"]} == {None}


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("by=tool", "choose among gen_ai_tool_name, tenant"),
        ("level=0.42", "choose among 0.1, 0.5, 0.9"),
    ],
)
async def test_what_is_not_there_is_named(snapshot: Snapshot, query: str, text: str) -> None:
    answer = await Caller(snapshot).get(f"{ONE}/parts?{query}")
    assert answer.status_code == 400
    assert text in answer.json()["detail"]


@pytest.mark.parametrize(
    ("found", "workload", "note"),
    [
        ({}, "workload-00000", "spec.parts is not set"),
        ({}, "workload-00001", ""),
        ({KEY: parts((), "SourceUnavailable: refused")}, "workload-00001", "SourceUnavailable: refused"),
    ],
)
async def test_without_parts_there_is_the_whole_and_a_note(
    snapshot: Snapshot, found: Any, workload: str, note: str
) -> None:
    snapshot.parts.clear()  # type: ignore[attr-defined]
    snapshot.parts.update(found)  # type: ignore[attr-defined]
    answer = await Caller(snapshot).json(f"/namespaces/mcp/loadforecasts/{workload}/parts")
    assert (answer["parts"], answer["note"], answer["measured"]) == ([], note, None)
    assert len(answer["whole"]) == 30


def scraped(snapshot: Snapshot) -> dict[str, Any]:
    text = exposition(SnapshotStore(snapshot), FixedClock(CUT_S + 5.0), CollectorRegistry())().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_parts_are_scraped_with_labels_of_their_own(snapshot: Snapshot) -> None:
    found = scraped(snapshot)
    demand = found["forescale_part_demand_value"].samples
    assert [one.value for one in demand] == [3, 2, 2, 1]
    assert demand[0].labels == {
        "namespace": "mcp",
        "name": "workload-00001",
        "part_gen_ai_tool_name": "search",
        "part_tenant": "a",
    }
    ahead = found["forescale_part_forecast_ahead_value"].samples
    assert {one.labels["horizon"] for one in ahead} == {"10m"}
    whole = {
        one.labels["name"]: one.value
        for one in found["forescale_forecast_ahead_value"].samples
        if one.labels["quantile"] == "0.5"
    }
    assert sum(one.value for one in ahead) == whole["workload-00001"]


@pytest.mark.parametrize("late_s", [0, 15, 45])
def test_each_column_ahead_is_split_by_the_shares_of_its_own_time(
    make_snapshot: MakeSnapshot, make_forecast: Any, late_s: int
) -> None:
    forecast = make_forecast("workload-00001", parts={"labels": ["tool"]})
    shares = np.float32([[1, 0, 1, 0], [0, 1, 0, 1]])
    known = Parts(("tool",), (("search",), ("fetch",)), CUT_S - 30, 60, np.float32([8, 0]), shares)
    snapshot = make_snapshot(forecasts=(forecast,), cut_s=CUT_S - 30 + late_s, parts={KEY: known})
    search = next(lines_of(snapshot, 0, "forescale_part_forecast_value", now=snapshot.cut_s))
    assert search.times_s[:4].tolist() == [CUT_S - 30 + 60 * step for step in (1, 2, 3, 4)]
    assert (search.values[:4] > 0).tolist() == [True, False, True, False]


def test_without_parts_nothing_more_is_scraped(make_snapshot: MakeSnapshot) -> None:
    assert not [name for name in scraped(make_snapshot(2)) if "part" in name]


def test_more_parts_than_the_limit_are_not_scraped(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parting, "_MOST_PARTS", 7)
    snapshot.parts["mcp/workload-00002"] = parts()  # type: ignore[index]
    assert len(scraped(snapshot)["forescale_part_demand_value"].samples) == 4


def test_grafana_draws_each_part_ahead_and_its_last_number(snapshot: Snapshot) -> None:
    assert {"forescale_part_demand_value", "forescale_part_forecast_value"} <= METRICS.keys()
    (first, *_) = lines_of(snapshot, 1, "forescale_part_demand_value", now=CUT_S + 5.0)
    assert (first.times_s.tolist(), first.values.tolist()) == ([CUT_S - 110], [3])
    assert first.reach_seconds == 480  # its grid is five minutes wide
    lines = list(lines_of(snapshot, 1, "forescale_part_forecast_value", now=CUT_S + 5.0))
    whole = {one.labels["quantile"]: one for one in lines_of(snapshot, 1, "forescale_forecast_value", now=CUT_S + 5.0)}
    for level in ("0.1", "0.5", "0.9"):
        chosen = [one for one in lines if one.labels["quantile"] == level]
        assert [one.labels["part_tenant"] for one in chosen] == ["a", "b", "a", "_OTHER"]
        ahead = whole[level].times_s > CUT_S
        assert sum(one.values for one in chosen).tolist() == whole[level].values[ahead].tolist()  # type: ignore[attr-defined]
    assert list(lines_of(snapshot, 0, "forescale_part_forecast_value", now=CUT_S + 5.0)) == []
