"""Writes what was served into the LoadForecasts' status: by one replica, rarely, and never faster than a set rate."""

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from kubernetes import client

from app.cluster.conditions import (
    Status,
    rejected_status,
    served_status,
    signature,
    waiting_status,
    with_transition_times,
)
from app.cluster.connection import ApiFailure, KubernetesApi
from app.cluster.leadtime import settled_lead
from app.cluster.lease import LeaseHolder
from app.cluster.permissions import PATCH_STATUS
from app.settings import Settings
from app.snapshot import Snapshot, row_view
from app.workloads.book import Book, LeadTime
from app.workloads.spec import LoadForecast

log = logging.getLogger(__name__)

_ROUTINE_SECONDS = 60.0  # numbers in status are for eyes; what counts is served by the API
_ECHO_SECONDS = 10.0  # until a write has come back through the watch it is not judged again
_PLAN_SECONDS = 5.0
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
        me = f"{settings.pod_name}_{secrets.token_hex(4)}"  # two processes of one name must not both believe to hold it
        self._lease = lease or LeaseHolder(
            self._api, namespace=settings.pod_namespace, me=me, lease_seconds=settings.lease_seconds
        )
        self._monotonic = monotonic
        self._latest: _Published | None = None
        self._written_s: dict[str, float] = {}
        self._queue: deque[str] = deque()
        self._planned_s = float("-inf")
        self._paused_until_s = float("-inf")
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
            self._written_s.clear()
            self._queue.clear()
            self._planned_s = float("-inf")
            return 0
        monotonic_s = self._monotonic()
        if monotonic_s < self._paused_until_s:
            return 0
        if not self._queue and monotonic_s - self._planned_s >= _PLAN_SECONDS:
            self._queue = deque(self._due(published, monotonic_s))
            self._planned_s = monotonic_s
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
        for key, status in self._statuses(published):
            age = monotonic_s - self._written_s.get(key, float("-inf"))
            if age < _ECHO_SECONDS:
                continue
            if signature(status) != signature(published.book.recorded[key].status):
                urgent.append(key)
            elif age >= _ROUTINE_SECONDS:
                routine.append((-age, key))
        return urgent + [key for _, key in sorted(routine)]

    def _statuses(self, published: _Published) -> Iterator[tuple[str, Status]]:
        for key in published.book.recorded:
            status = self._status(key, published)
            if status is not None:
                yield key, status

    def _status(self, key: str, published: _Published) -> Status | None:
        """The status that an object should have, without transition times; None for one that is gone meanwhile."""
        book, snapshot = published.book, published.snapshot
        recorded = book.recorded.get(key)
        if recorded is None:
            return None
        if key in book.rejected:
            return rejected_status(book.rejected[key], generation=recorded.generation)
        lead = lead_to_write(book, published.by_key[key])
        namespace, _, name = key.partition("/")
        row = snapshot.rows.get((namespace, name))
        if row is None:
            return waiting_status(generation=recorded.generation, lead=lead)
        view = row_view(snapshot, row, now=self._now(published))
        return served_status(view, cut_s=snapshot.cut_s, staleness_seconds=snapshot.staleness_seconds, lead=lead)

    def _now(self, published: _Published) -> float:
        """The pipeline's time, which goes on when the pipeline stands still: what was served last grows stale."""
        return published.now + self._monotonic() - published.monotonic_s

    def _write(self, key: str, published: _Published) -> bool:
        """Whether to go on with others."""
        status = self._status(key, published)
        if status is None:
            return True
        recorded = published.book.recorded[key]
        status = with_transition_times(status, recorded.status, now=self._now(published))
        namespace, _, name = key.partition("/")
        body = {"metadata": {"uid": recorded.uid}, "status": status}
        try:
            self._api.call(PATCH_STATUS, namespace=namespace, name=name, body=body)
        except ApiFailure as failure:
            return self._survive(key, failure)
        self._written_s[key] = self._monotonic()
        return True

    def _survive(self, key: str, failure: ApiFailure) -> bool:
        log.log(logging.DEBUG if failure.status == 404 else logging.WARNING, "status of %s: %s", key, failure)
        self._written_s[key] = self._monotonic()  # so that it is not first again in the next plan
        if failure.status in _THIS_OBJECT_ONLY:
            return True
        self._paused_until_s = self._monotonic() + _PAUSE_SECONDS
        return False


def lead_to_write(book: Book, forecast: LoadForecast) -> LeadTime:
    """The lead time that every replica will plan with from now on: what was measured here, if it differs enough."""
    lead = forecast.spec.lead
    measured = book.measured.get(forecast.key) or LeadTime(lead.fallback_seconds, "Fallback")
    return settled_lead(book.leads.get(forecast.key), measured, lead)
