"""Pods as the watch shows them, reduced to what lead times need: whose they are, whether and when they became Ready.

A few hundred bytes per pod; whole pods would be a gigabyte for a fleet.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.cluster.leadtime import KEPT_STARTS, LIMIT_SECONDS, Start

_LISTED_LIMIT_SECONDS = 600.0

Target = tuple[str, str, str]
"""(namespace, kind, name) of what is scaled."""


@dataclass(frozen=True, slots=True)
class _Pod:
    target: Target
    ready: bool
    ever_ready: bool


class PodIndex:
    """Starts and Ready pods by target. Written by one reflector, read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pods: dict[str, _Pod] = {}
        self._starts: dict[Target, list[Start]] = {}
        self._ready: dict[Target, int] = defaultdict(int)

    def put(self, item: Mapping[str, Any]) -> None:
        """Takes a pod in; its first readiness becomes a Start of its target."""
        target = target_of(item["metadata"])
        if target is None:
            return
        uid = item["metadata"]["uid"]
        ready_s = _ready_since_s(item)
        with self._lock:
            before = self._pods.get(uid)
            if ready_s is not None and (before is None or not before.ever_ready):
                start = first_start(item, ready_s=ready_s, seen_before=before is not None)
                if start is not None:
                    self._remember(target, start)
            self._count(before, -1)
            known = before.ever_ready if before is not None else was_ready_before(item)
            ever = ready_s is not None or known
            pod = _Pod(before.target if before else target, ready=ready_s is not None, ever_ready=ever)
            self._pods[uid] = pod
            self._count(pod, +1)

    def remove(self, item: Mapping[str, Any]) -> None:
        """Forgets a pod; its start still counts."""
        with self._lock:
            self._count(self._pods.pop(item["metadata"]["uid"], None), -1)

    def keep_only(self, uids: set[str]) -> None:
        """Forgets all other pods."""
        with self._lock:
            for uid in [uid for uid in self._pods if uid not in uids]:
                self._count(self._pods.pop(uid), -1)

    def starts(self, target: Target) -> tuple[Start, ...]:
        """The newest starts of a target, those of pods that are gone included."""
        with self._lock:
            return tuple(self._starts.get(target, ()))

    def ready(self, targets: Iterable[Target]) -> list[int]:
        """Ready pods of each target now."""
        with self._lock:
            return [self._ready.get(target, 0) for target in targets]

    def _remember(self, target: Target, start: Start) -> None:
        starts = self._starts.setdefault(target, [])
        starts.append(start)
        if len(starts) > KEPT_STARTS:
            starts.remove(min(starts, key=lambda one: one.ready_s))

    def _count(self, pod: _Pod | None, change: int) -> None:
        if pod is not None and pod.ready:
            self._ready[pod.target] += change


def target_of(metadata: Mapping[str, Any]) -> Target | None:
    """What scales this pod: its controller, or for a ReplicaSet that a Deployment made, the Deployment.

    A Deployment names its ReplicaSets <deployment>-<pod-template-hash> and labels their pods with the hash, so the
    chain can be read off the pod, without the right to read Deployments and ReplicaSets.
    """
    owners = metadata.get("ownerReferences") or []
    owner = next((one for one in owners if one.get("controller")), None)
    if owner is None:
        return None
    kind, name = owner["kind"], owner["name"]
    template = (metadata.get("labels") or {}).get("pod-template-hash")
    if kind == "ReplicaSet" and template and name.endswith(f"-{template}"):
        kind, name = "Deployment", name.removesuffix(f"-{template}")
    return metadata["namespace"], kind, name


def first_start(item: Mapping[str, Any], *, ready_s: float, seen_before: bool) -> Start | None:
    """The pod's first readiness as a Start, or None if its last transition may be a later one.

    A pod that was watched until it became Ready counts as it is. A pod met when Ready already may have flapped since:
    it counts only without restarts, and if it was Ready within 10 min of its last container's start.
    """
    seconds = ready_s - unix_s(item["metadata"]["creationTimestamp"])
    if not 0 <= seconds <= LIMIT_SECONDS:
        return None
    if not seen_before:
        statuses = (item.get("status") or {}).get("containerStatuses") or []
        started_s = [_started_s(one) for one in statuses]
        if any(one.get("restartCount") for one in statuses):
            return None
        if any(one is not None and ready_s - one > _LISTED_LIMIT_SECONDS for one in started_s):
            return None
    return Start(ready_s, seconds, min(max(_scheduled_s(item) - ready_s + seconds, 0.0), seconds))


def was_ready_before(item: Mapping[str, Any]) -> bool:
    """Whether a pod that is met while it is not Ready has been Ready before, so that its next time is not its first.

    The kubelet sets Ready to False before it starts containers; a False that came after a start took a True's place.
    """
    status = item.get("status") or {}
    containers = status.get("containerStatuses") or []
    if any(one.get("restartCount") for one in containers):
        return True
    unready_s = [
        unix_s(condition["lastTransitionTime"])
        for condition in status.get("conditions") or []
        if condition["type"] == "Ready" and condition["status"] != "True" and condition.get("lastTransitionTime")
    ]
    started_s = [one for one in map(_started_s, containers) if one is not None]
    return bool(unready_s and started_s) and unready_s[0] > min(started_s) + 1


def _scheduled_s(item: Mapping[str, Any]) -> float:
    """When it was given a node; long ago where that is not told."""
    for condition in (item.get("status") or {}).get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "True":
            return _changed_s(condition)
    return float("-inf")


def _changed_s(condition: Mapping[str, Any]) -> float:
    """When it became what it is; long ago where that is not told: the API sends null then."""
    changed = condition.get("lastTransitionTime")
    return unix_s(changed) if changed else float("-inf")


def _started_s(status: Mapping[str, Any]) -> float | None:
    started = ((status.get("state") or {}).get("running") or {}).get("startedAt")
    return unix_s(started) if started else None


def _ready_since_s(item: Mapping[str, Any]) -> float | None:
    """When the pod's Ready condition became True, long ago where that is not told; None while it is not, or while the
    pod is being deleted."""
    if item["metadata"].get("deletionTimestamp"):
        return None
    for condition in (item.get("status") or {}).get("conditions") or []:
        if condition["type"] == "Ready" and condition["status"] == "True":
            return _changed_s(condition)
    return None


def unix_s(text: str) -> float:
    """A time of the API in Unix seconds."""
    return datetime.fromisoformat(text).timestamp()
