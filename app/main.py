"""The only place where the service's parts are joined."""

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import FastAPI
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from app import __version__, spans
from app.clock import Clock, SystemClock
from app.cluster.connection import KubernetesApi, api_client
from app.inquiries import Inquiries
from app.pipeline.inquiry import InquiryDesk
from app.pipeline.process import PipelineHost
from app.pricing.decisions import Decisions
from app.serving import exposition
from app.serving.access.authentication import DelegatedAuthenticator
from app.serving.access.authorization import DelegatedAuthorizer
from app.serving.access.control import AccessControl
from app.serving.access.delegation import KubernetesReviews
from app.serving.access.trust import Trust, TrustKeeper
from app.serving.expander.server import Expander, expander_server
from app.serving.external_metrics.forwarding import Forwarder
from app.serving.external_metrics.routes import ExternalMetrics
from app.serving.health import Check, Drain, Health
from app.serving.instruments import Instruments, Measured
from app.serving.json_datasource.routes import router as json_datasource_router
from app.serving.keda.scaler import Scaler, keda_server
from app.serving.listener import Background, Listener
from app.serving.overload import InFlightLimit
from app.serving.prometheus_api.routes import router as prometheus_router
from app.serving.rest.routes import rest_app
from app.serving.status import AsgiApp
from app.serving.tls import ServingTls
from app.serving.traced import NOT_FASTAPIS, Traced
from app.serving.web.routes import router as web_router
from app.settings import Settings
from app.snapshot import SnapshotStore
from app.telemetry import set_up_logging

log = logging.getLogger(__name__)

OnListening = Callable[[str, int], None]
_SWITCH_SECONDS = 0.0005


@dataclass(frozen=True)
class Guard:
    """What stands between callers and doors, and what it needs to run. `around` puts it around the doors."""

    around: Callable[[AsgiApp], AsgiApp]
    checks: dict[str, Check]
    background: tuple[Background, ...]
    tls: ServingTls | None
    close: Callable[[], None]


def create_app(
    store: SnapshotStore,
    *,
    clock: Clock,
    inquiries: Inquiries,
    registry: CollectorRegistry,
    instruments: Instruments,
    guard: Guard,
    drain: Drain,
    forwarder: Forwarder | None = None,
    decisions: Decisions | None = None,
) -> AsgiApp:
    """The doors behind their guard, as one ASGI application. Reads `store`, starts nothing.

    From the outside in: traced where that is on, counted, probes, bounded, guarded, external metrics, then the pages
    and REST of FastAPI.
    """
    pages = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, telemetry=NOT_FASTAPIS)
    pages.include_router(exposition.router(store, clock, registry))
    pages.include_router(prometheus_router(store, clock))
    pages.include_router(json_datasource_router(store, clock))
    pages.mount("/api/v1", rest_app(store, clock, inquiries, decisions or Decisions()))
    pages.include_router(web_router())
    doors = ExternalMetrics(
        store, clock=clock, instruments=instruments, version=__version__, otherwise=pages, forwarder=forwarder
    )
    checks: dict[str, Check] = {"snapshot": lambda: store.latest is not None, **guard.checks}
    healthy = Health(InFlightLimit(guard.around(doors)), checks=checks, drain=drain)
    if not spans.enabled():
        return Measured(healthy, instruments=instruments)
    return Traced(Measured(healthy, instruments=instruments, exemplar=spans.exemplar), store=store)


def open_guard() -> Guard:
    """Lets everybody in: for authentication=none, which settings allow on loopback only."""
    return Guard(around=lambda app: app, checks={}, background=(), tls=None, close=lambda: None)


def delegated_guard(settings: Settings, *, clock: Clock, instruments: Instruments) -> Guard:
    """Asks kube-apiserver who calls and what they may, over TLS with the certificate of the settings."""
    assert settings.tls_cert_file is not None
    assert settings.tls_key_file is not None
    tls = ServingTls(settings.tls_cert_file, settings.tls_key_file)
    instruments.watch_certificate(lambda: tls.ends_s)
    reviews = KubernetesReviews(KubernetesApi(api_client(settings)))

    def trust_in_handshake(trust: Trust) -> None:
        tls.trust(trust.bundles)

    keeper = TrustKeeper(reviews, on_change=trust_in_handshake)
    authenticator = DelegatedAuthenticator(reviews, trust=lambda: keeper.trust, clock=clock, instruments=instruments)
    authorizer = DelegatedAuthorizer(
        reviews,
        clock=clock,
        allow_seconds=settings.authorization_allow_seconds,
        deny_seconds=settings.authorization_deny_seconds,
        instruments=instruments,
    )
    return Guard(
        around=lambda app: AccessControl(app, authenticator=authenticator, authorizer=authorizer),
        checks={"access": keeper.ready},
        background=(tls.follow, keeper.follow),
        tls=tls,
        close=reviews.close,
    )


def serve(settings: Settings, *, clock: Clock | None = None, on_listening: OnListening | None = None) -> None:
    """Runs the service until SIGTERM or SIGINT. Raises ConfigurationError or ClusterError if it cannot start."""
    set_up_logging(settings.log_level, settings.log_format)
    last_spans = spans.set_up_tracing("serving")
    # The library's threads would fight over cores; results would depend on their number too. Children inherit it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")  # an arena per thread keeps what the last large answer took
    # Threads write /metrics and take snapshots in. At the default of 5 ms each of their turns is a wait of a request,
    # several times within one request, since TLS gives the interpreter's lock away at every read and write.
    sys.setswitchinterval(_SWITCH_SECONDS)
    clock = clock or SystemClock()
    # OpenMetrics would have a series more for each counter, which nobody asks for.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    store, registry, drain = SnapshotStore(), CollectorRegistry(), Drain()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    instruments = Instruments(registry)
    guard = (
        open_guard()
        if settings.authentication == "none"
        else delegated_guard(settings, clock=clock, instruments=instruments)
    )
    forwarder = _forwarder(settings)
    forwarding = () if forwarder is None else (forwarder.run,)
    scaler = () if settings.keda_port is None else (keda_server(Scaler(store, clock=clock), settings),)
    decisions = Decisions()
    expander = () if settings.expander_port is None else (_expander(store, clock, decisions, instruments, settings),)
    host = PipelineHost(settings, clock=clock, store=store)
    desk = InquiryDesk(settings, clock=clock)
    listener = Listener(
        create_app(
            store,
            clock=clock,
            inquiries=desk,
            registry=registry,
            instruments=instruments,
            guard=guard,
            drain=drain,
            forwarder=forwarder,
            decisions=decisions,
        ),
        settings,
        tls=guard.tls.context if guard.tls is not None else None,
        drain=drain,
        background=(*guard.background, *scaler, *expander, *forwarding),
        on_listening=on_listening or _log_address,
    )
    host.start()
    try:
        listener.run_until_stopped()
    finally:
        host.stop()
        desk.stop()
        guard.close()
        last_spans()


def _expander(
    store: SnapshotStore, clock: Clock, decisions: Decisions, instruments: Instruments, settings: Settings
) -> Background:
    def count(outcome: str) -> None:
        instruments.choices.labels(outcome).inc()

    return expander_server(Expander(store, clock=clock, decisions=decisions, count=count), settings)


def _forwarder(settings: Settings) -> Forwarder | None:
    if settings.forward_url is None:
        return None
    return Forwarder(settings.forward_url, token_file=settings.forward_token_file, ca_file=settings.forward_ca_file)


def _log_address(host: str, port: int) -> None:
    log.info("listening on %s port %d", host, port)
