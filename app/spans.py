"""Spans of the service: their names, how they are opened, how a trace crosses a process, and where they go.

Off unless OpenTelemetry's own environment says where spans go (OTEL_EXPORTER_OTLP_ENDPOINT): then nothing is kept, and
its SDK is not even imported. Off, an opened span costs about a microsecond, and a request to the doors nothing at all.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

from opentelemetry import propagate, trace
from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode

from app import __version__

P = ParamSpec("P")
T = TypeVar("T")
Carrier = Mapping[str, str]
"""A trace on its way to another process: `traceparent` and what else the configured propagators write."""
Attributes = Mapping[str, str | int | float | bool]

SCOPE = "forescale"
_SERVICE = "forescale"
_LAST_WORDS_SECONDS = 3.0

PASS = "forecast pass"  # noqa: S105 - not a password
"""One pass of the pipeline; root of a trace."""
FETCH = "fetch"
"""What is new is read from the store; below it one span a request."""
PREDICT = "predict"
"""The fitted models look ahead."""
PLAN = "plan"
"""Capacity out of the forecasts, and the snapshot."""
PUBLISH = "publish"
"""The snapshot goes to the serving process."""
TAKE_IN = "take in snapshot"
"""The serving process has it: from then on the doors answer with it."""
FIT = "fit"
"""One refit; root of a trace, linked to the pass that asked for it."""
FIT_BLOCK = "fit block"
"""One block of workloads, in the fit process."""
INQUIRY = "answer inquiry"
"""A what-if or a past explanation, in the process that answers questions; below the request that asked."""
CHOOSE = "choose node group"
"""Cluster Autoscaler asked which node group is to grow."""
NAMES = (PASS, FETCH, PREDICT, PLAN, PUBLISH, TAKE_IN, FIT, FIT_BLOCK, INQUIRY, CHOOSE)

CUT = "forescale.cut_s"
WORKLOADS = "forescale.workloads"
REFUSED = "forescale.refused"
SETTLED = "forescale.settled"
FIT_WINDOW_END = "forescale.fit.window_end_s"
QUESTION = "forescale.question"
PROCESS = "forescale.process"
GROUPS = "forescale.node_groups"
CHOSEN = "forescale.node_groups.chosen"
ATTRIBUTES = {
    CUT: "Unix seconds of the pass's cut",
    WORKLOADS: "how many it is about",
    REFUSED: "how many of them have no number",
    SETTLED: "whether the fits that the cut needs are there",
    FIT_WINDOW_END: "Unix seconds of the end of the fit's window",
    QUESTION: "kind of question",
    GROUPS: "how many node groups were offered",
    CHOSEN: "those that were chosen, comma between; empty: none",
    PROCESS: "serving, pipeline, fit or inquiry (of the resource)",
}


def enabled() -> bool:
    """Whether the environment wants spans sent."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    return any(os.environ.get(f"OTEL_EXPORTER_OTLP_{part}ENDPOINT") for part in ("", "TRACES_"))


def set_up_tracing(process: str) -> Callable[[], None]:
    """Makes this process's spans leave by OTLP over HTTP; called once per process. What it returns sends the last ones.

    process: one of the service's, part of the resource. Sampling, headers and time limits are OTEL_* variables too.
    """
    if not enabled():
        return lambda: None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": _SERVICE}
    resource = Resource.create({**named, "service.version": __version__, PROCESS: process})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)

    def last_words() -> None:
        """A collector that is gone must not hold up the end."""
        sending = threading.Thread(target=provider.shutdown, daemon=True)
        sending.start()
        sending.join(_LAST_WORDS_SECONDS)

    return last_words


@contextmanager
def opened(
    name: str, attributes: Attributes | None = None, *, carrier: Carrier | None = None, links: tuple[Link, ...] = ()
) -> Iterator[Span]:
    """A span around the block, below the current one or the one in `carrier`. An error within ends it as failed."""
    context = propagate.extract(carrier) if carrier else None
    with _tracer.start_as_current_span(name, context, attributes=dict(attributes or {}), links=links) as span:
        yield span


@contextmanager
def client_request(method: str, url: str) -> Iterator[tuple[Span, Carrier]]:
    """A span around an HTTP request that is sent, by OpenTelemetry's conventions, and the headers that carry it.

    The query is left out of url.full: it may be long, and is in the log where it fails.
    """
    parts = urlsplit(url)
    attributes: dict[str, Any] = {
        "http.request.method": method,
        "url.full": f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}",
        "server.address": parts.hostname or "",
        "server.port": parts.port or {"http": 80}.get(parts.scheme, 443),
    }
    with _tracer.start_as_current_span(method, kind=SpanKind.CLIENT, attributes=attributes) as span:
        headers: dict[str, str] = {}
        if span.get_span_context().is_valid:
            propagate.inject(headers)
        yield span, headers


def answered(span: Span, code: int, *, failed_from: int = 400) -> None:
    """Notes the HTTP status on a span; from `failed_from` on it counts as an error."""
    span.set_attribute("http.response.status_code", code)
    if code >= failed_from:
        failed(span, str(code))


def failed(span: Span, error_type: str) -> None:
    """Marks a span as failed that no exception passes through."""
    span.set_attribute("error.type", error_type)
    span.set_status(Status(StatusCode.ERROR))


def carried() -> Carrier:
    """The current trace for another process; empty where there is none."""
    carrier: dict[str, str] = {}
    if trace.get_current_span().get_span_context().is_valid:
        propagate.inject(carrier)
    return carrier


def linked(carrier: Carrier | None = None) -> tuple[Link, ...]:
    """A link to the span in `carrier`, or to the current one; none where there is no span."""
    span = trace.get_current_span(propagate.extract(carrier) if carrier is not None else get_current())
    return (Link(span.get_span_context()),) if span.get_span_context().is_valid else ()


def in_this_trace(function: Callable[P, T]) -> Callable[P, T]:
    """`function` for another thread, which continues the trace that is current now."""
    context: Context = get_current()

    def continued(*args: P.args, **kwargs: P.kwargs) -> T:
        token = attach(context)
        try:
            return function(*args, **kwargs)
        finally:
            detach(token)

    return continued


def exemplar(carrier: Carrier | None = None) -> dict[str, str] | None:
    """Labels of an exemplar that leads to the current span, or to the one in `carrier`, if it is sampled."""
    span = trace.get_current_span(propagate.extract(carrier) if carrier is not None else get_current())
    context = span.get_span_context()
    if not (context.is_valid and context.trace_flags.sampled):
        return None
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


_tracer = trace.get_tracer(SCOPE, __version__)
