"""KEDA's external scaler over real gRPC on loopback: values, targets, refusals, and who may ask."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from pydantic import ValidationError

from app.serving.keda import externalscaler_pb2 as messages
from app.serving.keda.externalscaler_pb2_grpc import ExternalScalerStub
from app.serving.keda.scaler import Scaler, keda_server
from app.settings import Settings
from app.snapshot import Snapshot, SnapshotStore
from tests.serving.access_authorities import SERVER, authority, issue
from tests.serving.rest_doubles import FixedClock
from tools.protocols import ROOT, compiled

MakeSnapshot = Callable[..., Snapshot]


@asynccontextmanager
async def serving(store: SnapshotStore, **settings: Any) -> AsyncIterator[int]:
    """The port that the scaler listens on."""
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    chosen = Settings(host="127.0.0.1", authentication="none", keda_port=0, **settings)
    scaler = Scaler(store, clock=FixedClock(), on_change_seconds=0.01)
    task = asyncio.ensure_future(keda_server(scaler, chosen, on_listening=listening.set_result)())
    try:
        yield await asyncio.wait_for(listening, 10)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def asking(store: SnapshotStore) -> AsyncIterator[ExternalScalerStub]:
    async with serving(store) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield ExternalScalerStub(channel)


def scaled(name: str = "workload-00001", namespace: str = "mcp", **metadata: str) -> Any:
    return messages.ScaledObjectRef(name=name, namespace=namespace, scalerMetadata=metadata)


def wanted(reference: Any) -> Any:
    return messages.GetMetricsRequest(scaledObjectRef=reference, metricName="asked")


async def test_the_served_value_is_given_under_the_name_that_was_asked_for(make_snapshot: MakeSnapshot) -> None:
    async with asking(SnapshotStore(make_snapshot(3))) as stub:
        (found,) = (await stub.GetMetrics(wanted(scaled()))).metricValues
        assert (found.metricName, found.metricValue, found.metricValueFloat) == ("asked", 21, 21.0)
        other = await stub.GetMetrics(wanted(scaled("some-scaledobject", loadForecast="workload-00002")))
        assert other.metricValues[0].metricValueFloat == 22.0
        assert (await stub.IsActive(scaled())).result is True


async def test_the_target_is_the_capacity_of_a_pod_unless_another_is_given(make_snapshot: MakeSnapshot) -> None:
    async with asking(SnapshotStore(make_snapshot(3))) as stub:
        (spec,) = (await stub.GetMetricSpec(scaled())).metricSpecs
        assert (spec.metricName, spec.targetSize, spec.targetSizeFloat) == ("workload-00001", 10, 10.0)
        (spec,) = (await stub.GetMetricSpec(scaled(target="2.5"))).metricSpecs
        assert spec.targetSizeFloat == 2.5
        with pytest.raises(grpc.aio.AioRpcError, match="target"):
            await stub.GetMetricSpec(scaled(target="-1"))


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        (scaled("nobody"), grpc.StatusCode.NOT_FOUND),
        (scaled(namespace="other"), grpc.StatusCode.NOT_FOUND),
        (scaled("workload-00000"), grpc.StatusCode.UNAVAILABLE),
    ],
)
async def test_no_number_is_an_error_and_never_zero(
    make_snapshot: MakeSnapshot, reference: Any, code: grpc.StatusCode
) -> None:
    snapshot = make_snapshot(3)
    snapshot.served[0] = np.nan
    async with asking(SnapshotStore(snapshot)) as stub:
        for call in (stub.IsActive(reference), stub.GetMetrics(wanted(reference))):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() == code


async def test_before_the_first_forecast_it_is_unavailable() -> None:
    async with asking(SnapshotStore(None)) as stub:
        with pytest.raises(grpc.aio.AioRpcError, match="not there yet"):
            await stub.GetMetricSpec(scaled())


async def test_activity_is_pushed_when_it_changes(make_snapshot: MakeSnapshot) -> None:
    store = SnapshotStore(make_snapshot(2))
    async with asking(store) as stub:
        stream = stub.StreamIsActive(scaled())
        assert (await stream.read()).result is True
        idle = make_snapshot(2)
        idle.served[:] = 0
        store.replace(idle)
        assert (await stream.read()).result is False
        stream.cancel()


async def test_only_a_certificate_of_the_named_ca_may_ask_where_one_is_set(
    make_snapshot: MakeSnapshot, tmp_path: Path
) -> None:
    ours, strangers = authority("ours"), authority("strangers")
    server = issue("localhost", by=ours, usages=(SERVER,))
    files = {name: tmp_path / name for name in ("ca", "cert", "key")}
    files["ca"].write_bytes(ours.pem.encode())
    files["cert"].write_bytes(server.pem.encode())
    files["key"].write_bytes(server.key_pem.encode())
    settings = {"tls_cert_file": files["cert"], "tls_key_file": files["key"], "keda_client_ca_file": files["ca"]}
    async with serving(SnapshotStore(make_snapshot(2)), **settings) as port:
        for signer, allowed in ((ours, True), (strangers, False)):
            client = issue("keda", by=signer)
            credentials = grpc.ssl_channel_credentials(
                ours.pem.encode(), private_key=client.key_pem.encode(), certificate_chain=client.pem.encode()
            )
            async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
                call = ExternalScalerStub(channel).IsActive(scaled(), timeout=10)
                if allowed:
                    assert (await call).result is True
                else:
                    with pytest.raises(grpc.aio.AioRpcError):
                        await call


def test_without_a_client_ca_it_is_open_on_loopback_alone() -> None:
    with pytest.raises(ValidationError, match="keda_client_ca_file"):
        Settings(host="0.0.0.0", tls_cert_file=Path("a"), tls_key_file=Path("b"), keda_port=9090)


def test_the_committed_modules_are_those_of_the_interface() -> None:
    for path, text in compiled().items():
        assert (ROOT / path).read_text() == text, "run `python -m tools.protocols`"
