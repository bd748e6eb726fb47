"""Metrics of others: passed on with our token and nothing of the caller's, and refused where that cannot work."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from app.serving.external_metrics.forwarding import Forwarder
from app.serving.external_metrics.routes import ExternalMetrics
from app.serving.instruments import Instruments
from app.settings import Settings
from app.snapshot import Snapshot, SnapshotStore
from tests.serving.rest_doubles import FixedClock

ROOT = "/apis/external.metrics.k8s.io/v1beta1/namespaces"
THEIRS = {"kind": "ExternalMetricValueList", "items": []}


class Other:
    """The server that had the API before."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.status == 0:
            raise httpx.ConnectError("refused")
        return httpx.Response(self.status, json=THEIRS)


@asynccontextmanager
async def door(snapshot: Snapshot | None, other: Other, token: Path) -> AsyncIterator[httpx.AsyncClient]:
    forwarder = Forwarder("https://keda.keda.svc", token_file=token, ca_file=None, transport=httpx.MockTransport(other))
    task = asyncio.ensure_future(forwarder.run())
    await asyncio.sleep(0)
    app = ExternalMetrics(
        SnapshotStore(snapshot),
        clock=FixedClock(),
        instruments=Instruments(CollectorRegistry()),
        version="0.1.0",
        forwarder=forwarder,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://forescale.test") as client:
        try:
            yield client
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("of-the-service\n")
    return path


async def test_another_ones_metric_is_asked_for_with_our_token_alone(
    make_snapshot: Callable[..., Snapshot], token: Path
) -> None:
    other = Other()
    async with door(make_snapshot(2), other, token) as client:
        headers = {"authorization": "Bearer of-the-caller", "x-remote-user": "root", "impersonate-user": "root"}
        answer = await client.get(f"{ROOT}/mcp/s0-rabbitmq?labelSelector=a%3Db", headers=headers)
    assert (answer.status_code, answer.json()) == (200, THEIRS)
    (asked,) = other.requests
    assert str(asked.url) == f"https://keda.keda.svc{ROOT}/mcp/s0-rabbitmq?labelSelector=a%3Db"
    assert asked.headers["authorization"] == "Bearer of-the-service"
    assert "x-remote-user" not in asked.headers
    assert "impersonate-user" not in asked.headers


async def test_ours_is_never_forwarded_not_even_when_it_is_refused(
    make_snapshot: Callable[..., Snapshot], token: Path
) -> None:
    other = Other()
    snapshot = make_snapshot(2, rejected={"mcp/broken": "add spec"})
    snapshot.served[0] = float("nan")
    async with door(snapshot, other, token) as client:
        codes = [
            (await client.get(f"{ROOT}/mcp/{name}")).status_code
            for name in ("workload-00000", "workload-00001", "broken")
        ]
        assert (await client.post(f"{ROOT}/mcp/theirs")).status_code == 405
    assert codes == [503, 200, 404]
    assert other.requests == []


async def test_before_the_first_forecast_nobody_knows_whose_it_is(token: Path) -> None:
    other = Other()
    async with door(None, other, token) as client:
        assert (await client.get(f"{ROOT}/mcp/theirs")).status_code == 503
    assert other.requests == []


@pytest.mark.parametrize(("status", "answered"), [(404, 404), (403, 403), (0, 503)])
async def test_their_refusals_are_passed_on_and_silence_is_a_503(
    make_snapshot: Callable[..., Snapshot], token: Path, status: int, answered: int
) -> None:
    async with door(make_snapshot(1), Other(status), token) as client:
        assert (await client.get(f"{ROOT}/mcp/theirs")).status_code == answered


async def test_a_circle_is_broken(make_snapshot: Callable[..., Snapshot], token: Path) -> None:
    other = Other()
    async with door(make_snapshot(1), other, token) as client:
        answer = await client.get(f"{ROOT}/mcp/theirs", headers={"x-forescale-forwarded": "1"})
    assert answer.status_code == 503
    assert "FORESCALE_FORWARD_URL" in answer.json()["message"]
    assert other.requests == []


def test_a_token_only_goes_over_tls() -> None:
    with pytest.raises(ValidationError, match="https"):
        Settings(host="127.0.0.1", authentication="none", forward_url="http://keda")
