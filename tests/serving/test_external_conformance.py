"""Paths, methods and headers of external.metrics.k8s.io/v1beta1 against their codes and bodies."""

import httpx
import numpy as np
import orjson
import pytest
from prometheus_client import CollectorRegistry

from app.serving.external_metrics.naming import address
from app.serving.external_metrics.routes import ExternalMetrics
from app.serving.instruments import Instruments
from app.snapshot import SnapshotStore
from tests.serving.access_doubles import HandClock

GROUP = "/apis/external.metrics.k8s.io"
ROOT = f"{GROUP}/v1beta1"
METRIC = f"{ROOT}/namespaces/mcp/gateway"
PROTOBUF = "application/vnd.kubernetes.protobuf"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def store(make_snapshot, make_forecast):
    gateway = make_forecast("gateway", labels={"team": "search", "app": "mcp"})
    return SnapshotStore(make_snapshot(forecasts=(gateway, make_forecast("other", namespace="else"))))


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
async def client(store, clock, registry):
    door = ExternalMetrics(store, clock=clock, instruments=Instruments(registry), version="0.1.0")
    transport = httpx.ASGITransport(door, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://forescale.test") as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/apis", 200),
        ("GET", "/apis/", 200),
        ("GET", GROUP, 200),
        ("GET", ROOT, 200),
        ("GET", ROOT + "/", 200),
        ("GET", "/version", 200),
        ("GET", "/openapi/v3", 200),
        ("GET", f"/openapi/v3{ROOT}", 200),
        ("GET", f"/openapi/v3{ROOT}?hash=1234", 200),
        ("GET", "/openapi/v2", 404),
        ("GET", METRIC, 200),
        ("GET", METRIC + "?labelSelector=", 200),
        ("GET", METRIC + "?labelSelector=team%3Dsearch", 200),
        ("GET", METRIC + "?labelSelector=forescale.dev%2Ftarget%3Dgateway", 200),
        ("GET", METRIC + "?labelSelector=forescale.dev/loadforecast+in+(gateway)", 200),
        ("GET", METRIC + "?watch=false&limit=500", 200),
        ("GET", METRIC + "?labelSelector=team%3Dads", 404),
        ("GET", METRIC + "?labelSelector=team%3D%3D%3Dads", 400),
        ("GET", METRIC + "?watch=true", 405),
        ("GET", METRIC + "?watch=1", 405),
        ("GET", f"{ROOT}/namespaces/mcp/gate%77ay", 200),
        ("GET", f"{ROOT}/namespaces/mcp/gate%2577ay", 404),
        ("GET", f"{ROOT}/namespaces/mcp/gate%2Fway", 404),
        ("GET", f"{ROOT}/namespaces/mcp/unknown", 404),
        ("GET", f"{ROOT}/namespaces/mcp/other", 404),
        ("GET", f"{ROOT}/namespaces/else/gateway", 404),
        ("GET", f"{ROOT}/namespaces/mcp", 404),
        ("GET", f"{ROOT}/namespaces", 404),
        ("GET", f"{ROOT}/namespaces//gateway", 404),
        ("GET", METRIC + "/", 404),
        ("GET", METRIC + "/x", 404),
        ("GET", METRIC + "/x/y", 404),
        ("GET", f"{ROOT}/gateway", 404),
        ("GET", f"{GROUP}/v1beta2", 404),
        ("GET", f"{GROUP}/v1beta2/namespaces/mcp/gateway", 404),
        ("GET", "/apis/custom.metrics.k8s.io/v1beta1", 404),
        ("GET", "/nothing", 404),
        ("POST", METRIC, 405),
        ("PUT", METRIC, 405),
        ("PATCH", METRIC, 405),
        ("DELETE", METRIC, 405),
        ("POST", ROOT, 405),
        ("POST", "/nothing", 404),
    ],
)
async def test_each_path_has_its_code(client, method, path, code):
    answer = await client.request(method, path)
    assert answer.status_code == code
    assert answer.headers["content-type"] == "application/json"
    if code >= 400:
        assert answer.json()["kind"] == "Status"
        assert answer.json()["code"] == code


