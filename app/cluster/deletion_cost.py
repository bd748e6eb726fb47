"""Writes controller.kubernetes.io/pod-deletion-cost, so that scaling in takes the pods with the fewest sessions.

The ReplicaSet controller looks at the cost only among pods that are equal before: it removes pods without a node first,
then pending ones, then those that are not Ready; then come lower costs, pods that share their node with more of their
kind, younger and more often restarted ones. By one replica, while it holds the Lease.
"""

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.cluster.connection import ApiFailure, KubernetesApi
from app.cluster.permissions import PATCH_POD
from app.cluster.pod_costs import ANNOTATION, MANAGER
from app.cluster.status import Held
from app.planning.draining import DrainPod, due_first
from app.snapshot import Snapshot
from app.workloads.book import Book

log = logging.getLogger(__name__)

_TICK_SECONDS = 1.0
_ECHO_SECONDS = 10.0  # until a write has come back through the watch it is not repeated
_MINUTE_SECONDS = 60.0
_MOST_PER_MINUTE = 300  # of all workloads together
_PAUSE_SECONDS = 60.0
_FRESH_SECONDS = 60.0  # what was found longer ago is not written: where passes fail, it would be again and again
_THIS_POD_ONLY = (404, 409, 422)  # gone, another of the same name, or refused: others can still be written


@dataclass(frozen=True)
class _Due:
    namespace: str
    key: str
    per_minute: int
    one: DrainPod


class DeletionCosts:
    """Takes what each pass found, and writes costs from a thread of its own, never faster than the set rates."""

    def __init__(self, api: KubernetesApi, *, lease: Held, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._lease = lease
        self._monotonic = monotonic
        self._latest: Snapshot | None = None
        self._latest_s = float("-inf")
        self._written_s: dict[str, float] = {}  # uid of a pod -> when
        self._recent_s: defaultdict[str, deque[float]] = defaultdict(deque)  # key -> times of writes of the last minute
        self._paused_until_s = float("-inf")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deletion-costs", daemon=True)
        self._started = False

    def publish(self, snapshot: Snapshot, book: Book, *, now: float) -> None:
        """Takes over the newest state; returns at once. The first workload that wants it starts the thread."""
        self._latest, self._latest_s = snapshot, self._monotonic()
        if not self._started and snapshot.drains:
            self._started = True
            self._thread.start()

    def close(self) -> None:
        """Ends the thread; the Lease is somebody else's to give back."""
        self._stopping.set()
        if self._started:
            self._thread.join(timeout=5)

    def write_due(self) -> int:
        """Writes what is due and within the rates; returns how many."""
        snapshot, monotonic_s = self._latest, self._monotonic()
        if snapshot is None or not self._lease.held() or monotonic_s < self._paused_until_s:
            return 0
        if monotonic_s - self._latest_s > max(_FRESH_SECONDS, 2 * snapshot.refresh_seconds):
            return 0
        self._forget(monotonic_s)
        written = 0
        for due in _due(snapshot):
            if self._stopping.is_set():
                break
            if not self._may(due, monotonic_s):
                continue
            if not self._write(due, monotonic_s):
                break
            written += 1
        return written

    def _run(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            try:
                self.write_due()
            except Exception:  # one pod that cannot be handled must not end the writing of all others for good
                log.exception("deletion costs could not be written")

    def _forget(self, monotonic_s: float) -> None:
        self._written_s = {uid: at_s for uid, at_s in self._written_s.items() if monotonic_s - at_s < _ECHO_SECONDS}
        for times_s in self._recent_s.values():
            while times_s and monotonic_s - times_s[0] >= _MINUTE_SECONDS:
                times_s.popleft()

    def _may(self, due: _Due, monotonic_s: float) -> bool:
        if due.one.pod.uid in self._written_s or len(self._recent_s[due.key]) >= due.per_minute:
            return False
        return sum(len(times_s) for times_s in self._recent_s.values()) < _MOST_PER_MINUTE

    def _write(self, due: _Due, monotonic_s: float) -> bool:
        """Whether to go on with others."""
        pod = due.one.pod
        body = {"metadata": {"uid": pod.uid, "annotations": {ANNOTATION: str(due.one.cost)}}}
        self._written_s[pod.uid] = monotonic_s
        self._recent_s[due.key].append(monotonic_s)
        try:
            self._api.call(
                PATCH_POD, namespace=due.namespace, name=pod.name, body=body, query={"fieldManager": MANAGER}
            )
        except ApiFailure as failure:
            return self._survive(due, failure)
        log.info("%s: deletion cost of %s is %s, was %s", due.key, pod.name, due.one.cost, pod.written)
        return True

    def _survive(self, due: _Due, failure: ApiFailure) -> bool:
        remedy = "; the component k8s/components/drain has the right" if failure.status == 403 else ""
        level = logging.DEBUG if failure.status == 404 else logging.WARNING
        log.log(level, "%s: deletion cost of %s: %s%s", due.key, due.one.pod.name, failure, remedy)
        if failure.status in _THIS_POD_ONLY:
            return True
        self._paused_until_s = self._monotonic() + _PAUSE_SECONDS
        return False


def _due(snapshot: Snapshot) -> Iterator[_Due]:
    """What is to be written: workload by workload, of each the most urgent first."""
    for key, drain in snapshot.drains.items():
        namespace, _, name = key.partition("/")
        row = snapshot.rows.get((namespace, name))
        block = None if row is None else snapshot.forecasts[row].spec.drain
        if block is not None:
            for one in due_first(drain):
                yield _Due(namespace, key, block.max_patches_per_minute, one)
