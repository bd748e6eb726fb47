"""What a real kube-apiserver says to the policy of each type, on the samples that use it and a queue's workers."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.cluster.conftest import Scenario
from tests.e2e.cluster.test_overlays import pod_templates
from tests.e2e.harness import definitions
from tests.e2e.harness.control_plane import ControlPlane

ROOT = Path(__file__).parents[3]
USERS = {  # type -> the tree of a workload that uses it
    "registry": "examples/mcp/k8s/base/registry",
    "stateless": "examples/mcp/k8s/base/catalog",
    "stateful": "examples/mcp/k8s/base/workshop",
    "agent": "examples/mcp/k8s/base/agent",
    "batch": "k8s/examples/queue-worker",
}
STRICT = ("--server-side", "--force-conflicts", "--validate=strict", "-f", "-")


@pytest.fixture(scope="module")
def plane(scenario: Scenario) -> ControlPlane:
    """With the definitions of others, the namespace and the priority classes; the rest is only tried."""
    definitions.install(
        scenario.plane, "verticalpodautoscalers.autoscaling.k8s.io", "podmonitors.monitoring.coreos.com"
    )
    scenario.plane.apply(*rendered(scenario.plane, "examples/mcp/k8s/namespace"))
    done = scenario.plane.try_kubectl(
        "apply", *STRICT, stdin=yaml.safe_dump_all(rendered(scenario.plane, "k8s/policies/priorities"))
    )
    assert done.returncode == 0, done.stderr
    return scenario.plane


def rendered(plane: ControlPlane, tree: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(plane.kubectl("kustomize", str(ROOT / tree))) if one]


@pytest.mark.parametrize("kind", USERS)
def test_every_object_of_a_policy_would_be_accepted(plane: ControlPlane, kind: str) -> None:
    objects = rendered(plane, USERS[kind])
    assert {"HorizontalPodAutoscaler", "PodDisruptionBudget", "VerticalPodAutoscaler"} <= {
        one["kind"] for one in objects
    }
    done = plane.try_kubectl("apply", "--dry-run=server", *STRICT, stdin=yaml.safe_dump_all(objects))
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower(), done.stderr
    assert len(done.stdout.splitlines()) == len(objects)


@pytest.mark.parametrize("kind", USERS)
def test_a_policys_pods_are_admitted_with_the_priority_of_their_class(plane: ControlPlane, kind: str) -> None:
    ((_, template),) = pod_templates(rendered(plane, USERS[kind]))
    pod: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"] | {"name": "tried"}}
    pod["spec"] = template["spec"] | {"serviceAccountName": "default"}
    done = plane.try_kubectl(
        "create", "-n", "mcp", "--dry-run=server", "-o", "yaml", "-f", "-", stdin=yaml.safe_dump(pod)
    )
    assert done.returncode == 0, done.stderr
    admitted = yaml.safe_load(done.stdout)["spec"]
    known = plane.get("priorityclass", template["spec"]["priorityClassName"])
    assert (admitted["priority"], admitted["preemptionPolicy"]) == (known["value"], known["preemptionPolicy"])
