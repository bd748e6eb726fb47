"""What each pod's deletion cost is now, and whether somebody else wrote it, as the watch of pods shows them."""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from app.cluster.pods import Target, target_of
from app.workloads.book import PodCost

ANNOTATION = "controller.kubernetes.io/pod-deletion-cost"
MANAGER = "forescale-deletion-cost"


@dataclass(frozen=True, slots=True)
class _Seen:
    target: Target
    pod: PodCost


class PodCostIndex:
    """Pods that live, by uid; a few hundred bytes each. Written by one reflector, read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pods: dict[str, _Seen] = {}

    def put(self, item: Mapping[str, Any]) -> None:
        """Takes a pod in; one that is being deleted is gone already."""
        metadata = item["metadata"]
        target = target_of(metadata)
        if target is None or metadata.get("deletionTimestamp"):
            self.remove(item)
            return
        written, foreign = written_cost(metadata)
        pod = PodCost(metadata["name"], metadata["uid"], written, foreign)
        with self._lock:
            self._pods[metadata["uid"]] = _Seen(target, pod)

    def remove(self, item: Mapping[str, Any]) -> None:
        """Forgets a pod."""
        with self._lock:
            self._pods.pop(item["metadata"]["uid"], None)

    def keep_only(self, uids: set[str]) -> None:
        """Forgets all other pods."""
        with self._lock:
            self._pods = {uid: seen for uid, seen in self._pods.items() if uid in uids}

    def of(self, targets: Collection[Target]) -> dict[Target, tuple[PodCost, ...]]:
        """The pods of each target, by name."""
        if not targets:
            return {}
        with self._lock:
            seen = list(self._pods.values())
        found: dict[Target, list[PodCost]] = {target: [] for target in targets}
        for one in seen:
            if one.target in found:
                found[one.target].append(one.pod)
        return {target: tuple(sorted(pods, key=lambda pod: pod.name)) for target, pods in found.items()}


def written_cost(metadata: Mapping[str, Any]) -> tuple[int | None, bool]:
    """The cost that stands in the annotation, None without one, and whether anybody but us owns the annotation.

    The owner is read off managedFields: a person's kubectl, another controller, or a template's value that came with
    the pod. What is no number was not written here.
    """
    text = (metadata.get("annotations") or {}).get(ANNOTATION)
    if text is None:
        return None, False
    owners = {entry.get("manager") for entry in metadata.get("managedFields") or [] if _owns(entry)}
    try:
        return int(text), owners != {MANAGER}
    except ValueError:
        return None, True


def _owns(entry: Mapping[str, Any]) -> bool:
    fields = (entry.get("fieldsV1") or {}).get("f:metadata") or {}
    return f"f:{ANNOTATION}" in (fields.get("f:annotations") or {})
