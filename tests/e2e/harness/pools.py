"""Workloads that differ in nothing but how room on nodes is held for them, each on a Karpenter pool of its own."""

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.karpenter import PRICE_LABEL
from tests.e2e.harness.load import METRIC

NAMESPACE = "surge"
PLAIN, BUFFERED, BALLOONED = "plain", "buffered", "ballooned"
PROVISIONING = {PLAIN: "None", BUFFERED: "CapacityBuffer", BALLOONED: "BalloonPods"}
CAPACITY_PER_POD = 10
POOL_LABEL = "forescale.dev/pool"
INSTANCE_TYPE = "c-4x-amd64-linux"  # 4 CPUs: three pods, beside what the node keeps for itself
_BATCH_CPU = 4

Object = dict[str, Any]


def pool(shipped: Mapping[str, Any], name: str, *, cpu: int = 200) -> Object:
    """A shipped pool under another name, on one small kind of node, whose empty nodes go within seconds."""
    spec = {**shipped["spec"], "limits": {"cpu": str(cpu)}}
    spec["disruption"] = {
        "consolidationPolicy": "WhenEmpty",
        "consolidateAfter": "10s",
        "budgets": [{"nodes": "100%"}],
    }
    template = spec["template"]
    inner = {**template["spec"], "taints": [{"key": POOL_LABEL, "value": name, "effect": "NoSchedule"}]}
    one_kind = {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": [INSTANCE_TYPE]}
    inner["requirements"] = [*inner["requirements"], one_kind]
    spec["template"] = {"metadata": {"labels": {POOL_LABEL: name}}, "spec": inner}
    return {"apiVersion": shipped["apiVersion"], "kind": "NodePool", "metadata": {"name": name}, "spec": spec}


def workload(name: str) -> list[Object]:
    """Deployment, LoadForecast and HPA."""
    return [
        deployment(name, where=name, replicas=1, priority="forescale-serving"),
        loadforecast(name),
        autoscaler(name),
    ]


def deployment(name: str, *, where: str, replicas: int, priority: str) -> Object:
    """Pods of 1 CPU, which kwok plays, on the nodes of a pool."""
    labels = {"app": name}
    container = {
        "name": "mcp",
        "image": "example.invalid/mcp:1",
        "resources": {"requests": {"cpu": "1", "memory": "64Mi"}},
    }
    pod = {
        "containers": [container],
        "terminationGracePeriodSeconds": 0,
        "priorityClassName": priority,
        "nodeSelector": {POOL_LABEL: where},
        "tolerations": [{"key": POOL_LABEL, "operator": "Equal", "value": where, "effect": "NoSchedule"}],
    }
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }


def loadforecast(name: str) -> Object:
    """All share one query; a label picks the series."""
    return {
        "apiVersion": "forescale.dev/v1alpha1",
        "kind": "LoadForecast",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "demand": {"query": f"sum by (deployment) ({METRIC})", "seriesLabels": {"deployment": name}},
            "capacityPerPod": CAPACITY_PER_POD,
            "lead": {"floorSeconds": 10, "fallbackSeconds": 10},
            "objective": {"missingPodPrice": 20},
            "scaleDownStabilizationSeconds": 0,
            "mode": "Active",
            "nodes": {
                "provisioning": PROVISIONING[name],
                "lead": {"floorSeconds": 10, "fallbackSeconds": 60},
                "maxHeadroom": 20,
            },
        },
    }


def autoscaler(name: str) -> Object:
    """An HPA on the forecast that may add and remove pods as fast as it likes."""
    rules = {
        "stabilizationWindowSeconds": 0,
        "policies": [{"type": "Pods", "value": 100, "periodSeconds": 15}],
        "tolerance": "0",
    }
    target = {"type": "AverageValue", "averageValue": str(CAPACITY_PER_POD)}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 1,
            "maxReplicas": 40,
            "metrics": [{"type": "External", "external": {"metric": {"name": name}, "target": target}}],
            "behavior": {"scaleUp": rules, "scaleDown": rules},
        },
    }


@dataclass(frozen=True)
class Look:
    """One look at the cluster. asked: replicas; nodes: Ready ones of each pool; price: of a pool's nodes an hour."""

    time_s: float
    asked: Mapping[str, int]
    nodes: Mapping[str, int]
    price: Mapping[str, float]


@dataclass
class Watcher:
    """Looks once a second from its making to `stop`, in a thread of its own. waited: seconds that each pod spent
    without a node, by workload and uid; a pod that has none yet counts to the last look."""

    plane: ControlPlane
    names: tuple[str, ...]
    looks: list[Look] = field(default_factory=list)
    waited: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the looking."""
        self._stop.set()
        self._thread.join(20)

    def _watch(self) -> None:
        while not self._stop.wait(1.0):
            found = self.plane.get("deployments,pods", "-n", NAMESPACE)["items"]
            nodes = self.plane.get("nodes", "-l", POOL_LABEL)["items"]
            now = time.time()
            for one in found:
                if one["kind"] == "Pod" and one["metadata"].get("labels", {}).get("app") in self.names:
                    self._pod(one, now)
            asked = {
                one["metadata"]["name"]: int(one["spec"]["replicas"]) for one in found if one["kind"] == "Deployment"
            }
            by_pool = {
                name: [one for one in nodes if one["metadata"]["labels"][POOL_LABEL] == name] for name in self.names
            }
            self.looks.append(
                Look(
                    now,
                    asked,
                    {name: sum(map(_ready, of)) for name, of in by_pool.items()},
                    {name: sum(_price(one) for one in of) for name, of in by_pool.items()},
                )
            )

    def _pod(self, pod: Object, now: float) -> None:
        created_s = _unix_s(pod["metadata"]["creationTimestamp"])
        scheduled = _condition(pod, "PodScheduled")
        until_s = _unix_s(scheduled["lastTransitionTime"]) if scheduled.get("status") == "True" else now
        pods = self.waited.setdefault(pod["metadata"]["labels"]["app"], {})
        pods[pod["metadata"]["uid"]] = (created_s, max(until_s - created_s, 0.0))

    def pending_seconds(self, name: str, *, since_s: float) -> float:
        """That pods made since a time spent without a node, all together."""
        return sum(seconds for created_s, seconds in self.waited.get(name, {}).values() if created_s >= since_s)

    def node_minutes(self, name: str, *, since_s: float) -> tuple[float, float]:
        """Of a pool's nodes since a time, and what they cost; from the moment a node is there, Ready or not."""
        minutes = cost = 0.0
        for look, following in itertools.pairwise(one for one in self.looks if one.time_s >= since_s):
            hours = (following.time_s - look.time_s) / 3600
            minutes += look.nodes[name] * hours * 60
            cost += look.price[name] * hours
        return minutes, cost

    def latest(self, condition: Callable[[Look], bool]) -> bool:
        """Whether the last look meets a condition."""
        return bool(self.looks) and condition(self.looks[-1])


def _ready(node: Object) -> bool:
    return _condition(node, "Ready").get("status") == "True"


def _price(node: Object) -> float:
    return float(node["metadata"]["labels"].get(PRICE_LABEL, "nan"))


def _condition(item: Object, kind: str) -> Mapping[str, Any]:
    conditions: Iterable[Mapping[str, Any]] = item.get("status", {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == kind), {})


def _unix_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
