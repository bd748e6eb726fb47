"""Writes what holds room on nodes: one CapacityBuffer or Deployment of balloons for each LoadForecast that wants it.

By one replica, under the status writer's lease. What the cluster holds is listed at the beginning and once a minute, so
a change by somebody else is taken back, what nobody wants any more goes, and a restart forgets nothing.
"""

import functools
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from kubernetes import client

from app.cluster.connection import ApiFailure, KubernetesApi
from app.cluster.holders import MANAGED_BY, PREFIX, balloons_for, buffer_for, holder_name
from app.cluster.permissions import (
    CREATE_BUFFER,
    CREATE_DEPLOYMENT,
    DELETE_BUFFER,
    DELETE_DEPLOYMENT,
    GET_DEPLOYMENT,
    GET_REPLICASET,
    GET_STATEFULSET,
    LIST_BUFFERS,
    LIST_DEPLOYMENTS,
    PATCH_BUFFER,
    PATCH_DEPLOYMENT,
    Permission,
)
from app.settings import Settings
from app.snapshot import Snapshot
from app.workloads.book import Book
from app.workloads.spec import LoadForecast

log = logging.getLogger(__name__)

_LIST_SECONDS = 60.0
_TICK_SECONDS = 1.0
_PER_TICK = 20
_PAUSE_SECONDS = 10.0
_PAGE = 500
_OURS = ",".join(f"{name}={value}" for name, value in MANAGED_BY.items())
_FORBIDDEN, _NOT_FOUND = 403, 404

Kind = Literal["CapacityBuffer", "BalloonPods"]


@dataclass(frozen=True)
class _Calls:
    """listing, applying (for which creating is needed too), deleting."""

    listing: Permission
    applying: Permission
    creating: Permission
    deleting: Permission
    component: str


_CALLS: Mapping[Kind, _Calls] = {
    "CapacityBuffer": _Calls(LIST_BUFFERS, PATCH_BUFFER, CREATE_BUFFER, DELETE_BUFFER, "k8s/nodes/headroom"),
    "BalloonPods": _Calls(
        LIST_DEPLOYMENTS, PATCH_DEPLOYMENT, CREATE_DEPLOYMENT, DELETE_DEPLOYMENT, "k8s/nodes/balloons"
    ),
}
_READING = {"Deployment": GET_DEPLOYMENT, "StatefulSet": GET_STATEFULSET, "ReplicaSet": GET_REPLICASET}


