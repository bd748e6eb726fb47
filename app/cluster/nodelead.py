"""How long a new node needs, from being asked for to taking pods, learned from pods that waited and from NodeClaims.

Two signs, each where the other is missing. A pod that no node had room for, and that then went onto a node younger than
itself, waited for that node: true of every autoscaler, but where there is room in time no pod waits. A NodeClaim of
Karpenter says itself when it was made and when its node could be used.
"""

import random
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.cluster.connection import KubernetesApi
from app.cluster.holders import holder_name
from app.cluster.leadtime import KEPT_STARTS, LIMIT_SECONDS, Start, lead_of
from app.cluster.permissions import LIST_NODECLAIMS, LIST_NODES, WATCH_NODECLAIMS, WATCH_NODES
from app.cluster.pods import Target, target_of, unix_s
from app.cluster.reflector import Reflector
from app.workloads.book import LeadTime
from app.workloads.spec import LoadForecast

_REMEDIES = {403: "; k8s/nodes/headroom has the right to it", 404: ""}
_NEWEST_NODES = 10_000


@dataclass(frozen=True, slots=True)
class _Wait:
    """A pod's way onto a node: Unix seconds of its creation and of its scheduling."""

    target: Target
    node: str
    created_s: float
    scheduled_s: float


class NodeBirths:
    """When each node was made, those that are gone again included."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._born_s: dict[str, float] = {}

    def put(self, item: Mapping[str, Any]) -> None:
        """Takes a node in."""
        metadata = item["metadata"]
        with self._lock:
            self._born_s.setdefault(metadata["name"], unix_s(metadata["creationTimestamp"]))
            while len(self._born_s) > _NEWEST_NODES:
                del self._born_s[next(iter(self._born_s))]

    def remove(self, item: Mapping[str, Any]) -> None:
        """Keeps it: a pod's wait for it may still be judged."""

    def keep_only(self, uids: set[str]) -> None:
        """Keeps them all."""

    def born_s(self, node: str) -> float | None:
        """Unix seconds, None for a node that was never seen."""
        with self._lock:
            return self._born_s.get(node)


class PodWaits:
    """How many pods each target has, and which of them waited for a new node."""

    def __init__(self, births: NodeBirths) -> None:
        self._births = births
        self._lock = threading.Lock()
        self._living: dict[str, Target] = {}
        self._waiting: set[str] = set()
        self._unjudged: deque[_Wait] = deque(maxlen=1000)
        self._starts: dict[Target, deque[Start]] = {}

    def put(self, item: Mapping[str, Any]) -> None:
        """Takes a pod in; what was Unschedulable and has a node now, waited, if it tells until when."""
        target = target_of(item["metadata"])
        if target is None:
            return
        uid = item["metadata"]["uid"]
        if item["metadata"].get("deletionTimestamp"):
            self.remove(item)
            return
        scheduled = _condition(item, "PodScheduled")
        with self._lock:
            self._living[uid] = target
            if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
                self._waiting.add(uid)
            elif scheduled.get("status") == "True" and uid in self._waiting:
                self._waiting.discard(uid)
                if scheduled.get("lastTransitionTime"):
                    self._unjudged.append(_wait(item, target, scheduled["lastTransitionTime"]))

    def remove(self, item: Mapping[str, Any]) -> None:
        """Forgets a pod; its wait still counts."""
        with self._lock:
            self._forget(item["metadata"]["uid"])

    def keep_only(self, uids: set[str]) -> None:
        """Forgets all other pods."""
        with self._lock:
            for uid in [uid for uid in self._living if uid not in uids]:
                self._forget(uid)

    def existing(self) -> Mapping[Target, int]:
        """Pods of each target that are not being deleted, with or without a node."""
        counts: dict[Target, int] = {}
        with self._lock:
            for target in self._living.values():
                counts[target] = counts.get(target, 0) + 1
        return counts

    def starts(self, targets: Iterable[Target]) -> list[Start]:
        """The newest waits of these targets that ended on a node younger than the pod."""
        with self._lock:
            self._judge()
            return [start for target in targets for start in self._starts.get(target, ())]

    def _judge(self) -> None:
        for _ in range(len(self._unjudged)):
            wait = self._unjudged.popleft()
            born_s = self._births.born_s(wait.node)
            if born_s is None:
                self._unjudged.append(wait)  # the watch of nodes is behind that of pods
            elif born_s >= wait.created_s and 0 <= wait.scheduled_s - wait.created_s <= LIMIT_SECONDS:
                starts = self._starts.setdefault(wait.target, deque(maxlen=KEPT_STARTS))
                starts.append(Start(wait.scheduled_s, wait.scheduled_s - wait.created_s))

    def _forget(self, uid: str) -> None:
        self._living.pop(uid, None)
        self._waiting.discard(uid)


