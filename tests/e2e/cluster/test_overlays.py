"""What a real kube-apiserver says to everything under k8s/. Only namespaces and priority classes are kept of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.cluster.conftest import Scenario
from tests.e2e.harness.service import NAMESPACE

K8S = Path(__file__).parents[3] / "k8s"
TREES = ["overlays/local", "overlays/production", "examples/mcp-gateway"]
KEPT = ("Namespace", "PriorityClass")  # what others need that are only tried
ELSEWHERE = "cert-manager.io/"  # its definitions are not in this cluster


def rendered(scenario: Scenario, tree: str) -> list[dict[str, Any]]:
    """Objects of a tree whose kinds this cluster knows."""
    found = [one for one in yaml.safe_load_all(scenario.plane.kubectl("kustomize", str(K8S / tree))) if one]
    return [one for one in found if not one["apiVersion"].startswith(ELSEWHERE)]


def keep(scenario: Scenario, objects: list[dict[str, Any]]) -> None:
    """Creates what the others of a tree refer to."""
    if kept := [one for one in objects if one["kind"] in KEPT]:
        scenario.plane.apply(*kept)


def pod_templates(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for one in objects:
        spec = one.get("spec") or {}
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "containers" in spec.get("template", {}).get("spec", {}):
            yield f"{one['kind']} {one['metadata']['name']}", spec["template"]


@pytest.mark.parametrize("tree", TREES)
def test_every_tree_would_be_accepted(scenario: Scenario, tree: str) -> None:
    objects = rendered(scenario, tree)
    keep(scenario, objects)
    words = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-")
    done = scenario.plane.try_kubectl(*words, stdin=yaml.safe_dump_all(objects))
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower(), done.stderr
    assert len(done.stdout.splitlines()) == len(objects)


@pytest.mark.parametrize("tree", TREES)
def test_every_pod_is_admitted_where_pod_security_is_restricted(scenario: Scenario, tree: str) -> None:
    namespace = scenario.plane.get("namespace", NAMESPACE)
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    objects = rendered(scenario, tree)
    keep(scenario, objects)
    found = dict(pod_templates(objects))
    assert found
    for owner, template in found.items():
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tried", "namespace": NAMESPACE}}
        pod["spec"] = template["spec"] | {"serviceAccountName": "default", "restartPolicy": "Never"}
        done = scenario.plane.try_kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))
        assert done.returncode == 0, f"{owner}: {done.stderr}"
