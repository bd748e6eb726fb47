"""Which replica writes status: the one whose name stands in a Lease of coordination.k8s.io.

The client's own leader election cannot be stopped, gives nothing back, and ends the process on bad input; so the
decision is a pure function here, and another replica's clock is never trusted: a lease is over when it has not
changed for its whole duration on our own.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from app.cluster.connection import ApiFailure, KubernetesApi
from app.cluster.permissions import CREATE_LEASE, GET_LEASE, LEASE_NAME, UPDATE_LEASE
from app.settings import Settings

log = logging.getLogger(__name__)

_NOT_FOUND, _CONFLICT = 404, 409
_RENEWALS_PER_LEASE = 3
Step = Literal["create", "renew", "take", "wait"]


@dataclass(frozen=True)
class Sighting:
    """The Lease as it was read: `seen_s` is when this version was seen first, on our own monotonic clock."""

    holder: str
    version: str
    seen_s: float
    duration_seconds: float


def sighted(lease: Mapping[str, Any], before: Sighting | None, *, now_s: float) -> Sighting:
    """What was read at `now_s`; the time of the first sighting stays while the version does."""
    spec, version = lease.get("spec") or {}, lease["metadata"]["resourceVersion"]
    seen_s = before.seen_s if before is not None and before.version == version else now_s
    return Sighting(spec.get("holderIdentity") or "", version, seen_s, spec.get("leaseDurationSeconds") or 0)


def next_step(sighting: Sighting | None, *, me: str, now_s: float) -> Step:
    """What to do about a Lease (None: there is none)."""
    if sighting is None:
        return "create"
    if sighting.holder == me:
        return "renew"
    if not sighting.holder or now_s - sighting.seen_s >= sighting.duration_seconds:
        return "take"
    return "wait"


def still_held(renewed_s: float | None, *, now_s: float, lease_seconds: float) -> bool:
    """Whether a lease renewed at `renewed_s` may be relied on: given up a third early, before another can take it."""
    return renewed_s is not None and now_s - renewed_s < lease_seconds * 2 / 3


class LeaseHolder:
    """Tries for the Lease in a thread of its own, keeps it, gives it back at the end."""

    def __init__(
        self,
        api: KubernetesApi,
        *,
        namespace: str,
        me: str,
        lease_seconds: int,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._me = me
        self._lease_seconds = lease_seconds
        self._monotonic = monotonic
        self._wall = wall
        self._sighting: Sighting | None = None
        self._renewed_s: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status-lease", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def held(self) -> bool:
        """Whether this replica may write now."""
        return still_held(self._renewed_s, now_s=self._monotonic(), lease_seconds=self._lease_seconds)

    def close(self) -> None:
        """Ends the thread and gives the Lease back, so that nobody has to wait for it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        if self.held():
            self._release()

    def attempt(self) -> None:
        """One look at the Lease, and what follows from it. Raises ApiFailure."""
        began_s = self._monotonic()
        lease = self._read()
        self._sighting = None if lease is None else sighted(lease, self._sighting, now_s=began_s)
        step = next_step(self._sighting, me=self._me, now_s=began_s)
        if step == "wait":
            self._renewed_s = None
            return
        if self._write(step, lease):
            if step != "renew":
                log.info("%s writes status from now on", self._me)
            self._renewed_s = began_s  # when it was asked for, not when the answer came: the careful side

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.attempt()
            except ApiFailure as failure:
                log.warning("the status writer's lease: %s", failure)
            except Exception:  # whatever an answer holds, the next attempt may fare better
                log.exception("the status writer's lease cannot be handled")
            self._stopping.wait(self._lease_seconds / _RENEWALS_PER_LEASE)

    def _read(self) -> dict[str, Any] | None:
        try:
            return self._api.call(GET_LEASE, namespace=self._namespace)
        except ApiFailure as failure:
            if failure.status == _NOT_FOUND:
                return None
            raise

    def _write(self, step: Step, lease: Mapping[str, Any] | None) -> bool:
        """Whether it went through; False when another replica was quicker."""
        body = self._desired(step, lease)
        try:
            if step == "create":
                written = self._api.call(CREATE_LEASE, namespace=self._namespace, body=body)
            else:
                written = self._api.call(UPDATE_LEASE, namespace=self._namespace, body=body)
        except ApiFailure as failure:
            if failure.status == _CONFLICT:
                return False
            raise
        self._sighting = sighted(written, self._sighting, now_s=self._monotonic())
        return True

    def _desired(self, step: Step, lease: Mapping[str, Any] | None) -> dict[str, Any]:
        now = datetime.fromtimestamp(self._wall(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        old = dict((lease or {}).get("spec") or {})
        spec = {**old, "holderIdentity": self._me, "leaseDurationSeconds": self._lease_seconds, "renewTime": now}
        if step != "renew":
            spec |= {"acquireTime": now, "leaseTransitions": (old.get("leaseTransitions") or 0) + (step == "take")}
        metadata = (lease or {}).get("metadata") or {"name": LEASE_NAME, "namespace": self._namespace}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}

    def _release(self) -> None:
        try:
            lease = self._read()
            if lease is not None and (lease.get("spec") or {}).get("holderIdentity") == self._me:
                lease["spec"]["holderIdentity"] = ""
                self._api.call(UPDATE_LEASE, namespace=self._namespace, body=lease)
        except ApiFailure as failure:
            log.info("the status writer's lease was not given back, it runs out: %s", failure)
        self._renewed_s = None


def lease_of(api: KubernetesApi, settings: Settings) -> LeaseHolder:
    """For this process, not started; one is enough for all that only one replica may write."""
    me = f"{settings.pod_name}_{secrets.token_hex(4)}"  # two processes of one name must not both believe to hold it
    return LeaseHolder(api, namespace=settings.pod_namespace, me=me, lease_seconds=settings.lease_seconds)
