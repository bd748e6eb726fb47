"""What the containers of each target's pods request, as the watch shows them: sizes for spec.capacityScaling.

Pods of one target are mostly equal, so what they request is kept once for all of them.
"""

import functools
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from app.cluster.pods import Target, target_of, unix_s

Requests = frozenset[tuple[str, str, float]]
"""Container, cpu or memory, and how much of it in cores or bytes."""

_RESOURCES = ("cpu", "memory")


@dataclass(frozen=True, slots=True)
class _Sized:
    target: Target
    created_s: float
    requests: Requests


class RequestIndex:
    """Requests by target. Written by one reflector, read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pods: dict[Target, dict[str, _Sized]] = defaultdict(dict)
        self._targets: dict[str, Target] = {}
        self._kept: dict[Requests, Requests] = {}

    def put(self, item: Mapping[str, Any]) -> None:
        """Takes a pod in, Ready or not; one that is being deleted no longer counts."""
        uid = item["metadata"]["uid"]
        target = self._targets.get(uid) or target_of(item["metadata"])
        if target is None:
            return
        if item["metadata"].get("deletionTimestamp"):
            self.remove(item)
            return
        requests = requests_of(item)
        with self._lock:
            requests = self._kept.setdefault(requests, requests)
            self._targets[uid] = target
            self._pods[target][uid] = _Sized(target, unix_s(item["metadata"]["creationTimestamp"]), requests)

    def remove(self, item: Mapping[str, Any]) -> None:
        """Forgets a pod."""
        with self._lock:
            self._forget(item["metadata"]["uid"])

    def keep_only(self, uids: set[str]) -> None:
        """Forgets all other pods, and requests that none has any more."""
        with self._lock:
            for uid in [uid for uid in self._targets if uid not in uids]:
                self._forget(uid)
            living = {one.requests for pods in self._pods.values() for one in pods.values()}
            self._kept = {one: one for one in living}

    def of(self, target: Target, *, container: str, resource: str) -> list[float]:
        """What that container requests in each pod of the target, the pod created last being the last.

        Of pods created in one second the smallest is the last: further pods are then not taken for larger than they
        are. Pods without such a request are left out.
        """
        with self._lock:
            pods = list(self._pods.get(target, {}).values())
        asked = [(one.created_s, _asked(one.requests, container, resource)) for one in pods]
        known = [(created_s, request) for created_s, request in asked if request is not None]
        return [request for _, request in sorted(known, key=lambda one: (one[0], -one[1]))]

    def _forget(self, uid: str) -> None:
        target = self._targets.pop(uid, None)
        if target is None:
            return
        self._pods[target].pop(uid, None)
        if not self._pods[target]:
            del self._pods[target]


def requests_of(item: Mapping[str, Any]) -> Requests:
    """What a pod's containers really have: what status says of one resized in place, else what its spec asks for."""
    statuses = (item.get("status") or {}).get("containerStatuses") or []
    actual = {one.get("name", ""): _of_resources(one.get("resources")) for one in statuses}
    found: set[tuple[str, str, float]] = set()
    for container in (item.get("spec") or {}).get("containers") or []:
        asked = _of_resources(container.get("resources")) | actual.get(container["name"], {})
        found |= {(container["name"], resource, amount) for resource, amount in asked.items()}
    return frozenset(found)


def _of_resources(resources: Mapping[str, Any] | None) -> dict[str, float]:
    requests = (resources or {}).get("requests") or {}
    return {resource: _amount(str(requests[resource])) for resource in _RESOURCES if resource in requests}


def _asked(requests: Requests, container: str, resource: str) -> float | None:
    return next((amount for name, kind, amount in requests if (name, kind) == (container, resource)), None)


@functools.lru_cache(maxsize=4096)
def _amount(text: str) -> float:
    return float(parse_quantity(text))  # type: ignore[no-untyped-call]