@pytest.mark.parametrize(
    ("accept", "code"),
    [
        (f"{PROTOBUF}, */*", 200),
        (f"{PROTOBUF},application/json", 200),
        ("application/json", 200),
        ("application/json, */*", 200),
        ("application/*;q=0.5", 200),
        ("application/json;as=Table;v=v1;g=meta.k8s.io", 200),
        ("", 200),
        (PROTOBUF, 406),
        ("text/html", 406),
    ],
)
async def test_json_is_all_there_is(client, accept, code):
    answer = await client.get(METRIC, headers={"accept": accept})
    assert answer.status_code == code


async def test_the_answer_is_exactly_one_value(client):
    answer = await client.get(METRIC)
    assert answer.json() == {
        "kind": "ExternalMetricValueList",
        "apiVersion": "external.metrics.k8s.io/v1beta1",
        "metadata": {},
        "items": [
            {
                "metricName": "gateway",
                "metricLabels": {
                    "app": "mcp",
                    "forescale.dev/loadforecast": "gateway",
                    "forescale.dev/target": "gateway",
                    "team": "search",
                },
                "timestamp": "2023-11-14T22:13:30Z",
                "window": 135,
                "value": "20",
            }
        ],
    }
    assert answer.headers["cache-control"] == "no-cache, private"


async def test_a_fraction_is_served_rounded_up(client, store, make_snapshot, make_forecast):
    store.replace(make_snapshot(forecasts=(make_forecast(),), served=np.array([12.3401])))
    answer = await client.get(METRIC)
    assert answer.json()["items"][0]["value"] == "12341m"


@pytest.mark.parametrize("served", [float("nan"), float("inf"), -1.0, 1e16])
async def test_what_is_not_a_load_is_an_error_never_a_number(client, store, make_snapshot, make_forecast, served):
    columns = {"served": np.array([served]), "reason": ("InvalidNumber",)}
    store.replace(make_snapshot(forecasts=(make_forecast(),), **columns))
    answer = await client.get(METRIC)
    assert answer.status_code == 503
    assert "InvalidNumber" in answer.json()["message"]


async def test_a_stale_snapshot_is_refused_without_making_the_hpa_s_client_wait_and_repeat(client, clock):
    clock.seconds = 1_700_000_010 - 10 + 180
    assert (await client.get(METRIC)).status_code == 200
    clock.seconds += 1
    answer = await client.get(METRIC)
    assert answer.status_code == 503
    assert "retry-after" not in answer.headers
    assert answer.json()["reason"] == "ServiceUnavailable"
    assert answer.json()["message"].startswith("no value for mcp/gateway: Stale")


async def test_a_refused_row_says_why(client, store, make_snapshot, make_forecast):
    columns = {"served": np.array([np.nan]), "reason": ("AmbiguousQuery",)}
    store.replace(make_snapshot(forecasts=(make_forecast(),), **columns))
    answer = await client.get(METRIC)
    assert answer.status_code == 503
    assert "AmbiguousQuery" in answer.json()["message"]
    assert "seriesLabels" in answer.json()["message"]


async def test_before_the_first_pass_there_is_an_error_but_discovery(clock, registry):
    door = ExternalMetrics(SnapshotStore(), clock=clock, instruments=Instruments(registry), version="0.1.0")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url="https://x.test") as client:
        answer = await client.get(METRIC)
        assert answer.status_code == 503
        assert "Starting" in answer.json()["message"]
        assert (await client.get(ROOT)).status_code == 200


async def test_a_rejected_loadforecast_is_not_found_and_says_why(client, store, make_snapshot):
    store.replace(make_snapshot(1, rejected={"mcp/gateway": "spec.capacityPerPod: must be positive"}))
    answer = await client.get(METRIC)
    assert answer.status_code == 404
    assert "spec.capacityPerPod" in answer.json()["message"]


