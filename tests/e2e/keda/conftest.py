"""A control plane on which KEDA owns the external metrics API, and the service that its ScaledObjects ask."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness.certificates import Pair
from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.keda import Keda
from tests.e2e.harness.load import Exporter
from tests.e2e.harness.processes import Server, free_port, wait_until
from tests.e2e.harness.prometheus import Prometheus
from tests.e2e.harness.service import HOST, Service, install
from tests.e2e.harness.twins import CAPACITY_PER_POD, NAMESPACE, deployment, loadforecast

BY_GRPC, BY_REST = "by-grpc", "by-rest"
LOW = 18.0
READER = "keda-reader"
STALENESS_SECONDS = 15
SETTINGS = {
    "FORESCALE_HISTORY_DAYS": "7",
    "FORESCALE_HISTORY_STEP_SECONDS": "10",
    "FORESCALE_SETTLE_SECONDS": "2",
    "FORESCALE_REFRESH_SECONDS": "2",
    "FORESCALE_STALENESS_SECONDS": str(STALENESS_SECONDS),
    "FORESCALE_PROMETHEUS_TIMEOUT_SECONDS": "3",
    "FORESCALE_PROMETHEUS_ATTEMPTS": "2",
}


@dataclass
class Load:
    """What both workloads have now; tests change it."""

    value: float = LOW

    def at(self, time_s: float) -> float:
        return self.value


@dataclass
class Scenario:
    """Everything that runs."""

    plane: ControlPlane
    keda: Keda
    load: Load
    prometheus: Prometheus
    service: Service
    serving: Pair
    grpc_port: int
    settings: dict[str, str]
    others: list[Service] = field(default_factory=list)

    def replicas(self, name: str) -> int:
        """What its Deployment is asked for."""
        return int(self.plane.get("deployment", name, "-n", NAMESPACE)["spec"]["replicas"])

    def hpa(self, name: str) -> dict[str, Any]:
        """The one that KEDA made for a ScaledObject."""
        return self.plane.get("hpa", f"keda-hpa-{name}", "-n", NAMESPACE)

    def scaling_active(self, name: str) -> dict[str, str]:
        """That HPA's condition."""
        conditions = self.hpa(name)["status"].get("conditions", [])
        return next(one for one in conditions if one["type"] == "ScalingActive")

    def metric(self, name: str) -> str:
        """The path under which that HPA asks for its metric."""
        external = self.hpa(name)["spec"]["metrics"][0]["external"]["metric"]
        (label, value), *_ = external["selector"]["matchLabels"].items()
        query = f"labelSelector={label.replace('/', '%2F')}%3D{value}"
        return f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/{external['name']}?{query}"

    def servers(self) -> list[Server]:
        """All processes, for their logs."""
        services = [one.server for one in (self.service, *self.others)]
        own = [one for one in (self.prometheus.server, *services) if one is not None]
        return [*self.plane.servers, *self.keda.servers, *own]


@pytest.fixture(scope="session")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    folder = tmp_path_factory.mktemp("keda")
    plane = ControlPlane.start(folder, pod_start_seconds=1)
    try:
        keda = Keda.start(plane)
        try:
            yield from _with(plane, keda, folder)
        finally:
            keda.stop()
    finally:
        plane.stop()


def _with(plane: ControlPlane, keda: Keda, folder: Path) -> Iterator[Scenario]:
    port, grpc_port, load = free_port(), free_port(), Load()
    install(plane, folder, port=port, own_api=False)
    plane.apply(*_objects())
    serving = plane.cluster.issue("forescale", hosts=(HOST, "localhost"))
    with Exporter(load.at, (BY_GRPC, BY_REST)) as exporter:
        prometheus = Prometheus(folder, exporter.port).start()
        settings = {
            **SETTINGS,
            "FORESCALE_PROMETHEUS_URL": prometheus.url,
            "FORESCALE_KEDA_PORT": str(grpc_port),
            "FORESCALE_KEDA_CLIENT_CA_FILE": str(plane.cluster.file),
        }
        service = Service(plane, "forescale-0", serving, settings, port=port).start()
        running = Scenario(plane, keda, load, prometheus, service, serving, grpc_port, settings)
        try:
            service.wait_until_ready()
            plane.apply(*_scaled(running))
            wait_until(lambda: all(_asked(running, one) for one in (BY_GRPC, BY_REST)), seconds=90, what="KEDA scales")
            yield running
        finally:
            for one in (*running.others, service):
                one.stop()
            prometheus.stop()


def _asked(running: Scenario, name: str) -> bool:
    assert running.scaling_active(name)["status"] == "True", running.scaling_active(name)["message"]
    return True


def _objects() -> list[dict[str, Any]]:
    """Two workloads, and who may read their forecasts over REST."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": READER, "namespace": NAMESPACE}}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": READER, "namespace": NAMESPACE},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": READER, "namespace": NAMESPACE}],
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        *(deployment(name) for name in (BY_GRPC, BY_REST)),
        *(loadforecast(name, mode="Auto") for name in (BY_GRPC, BY_REST)),
        account,
        binding,
    ]


def _scaled(running: Scenario) -> list[dict[str, Any]]:
    """Both doors, as k8s/examples/README.md shows them."""
    client = running.plane.cluster.issue("keda-operator")
    grpc = {"caCert": running.plane.cluster.file, "tlsClientCert": client.cert, "tlsClientKey": client.key}
    token = running.plane.token(NAMESPACE, READER)
    rest = f"https://localhost:{running.service.port}/api/v1/namespaces/{NAMESPACE}/loadforecasts/{BY_REST}"
    return [
        *_authentication(BY_GRPC, {key: path.read_text() for key, path in grpc.items()}),
        *_authentication(BY_REST, {"token": token}),
        scaled_object(BY_GRPC, "external", {"scalerAddress": f"localhost:{running.grpc_port}"}),
        scaled_object(
            BY_REST,
            "metrics-api",
            {"url": rest, "valueLocation": "served", "targetValue": str(CAPACITY_PER_POD), "authMode": "bearer"},
        ),
    ]


def _authentication(name: str, secrets: dict[str, str]) -> list[dict[str, Any]]:
    metadata = {"name": name, "namespace": NAMESPACE}
    data = {key: base64.b64encode(value.encode()).decode() for key, value in secrets.items()}
    references = [{"parameter": key, "name": name, "key": key} for key in secrets]
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data},
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "TriggerAuthentication",
            "metadata": metadata,
            "spec": {"secretTargetRef": references},
        },
    ]


def scaled_object(name: str, kind: str, trigger: dict[str, str]) -> dict[str, Any]:
    """May add and remove pods as fast as it likes: what is shown is the number that it acts on."""
    policy = {"policies": [{"type": "Pods", "value": 100, "periodSeconds": 15}], "stabilizationWindowSeconds": 0}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"name": name},
            "pollingInterval": 2,
            "minReplicaCount": 1,
            "maxReplicaCount": 40,
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleUp": policy, "scaleDown": policy}}},
            "triggers": [{"type": kind, "metadata": trigger, "authenticationRef": {"name": name}}],
        },
    }


@pytest.fixture(autouse=True)
def low_load(scenario: Scenario) -> Iterator[None]:
    """Every test begins and ends with it."""
    yield
    scenario.load.value = LOW


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows the end of every server's log."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    running = getattr(item, "funcargs", {}).get("scenario")
    if report.failed and isinstance(running, Scenario):
        for server in running.servers():
            report.sections.append((f"log of {server.name}", server.tail()))
