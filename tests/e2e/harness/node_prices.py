"""Two node pools of one node each, priced by what OpenCost says of them, and the rights that the components give."""

from pathlib import Path

from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.processes import free_port
from tests.e2e.harness.service import ROOT

SPOT, ON_DEMAND = "stateless-spot", "stateful-on-demand"
NODES = {SPOT: "node-0", ON_DEMAND: "node-1"}
FIRST = {"node-0": 0.08, "node-1": 0.2}
_LABEL = "forescale.dev/pool"
_RIGHTS = ("prices/clusterrole", "prices/clusterrolebinding", "expander/role", "expander/rolebinding")
_FILE = """\
currency: EUR
openCost: true
pools:
  - {name: stateless-spot, nodeLabels: {forescale.dev/pool: stateless-spot}, spot: true, podsPerNode: 8}
  - {name: stateful-on-demand, nodeLabels: {forescale.dev/pool: stateful-on-demand}, podsPerNode: 8}
"""


def install(plane: ControlPlane, folder: Path) -> dict[str, str]:
    """Labels the nodes, gives the shipped rights, writes the price file; returns the service's settings."""
    for pool, node in NODES.items():
        plane.kubectl("label", "node", node, f"{_LABEL}={pool}")
    for name in _RIGHTS:
        part, _, kind = name.partition("/")
        plane.kubectl(
            "apply", "--server-side", "-f", str(ROOT / "k8s/components" / part / f"{kind}-forescale-{part}.yaml")
        )
    path = folder / "prices.yaml"
    path.write_text(_FILE)
    return {
        "FORESCALE_PRICES_FILE": str(path),
        "FORESCALE_PRIORITY_EXPANDER_NAMESPACE": "kube-system",
        "FORESCALE_EXPANDER_PORT": str(free_port()),
    }
