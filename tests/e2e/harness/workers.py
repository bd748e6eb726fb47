"""Beside the twins: a worker on a queue that is scaled to zero between its batches, and a server whose pods hold
sessions. Both are scaled by the real HPA on what the service serves."""

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.load import DAY_SECONDS
from tests.e2e.harness.twins import deployment

NAMESPACE = "workers"
DIGEST, ROOMS = "digest", "rooms"
JOBS, SESSIONS = "queue_jobs_waiting", "mcp_sessions_open"
QUEUES = {"mail": 2 / 3, "index": 1 / 3}  # with their shares of the jobs
JOBS_PER_POD, SESSIONS_PER_POD = 20, 25
ROOMS_REPLICAS = 6


@dataclass(frozen=True)
class DailyBatch:
    """Jobs that wait for `seconds` from at_s on, and at that time of every day; none otherwise."""

    at_s: float
    seconds: float
    jobs: float

    def waiting(self, time_s: float) -> float:
        """Jobs that wait at a time."""
        return self.jobs if (time_s - self.at_s) % DAY_SECONDS < self.seconds else 0.0

    def history(self, *, until_s: float, days: int, step_seconds: int, labels: Mapping[str, str]) -> Iterator[str]:
        """Lines of OpenMetrics text without the end: each step around a batch, else one a minute."""
        yield f"# TYPE {JOBS} gauge"
        end_s = int(until_s) // step_seconds * step_seconds
        times_s = [
            time_s
            for time_s in range(end_s - days * DAY_SECONDS, end_s, step_seconds)
            if time_s % 60 < step_seconds or (time_s - self.at_s + 60) % DAY_SECONDS < self.seconds + 120
        ]
        for queue, share in QUEUES.items():
            inner = ",".join(f'{name}="{value}"' for name, value in {**labels, "queue": queue}.items())
            for time_s in times_s:
                yield f"{JOBS}{{{inner}}} {share * self.waiting(time_s):g} {time_s}"

    def lines(self, time_s: float) -> list[str]:
        """As Prometheus scrapes them."""
        each = [f'{JOBS}{{queue="{queue}"}} {share * self.waiting(time_s):g}' for queue, share in QUEUES.items()]
        return [f"# TYPE {JOBS} gauge", *each]


@dataclass
class Sessions:
    """Sessions that each pod holds; set by a test, told to Prometheus."""

    held: dict[str, int] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """As Prometheus scrapes them."""
        each = [f'{SESSIONS}{{namespace="{NAMESPACE}",pod="{pod}"}} {count}' for pod, count in self.held.items()]
        return [f"# TYPE {SESSIONS} gauge", *each] if each else []


def objects() -> list[dict[str, Any]]:
    """Namespace, Deployments, LoadForecasts and HPAs. The worker begins with one pod: an HPA never wakes what somebody
    else scaled to zero."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        _deployment(DIGEST, 1),
        _loadforecast(DIGEST, JOBS, JOBS_PER_POD, scaleToZero={"holdSeconds": 0}, parts={"labels": ["queue"]}),
        _autoscaler(DIGEST, JOBS_PER_POD, least=0),
        _deployment(ROOMS, ROOMS_REPLICAS),
        _loadforecast(
            ROOMS,
            SESSIONS,
            SESSIONS_PER_POD,
            drain={"query": f"sum by (namespace, pod) ({SESSIONS})", "maxPatchesPerMinute": 60},
            mode="Shadow",
        ),
        _autoscaler(ROOMS, SESSIONS_PER_POD, least=1),
    ]


def _deployment(name: str, replicas: int) -> dict[str, Any]:
    made = deployment(name)
    made["metadata"]["namespace"] = NAMESPACE
    made["spec"]["replicas"] = replicas
    return made


def _loadforecast(name: str, metric: str, capacity: int, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "forescale.dev/v1alpha1",
        "kind": "LoadForecast",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "targetRef": {"kind": "Deployment", "name": name},
            "demand": {"query": f"sum({metric})", "unit": "jobs" if metric == JOBS else "sessions"},
            "capacityPerPod": capacity,
            "lead": {"floorSeconds": 10, "fallbackSeconds": 35},
            **spec,
        },
    }


def _autoscaler(name: str, capacity: int, *, least: int) -> dict[str, Any]:
    policy = {"type": "Pods", "value": 100, "periodSeconds": 15}
    rules = {"policies": [policy], "stabilizationWindowSeconds": 0, "tolerance": "0"}
    target = {"type": "AverageValue", "averageValue": str(capacity)}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": least,
            "maxReplicas": 10,
            "metrics": [{"type": "External", "external": {"metric": {"name": name}, "target": target}}],
            "behavior": {"scaleUp": rules, "scaleDown": rules},
        },
    }


@dataclass(frozen=True)
class Look:
    """The worker at one time: jobs that waited, pods asked for and Ready, and what its HPA says of zero."""

    time_s: float
    jobs: float
    asked: int
    ready: int
    scaled_to_zero: str


@dataclass
class Watcher:
    """Looks at the worker every two seconds until it is stopped, in a thread of its own."""

    plane: ControlPlane
    batch: DailyBatch
    looks: list[Look] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(2.0):
            found = self.plane.get("deployment,hpa", "-n", NAMESPACE)["items"]
            named = {(one["kind"], one["metadata"]["name"]): one for one in found}
            worker, scaler = named["Deployment", DIGEST], named["HorizontalPodAutoscaler", DIGEST]
            conditions = {one["type"]: one["status"] for one in (scaler.get("status") or {}).get("conditions") or []}
            now = time.time()
            self.looks.append(
                Look(
                    now,
                    self.batch.waiting(now),
                    int(worker["spec"]["replicas"]),
                    int(worker["status"].get("readyReplicas", 0)),
                    conditions.get("ScaledToZero", ""),
                )
            )

    def stop(self) -> None:
        """Ends it."""
        self._stop.set()
        self._thread.join(10)
