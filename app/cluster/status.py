"""Writes what was served into the LoadForecasts' status: by one replica, rarely, and never faster than a set rate."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from kubernetes import client

from app.cluster.conditions import (
    Status,
    rejected_status,
    served_status,
    signature,
    told_sizes,
    waiting_status,
    with_transition_times,
)
from app.cluster.connection import ApiFailure, KubernetesApi
from app.cluster.leadtime import settled_lead
from app.cluster.lease import lease_of
from app.cluster.permissions import PATCH_STATUS
from app.pricing.prices import settled_price
from app.settings import Settings
from app.snapshot import Snapshot, number_or_none, row_view
from app.workloads.book import Book, LeadTime
from app.workloads.spec import LoadForecast

log = logging.getLogger(__name__)

_ROUTINE_SECONDS = 60.0  # numbers in status are for eyes; what counts is served by the API
_ECHO_SECONDS = 10.0  # until a write has come back through the watch it is not judged again
_PLAN_SECONDS = 5.0  # planned anew while the queue is long, so that a change never waits behind routine
_TICK_SECONDS = 1.0
_PER_TICK = 20  # of 10,000 workloads each is then written every ten minutes, and what changed comes first
_PAUSE_SECONDS = 10.0
_THIS_OBJECT_ONLY = (404, 409, 422)  # gone, another of the same name, or refused: the others can still be written


class Held(Protocol):
    """Says whether this replica is the one that writes."""

    def held(self) -> bool:
        """Now."""

    def start(self) -> None:
        """Begins to try for it."""

    def close(self) -> None:
        """Gives it up."""


@dataclass(frozen=True)
class _Published:
    snapshot: Snapshot
    book: Book
    now: float
    monotonic_s: float

    @cached_property
    def by_key(self) -> Mapping[str, LoadForecast]:
        """Valid LoadForecasts by key."""
        return {forecast.key: forecast for forecast in self.book.forecasts}

    def row(self, key: str) -> int | None:
        """Row of the snapshot; None where no pass has seen the workload."""
        namespace, _, name = key.partition("/")
        return self.snapshot.rows.get((namespace, name))


@dataclass(frozen=True)
class _Written:
    """When an object was written last on our clock, and what it then said in kind (None: it could not be written)."""

    monotonic_s: float
    kind: tuple[object, ...] | None


class StatusPublisher:
    """Takes what each pass made, and writes it from a thread of its own while this replica holds the Lease."""

    def __init__(
        self,
        api: client.ApiClient,
        settings: Settings,
        *,
        lease: Held | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = KubernetesApi(api)
        self._lease = lease or lease_of(self._api, settings)
        self._monotonic = monotonic
        self._provides_room = settings.node_headroom != "off"
        self._latest: _Published | None = None
        self._written: dict[str, _Written] = {}
        self._queue: deque[str] = deque()
        self._planned_s = float("-inf")
        self._paused_until_s = float("-inf")
        self._complained = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status-writer", daemon=True)
        self._started = False

    def publish(self, snapshot: Snapshot, book: Book, *, now: float) -> None:
        """Takes over the newest state; returns at once. The first call starts the threads."""
        self._latest = _Published(snapshot, book, now, self._monotonic())
        if not self._started:
            self._started = True
            self._lease.start()
            self._thread.start()

    def close(self) -> None:
        """Ends the threads and gives the Lease back."""
        self._stopping.set()
        if self._started:
            self._thread.join(timeout=5)
        self._lease.close()

    def write_due(self) -> int:
        """Writes what is due now, at most one tick's worth; returns how many."""
        published = self._latest
        if published is None or not self._lease.held():
            self._written.clear()
            self._queue.clear()
            self._planned_s = float("-inf")
            return 0
        monotonic_s = self._monotonic()
        if monotonic_s < self._paused_until_s:
            return 0
        if monotonic_s - self._planned_s >= _PLAN_SECONDS:
            self._queue = deque(self._due(published, monotonic_s))
            self._planned_s = monotonic_s
            self._complained = False
        return self._drain(published)

    def _run(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            try:
                self.write_due()
            except Exception:  # a status that cannot be made must not end the writing of all others for good
                log.exception("status could not be written")
                self._queue.clear()

    def _drain(self, published: _Published) -> int:
        written = 0
        while self._queue and written < _PER_TICK and not self._stopping.is_set() and self._lease.held():
            key = self._queue.popleft()
            if not self._write(key, published):
                break
            written += 1
        return written

    def _due(self, published: _Published, monotonic_s: float) -> list[str]:
        """Keys to write: what changed in kind first, then what was written longest ago."""
        urgent: list[str] = []
        routine: list[tuple[float, str]] = []
        recorded = published.book.recorded
        self._written = {key: one for key, one in self._written.items() if key in recorded}
        for key in recorded:
            known = self._written.get(key) or self._found(key, published)
            age = monotonic_s - known.monotonic_s
            if age < _ECHO_SECONDS:
                continue
            if known.kind != self._kind(key, published):
                urgent.append(key)
            elif age >= _ROUTINE_SECONDS:
                routine.append((-age, key))
        return urgent + [key for _, key in sorted(routine)]

    def _found(self, key: str, published: _Published) -> _Written:
        """An object that this replica has not written yet: whether what it holds is right in kind, looked up once."""
        right = signature(self._status(key, published)) == signature(published.book.recorded[key].status)
        self._written[key] = _Written(float("-inf"), self._kind(key, published) if right else None)
        return self._written[key]

    def _kind(self, key: str, published: _Published) -> tuple[object, ...]:
        """What a status says apart from its numbers and texts; much cheaper to compare than whole statuses."""
        book, snapshot = published.book, published.snapshot
        if key in book.rejected:
            return book.recorded[key].generation, book.rejected[key]
        lead = lead_to_write(book, published.by_key[key])
        row = published.row(key)
        if row is None:
            return book.recorded[key].generation, lead.seconds, lead.origin
        now = self._now(published)
        fresh = snapshot.age_seconds(row, now) <= snapshot.staleness_seconds
        refusal, acting = snapshot.refusal(row, now), bool(snapshot.acting[row])
        generation = snapshot.forecasts[row].generation
        measured = None if snapshot.economics is None else number_or_none(snapshot.economics.measured_price[row])
        price = price_to_write(book, snapshot.forecasts[row], measured)
        sizes = told_sizes(book.sizes.get(key))
        node_lead = self._node_lead(book, published.by_key[key])
        nodes = None if node_lead is None else (node_lead.seconds, node_lead.origin)
        leads = (lead.seconds, lead.origin, nodes)
        return generation, price, leads, refusal, snapshot.reason[row], acting, fresh, sizes

    def _status(self, key: str, published: _Published) -> Status:
        """The status that an object should have, without transition times."""
        book, snapshot = published.book, published.snapshot
        generation = book.recorded[key].generation
        if key in book.rejected:
            return rejected_status(book.rejected[key], generation=generation)
        lead = lead_to_write(book, published.by_key[key])
        row = published.row(key)
        if row is None:
            return waiting_status(generation=generation, lead=lead)
        view = row_view(snapshot, row, now=self._now(published))
        price = price_to_write(book, published.by_key[key], view.measured_price)
        return served_status(
            view,
            cut_s=snapshot.cut_s,
            staleness_seconds=snapshot.staleness_seconds,
            lead=lead,
            price=price,
            sizes=book.sizes.get(key),
            node_lead=self._node_lead(book, published.by_key[key]),
        )

    def _node_lead(self, book: Book, forecast: LoadForecast) -> LeadTime | None:
        """As the lead of pods; None where nothing provides room on nodes."""
        nodes = forecast.spec.nodes
        if not self._provides_room or nodes.provisioning == "None":
            return None
        measured = book.node_measured.get(forecast.key) or LeadTime(nodes.lead.fallback_seconds, "Fallback")
        return settled_lead(book.node_leads.get(forecast.key), measured, nodes.lead)

    def _now(self, published: _Published) -> float:
        """The pipeline's time, which goes on when the pipeline stands still: what was served last grows stale."""
        return published.now + self._monotonic() - published.monotonic_s

    def _write(self, key: str, published: _Published) -> bool:
        """Whether to go on with others."""
        recorded = published.book.recorded.get(key)
        if recorded is None:  # gone since the plan was made
            return True
        status = with_transition_times(self._status(key, published), recorded.status, now=self._now(published))
        namespace, _, name = key.partition("/")
        body = {"metadata": {"uid": recorded.uid}, "status": status}
        try:
            self._api.call(PATCH_STATUS, namespace=namespace, name=name, body=body)
        except ApiFailure as failure:
            return self._survive(key, failure)
        self._written[key] = _Written(self._monotonic(), self._kind(key, published))
        return True

    def _survive(self, key: str, failure: ApiFailure) -> bool:
        quiet = failure.status == 404 or self._complained  # one of a fleet's failures is told, not thousands
        log.log(logging.DEBUG if quiet else logging.WARNING, "status of %s: %s", key, failure)
        self._complained = self._complained or failure.status != 404
        self._written[key] = _Written(self._monotonic(), None)  # tried again when the echo's time is over
        if failure.status in _THIS_OBJECT_ONLY:
            return True
        self._paused_until_s = self._monotonic() + _PAUSE_SECONDS
        return False


def price_to_write(book: Book, forecast: LoadForecast, measured: float | None) -> float | None:
    """The price of a missing pod-minute that every replica will plan with; None where no pool says it."""
    costs = forecast.spec.costs
    if costs.pool is None or costs.missed_pod_minute is None:
        return None
    return settled_price(book.prices.get(forecast.key), measured)


def lead_to_write(book: Book, forecast: LoadForecast) -> LeadTime:
    """The lead time that every replica will plan with from now on: what was measured here, if it differs enough."""
    lead = forecast.spec.lead
    measured = book.measured.get(forecast.key) or LeadTime(lead.fallback_seconds, "Fallback")
    return settled_lead(book.leads.get(forecast.key), measured, lead)