async def test_a_bug_answers_as_a_status_without_details(client, store):
    store.replace(object())
    answer = await client.get(METRIC)
    assert answer.status_code == 500
    assert answer.json()["reason"] == "InternalError"
    assert "object" not in answer.json()["message"]


async def test_405_says_what_is_allowed(client):
    answer = await client.post(METRIC)
    assert answer.headers["allow"] == "GET"


async def test_the_age_of_what_is_served_is_measured(client, registry):
    await client.get(METRIC)
    labels = {"group": "external.metrics.k8s.io"}
    assert registry.get_sample_value("metrics_apiserver_metric_freshness_seconds_sum", labels) == 20.0


async def test_the_resource_list_is_one_constant_entry(client):
    assert (await client.get(ROOT)).json() == {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "external.metrics.k8s.io/v1beta1",
        "resources": [
            {
                "name": "externalmetrics",
                "singularName": "",
                "namespaced": True,
                "kind": "ExternalMetricValueList",
                "verbs": ["get"],
            }
        ],
    }


async def test_groups_name_the_one_version(client):
    version = {"groupVersion": "external.metrics.k8s.io/v1beta1", "version": "v1beta1"}
    group = {"name": "external.metrics.k8s.io", "versions": [version], "preferredVersion": version}
    assert (await client.get(GROUP)).json() == {"kind": "APIGroup", "apiVersion": "v1", **group}
    assert (await client.get("/apis")).json() == {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]}


async def test_aggregated_discovery_is_given_to_those_who_ask_and_kept_by_etag(client):
    answer = await client.get("/apis", headers={"accept": f"{AGGREGATED},application/json"})
    assert answer.headers["content-type"] == AGGREGATED
    (item,) = answer.json()["items"]
    assert item["versions"][0]["resources"][0]["scope"] == "Namespaced"
    again = await client.get("/apis", headers={"accept": AGGREGATED, "if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
    other = await client.get("/apis", headers={"accept": AGGREGATED, "if-none-match": '"another"'})
    assert other.status_code == 200
    plain = await client.get("/apis", headers={"if-none-match": answer.headers["etag"]})
    assert plain.json()["kind"] == "APIGroupList"


async def test_the_older_aggregated_form_falls_back_to_the_plain_list(client):
    accept = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
    assert (await client.get("/apis", headers={"accept": accept})).json()["kind"] == "APIGroupList"


async def test_openapi_index_leads_to_the_document(client):
    paths = (await client.get("/openapi/v3")).json()["paths"]
    document = await client.get(paths["apis/external.metrics.k8s.io/v1beta1"]["serverRelativeURL"])
    assert f"{ROOT}/namespaces/{{namespace}}/{{metric}}" in document.json()["paths"]


async def test_equal_snapshots_give_equal_bytes_whatever_the_order_of_labels(
    client, store, make_snapshot, make_forecast
):
    def snapshot(labels):
        return make_snapshot(forecasts=(make_forecast(labels=labels),))

    store.replace(snapshot({"a": "1", "z": "2"}))
    first = (await client.get(METRIC)).content
    store.replace(snapshot({"z": "2", "a": "1"}))
    assert (await client.get(METRIC)).content == first
    assert orjson.loads(first)["items"]


async def test_what_the_door_does_not_own_goes_on(store, clock, registry):
    async def otherwise(scope, receive, send):
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    door = ExternalMetrics(store, clock=clock, instruments=Instruments(registry), version="0.1.0", otherwise=otherwise)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url="https://x.test") as client:
        assert (await client.get("/api/v1/workloads")).status_code == 299
        assert (await client.get("/apisomething")).status_code == 299
        assert (await client.get(METRIC)).status_code == 200


def test_a_metric_is_exactly_one_segment():
    assert address(f"{ROOT}/namespaces/a/b:c") is not None
    assert address(f"{ROOT}/namespaces/a/b/c") is None
