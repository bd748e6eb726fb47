"""Every object that is shipped: accepted by the API server, found sound by istioctl, taken by every proxy."""

from pathlib import Path

import pytest

from tests.e2e.harness.mesh import MESH, REVISION, Mesh, namespace
from tests.e2e.harness.processes import wait_until
from tests.e2e.mesh.conftest import limited

TREES = sorted(str(one.parent.relative_to(MESH)) for one in MESH.rglob("kustomization.yaml"))
SUPPRESSED = (
    "IST0133=EnvoyFilter *",
    "IST0132=VirtualService *",
    "IST0127=AuthorizationPolicy forescale/forescale-api",
    "IST0146=Deployment mcp-gateway/mcp-gateway",
)
NAMESPACES = ("mcp", "mcp-gateway", "mcp-limits", "forescale", "tracing", "monitoring")


@pytest.fixture(scope="module", autouse=True)
def namespaces(mesh: Mesh) -> None:
    mesh.apply(*(namespace(one, rev="stable") for one in NAMESPACES if one not in ("mcp", "mcp-gateway")))


@pytest.mark.parametrize("tree", TREES)
def test_the_api_server_and_istiods_webhook_accept_every_object(mesh: Mesh, tree: str) -> None:
    words = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-k", str(MESH / tree))
    assert mesh.plane.kubectl(*words)


def test_istioctl_finds_nothing_to_complain_about(mesh: Mesh, tmp_path: Path) -> None:
    """As if the whole of mesh/istio were installed beside what runs. Not counted: that EnvoyFilters depend on the
    proxy (README says on which); names inside the mesh, which no Gateway serves; the forecaster, which does
    not run here; and `image: auto` in a namespace that names a tag, which istioctl does not follow."""
    files = []
    for tree in ("injection", "traffic", "limits", "gateway", "security/mtls"):
        rendered = tmp_path / f"{tree.replace('/', '-')}.yaml"
        rendered.write_text(mesh.plane.kubectl("kustomize", str(MESH / tree)))
        files.append(str(rendered))
    suppressed = [word for one in SUPPRESSED for word in ("--suppress", one)]
    said = mesh.istioctl("analyze", "--all-namespaces", "--failure-threshold", "Warning", *suppressed, *files)
    print(said)


def test_no_proxy_refuses_what_istiod_sends_it(mesh: Mesh) -> None:
    with limited(mesh):
        proxies = mesh.sync()
        print(f"{len(proxies)} proxies, {len(mesh.istiods())} istiods, refused: {mesh.rejects() or 'nothing'}")
    assert len(proxies) >= 12
    assert mesh.rejects() == {}


def test_the_control_plane_runs_twice_and_an_eviction_leaves_one(mesh: Mesh) -> None:
    name = f"istiod-{REVISION}"
    wait_until(lambda: len(mesh.istiods()) == 2, seconds=60, what="the HPA's least number runs")
    hpa = mesh.plane.get("-n", "istio-system", "hpa", name)["spec"]
    budget = mesh.plane.get("-n", "istio-system", "pdb", name)["spec"]
    assert hpa["minReplicas"] == 2
    assert budget["minAvailable"] == 1
    assert len({one.pod["spec"]["nodeName"] for one in mesh.istiods()}) == 2


def test_pods_of_a_labelled_namespace_get_a_native_sidecar_and_others_none(mesh: Mesh) -> None:
    agent, outsider = mesh.pod("mcp", "mcp-agent"), mesh.pod("outside", "outsider")
    proxy = next(one for one in agent.pod["spec"]["initContainers"] if one["name"] == "istio-proxy")
    assert proxy["restartPolicy"] == "Always"
    assert agent.pod["metadata"]["annotations"]["istio.io/rev"] == REVISION
    assert "istio-proxy" not in str(outsider.pod["spec"])
