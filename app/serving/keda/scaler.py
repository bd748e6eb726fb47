"""KEDA's external scaler (keda.sh, "External Scalers"): the served value of a LoadForecast of the same namespace.

scalerMetadata: `loadForecast`, its name (default: that of the ScaledObject), and `target`, the demand of one pod
(default: capacityPerPod). No number is not zero: what is refused is an error, and KEDA then keeps what runs.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio

from app.clock import Clock
from app.serving.grpc_server import Context, Door, NoAnswer, read_anew, serving
from app.serving.keda import externalscaler_pb2
from app.serving.keda.externalscaler_pb2_grpc import ExternalScalerServicer, add_ExternalScalerServicer_to_server
from app.settings import Settings
from app.snapshot import Snapshot, SnapshotStore

messages: Any = externalscaler_pb2  # made at import: types are not to be seen

_CONCURRENT = 64
_LARGEST_BYTES = 65_536


class Scaler(ExternalScalerServicer):
    """Reads the latest snapshot. on_change_seconds: pause between two looks while KEDA waits for activity."""

    def __init__(self, store: SnapshotStore, *, clock: Clock, on_change_seconds: float = 1.0) -> None:
        self._store = store
        self._clock = clock
        self._pause_seconds = on_change_seconds

    async def IsActive(self, request: Any, context: Context) -> Any:  # noqa: N802 - the interface's name
        """Whether there is anything to serve: from 0 to 1 pods and back."""
        try:
            return messages.IsActiveResponse(result=self._value(request) > 0)
        except NoAnswer as error:
            await context.abort(error.code, error.text)

    async def StreamIsActive(self, request: Any, context: Context) -> AsyncIterator[Any]:  # noqa: N802
        """Says it whenever it changes; what is refused changes nothing."""
        last = None
        while True:
            with contextlib.suppress(NoAnswer):
                active = self._value(request) > 0
                if active is not last:
                    last = active
                    yield messages.IsActiveResponse(result=active)
            await asyncio.sleep(self._clock.real_seconds(self._pause_seconds))

    async def GetMetricSpec(self, request: Any, context: Context) -> Any:  # noqa: N802
        """The metric's name and what one pod takes of it."""
        try:
            snapshot, row = self._place(request)
            target = _target(request, snapshot.forecasts[row].spec.capacity_per_pod)
        except NoAnswer as error:
            await context.abort(error.code, error.text)
        name = snapshot.forecasts[row].name
        spec = messages.MetricSpec(metricName=name, targetSize=max(round(target), 1), targetSizeFloat=target)
        return messages.GetMetricSpecResponse(metricSpecs=[spec])

    async def GetMetrics(self, request: Any, context: Context) -> Any:  # noqa: N802
        """The served value."""
        try:
            value = self._value(request.scaledObjectRef)
        except NoAnswer as error:
            await context.abort(error.code, error.text)
        found = messages.MetricValue(
            metricName=request.metricName, metricValue=math.ceil(value), metricValueFloat=value
        )
        return messages.GetMetricsResponse(metricValues=[found])

    def _value(self, reference: Any) -> float:
        snapshot, row = self._place(reference)
        refusal = snapshot.refusal(row, self._clock.now())
        if refusal is not None:
            raise NoAnswer(grpc.StatusCode.UNAVAILABLE, f"no value for {snapshot.forecasts[row].key}: {refusal}")
        return float(snapshot.served[row])

    def _place(self, reference: Any) -> tuple[Snapshot, int]:
        snapshot = self._store.latest
        if snapshot is None:
            raise NoAnswer(grpc.StatusCode.UNAVAILABLE, "the first forecast is not there yet")
        name = reference.scalerMetadata.get("loadForecast", "") or reference.name
        row = snapshot.rows.get((reference.namespace, name))
        if row is None:
            key = f"{reference.namespace}/{name}"
            why = snapshot.rejected.get(key, "kubectl get loadforecasts -A lists those there are")
            raise NoAnswer(grpc.StatusCode.NOT_FOUND, f"there is no LoadForecast {key}: {why}")
        return snapshot, row


def _target(request: Any, capacity_per_pod: float) -> float:
    given = request.scalerMetadata.get("target", "")
    target = _number(given) if given else capacity_per_pod
    if not target > 0:
        raise NoAnswer(grpc.StatusCode.INVALID_ARGUMENT, f"target: {given!r} is not a number above zero")
    return target


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def keda_server(
    scaler: Scaler, settings: Settings, *, on_listening: Callable[[int], None] = lambda port: None
) -> Callable[[], Any]:
    """A background task that serves until it is cancelled. Settings say where, and with which certificates."""

    def door() -> Door:
        assert settings.keda_port is not None
        return Door(
            name="KEDA's external scaler",
            add=lambda server: add_ExternalScalerServicer_to_server(scaler, server),  # type: ignore[no-untyped-call]
            host=settings.host,
            port=settings.keda_port,
            credentials=_credentials(settings),
            concurrent=_CONCURRENT,
            largest_bytes=_LARGEST_BYTES,
        )

    return serving(door, on_listening)


def _credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """The serving certificate, read anew for each handshake, and KEDA's must be of the CA that the settings name."""
    if settings.keda_client_ca_file is None:
        return None  # settings allow that on loopback alone

    def files() -> grpc.ServerCertificateConfiguration:
        key, certificate, clients = (
            path.read_bytes()
            for path in (settings.tls_key_file, settings.tls_cert_file, settings.keda_client_ca_file)
            if path is not None
        )
        return grpc.ssl_server_certificate_configuration([(key, certificate)], root_certificates=clients)

    return read_anew(files, mutual=True)
