"""A real Karpenter on the real control plane. Its provider's nodes are kwok's: they start late, nothing runs there."""

from pathlib import Path

import httpx

from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.definitions import wait_until_served
from tests.e2e.harness.processes import Server, free_port
from tests.e2e.parts.build import binary, data

DEFINITIONS = (
    "nodepools.karpenter.sh",
    "nodeclaims.karpenter.sh",
    "nodeoverlays.karpenter.sh",
    "kwoknodeclasses.karpenter.kwok.sh",
    "capacitybuffers.autoscaling.x-k8s.io",
)
PRICE_LABEL = "eks-node-viewer/instance-price"
"""What a node of its provider costs an hour."""


def install(plane: ControlPlane) -> None:
    """Its custom resources, those of its provider and the CapacityBuffer."""
    folders = [str(data(name)) for name in ("karpenter-crds", "karpenter-kwok-crds")]
    plane.kubectl("apply", "--server-side", *(word for folder in folders for word in ("-f", folder)))
    wait_until_served(plane, *DEFINITIONS)


def start(plane: ControlPlane, *, kubeconfig: Path | None = None) -> Server:
    """Starts it; returns when it works."""
    environment = {
        "KUBECONFIG": str(kubeconfig or plane.admin),
        "SYSTEM_NAMESPACE": "kube-system",
        "KUBERNETES_MIN_VERSION": "1.30.0-0",
        "METRICS_PORT": str(free_port()),
        "HEALTH_PROBE_PORT": str(free_port()),
        "DISABLE_LEADER_ELECTION": "true",
        "FEATURE_GATES": "CapacityBuffer=true",
        "LOG_LEVEL": "info",
    }
    server = Server.start([binary("karpenter")], log=plane.folder / "karpenter.log", env=environment)
    plane.servers.append(server)
    health = f"http://127.0.0.1:{environment['HEALTH_PROBE_PORT']}/readyz"
    return server.ready(lambda: httpx.get(health).is_success, seconds=60)