class Holder(NamedTuple):
    """Address of an object that holds room."""

    kind: Kind
    namespace: str
    name: str


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
        self._api = KubernetesApi(api)
        self._settings = settings
        self._lease = lease
        self._monotonic = monotonic
        self._kinds: tuple[Kind, ...] = ("CapacityBuffer",)
        if settings.node_headroom == "buffers-and-balloons":
            self._kinds = ("CapacityBuffer", "BalloonPods")
        self._latest: tuple[Snapshot, Book] | None = None
        self._known: dict[Holder, int | None] = {}
        self._listed_s = float("-inf")
        self._paused_until_s = float("-inf")
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
            self._known = self._list()
            self._listed_s = monotonic_s
        due = self._due(snapshot, book)[:_PER_TICK]
        for holder, write in due:
            self._guarded(holder, write)
        return len(due)

    def _due(self, snapshot: Snapshot, book: Book) -> list[tuple[Holder, Callable[[], None]]]:
        """What must be written: sizes that differ first, then what is wanted no more."""
        wanted = self._wanted(snapshot)
        differ = [
            (holder, functools.partial(self._apply, holder, forecast, pods))
            for holder, (forecast, pods) in wanted.items()
            if pods is not None and self._known.get(holder) != pods
        ]
        gone = [one for one in self._known if one not in wanted and not _is_rejected(one, book)]
        return [*differ, *((holder, functools.partial(self._delete, holder)) for holder in gone)]

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
            if kind == "None" or kind not in self._kinds:
                self._tell(f"{forecast.key} wants {kind}, but node_headroom is {self._settings.node_headroom}")
                continue
            holder = Holder(kind, forecast.namespace, holder_name(forecast.name))
            found[holder] = (forecast, int(headroom) if math.isfinite(headroom) else None)
        return found

    def _list(self) -> dict[Holder, int | None]:
        """What we hold, with its pods; balloons are written anew once a minute, since their template may be another."""
        found: dict[Holder, int | None] = {}
        for kind in self._kinds:
            query = {"labelSelector": _OURS, "limit": str(_PAGE)}
            while True:
                page = self._page(kind, query)
                for item in page.get("items") or []:
                    metadata, spec = item["metadata"], item.get("spec") or {}
                    if metadata["name"].startswith(PREFIX):
                        holder = Holder(kind, metadata["namespace"], metadata["name"])
                        found[holder] = spec.get("replicas") if kind == "CapacityBuffer" else None
                query["continue"] = (page.get("metadata") or {}).get("continue") or ""
                if not query["continue"]:
                    break
        return found

    def _page(self, kind: Kind, query: Mapping[str, str]) -> dict[str, Any]:
        asked = {name: value for name, value in query.items() if value}
        try:
            return self._api.call(_CALLS[kind].listing, namespace=self._settings.watch_namespace, query=asked)
        except ApiFailure as failure:
            if failure.status != _NOT_FOUND:
                raise
            return {}  # not served; whoever wants it is told when it is written

    def _guarded(self, holder: Holder, write: Callable[[], None]) -> None:
        try:
            write()
        except ApiFailure as failure:
            self._tell(f"{holder.kind} {holder.namespace}/{holder.name}: {failure}{_remedy(holder.kind, failure)}")
            self._known[holder] = None  # tried again, later than the others
            self._paused_until_s = self._monotonic() + _PAUSE_SECONDS

    def _apply(self, holder: Holder, forecast: LoadForecast, pods: int) -> None:
        if holder.kind == "CapacityBuffer":
            body = buffer_for(forecast, pods=pods)
        else:
            body = balloons_for(
                forecast, pods=pods, template=self._template(forecast), image=self._settings.balloon_image
            )
        self._api.apply(_CALLS[holder.kind].applying, body, namespace=holder.namespace)
        log.info("%s holds room for %d pods of %s", holder.kind, pods, forecast.key)
        self._known[holder] = pods

    def _template(self, forecast: LoadForecast) -> Mapping[str, Any]:
        target = forecast.spec.target_ref
        found = self._api.call(_READING[target.kind], namespace=forecast.namespace, name=target.name)
        template: Mapping[str, Any] = (found.get("spec") or {}).get("template") or {}
        return template

    def _delete(self, holder: Holder) -> None:
        try:
            self._api.call(_CALLS[holder.kind].deleting, namespace=holder.namespace, name=holder.name)
        except ApiFailure as failure:
            if failure.status != _NOT_FOUND:
                raise
        log.info("%s %s/%s is wanted no more", holder.kind, holder.namespace, holder.name)
        self._known.pop(holder, None)

    def _tell(self, text: str) -> None:
        """Once until another pass is listed: a fleet's trouble must not be told every second."""
        if text not in self._told:
            self._told = {*self._told, text} if len(self._told) < _PAGE else {text}
            log.warning("%s", text)


def _is_rejected(holder: Holder, book: Book) -> bool:
    """Whether its LoadForecast is there but cannot be used: what it held stays."""
    return any(
        (namespace, holder_name(name)) == (holder.namespace, holder.name)
        for namespace, _, name in (key.partition("/") for key in book.rejected)
    )


def _remedy(kind: Kind, failure: ApiFailure) -> str:
    if failure.status == _NOT_FOUND and kind == "CapacityBuffer":
        return "; is autoscaling.x-k8s.io/v1beta1 served, does its target exist? BalloonPods need no such API"
    return f"; {_CALLS[kind].component} gives the right to it" if failure.status == _FORBIDDEN else ""
