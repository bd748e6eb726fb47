"""What the structure tests of tracing/ share: the rendered trees and the pods in them."""

from collections.abc import Iterator
from typing import Any

from tests.e2e.harness.shipped import rendered

Manifest = dict[str, Any]
COLLECTOR_TREES = [
    "collector/base",
    "collector/overlays/keep-all",
    "collector/overlays/operator",
    "collector/overlays/small",
    "collector/overlays/zipkin",
]
JAEGER_TREES = [
    "jaeger/base",
    "jaeger/overlays/clickhouse",
    "jaeger/overlays/elasticsearch",
    "jaeger/overlays/opensearch",
]
WHOLE_TREES = ["overlays/production", "overlays/small"]
TREES = ["namespace", *COLLECTOR_TREES, *JAEGER_TREES, *WHOLE_TREES]
COMPONENTS = ["collector/components/monitoring", "jaeger/components/monitoring", "jaeger/components/stateless"]
_WORKLOADS = {"DaemonSet", "Deployment", "StatefulSet"}


def workloads(tree: str) -> list[Manifest]:
    """Everything that makes pods for good."""
    return [one for one in rendered(tree) if one["kind"] in _WORKLOADS]


def pod_templates(tree: str) -> Iterator[Manifest]:
    """Of workloads and of CronJobs."""
    for one in rendered(tree):
        if one["kind"] in _WORKLOADS:
            yield one["spec"]["template"]
        elif one["kind"] == "CronJob":
            yield one["spec"]["jobTemplate"]["spec"]["template"]
