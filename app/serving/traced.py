"""A span around each request to the doors, by OpenTelemetry's conventions for HTTP servers. Only in place when on."""

from fastapi.telemetry import TelemetryConfig
from opentelemetry import propagate, trace
from opentelemetry.trace import Link, Span, SpanKind

from app import __version__, spans
from app.serving.paths import HEALTH_PATHS
from app.serving.status import AsgiApp, Receive, Scope, Send
from app.snapshot import Snapshot, SnapshotStore

NOT_FASTAPIS: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""FastAPI would open a second span for each request that reaches it, and knows nothing of the doors around it."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER = "_OTHER"
_EXTERNAL_METRICS = "/apis/external.metrics.k8s.io/"
_EXTERNAL_METRIC = f"{_EXTERNAL_METRICS}v1beta1/namespaces/{{namespace}}/{{metric}}"


class Traced:
    """Continues the caller's trace and links the pass whose snapshot is served; probes are left out."""

    def __init__(self, app: AsgiApp, *, store: SnapshotStore) -> None:
        self._app = app
        self._store = store
        self._tracer = trace.get_tracer(spans.SCOPE, __version__)
        self._linked: tuple[Snapshot, tuple[Link, ...]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] in HEALTH_PATHS:
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _METHODS else _OTHER
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with self._tracer.start_as_current_span(
            method,
            propagate.extract(headers),
            SpanKind.SERVER,
            {"http.request.method": method, "url.path": scope["path"], "url.scheme": scope["scheme"]},
            self._links(),
        ) as span:

            async def noting_send(message: dict[str, object]) -> None:
                if message["type"] == "http.response.start":
                    spans.answered(span, int(str(message["status"])), failed_from=500)
                await send(message)

            try:
                await self._app(scope, receive, noting_send)  # type: ignore[arg-type]
            finally:
                _name(span, method, scope)

    def _links(self) -> tuple[Link, ...]:
        """To the pass that made the numbers that are served now; made once a snapshot."""
        snapshot = self._store.latest
        if snapshot is None:
            return ()
        if self._linked is None or self._linked[0] is not snapshot:
            self._linked = (snapshot, spans.linked(snapshot.trace))
        return self._linked[1]


def _name(span: Span, method: str, scope: Scope) -> None:
    """The route is known when the request has been routed; a path that nobody serves is no route."""
    route = route_of(scope)
    if route is not None:
        span.set_attribute("http.route", route)
        span.update_name(f"{method} {route}")


def route_of(scope: Scope) -> str | None:
    """The route's template: of few values, whatever callers type."""
    path = scope["path"]
    if path.startswith(_EXTERNAL_METRICS):
        return _EXTERNAL_METRIC if "/namespaces/" in path else None
    template = getattr(scope.get("route"), "path", None)
    return f"{scope.get('root_path', '')}{template}" if isinstance(template, str) else None
