"""Two Deployments under the same load: one scaled by reacting, its twin by the larger of that and the forecast."""

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.load import METRIC

NAMESPACE = "twins"
REACTIVE, AHEAD = "reactive", "ahead"
CAPACITY_PER_POD = 10
START_REPLICAS = 2
_LONGEST_GAP_SECONDS = 10


def objects() -> list[dict[str, Any]]:
    """Namespace, and for each twin Deployment, LoadForecast and HPA."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        *(deployment(name) for name in (REACTIVE, AHEAD)),
        loadforecast(REACTIVE, mode="Shadow"),
        loadforecast(AHEAD, mode="Auto"),
        autoscaler(REACTIVE, metrics=(REACTIVE,)),
        autoscaler(AHEAD, metrics=(REACTIVE, AHEAD), tolerance="0"),
    ]


def deployment(name: str) -> dict[str, Any]:
    """Pods that kwok plays."""
    labels = {"app": name}
    container = {"name": "mcp", "image": "example.invalid/mcp:1"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": START_REPLICAS,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
            },
        },
    }


def loadforecast(name: str, *, mode: str) -> dict[str, Any]:
    """Both share one query; a label picks the series."""
    return {
        "apiVersion": "forescale.dev/v1alpha1",
        "kind": "LoadForecast",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "demand": {
                "query": f"sum by (deployment) ({METRIC})",
                "seriesLabels": {"deployment": name},
                "unit": "operations",
            },
            "capacityPerPod": CAPACITY_PER_POD,
            "lead": {"floorSeconds": 10, "fallbackSeconds": 45},
            "objective": {"missingPodPrice": 20},
            "mode": mode,
        },
    }


def autoscaler(name: str, *, metrics: tuple[str, ...], tolerance: str | None = None) -> dict[str, Any]:
    """An HPA that may add pods as fast as it likes: what is compared is when it knows."""
    policy = {"type": "Pods", "value": 100, "periodSeconds": 15}
    rules: dict[str, Any] = {"policies": [policy]} | ({"tolerance": tolerance} if tolerance else {})
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 1,
            "maxReplicas": 40,
            "metrics": [
                {
                    "type": "External",
                    "external": {
                        "metric": {"name": metric},
                        "target": {"type": "AverageValue", "averageValue": str(CAPACITY_PER_POD)},
                    },
                }
                for metric in metrics
            ],
            "behavior": {"scaleUp": rules, "scaleDown": rules},
        },
    }


@dataclass
class Sample:
    """One look at both Deployments."""

    time_s: float
    needed: float
    asked: dict[str, int]
    ready: dict[str, int]


@dataclass
class Recorder:
    """Looks at both Deployments once a second from begin_s to end_s (Unix seconds), in a thread of its own."""

    plane: ControlPlane
    load: Callable[[float], float]
    begin_s: float
    end_s: float
    samples: list[Sample] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._record, daemon=True)
        self._thread.start()

    def _record(self) -> None:
        while time.time() < self.end_s and not self._stop.wait(1.0):
            if time.time() < self.begin_s:
                continue
            found = {one["metadata"]["name"]: one for one in self.plane.get("deployments", "-n", NAMESPACE)["items"]}
            now = time.time()
            self.samples.append(
                Sample(
                    now,
                    self.load(now) / CAPACITY_PER_POD,
                    {name: int(found[name]["spec"]["replicas"]) for name in (REACTIVE, AHEAD)},
                    {name: int(found[name]["status"].get("readyReplicas", 0)) for name in (REACTIVE, AHEAD)},
                )
            )

    def finished(self, *, seconds: float) -> "list[Sample]":
        """The samples once the recording is over."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the recording did not end in time"
        assert self.samples, "nothing was recorded"
        assert self.samples[-1].time_s > self.end_s - _LONGEST_GAP_SECONDS, "the recording ended early"
        gaps = [second.time_s - first.time_s for first, second in itertools.pairwise(self.samples)]
        assert max(gaps) < _LONGEST_GAP_SECONDS, f"nothing was seen for {max(gaps):.0f} s"
        return self.samples

    def stop(self) -> None:
        """Ends early."""
        self._stop.set()
        self._thread.join(10)


@dataclass(frozen=True)
class Bill:
    """What a Deployment had and what it lacked."""

    pod_minutes: float
    short_pod_minutes: float


def bill(samples: list[Sample], name: str) -> Bill:
    """Each sample holds until the next one."""
    pods = short = 0.0
    for sample, following in itertools.pairwise(samples):
        minutes = (following.time_s - sample.time_s) / 60
        pods += sample.asked[name] * minutes
        short += max(sample.needed - sample.ready[name], 0) * minutes
    return Bill(pods, short)
