"""What the doors count and time; names and labels are those of app/telemetry.py."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.serving.paths import HEALTH_PATHS
from app.serving.status import AsgiApp, Receive, Scope, Send
from app.telemetry import (
    AUTHENTICATIONS,
    AUTHORIZATIONS,
    CERTIFICATE_END,
    CHOICES,
    FRESHNESS,
    LATENCY,
    REQUESTS,
    Metric,
)

_LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_AGE_BUCKETS = (5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0)


def _counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    return Counter(metric.name, metric.help, metric.labels, registry=registry)


def _histogram(metric: Metric, buckets: tuple[float, ...], registry: CollectorRegistry) -> Histogram:
    return Histogram(metric.name, metric.help, metric.labels, buckets=buckets, registry=registry)


class Instruments:
    """All instruments of the serving process; made once per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.requests = _counter(REQUESTS, registry)
        self.latency = _histogram(LATENCY, _LATENCY_BUCKETS, registry)
        self.authentications = _counter(AUTHENTICATIONS, registry)
        self.authorizations = _counter(AUTHORIZATIONS, registry)
        self.choices = _counter(CHOICES, registry)
        self.freshness = _histogram(FRESHNESS, _AGE_BUCKETS, registry)

    def watch_certificate(self, ends_s: Callable[[], float]) -> None:
        """Shows when it ends, in Unix seconds; doors without TLS show nothing, not 1970."""
        gauge = Gauge(CERTIFICATE_END.name, CERTIFICATE_END.help, registry=self._registry)
        gauge.set_function(ends_s)


def door_of(path: str) -> str:
    """Which door a path belongs to: a label of few values, whatever callers type."""
    if path.startswith("/apis"):
        return "external_metrics"
    if path.startswith("/api/"):
        return "rest"
    if path in HEALTH_PATHS:
        return "health"
    return "metrics" if path == "/metrics" else "other"


class Measured:
    """Counts and times every request, refused ones included; goes around everything else."""

    def __init__(
        self, app: AsgiApp, *, instruments: Instruments, exemplar: Callable[[], dict[str, str] | None] = lambda: None
    ) -> None:
        """exemplar: labels that lead from a latency to a trace."""
        self._app = app
        self._instruments = instruments
        self._exemplar = exemplar

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        door, code = door_of(scope["path"]), 500

        async def noting_send(message: dict[str, object]) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = int(str(message["status"]))
            await send(message)

        try:
            await self._app(scope, receive, noting_send)  # type: ignore[arg-type]
        finally:
            self._instruments.requests.labels(door, str(code)).inc()
            self._instruments.latency.labels(door).observe(time.perf_counter() - began, self._exemplar())
