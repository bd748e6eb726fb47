"""When a pass is made: at every cut, back to back while the past is still being read, later after failures."""

import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from app.clock import Clock
from app.cluster.connection import KubernetesApi, api_client
from app.cluster.deletion_cost import DeletionCosts
from app.cluster.expander import PriorityExpander
from app.cluster.headroom import HeadroomWriter
from app.cluster.keeper import KubernetesBookKeeper
from app.cluster.lease import lease_of
from app.cluster.nodes import NodeLister
from app.cluster.status import StatusPublisher
from app.pipeline.refresh import Refresher
from app.pricing.keeper import ListNodes, PriceKeeper
from app.pricing.prices import NO_PRICES, PriceList
from app.settings import Settings
from app.snapshot import Snapshot
from app.sources.factory import make_source
from app.workloads.book import Book, BookKeeper
from app.workloads.file import FileBookKeeper

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
_TOLD_SECONDS = 30.0  # between two lines of the log that say what the start waits for
_CUTS_PER_PRICE = 4  # at each minute by default: spot prices move by the hour


class StatusSink(Protocol):
    """Whoever wants to know what was served: the LoadForecasts' status, or nobody."""

    def publish(self, snapshot: Snapshot, book: Book, *, now: float) -> None:
        """Returns at once."""

    def close(self) -> None:
        """Ends the background work."""


class Nobody:
    """Where there is no cluster nobody reads a status."""

    def publish(self, snapshot: Snapshot, book: Book, *, now: float) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


class Sinks:
    """Several sinks as one. Closed in their order, so the one that holds the Lease is the last."""

    def __init__(self, *sinks: StatusSink) -> None:
        self._sinks = sinks

    def publish(self, snapshot: Snapshot, book: Book, *, now: float) -> None:
        """To each of them."""
        for sink in self._sinks:
            sink.publish(snapshot, book, now=now)

    def close(self) -> None:
        """Ends the background work of each."""
        for sink in self._sinks:
            sink.close()


def cut_at(now: float, *, settle_seconds: float, refresh_seconds: int) -> int:
    """The newest multiple of refresh_seconds that is at least settle_seconds old: the same on every replica."""
    return int((now - settle_seconds) // refresh_seconds * refresh_seconds)


def run_pipeline(
    settings: Settings, *, clock: Clock, publish: Callable[[Snapshot], None], stop: threading.Event
) -> None:
    """Joins the pipeline's parts and makes passes until `stop`."""
    keeper, sink, list_nodes = _cluster_side(settings)
    prices = _prices(settings, clock=clock, list_nodes=list_nodes)
    with ThreadPoolExecutor(settings.prometheus_max_concurrency, thread_name_prefix="source") as executor:
        refresher: Refresher | None = None
        try:
            refresher = Refresher(
                settings,
                make_source=make_source,
                clock=clock,
                executor=executor,
                prices=_no_prices if prices is None else prices.current,
            )
            loop(settings, clock=clock, keeper=keeper, refresher=refresher, sink=sink, publish=publish, stop=stop)
        finally:
            if refresher is not None:
                refresher.close()
            sink.close()
            keeper.close()
            if prices is not None:
                prices.close()


def _cluster_side(settings: Settings) -> tuple[BookKeeper, StatusSink, ListNodes | None]:
    if settings.workloads_file is not None:
        return FileBookKeeper(settings.workloads_file), Nobody(), None
    client = api_client(settings)
    lease = lease_of(KubernetesApi(client), settings)
    sinks: list[StatusSink] = [DeletionCosts(KubernetesApi(client), lease=lease)]
    if settings.priority_expander_namespace is not None:
        sinks.append(PriorityExpander(client, namespace=settings.priority_expander_namespace, lease=lease))
    if settings.node_headroom != "off":
        sinks.append(HeadroomWriter(client, settings, lease=lease))
    sinks.append(StatusPublisher(client, settings, lease=lease))
    return KubernetesBookKeeper(client, settings), Sinks(*sinks), NodeLister(KubernetesApi(client))


def _no_prices() -> PriceList:
    return NO_PRICES


def _prices(settings: Settings, *, clock: Clock, list_nodes: ListNodes | None) -> PriceKeeper | None:
    """Of node pools, where the settings name a file; raises ConfigurationError where it cannot be used."""
    if settings.prices_file is None:
        return None
    store = make_source(settings, clock=clock) if settings.source == "prometheus" else None
    keeper = PriceKeeper(
        settings.prices_file,
        clock=clock,
        store=store,
        list_nodes=list_nodes,
        look_seconds=_CUTS_PER_PRICE * settings.refresh_seconds,
    )
    keeper.start()
    return keeper


def loop(
    settings: Settings,
    *,
    clock: Clock,
    keeper: BookKeeper,
    refresher: Refresher,
    sink: StatusSink,
    publish: Callable[[Snapshot], None],
    stop: threading.Event,
    wait: Callable[[float], object] | None = None,
) -> None:
    """Makes a pass at every cut; publishes from the first one on that is warm. `wait` is given seconds."""
    wait = wait or stop.wait
    last_cut_s: int | None = None
    warm_by = time.monotonic() + settings.fit_timeout_seconds
    warm = False
    waiting = _Waiting()
    failures = 0
    while not stop.is_set():
        now = clock.now()
        cut_s = cut_at(now, settle_seconds=settings.settle_seconds, refresh_seconds=settings.refresh_seconds)
        if not keeper.ready() or cut_s == last_cut_s:
            if not warm:
                waiting.tell("the first list of LoadForecasts")
            wait(min(_POLL_SECONDS, clock.real_seconds(settings.refresh_seconds) / 4))
            continue
        book = keeper.current()
        try:
            done = refresher.refresh(book, cut_s=cut_s)
        except Exception:  # one bad pass must not end the loop: doors refuse what grows stale
            failures += 1
            log.exception("pass at %d failed", cut_s)
            wait(_back_off(failures))
            continue
        failures = 0
        warm = warm or done.settled or time.monotonic() > warm_by
        if warm:
            publish(done.snapshot)
            sink.publish(done.snapshot, book, now=now)
            last_cut_s = cut_s
            continue
        waiting.tell("the first fit" if done.complete else "the past, which is still being read")
        if done.complete:
            wait(_POLL_SECONDS)  # only the fit is missing; what was read is not read again


class _Waiting:
    """Says now and then what the first snapshot waits for: a start of minutes must not look like one that hangs."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()

    def tell(self, what: str) -> None:
        """Into the log, if nothing was said for a while."""
        now = time.monotonic()
        if now - self._told >= _TOLD_SECONDS:
            self._told = now
            log.info("not ready yet, %.0f s after the start: waiting for %s", now - self._began, what)


def _back_off(failures: int) -> float:
    """Full jitter, so that replicas do not fail in step."""
    return random.uniform(0, min(2.0**failures, 60.0))  # noqa: S311 - not a secret