class ClaimStarts:
    """From the creation of a NodeClaim to its node's readiness for pods; the newest of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: dict[str, None] = {}
        self._starts: deque[Start] = deque(maxlen=KEPT_STARTS)

    def put(self, item: Mapping[str, Any]) -> None:
        """Takes a NodeClaim in, once, when it is initialized and tells since when."""
        uid, initialized = item["metadata"]["uid"], _condition(item, "Initialized")
        since = initialized.get("lastTransitionTime")
        if initialized.get("status") != "True" or not since or uid in self._counted:
            return
        ready_s = unix_s(since)
        seconds = ready_s - unix_s(item["metadata"]["creationTimestamp"])
        with self._lock:
            self._counted[uid] = None
            while len(self._counted) > _NEWEST_NODES:
                del self._counted[next(iter(self._counted))]
            if 0 <= seconds <= LIMIT_SECONDS:
                self._starts.append(Start(ready_s, seconds))

    def remove(self, item: Mapping[str, Any]) -> None:
        """A start still counts."""

    def keep_only(self, uids: set[str]) -> None:
        """Starts still count."""

    def starts(self) -> list[Start]:
        """The newest."""
        with self._lock:
            return list(self._starts)


class NodeLeads:
    """Watches what node lead times are learned from. `pods` is to be told of every pod besides."""

    def __init__(self, api: KubernetesApi, *, rng: random.Random) -> None:
        self._births, self._claims = NodeBirths(), ClaimStarts()
        self.pods = PodWaits(self._births)
        self._watches = (
            Reflector(api, listing=LIST_NODES, watching=WATCH_NODES, keeper=self._births, rng=rng, remedies=_REMEDIES),
            Reflector(
                api,
                listing=LIST_NODECLAIMS,
                watching=WATCH_NODECLAIMS,
                keeper=self._claims,
                rng=rng,
                remedies=_REMEDIES,
            ),
        )

    def start(self) -> None:
        """Starts the watches."""
        for watch in self._watches:
            watch.start()

    def close(self) -> None:
        """Ends the watches."""
        for watch in self._watches:
            watch.close()

    def lead(self, forecast: LoadForecast, target: Target) -> LeadTime:
        """From the waits of the target's pods and of its balloons, and from NodeClaims."""
        balloons = (forecast.namespace, "Deployment", holder_name(forecast.name))
        starts = [*self.pods.starts((target, balloons)), *self._claims.starts()]
        return lead_of(starts, forecast.spec.nodes.lead)


def _wait(item: Mapping[str, Any], target: Target, scheduled: str) -> _Wait:
    node = (item.get("spec") or {}).get("nodeName") or ""
    return _Wait(target, node, unix_s(item["metadata"]["creationTimestamp"]), unix_s(scheduled))


def _condition(item: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    conditions = (item.get("status") or {}).get("conditions") or []
    found: Mapping[str, Any] = next((one for one in conditions if one["type"] == kind), {})
    return found
