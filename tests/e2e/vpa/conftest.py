"""A control plane with the shipped vertical autoscaler, a workload of the samples, and its usage of two weeks."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.harness import vpa
from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.load import DAY_SECONDS, write_history
from tests.e2e.harness.processes import Server, wait_until
from tests.e2e.harness.prometheus import Prometheus
from tests.e2e.harness.vpa import PlayedPod, Programs, UsageNow

ROOT = Path(__file__).parents[3]
NAMESPACE, NAME, SIDECAR = "mcp", "mcp-catalog", "istio-proxy"
MI = 2**20
REPLICAS = 4
DAYS = 14
QUIET_MI, PEAK_MI, SIDECAR_MI = 150, 420, 90  # of each day of the past, and of the sidecar all the time
AT_START_MI = 256  # what the sample's Deployment requests


@dataclass
class Usage:
    """What the application's containers use now, in bytes; None: what they used at the end of the past."""

    now: float | None = None

    def of(self, namespace: str, pod: str, container: str) -> float | None:
        if namespace != NAMESPACE:
            return None
        return SIDECAR_MI * MI if container == SIDECAR else self.now or QUIET_MI * MI


@dataclass
class Scenario:
    """Everything that runs."""

    plane: ControlPlane
    programs: Programs
    prometheus: Prometheus
    usage: Usage

    def vpa(self) -> dict[str, Any]:
        """The workload's."""
        return self.plane.get("vpa", NAME, "-n", NAMESPACE)

    def recommended(self) -> dict[str, Any]:
        """Container -> its recommendation; raises LookupError until there is one."""
        found = self.vpa().get("status", {})["recommendation"]["containerRecommendations"]
        return {one["containerName"]: one for one in found}

    def target_mi(self) -> float:
        """Recommended memory of the application."""
        return mebibytes(self.recommended()[NAME]["target"]["memory"])

    def pods(self) -> list[dict[str, Any]]:
        """Of the workload, the oldest first, without those that leave."""
        found = self.plane.get("pods", "-n", NAMESPACE, "-l", f"app.kubernetes.io/name={NAME}")["items"]
        kept = [one for one in found if not one["metadata"].get("deletionTimestamp")]
        return sorted(kept, key=lambda one: str(one["metadata"]["creationTimestamp"]))

    def servers(self) -> list[Server]:
        """All processes, for their logs."""
        own = [self.prometheus.server] if self.prometheus.server else []
        return [*self.plane.servers, *own, *self.programs.servers]


def mebibytes(quantity: str) -> float:
    """Of a recommendation: plain bytes or with a binary suffix."""
    factors = {"Ki": 2.0**-10, "Mi": 1.0, "Gi": 2.0**10, "k": 1e3 / MI, "M": 1e6 / MI}
    for suffix, factor in factors.items():
        if quantity.endswith(suffix):
            return float(quantity.removesuffix(suffix)) * factor
    return float(quantity) / MI


def requested(pod: dict[str, Any], container: str) -> dict[str, str]:
    """What a container of a pod requests."""
    (found,) = [one for one in pod["spec"]["containers"] if one["name"] == container]
    requests: dict[str, str] = found["resources"]["requests"]
    return requests


@pytest.fixture(scope="session")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    folder = tmp_path_factory.mktemp("vpa")
    prometheus = Prometheus(folder)
    prometheus.backfill(write_history(vpa.history(_past(), until_s=time.time(), days=DAYS), folder / "history.txt"))
    prometheus.start()
    try:
        plane = ControlPlane.start(folder, pod_start_seconds=1)
        try:
            vpa.install(plane)
            yield from _running(plane, prometheus)
        finally:
            plane.stop()
    finally:
        prometheus.stop()


def _running(plane: ControlPlane, prometheus: Prometheus) -> Iterator[Scenario]:
    plane.apply(*_workload(plane))
    usage, programs = Usage(), Programs(plane)
    scenario = Scenario(plane, programs, prometheus, usage)
    serving = plane.cluster.issue("metrics-server", hosts=(vpa.USAGE_HOST, "localhost"))
    try:
        wait_until(lambda: len(_ready(scenario)) == REPLICAS, seconds=90, what="pods are ready")
        with UsageNow(plane, serving, usage.of):
            programs.start("recommender", {"prometheus-address": prometheus.url, "recommender-interval": "1s"})
            yield scenario
    finally:
        programs.stop()


def _ready(scenario: Scenario) -> list[dict[str, Any]]:
    return [one for one in scenario.pods() if one["status"].get("podIP")]


def _past() -> list[PlayedPod]:
    """Pods that are gone by now: each day quiet but for two hours before its end."""

    def application(at: float) -> float:
        since = (at - time.time()) % DAY_SECONDS
        return (PEAK_MI if since > DAY_SECONDS - 7200 else QUIET_MI) * MI

    labels = {"label_app_kubernetes_io_name": NAME, "label_version": "stable"}
    memory = {NAME: application, SIDECAR: lambda at: SIDECAR_MI * MI}
    return [PlayedPod(NAMESPACE, f"{NAME}-59bd-{number}", labels, memory) for number in range(2)]


def _workload(plane: ControlPlane) -> list[dict[str, Any]]:
    """The sample as it is shipped, with the sidecar that a mesh would inject; the autoscaler of pods is not asked."""
    trees = ("examples/mcp/k8s/namespace", "k8s/policies/priorities", "examples/mcp/k8s/base/catalog")
    text = "\n---\n".join(plane.kubectl("kustomize", str(ROOT / tree)) for tree in trees)
    wanted = ("Namespace", "PriorityClass", "ServiceAccount", "Deployment", "PodDisruptionBudget")
    objects = [one for one in yaml.safe_load_all(text) if one["kind"] in (*wanted, "VerticalPodAutoscaler")]
    for one in objects:
        if one["kind"] == "Deployment":
            one["spec"]["replicas"] = REPLICAS
            pod = one["spec"]["template"]["spec"]
            proxy = {"name": SIDECAR, "image": "example.invalid/proxy:1"}
            resources = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}
            security = pod["containers"][0]["securityContext"]
            pod["containers"].append(proxy | {"resources": resources, "securityContext": security})
    return objects


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """A failed test shows the end of every server's log."""
    report = yield
    found = item.funcargs.get("scenario") if isinstance(item, pytest.Function) else None
    if report.failed and isinstance(found, Scenario):
        for server in found.servers():
            report.sections.append((f"log of {server.name}", server.tail()))
    return report
