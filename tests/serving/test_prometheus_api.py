"""The Prometheus API as its clients call it: Grafana's requests in their order, selectors, and what must be refused."""

from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from app.serving.prometheus_api.expressions import parse
from app.serving.prometheus_api.routes import router
from app.snapshot import Snapshot, SnapshotStore
from app.workloads.spec import LoadForecast
from tests.serving.rest_doubles import FixedClock

CUT_S = 1_700_000_010
API = "/prometheus/api/v1"


@pytest.fixture
def snapshot(make_snapshot: Callable[..., Snapshot], make_forecast: Callable[..., LoadForecast]) -> Snapshot:
    found = make_snapshot(forecasts=(make_forecast("a"), make_forecast("b", namespace="other")))
    found.past_served[:, -5] = np.nan
    return found


@pytest.fixture
async def client(snapshot: Snapshot) -> Any:
    app = FastAPI()
    app.include_router(router(SnapshotStore(snapshot), FixedClock()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://f") as client:
        yield client


async def data(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(f"{API}/{path}", params=query)
    assert (answer.status_code, answer.json()["status"]) == (200, "success"), answer.text
    return answer.json()["data"]


async def test_grafanas_save_and_test_is_content(client: httpx.AsyncClient) -> None:
    found = await client.post(f"{API}/query", data={"query": "1+1", "time": "4"})
    assert found.json()["data"] == {"resultType": "scalar", "result": [4.0, "2"]}
    assert (await data(client, "status/buildinfo"))["version"]


async def test_grafanas_query_editor_finds_metrics_labels_values_and_series(client: httpx.AsyncClient) -> None:
    assert "forescale_forecast_value" in await data(client, "label/__name__/values", start=1, end=2)
    assert await data(client, "labels", **{"match[]": "forescale_forecast_value"}) == [
        "__name__", "name", "namespace", "quantile"
    ]  # fmt: skip
    values = await data(client, "label/quantile/values", **{"match[]": 'forescale_forecast_value{namespace="mcp"}'})
    assert values == ["0.1", "0.5", "0.9"]
    series = await data(client, "series", **{"match[]": '{__name__=~"forescale_(demand|served)_value", name="a"}'})
    assert {one["__name__"] for one in series} == {"forescale_demand_value", "forescale_served_value"}
    assert (await data(client, "metadata"))["forescale_demand_value"][0]["type"] == "gauge"
    assert await data(client, "rules") == {"groups": []}
    assert await data(client, "query_exemplars", query="x") == []


async def test_a_panel_reaches_from_the_past_into_the_future(client: httpx.AsyncClient) -> None:
    form = {
        "query": 'forescale_forecast_value{name="a",quantile="0.9"}',
        "start": str(CUT_S - 30 - 600),
        "end": str(CUT_S + 600),
        "step": "60",
    }
    answer = await client.post(f"{API}/query_range", data=form)
    (found,) = answer.json()["data"]["result"]
    assert found["metric"]["quantile"] == "0.9"
    assert found["values"][0] == [CUT_S - 630, "11"]
    assert found["values"][-1] == [CUT_S + 570, "16"]


async def test_a_gap_in_what_was_served_is_a_gap(client: httpx.AsyncClient) -> None:
    last_s = CUT_S - 30
    answer = await data(
        client, "query_range", query='forescale_served_value{name="a"}', start=last_s - 360, end=last_s, step="1m"
    )
    times = [int(time_s) for time_s, _ in answer["result"][0]["values"]]
    assert times == [last_s - 60 * back for back in (6, 5, 3, 2, 1, 0)]


async def test_a_value_is_not_repeated_after_its_time(client: httpx.AsyncClient) -> None:
    """Plain Prometheus shows the last sample for five minutes more; a forecast's actuals must end at the cut."""
    at = {"query": 'forescale_demand_value{name="a"}', "time": CUT_S + 120}
    assert (await data(client, "query", **at))["result"] == []


async def test_what_is_known_of_now_is_given_at_its_time(client: httpx.AsyncClient) -> None:
    (found,) = (await data(client, "query", query='forescale_lead_seconds{namespace="other"}', time=CUT_S + 5))[
        "result"
    ]
    assert found["value"] == [CUT_S + 5, "120"]
    assert found["metric"]["origin"] == "Measured"
    (pods,) = (await data(client, "query", query='forescale_served_pods{name="b"}', time=CUT_S))["result"]
    assert pods["value"][1] == "3"


async def test_offsets_and_range_vectors(client: httpx.AsyncClient) -> None:
    ahead = {"query": 'forescale_forecast_value{name="a",quantile="0.5"} offset -10m', "time": CUT_S}
    assert (await data(client, "query", **ahead))["result"][0]["value"] == [CUT_S, "12"]
    raw = await data(client, "query", query='forescale_demand_value{name="a"}[5m]', time=CUT_S - 30)
    assert raw["resultType"] == "matrix"
    assert len(raw["result"][0]["values"]) == 5


@pytest.mark.parametrize(
    ("path", "query", "words"),
    [
        ("query", {"query": "sum("}, "parse error"),
        ("query", {"query": "sum(forescale_demand_value)"}, "AggregateExpr is not supported"),
        ("query", {"query": "rate(forescale_demand_value[5m])"}, "Call is not supported"),
        ("query", {"query": "forescale_demand_value > 3"}, "not supported"),
        ("query", {"query": 'up{a=~"("}'}, ""),
        ("query", {"query": "up @ 3"}, "@ modifier"),
        ("query", {}, '"query": it is missing'),
        ("query", {"query": "1", "time": "yesterday"}, "valid timestamp"),
        ("query", {"query": "1", "time": "1e300"}, "valid timestamp"),
        ("query_range", {"query": "1", "start": 0, "end": 11_001, "step": 1}, "11,000 points"),
        ("query_range", {"query": "1", "start": 9, "end": 1, "step": 1}, "before start"),
        ("query_range", {"query": "1", "start": 0, "end": 1, "step": "0"}, "duration above zero"),
        ("query_range", {"query": "1", "start": 0, "end": 1, "step": "1x"}, "duration above zero"),
        ("query_range", {"query": "up[5m]", "start": 0, "end": 1, "step": 1}, "range vector"),
        ("series", {}, "match[]"),
        ("series", {"match[]": "1"}, "not a series selector"),
        ("labels", {"limit": "many"}, "whole number"),
        ("label/a-b/values", {}, "label name"),
    ],
)
async def test_what_cannot_be_answered_gets_a_400_in_prometheus_own_shape(
    client: httpx.AsyncClient, path: str, query: dict[str, Any], words: str
) -> None:
    answer = await client.get(f"{API}/{path}", params=query)
    body = answer.json()
    assert (answer.status_code, body["status"], body["errorType"]) == (400, "error", "bad_data")
    assert words in body["error"]


async def test_below_a_namespace_nothing_of_another_is_seen(client: httpx.AsyncClient) -> None:
    scoped = "/prometheus/namespaces/other/api/v1"
    values = (await client.get(f"{scoped}/label/name/values")).json()["data"]
    assert values == ["b"]
    query = {"query": 'forescale_served_value{namespace="mcp"}', "time": CUT_S}
    assert (await client.get(f"{scoped}/query", params=query)).json()["data"]["result"] == []


async def test_a_limit_is_kept_and_told(client: httpx.AsyncClient) -> None:
    body = (await client.get(f"{API}/label/__name__/values", params={"limit": 2})).json()
    assert (len(body["data"]), len(body["warnings"])) == (2, 1)


async def test_before_the_first_forecast_it_is_unavailable() -> None:
    app = FastAPI()
    app.include_router(router(SnapshotStore(None), FixedClock()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://f") as client:
        answer = await client.get(f"{API}/query", params={"query": "up"})
    assert (answer.status_code, answer.json()["errorType"]) == (503, "unavailable")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1+2*3", 7),
        ("-(2^3)", -8),
        ("7 % 4", 3),
        ("1/0", np.inf),
        ("-1/0", -np.inf),
        ("0/0", np.nan),
        ("2^0.5", 2**0.5),
    ],
)
def test_arithmetic_of_numbers_is_that_of_promql(text: str, value: float) -> None:
    assert parse(text) == pytest.approx(value, nan_ok=True)
