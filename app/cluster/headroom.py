"""Writes what holds room on nodes: one CapacityBuffer or Deployment of balloons for each LoadForecast that wants it.

By one replica, under the status writer's lease. What the cluster holds is listed at the beginning and once a minute, so
a change by somebody else is taken back, what nobody wants any more goes, and a restart forgets nothing.
"""

import functools
import logging
import math
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from kubernetes import client

from app.cluster.connection import ApiFailure, KubernetesApi
from app.cluster.holders import holder_name
from app.cluster.holding import Holder, HolderApi, remedy
from app.settings import Settings
from app.snapshot import Snapshot
from app.workloads.book import Book
from app.workloads.spec import LoadForecast

log = logging.getLogger(__name__)

_LIST_SECONDS = 60.0
_TICK_SECONDS = 1.0
_PER_TICK = 20
_PAUSE_SECONDS = 10.0
_TOLD_LIMIT = 500


class Due(NamedTuple):
    """What must be written, and how."""

    holder: Holder
    write: Callable[[], None]


class Held(Protocol):
    """Says whether this replica is the one that writes."""

    def held(self) -> bool:
        """Now."""


class HeadroomWriter:
    """Takes what each pass made, and writes it from a thread of its own while this replica holds the Lease."""

    def __init__(
        self,
        api: client.ApiClient,
        settings: Settings,
        *,
        lease: Held,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """lease: started and closed by somebody else."""
        self._api = HolderApi(KubernetesApi(api), settings)
        self._settings = settings
        self._lease = lease
        self._monotonic = monotonic
        self._latest: tuple[Snapshot, Book] | None = None
        self._known: dict[Holder, int | None] = {}
        self._failed_s: dict[Holder, float] = {}
        self._listed_s = float("-inf")
        self._paused_until_s = float("-inf")
        self._retried_from_s = float("-inf")
        self._told: set[str] = set()
        self._stopping, self._news = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="headroom-writer", daemon=True)

    def publish(self, snapshot: Snapshot, book: Book, *, now: float) -> None:
        """Takes over the newest state; returns at once. The first call starts the thread.

        It is woken up: where the served value rises, room must shrink before the HPA's pods are there, or an autoscaler
        makes nodes for both.
        """
        first, self._latest = self._latest is None, (snapshot, book)
        self._news.set()
        if first:
            self._thread.start()

    def close(self) -> None:
        """Ends the thread. What holds room stays: the next replica goes on from it."""
        self._stopping.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def write_due(self) -> int:
        """Writes what differs now, at most one tick's worth; returns how many."""
        monotonic_s = self._monotonic()
        if self._latest is None or not self._lease.held():
            self._listed_s = float("-inf")
            return 0
        if monotonic_s < self._paused_until_s:
            return 0
        snapshot, book = self._latest
        if monotonic_s - self._listed_s >= _LIST_SECONDS:
            self._known = self._api.held()
            self._listed_s = monotonic_s
        due = self._in_turn(self._due(snapshot, book))[:_PER_TICK]
        for one in due:
            self._guarded(one)
        return len(due)

    def _in_turn(self, due: list[Due]) -> list[Due]:
        """What did not fail when it was written last, then, after a pause, what failed the longest ago.

        So what cannot be written costs the others neither their turn nor their second.
        """
        self._failed_s = {one.holder: self._failed_s[one.holder] for one in due if one.holder in self._failed_s}
        sound = [one for one in due if one.holder not in self._failed_s]
        if self._monotonic() < self._retried_from_s:
            return sound
        failed = [one for one in due if one.holder in self._failed_s]
        return sound + sorted(failed, key=lambda one: self._failed_s[one.holder])

    def _due(self, snapshot: Snapshot, book: Book) -> list[Due]:
        """What must be written: sizes that differ first, then what is wanted no more."""
        wanted = self._wanted(snapshot)
        differ = [
            Due(holder, functools.partial(self._apply, holder, forecast, pods))
            for holder, (forecast, pods) in wanted.items()
            if pods is not None and self._known.get(holder) != pods
        ]
        gone = [one for one in self._known if one not in wanted and not _is_rejected(one, book)]
        return [*differ, *(Due(holder, functools.partial(self._delete, holder)) for holder in gone)]

    def _run(self) -> None:
        while True:
            self._news.wait(_TICK_SECONDS)
            self._news.clear()
            if self._stopping.is_set():
                return
            try:
                self.write_due()
            except ApiFailure as failure:
                self._tell(f"what holds room on nodes could not be listed: {failure}")
                self._paused_until_s = self._monotonic() + _PAUSE_SECONDS
            except Exception:  # what nobody foresaw about one must not end the writing of all others for good
                log.exception("room on nodes could not be written")
                self._paused_until_s = self._monotonic() + _PAUSE_SECONDS

    def _wanted(self, snapshot: Snapshot) -> dict[Holder, tuple[LoadForecast, int | None]]:
        """By holder, whose it is and how many pods; None where the number is not known: it stays as it is."""
        found: dict[Holder, tuple[LoadForecast, int | None]] = {}
        for row, headroom in zip(snapshot.room.rows.tolist(), snapshot.room.headroom.tolist(), strict=True):
            forecast = snapshot.forecasts[row]
            kind = forecast.spec.nodes.provisioning
            if kind == "None" or kind not in self._api.kinds:
                self._tell(f"{forecast.key} wants {kind}, but node_headroom is {self._settings.node_headroom}")
                continue
            holder = Holder(kind, forecast.namespace, holder_name(forecast.name))
            found[holder] = (forecast, int(headroom) if math.isfinite(headroom) else None)
        return found

    def _guarded(self, due: Due) -> None:
        holder = due.holder
        try:
            due.write()
            self._failed_s.pop(holder, None)
            return
        except ApiFailure as failure:
            self._tell(f"{holder.kind} {holder.namespace}/{holder.name}: {failure}{remedy(holder.kind, failure)}")
        except Exception:  # what nobody foresaw about one must not keep the others waiting
            log.exception("%s %s/%s could not be written", *holder)
        self._known[holder] = None  # what is held is not known
        self._failed_s[holder] = self._monotonic()
        self._retried_from_s = self._failed_s[holder] + _PAUSE_SECONDS

    def _apply(self, holder: Holder, forecast: LoadForecast, pods: int) -> None:
        self._api.apply(holder, forecast, pods)
        log.info("%s holds room for %d pods of %s", holder.kind, pods, forecast.key)
        self._known[holder] = pods

    def _delete(self, holder: Holder) -> None:
        self._api.delete(holder)
        log.info("%s %s/%s is wanted no more", *holder)
        self._known.pop(holder, None)

    def _tell(self, text: str) -> None:
        """Once until another pass is listed: a fleet's trouble must not be told every second."""
        if text not in self._told:
            self._told = {*self._told, text} if len(self._told) < _TOLD_LIMIT else {text}
            log.warning("%s", text)


def _is_rejected(holder: Holder, book: Book) -> bool:
    """Whether its LoadForecast is there but cannot be used: what it held stays."""
    return any(
        (namespace, holder_name(name)) == (holder.namespace, holder.name)
        for namespace, _, name in (key.partition("/") for key in book.rejected)
    )
