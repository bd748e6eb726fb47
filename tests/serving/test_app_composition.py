"""All doors behind one guard, joined as the service joins them."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from prometheus_client import CollectorRegistry

from app.clock import PlayedClock
from app.main import create_app, open_guard
from app.serving.health import Drain
from app.serving.instruments import Instruments
from app.snapshot import Snapshot, SnapshotStore
from tests.serving.rest_doubles import NoInquiries

METRIC = "/apis/external.metrics.k8s.io/v1beta1/namespaces/{}/{}"


@pytest.fixture
def snapshot(make_snapshot: Callable[..., Snapshot]) -> Snapshot:
    return make_snapshot()


@pytest.fixture
def store(snapshot: Snapshot) -> SnapshotStore:
    return SnapshotStore(snapshot)


@pytest.fixture
def drain() -> Drain:
    return Drain()


@pytest.fixture
async def client(store: SnapshotStore, snapshot: Snapshot, drain: Drain) -> AsyncIterator[httpx.AsyncClient]:
    registry = CollectorRegistry()
    clock = PlayedClock(start_s=snapshot.cut_s + 5.0, epoch_s=0.0, speed=0.0)
    app = create_app(
        store,
        clock=clock,
        inquiries=NoInquiries(),
        registry=registry,
        instruments=Instruments(registry),
        guard=open_guard(),
        drain=drain,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        yield client


async def test_every_door_reads_the_same_snapshot(client: httpx.AsyncClient, snapshot: Snapshot) -> None:
    one = snapshot.forecasts[0]
    metric = await client.get(METRIC.format(one.namespace, one.name))
    rest = await client.get(f"/api/v1/namespaces/{one.namespace}/loadforecasts/{one.name}")
    scraped = await client.get("/metrics")
    assert metric.json()["items"][0]["metricName"] == one.name
    assert rest.json()["name"] == one.name
    assert f'forescale_served_value{{namespace="{one.namespace}",name="{one.name}"}}' in scraped.text


async def test_the_page_and_its_openapi_document_are_there(client: httpx.AsyncClient) -> None:
    assert (await client.get("/")).headers["content-type"].startswith("text/html")
    assert "/workloads" in (await client.get("/api/v1/openapi.json")).json()["paths"]


async def test_requests_are_counted_by_door(client: httpx.AsyncClient) -> None:
    await client.get(METRIC.format("nowhere", "nothing"))
    assert (
        'forescale_http_requests_total{code="404",door="external_metrics"} 1.0' in (await client.get("/metrics")).text
    )


async def test_ready_with_a_snapshot_and_not_while_draining(client: httpx.AsyncClient, drain: Drain) -> None:
    assert (await client.get("/readyz")).status_code == 200
    drain.draining = True
    assert (await client.get("/readyz")).status_code == 503
    assert (await client.get("/livez")).status_code == 200


async def test_not_ready_before_the_first_snapshot(client: httpx.AsyncClient, store: SnapshotStore) -> None:
    store._latest = None
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert "snapshot" in answer.text


async def test_an_unknown_path_is_not_found_and_not_redirected(client: httpx.AsyncClient) -> None:
    assert (await client.get("/nothing/")).status_code == 404
