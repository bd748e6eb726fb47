"""What a real API server says to every tree, and whether the agent finds a pod with the rights that are shipped."""

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.harness import collectors, definitions, shipped
from tests.e2e.harness.collectors import Collector
from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.spans import Call, Sender, trace_ids
from tests.e2e.tracing.conftest import Chain
from tests.tracing_manifests.conftest import TREES, pod_templates

NAMESPACE = "tracing"
DEFINITIONS = (
    "opentelemetrycollectors.opentelemetry.io",
    "podmonitors.monitoring.coreos.com",
)
RIGHTS = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    started = ControlPlane.start(tmp_path_factory.mktemp("cluster"), pod_start_seconds=0)
    try:
        definitions.install(started, *DEFINITIONS)
        started.apply(*shipped.rendered("namespace"))
        yield started
    finally:
        started.stop()


@pytest.mark.parametrize("tree", TREES)
def test_every_tree_would_be_accepted(plane: ControlPlane, tree: str) -> None:
    objects = shipped.rendered(tree)
    words = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-")
    done = plane.try_kubectl(*words, stdin=yaml.safe_dump_all(objects))
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower(), done.stderr
    assert len(done.stdout.splitlines()) == len(objects)


def test_every_pod_is_admitted_where_pod_security_is_restricted(plane: ControlPlane) -> None:
    pods = [
        tried(f"tried-{number}", one)
        for number, one in enumerate(itertools.chain.from_iterable(map(pod_templates, TREES)))
    ]
    done = plane.try_kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(pods))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(pods) > len(TREES) / 2


def tried(name: str, template: dict[str, Any]) -> dict[str, Any]:
    """A pod of the template, with a directory where a claim would be."""
    spec = template["spec"] | {"serviceAccountName": "default", "restartPolicy": "Never"}
    spec["volumes"] = list(spec.get("volumes", []))
    known = {one["name"] for one in spec["volumes"]}
    mounted = {one["name"] for container in spec["containers"] for one in container.get("volumeMounts", [])}
    spec["volumes"] += [{"name": claim, "emptyDir": {}} for claim in sorted(mounted - known)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


@pytest.fixture(scope="module")
def pod(plane: ControlPlane) -> dict[str, Any]:
    """One pod of a Deployment, on a node."""
    labels = {"app": "searcher", "app.kubernetes.io/version": "7.1", "app.kubernetes.io/part-of": "shop"}
    container = {"name": "mcp", "image": "example.invalid/mcp:1"}
    plane.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "searcher", "namespace": "shop"},
            "spec": {
                "selector": {"matchLabels": {"app": "searcher"}},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        },
    )

    def running() -> dict[str, Any] | None:
        (one,) = plane.get("pods", "-n", "shop")["items"]
        return one if one["status"]["phase"] == "Running" else None

    return wait_until(running, seconds=60, what="the pod of shop/searcher runs")


@pytest.fixture
def agent(plane: ControlPlane, chain: Chain, pod: dict[str, Any], tmp_path: Path) -> Iterator[Collector]:
    """The agent of the pod's node, with k8s_attributes as it is shipped and its own ServiceAccount's token."""
    plane.apply(*(one for one in shipped.rendered("collector/base") if one["kind"] in RIGHTS))
    started = collectors.agent(
        tmp_path,
        gateway_port=chain.gateway.grpc_port,
        kubeconfig=plane.kubeconfig("agent", plane.token(NAMESPACE, "agent")),
        node=pod["spec"]["nodeName"],
    )
    yield started.start()
    started.stop()


def test_a_span_is_given_the_names_of_its_pod_and_deployment(
    agent: Collector, chain: Chain, pod: dict[str, Any]
) -> None:
    call = Call(next(trace_ids(random.Random(51))), failed=True)
    sender = Sender(agent.http_port, server="searcher", resource={"k8s.pod.uid": pod["metadata"]["uid"]})
    sender.send([call])
    spans = chain.jaeger.call(call.trace_id)
    about = next(span for span in spans if span.service == "searcher").resource
    assert about["k8s.pod.name"] == pod["metadata"]["name"]
    assert about["k8s.namespace.name"] == "shop"
    assert about["k8s.deployment.name"] == "searcher"
    assert about["k8s.node.name"] == pod["spec"]["nodeName"]
    assert (about["service.version"], about["service.namespace"]) == ("7.1", "shop")
    assert "forbidden" not in agent.server.log.read_text()  # type: ignore[union-attr]
