"""kube-apiserver is in no mesh and must reach the service's port for external metrics; nothing else of the pod."""

from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.harness.mesh import MESH, Mesh
from tests.e2e.harness.pod import PodRunner
from tests.e2e.harness.processes import wait_until
from tests.e2e.mesh.aggregated_api import API, PLAIN_PORT, TLS_PORT

NAME = NAMESPACE = "forescale"
LABELS = {"app.kubernetes.io/name": "forescale", "app.kubernetes.io/component": "server"}  # as k8s/base has them
EXCEPTION = MESH / "security" / "mtls" / "peerauthentication-forescale.yaml"


def objects(mesh: Mesh) -> list[dict[str, object]]:
    """A server behind the APIService of external metrics, in a namespace of the mesh."""
    pair = mesh.plane.cluster.issue(NAME, hosts=(f"{NAME}.{NAMESPACE}.svc",))
    data = {"tls.crt": pair.cert.read_text(), "tls.key": pair.key.read_text()}
    container = {
        "name": NAME,
        "image": "ghcr.io/forescale/aggregated-api:0.1.0",
        "ports": [{"containerPort": TLS_PORT}, {"containerPort": PLAIN_PORT}],
        "volumeMounts": [{"name": "certificate", "mountPath": "/certificate"}],
        "readinessProbe": {"httpGet": {"path": "/", "port": PLAIN_PORT}, "periodSeconds": 1},
    }
    template = {
        "metadata": {"labels": LABELS},
        "spec": {
            "terminationGracePeriodSeconds": 5,
            "containers": [container],
            "volumes": [{"name": "certificate", "secret": {"secretName": "aggregated-api"}}],
        },
    }
    api = {
        "group": "external.metrics.k8s.io",
        "version": "v1beta1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "caBundle": mesh.plane.ca_bundle(),
        "service": {"name": NAME, "namespace": NAMESPACE, "port": 443},
    }
    here = {"namespace": NAMESPACE}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "aggregated-api", **here}, "stringData": data},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME, **here},
            "spec": {"selector": LABELS, "ports": [{"name": "https", "port": 443, "targetPort": TLS_PORT}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": NAME, **here},
            "spec": {"replicas": 1, "selector": {"matchLabels": LABELS}, "template": template},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.external.metrics.k8s.io"},
            "spec": api,
        },
    ]


@pytest.fixture(scope="module")
def server(mesh: Mesh) -> Iterator[PodRunner]:
    """The pod, injected, with its proxy's configuration acknowledged."""
    mesh.apply(*objects(mesh))
    mesh.rollout(NAMESPACE, NAME)
    mesh.settle()
    yield mesh.pod(NAMESPACE, NAME)
    mesh.delete("apiservice/v1beta1.external.metrics.k8s.io")
    mesh.delete("-n", NAMESPACE, f"deployment/{NAME}", f"service/{NAME}", "secret/aggregated-api")
    mesh.kubelet.wait_gone(NAMESPACE, NAME, seconds=60)
    mesh.settle()


@pytest.fixture
def outsider(mesh: Mesh) -> PodRunner:
    return mesh.pod("outside", "outsider")


def discovery(mesh: Mesh) -> str:
    """What kube-apiserver hands on from the server behind the APIService; or why it could not."""
    done = mesh.plane.try_kubectl("get", "--raw", API)
    return done.stdout or done.stderr


def test_kube_apiserver_reaches_the_port_of_external_metrics(mesh: Mesh, server: PodRunner) -> None:
    wait_until(lambda: "APIResourceList" in discovery(mesh), seconds=60, what="kube-apiserver hands discovery on")


def test_every_other_port_of_that_pod_is_strict(server: PodRunner, outsider: PodRunner) -> None:
    def ask(url: str) -> int:
        return outsider.sandbox.inside(lambda: httpx.get(url, timeout=5, verify=False).status_code)

    assert ask(f"https://{server.address}:{TLS_PORT}{API}") == 200  # it is there, and asks for credentials itself
    with pytest.raises(httpx.TransportError):
        ask(f"http://{server.address}:{PLAIN_PORT}/metrics")


def test_without_the_exception_external_metrics_would_be_lost(mesh: Mesh, server: PodRunner) -> None:
    mesh.change(lambda: mesh.plane.kubectl("delete", "-f", str(EXCEPTION)))
    try:
        refused = discovery(mesh)
    finally:
        mesh.change(lambda: mesh.plane.kubectl("apply", "--server-side", "-f", str(EXCEPTION)))
    assert "APIResourceList" not in refused
    assert "error" in refused.lower()
