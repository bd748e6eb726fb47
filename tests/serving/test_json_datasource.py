"""The JSON datasource plugin's calls: a list of metrics, their payloads, series and a table."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.serving.json_datasource.routes import router
from app.snapshot import Snapshot, SnapshotStore
from app.workloads.spec import LoadForecast
from tests.serving.rest_doubles import FixedClock

RANGE = {"from": "2023-11-14T21:13:30.000Z", "to": "2023-11-14T22:43:30.000Z"}


@pytest.fixture
def snapshot(make_snapshot: Callable[..., Snapshot], make_forecast: Callable[..., LoadForecast]) -> Snapshot:
    return make_snapshot(forecasts=(make_forecast("a"), make_forecast("b", namespace="other")))


async def post(snapshot: Snapshot | None, path: str, body: Any) -> Any:
    app = FastAPI()
    app.include_router(router(SnapshotStore(snapshot), FixedClock()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://f") as client:
        assert (await client.get("/json-datasource/")).status_code == 200
        answer = await client.post(f"/json-datasource{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def test_metrics_and_the_values_of_their_payloads_are_listed(snapshot: Snapshot) -> None:
    metrics = await post(snapshot, "/metrics", {})
    assert {"workloads", "forescale_forecast_value", "forescale_demand_value"} <= {one["value"] for one in metrics}
    namespaces = await post(snapshot, "/metric-payload-options", {"metric": "workloads", "name": "namespace"})
    assert [one["value"] for one in namespaces] == ["mcp", "other"]
    names = await post(snapshot, "/namespaces/other/variable", {"payload": {"target": "name"}})
    assert names == [{"__text": "b", "__value": "b"}]


async def test_a_forecast_is_given_as_one_series_a_quantile_that_reach_ahead(snapshot: Snapshot) -> None:
    target = {"refId": "A", "target": "forescale_forecast_value", "payload": {"name": "a"}}
    found = await post(snapshot, "/query", {"range": RANGE, "maxDataPoints": 1_000, "targets": [target]})
    assert [one["target"] for one in found] == ["mcp/a 0.1", "mcp/a 0.5", "mcp/a 0.9"]
    value, milliseconds = found[-1]["datapoints"][-1]
    assert (value, milliseconds) == (16.0, (1_700_000_010 - 30 + 30 * 60) * 1000)


async def test_as_many_points_as_are_asked_for(snapshot: Snapshot) -> None:
    target = {"refId": "A", "target": "forescale_demand_value", "payload": ""}
    found = await post(snapshot, "/query", {"range": RANGE, "maxDataPoints": 7, "targets": [target]})
    assert [len(one["datapoints"]) for one in found] == [7, 7]


async def test_a_table_of_one_namespace_shows_nothing_of_another(snapshot: Snapshot) -> None:
    body = {"range": RANGE, "targets": [{"refId": "A", "target": "workloads"}]}
    (table,) = await post(snapshot, "/namespaces/mcp/query", body)
    assert [row[:3] for row in table["rows"]] == [["mcp", "a", 20.0]]
    assert [one["text"] for one in table["columns"]][:3] == ["namespace", "name", "served"]


async def test_before_the_first_forecast_there_is_nothing(snapshot: Snapshot) -> None:
    assert await post(None, "/query", {"range": RANGE, "targets": [{"target": "workloads"}]}) == []
