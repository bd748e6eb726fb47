"""One cluster with one mesh for the whole suite: shipped control plane, traffic rules, limits, and sample servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness.mesh import MESH, Mesh

WORKLOADS = Path(__file__).parent / "workloads"
DEPLOYMENTS = ("catalog", "catalog-canary", "workshop", "effects", "agent", "stranger")


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """Running, injected, and with every proxy's configuration acknowledged."""
    running = Mesh.start(tmp_path_factory.mktemp("mesh"))
    try:
        running.install()
        running.apply_tree(MESH / "injection")
        running.apply_tree(WORKLOADS)
        running.apply_tree(MESH / "traffic")
        running.rollout("mcp", *DEPLOYMENTS)
        running.rollout("outside", "outsider")
        running.settle()
        yield running
    finally:
        running.stop()


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
                text = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
                report.sections.append((f"proxy of {pod.namespace}/{pod.name}", text))
