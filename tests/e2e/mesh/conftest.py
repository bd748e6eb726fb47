"""One cluster with one mesh for the whole suite: shipped control plane, traffic rules, limits, and sample servers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.harness.mesh import MESH, Mesh, namespace

WORKLOADS = Path(__file__).parent / "workloads"
EJECTED_SECONDS = 3
DEPLOYMENTS = ("mcp-catalog", "mcp-catalog-canary", "mcp-workshop", "effects", "mcp-agent", "stranger")


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """Running, injected, and with every proxy's configuration acknowledged."""
    running = Mesh.start(tmp_path_factory.mktemp("mesh"))
    try:
        prepare(running)
        yield running
    finally:
        running.stop()


def prepare(running: Mesh) -> None:
    """The shipped control plane, gateway and rules, with what the tests call; every proxy has acknowledged them."""
    running.install()
    running.apply_tree(MESH / "injection")
    running.apply(namespace("forescale", rev="stable"))
    running.apply_tree(WORKLOADS)
    running.apply(_gateway_certificate(running))
    running.apply_tree(MESH / "gateway")
    running.apply_tree(MESH / "security" / "mtls")
    running.apply_tree(MESH / "traffic")
    running.apply(yaml.safe_load((MESH / "limits" / "envoyfilter-jsonrpc-errors.yaml").read_text()))
    running.apply(*_rules_of_the_catalogue("effects"))
    running.rollout("mcp", *DEPLOYMENTS)
    running.rollout("outside", "outsider")
    running.rollout("mcp-gateway", "mcp-gateway")
    running.settle()


@contextmanager
def limited(mesh: Mesh) -> Iterator[None]:
    """With the shipped limits, which would also refuse the crowds of other tests."""
    mesh.change(lambda: mesh.apply_tree(MESH / "limits"))
    try:
        yield
    finally:
        servers = ("mcp-catalog", "mcp-workshop")
        filters = [f"envoyfilter/{kind}-limit-{one}" for kind in ("local", "global") for one in servers]
        words = ("-n", "mcp", "delete", *filters, *(f"sidecar/{one}" for one in servers))
        mesh.change(lambda: mesh.plane.kubectl(*words))


def _gateway_certificate(mesh: Mesh) -> dict[str, Any]:
    """The Secret that an installation brings."""
    pair = mesh.plane.cluster.issue("gateway", hosts=("*.mcp.example.com",))
    meta = {"name": "mcp-gateway-certificate", "namespace": "mcp-gateway"}
    data = {"tls.crt": pair.cert.read_text(), "tls.key": pair.key.read_text()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "kubernetes.io/tls", "stringData": data}


def _rules_of_the_catalogue(name: str) -> list[dict[str, Any]]:
    """The shipped rules of mcp-catalog for another server, so that what is tested are those rules; only a replica that
    was put aside comes back sooner, or a test would wait for minutes."""
    files = (
        "traffic/virtualservice-mcp-catalog.yaml",
        "traffic/destinationrule-mcp-catalog.yaml",
        "limits/envoyfilter-outlier-jsonrpc.yaml",
    )
    found = []
    for file in files:
        text = (MESH / file).read_text().replace("mcp-catalog", name).replace("catalog.mcp", f"{name}.mcp")
        found.append(yaml.safe_load(text.replace("baseEjectionTime: 30s", f"baseEjectionTime: {EJECTED_SECONDS}s")))
    found[-1]["metadata"]["name"] += f"-{name}"
    return found


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows what the kubelet ran into and the end of every proxy's log."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    running = getattr(item, "funcargs", {}).get("mesh")
    if report.failed and isinstance(running, Mesh):
        report.sections.append(("kubelet", "\n".join(running.kubelet.trouble[-5:])))
        for pod in list(running.kubelet.runners.values()):
            log = pod.log("istio-proxy")
            if log.exists():
                lines = [one for one in log.read_text(errors="replace").splitlines() if '"probes"' not in one]
                text = "\n".join(lines[-8:])
                report.sections.append((f"proxy of {pod.namespace}/{pod.name}", text))
